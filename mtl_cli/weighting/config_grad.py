"""ConFIG: a direction that agrees equally with every unit gradient.

Source: Liu et al., "Conflict-Free Inverse Gradients", arXiv 2408.11104.

x solves u_t . x = p_t for the unit gradients u_t (least squares, smallest x), and d = (sum_t w_t g_t . x) x /
||x||^2. w is `tasks.<task>.weight` and p = T w / sum(w); equal weights give the paper's direction, weights of 1 its
length too. Gradients that are zero take no part.
"""

from typing import Literal

from mtl_cli.backend import Tensor, tf
from mtl_cli.linalg.gram import Gram
from mtl_cli.linalg.solvers import psd_pinv_power
from mtl_cli.weighting.base import GradientWeighting, MethodState, Observation


class ConfigGrad(GradientWeighting):
    """The conflict-free direction."""

    name: Literal["config_grad"] = "config_grad"

    def task_weights(
        self, memory: MethodState, seen: Observation, gram: Gram, weights_T: Tensor
    ) -> tuple[MethodState, Tensor]:
        """Returns the weights of d, as x is a sum of unit gradients too: x = sum_t c_t u_t, c = C^+ p."""
        p_T = len(seen.tasks) * weights_T / tf.reduce_sum(weights_T)
        c_T = tf.linalg.matvec(psd_pinv_power(gram.cosines_TT)[0], p_T)
        agreements_T = tf.linalg.matvec(gram.cosines_TT, c_T)
        length = tf.reduce_sum(weights_T * gram.norms_T * agreements_T)
        square = tf.reduce_sum(c_T * agreements_T)
        there = square > 1e-12 * tf.reduce_sum(p_T * p_T)  # no direction agrees with opposite gradients
        return memory, tf.where(there, length / tf.where(there, square, 1.0), 0.0) * c_T / gram.lengths_T
