"""Geometric loss strategy: the product of the losses to the powers of their weights.

Source: Chennupati et al., arXiv 1902.08325.

L = prod_t L_t^p_t with p = w / sum(w), w `tasks.<task>.weight`, of the tasks that have labels in the batch, so
dL/dL_t = p_t L / L_t. With equal weights it is the paper's (prod L)^(1/T). Computed as exp(sum p log L); a loss below
1e-30 counts as 1e-30.
"""

from typing import Literal

from mtl_cli.backend import Tensor, tf
from mtl_cli.weighting.base import LossWeighting, MethodState, Observation


class Geometric(LossWeighting):
    """The weighted geometric mean of the losses."""

    name: Literal["geometric"] = "geometric"

    def joint_loss(self, memory: MethodState, seen: Observation) -> tuple[MethodState, Tensor]:
        """Returns exp(sum_t p_t log L_t)."""
        weights_T = tf.where(seen.present_T, seen.weights_T, 0.0)
        powers_T = tf.math.divide_no_nan(weights_T, tf.reduce_sum(weights_T))
        return memory, tf.exp(tf.reduce_sum(powers_T * seen.log_losses_T))
