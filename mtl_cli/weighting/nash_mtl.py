"""Nash-MTL: the tasks bargain for the direction (Navon et al., arXiv 2202.01017).

alpha > 0 with G alpha = p / alpha, G the Gram matrix: the direction sum_t alpha_t g_t maximises sum_t p_t log(g_t .
d) over a ball, whatever the losses' units. p = T w / sum(w) from `tasks.<task>.weight` makes the bargaining
asymmetric; with equal weights it is the paper's. The direction is then shortened to `max_norm`, as in the authors'
code (null: not). Gradients that are zero and tasks of weight 0 take no part. Solved by Newton's method to 1e-9
instead of the paper's sequence of convex programs, in every iteration.
"""

from typing import Literal

from mtl_cli.backend import Tensor, tf
from mtl_cli.linalg.gram import Gram
from mtl_cli.linalg.solvers import solve_power_balance
from mtl_cli.settings import Positive
from mtl_cli.weighting.base import GradientWeighting, MethodState, Observation


class NashMtl(GradientWeighting):
    """The Nash bargaining solution."""

    name: Literal["nash_mtl"] = "nash_mtl"
    max_norm: Positive | None = 1.0

    def task_weights(
        self, memory: MethodState, seen: Observation, gram: Gram, weights_T: Tensor
    ) -> tuple[MethodState, Tensor]:
        """Returns alpha."""
        p_T = len(seen.tasks) * weights_T / tf.reduce_sum(weights_T)
        bargaining = gram.scaled(tf.cast(weights_T > 0, tf.float64))
        x_T = solve_power_balance(
            bargaining.cosines_TT, tf.where(bargaining.norms_T > 0, p_T, 1.0), tf.ones([], tf.float64)
        )
        x_T = tf.where(bargaining.norms_T > 0, x_T, 0.0)
        if self.max_norm is not None:
            norm = tf.sqrt(tf.maximum(tf.reduce_sum(x_T * tf.linalg.matvec(gram.cosines_TT, x_T)), 0.0))
            limit = tf.cast(self.max_norm, tf.float64)
            x_T *= limit / tf.maximum(norm, limit)
        return memory, x_T / gram.lengths_T
