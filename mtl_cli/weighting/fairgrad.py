"""FairGrad: alpha-fair shares of the gain (Ban and Ji, arXiv 2402.15638).

weights v > 0 with G v = (p / v)^(1 / alpha), G the Gram matrix: the direction sum_t v_t g_t maximises the sum of p_t
(g_t . d)^(1 - alpha) / (1 - alpha) over a ball. alpha = 1 is proportional fairness (Nash-MTL without its limit),
alpha towards 0 the sum of gains, large alpha the worst task's gain. p = T w / sum(w) from `tasks.<task>.weight`; with
equal weights it is the paper's. Gradients that are zero and tasks of weight 0 take no part. Solved by Newton's method
to 1e-9.
"""

from typing import Annotated, Literal

from pydantic import Field

from mtl_cli.backend import Tensor, tf
from mtl_cli.linalg.gram import Gram
from mtl_cli.linalg.solvers import solve_power_balance
from mtl_cli.settings import Positive
from mtl_cli.weighting.base import GradientWeighting, MethodState, Observation


class FairGrad(GradientWeighting):
    """The alpha-fair solution."""

    name: Literal["fairgrad"] = "fairgrad"
    alpha: Annotated[Positive, Field(ge=0.1, le=10)] = 2.0

    def task_weights(
        self, memory: MethodState, seen: Observation, gram: Gram, weights_T: Tensor
    ) -> tuple[MethodState, Tensor]:
        """Returns v, as x / ||g|| with C x = p^(1 / alpha) ||g||^(1 / alpha - 1) x^(-1 / alpha)."""
        power = 1.0 / tf.cast(self.alpha, tf.float64)
        p_T = (len(seen.tasks) * weights_T / tf.reduce_sum(weights_T)) ** power
        sharing = gram.scaled(tf.cast(weights_T > 0, tf.float64))
        there_T = sharing.norms_T > 0
        x_T = solve_power_balance(
            sharing.cosines_TT, tf.where(there_T, p_T * gram.lengths_T ** (power - 1.0), 1.0), power
        )
        return memory, tf.where(there_T, x_T, 0.0) / gram.lengths_T
