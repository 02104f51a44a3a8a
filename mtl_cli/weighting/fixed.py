"""Static weights, also called linear scalarization: sum over tasks of weight * loss.

The baseline that Kurin et al. (arXiv 2201.04122) and Xin et al. (arXiv 2209.11379) find no method to beat consistently.
"""

from typing import Literal

from mtl_cli.backend import Tensor, tf
from mtl_cli.weighting.base import Weighting


class Fixed(Weighting):
    """The weighted sum with the weights of the config."""

    name: Literal["fixed"] = "fixed"

    def joint_loss(self, losses_T: Tensor, weights_T: Tensor) -> Tensor:
        """Returns sum_t w_t L_t."""
        return tf.reduce_sum(weights_T * losses_T)
