"""Conflict-averse gradient descent: the best worst-case gain near the average gradient.

Source: Liu et al., arXiv 2110.14048.

With g_0 = sum_t w_t g_t the direction maximises min_t g_t . d over ||d - g_0|| <= c ||g_0||, which is d = g_0 + c
||g_0|| g_v / ||g_v||, g_v = sum_t v_t g_t, for the v of the simplex that minimises g_v . g_0 + c ||g_0|| ||g_v||. w
is `tasks.<task>.weight`; the default 1 / T make g_0 the paper's mean. c = 0 is `fixed`; c >= 1 never hurts a task.
`rescale` divides d, as the authors' code can: by 1 + c^2 (theirs by default) or by 1 + c.

Solved exactly: for y >= 0, y = lambda v, the stationary points are those of ||g_0 + sum y_t g_t||^2 / 2 - nu sum y_t;
they move along straight lines as nu grows, and are followed from corner to corner until ||sum y_t g_t|| = c ||g_0||.
"""

from typing import Literal

from mtl_cli.backend import Tensor, tf
from mtl_cli.linalg.gram import Gram
from mtl_cli.linalg.solvers import parametric_qp
from mtl_cli.settings import NonNegative
from mtl_cli.weighting.base import GradientWeighting, MethodState, Observation


class CaGrad(GradientWeighting):
    """The average gradient, bent towards the task that gains least."""

    name: Literal["cagrad"] = "cagrad"
    c: NonNegative = 0.4
    rescale: Literal["none", "1+c2", "1+c"] = "none"

    def task_weights(
        self, memory: MethodState, seen: Observation, gram: Gram, weights_T: Tensor
    ) -> tuple[MethodState, Tensor]:
        """Returns w + y; a task without a label in the batch, or whose gradient is zero, takes no part."""
        norms_T, lengths_T = gram.norms_T, gram.lengths_T
        mean_T = weights_T * norms_T
        against_T = tf.linalg.matvec(gram.cosines_TT, mean_T)
        radius = tf.cast(self.c, tf.float64) * tf.sqrt(tf.maximum(tf.reduce_sum(mean_T * against_T), 0.0))
        y_T = parametric_qp(
            gram.cosines_TT,
            against_T,
            tf.where(tf.logical_and(seen.present_T, norms_T > 0), 1.0 / lengths_T, 0.0),
            radius,
        )
        scale = {"none": 1.0, "1+c2": 1.0 / (1.0 + self.c**2), "1+c": 1.0 / (1.0 + self.c)}[self.rescale]
        return memory, (weights_T + y_T / lengths_T) * tf.cast(scale, tf.float64)
