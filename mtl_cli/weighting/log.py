"""Scale-invariant loss: the weighted sum of the losses' logarithms, sum_t w_t log L_t.

w is `tasks.<task>.weight`. A task's gradient is w_t grad L_t / L_t, whatever unit its loss is in. With weights of 1
it is the usual sum (as in Navon et al., arXiv 2202.01017); the default weights 1 / T make it the mean. A loss below
1e-30 counts as 1e-30.
"""

from typing import Literal

from mtl_cli.backend import Tensor, tf
from mtl_cli.weighting.base import LossWeighting, MethodState, Observation


class Log(LossWeighting):
    """The weighted sum of log losses."""

    name: Literal["log"] = "log"

    def joint_loss(self, memory: MethodState, seen: Observation) -> tuple[MethodState, Tensor]:
        """Returns sum_t w_t log L_t."""
        return memory, tf.reduce_sum(seen.weights_T * seen.log_losses_T)
