"""Impartial multi-task learning: losses scaled as in `imtl_l`, gradients weighed as in `imtl_g`.

Source: Liu et al., ICLR 2021.

A task's own layers get the gradient of exp(s_t) L_t, the shared ones sum_t alpha_t grad(exp(s_t) L_t) with equal
projections and sum alpha = 1; s is learned by an Adam of its own on sum_t (exp(s_t) L_t - s_t). `tasks.<task>.weight`
has no meaning here.
"""

from collections.abc import Sequence
from typing import Literal

from mtl_cli.backend import Tensor, tf
from mtl_cli.linalg.solvers import equal_projection_weights
from mtl_cli.settings import Positive
from mtl_cli.weighting.base import MethodState, Observation, Update, Weighting, exponentials, learn, learning


class Imtl(Weighting):
    """Both balances."""

    name: Literal["imtl"] = "imtl"
    on: Literal["parameters", "representation"] = "parameters"
    learning_rate: Positive = 0.025

    honours_weights = False
    asks_gradients = True

    def init(self, tasks: int, shared: Sequence[Tensor]) -> MethodState:
        """Returns `log_scales` s, [T]."""
        return learning({"log_scales": tf.zeros([tasks])})

    def combine(self, memory: MethodState, seen: Observation) -> tuple[MethodState, Update]:
        """Returns exp(s) for the tasks' own parameters and alpha exp(s) for the shared ones."""
        s_T = memory["log_scales"]
        scales_T = exponentials(s_T)
        scaled_T = scales_T * seen.losses_T
        alpha_T = equal_projection_weights(seen.gram(self.on).scaled(tf.cast(scales_T, tf.float64)))
        slopes_T = tf.where(seen.present_T, scaled_T - 1.0, 0.0)
        joint_loss = tf.reduce_sum(tf.where(seen.present_T, scaled_T - s_T, 0.0))
        memory = learn(memory, {"log_scales": slopes_T}, self.learning_rate, seen.present_T)
        return memory, Update(joint_loss, scales_T, tf.cast(alpha_T, tf.float32) * scales_T)
