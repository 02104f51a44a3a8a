"""DualProj: the weighted sum of the gradients, projected to where it hurts no task.

Source: Lopez-Paz and Ranzato's gradient episodic memory, arXiv 1706.08840, for tasks; named so in arXiv 2406.16232.

The direction is the point nearest to g_0 = sum_t w_t g_t with d . g_t >= 0 for all t. w is `tasks.<task>.weight`; the
default 1 / T is the mean, and a task of weight 0 still isn't hurt. Solved exactly: d = g_0 + sum_t u_t g_t, u >= 0
minimising u'Gu / 2 + u . Gw.
"""

from typing import Literal

from mtl_cli.backend import Tensor, tf
from mtl_cli.linalg.gram import Gram
from mtl_cli.linalg.solvers import nonnegative_qp
from mtl_cli.weighting.base import GradientWeighting, MethodState, Observation


class DualProj(GradientWeighting):
    """The projection of the weighted sum on the dual cone."""

    name: Literal["dualproj"] = "dualproj"

    def task_weights(
        self, memory: MethodState, seen: Observation, gram: Gram, weights_T: Tensor
    ) -> tuple[MethodState, Tensor]:
        """Returns w + u."""
        sum_T = weights_T * gram.norms_T
        u_T = nonnegative_qp(gram.cosines_TT, tf.linalg.matvec(gram.cosines_TT, sum_T)[None])[0]
        return memory, weights_T + u_T / gram.lengths_T
