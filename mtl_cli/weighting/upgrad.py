"""UPGrad: every gradient projected to where it hurts no task, then added (Quinton and Rey, arXiv 2406.16232).

For each task i, p_i is the point nearest to g_i with p_i . g_t >= 0 for all t (the dual cone); the direction is sum_i
w_i p_i, which hurts no task. w is `tasks.<task>.weight`; the default 1 / T is the paper's mean, and a task of weight
0 still isn't hurt. It is linear in every gradient's scale, and for two tasks it is PCGrad. Solved exactly: p_i = g_i
+ sum_t u_t g_t, u >= 0 minimising u'Gu / 2 + u . (G)_i.
"""

from typing import Literal

from mtl_cli.backend import Tensor, tf
from mtl_cli.linalg.gram import Gram
from mtl_cli.linalg.solvers import nonnegative_qp
from mtl_cli.weighting.base import GradientWeighting, MethodState, Observation


class UpGrad(GradientWeighting):
    """The weighted sum of the projections on the dual cone."""

    name: Literal["upgrad"] = "upgrad"

    def task_weights(
        self, memory: MethodState, seen: Observation, gram: Gram, weights_T: Tensor
    ) -> tuple[MethodState, Tensor]:
        """Returns the weights of the sum of the projections."""
        u_TT = nonnegative_qp(gram.cosines_TT, gram.cosines_TT)
        return memory, weights_T + tf.linalg.matvec(u_TT, weights_T * gram.norms_T, transpose_a=True) / gram.lengths_T
