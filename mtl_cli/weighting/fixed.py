"""Static weights, also called linear scalarization: sum_t w_t L_t with w = `tasks.<task>.weight`.

The baseline that Kurin et al. (arXiv 2201.04122) and Xin et al. (arXiv 2209.11379) find no method to beat
consistently.
"""

from typing import Literal

from mtl_cli.backend import Tensor
from mtl_cli.weighting.base import LossWeighting, MethodState, Observation


class Fixed(LossWeighting):
    """The weighted sum with the weights of the config."""

    name: Literal["fixed"] = "fixed"

    neutral = True

    def joint_loss(self, memory: MethodState, seen: Observation) -> tuple[MethodState, Tensor]:
        """Returns sum_t w_t L_t."""
        return memory, seen.weighted_loss
