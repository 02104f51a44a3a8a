"""IMTL's loss balance: losses scaled, by learned factors, to be alike.

Source: Liu et al., "Towards Impartial Multi-task Learning", ICLR 2021.

L = sum_t (exp(s_t) L_t - s_t); s is learned with the network, by an Adam of its own. At its optimum exp(s_t) = 1 /
L_t, so in the end the method is `log`; s beyond 30 in size counts as 30. It is impartial: `tasks.<task>.weight` has
no meaning here.
"""

from collections.abc import Sequence
from typing import Literal

from mtl_cli.backend import Tensor, tf
from mtl_cli.settings import Positive
from mtl_cli.weighting.base import LossWeighting, MethodState, Observation, exponentials, learn, learning


class ImtlL(LossWeighting):
    """The sum of scaled losses and what keeps the scales from vanishing."""

    name: Literal["imtl_l"] = "imtl_l"
    learning_rate: Positive = 0.025

    honours_weights = False

    def init(self, tasks: int, shared: Sequence[Tensor]) -> MethodState:
        """Returns `log_scales` s, [T]."""
        return learning({"log_scales": tf.zeros([tasks])})

    def joint_loss(self, memory: MethodState, seen: Observation) -> tuple[MethodState, Tensor]:
        """Returns the value above, over the tasks that have labels in the batch."""
        s_T = memory["log_scales"]
        with tf.GradientTape() as tape:
            tape.watch(s_T)
            value = tf.reduce_sum(tf.where(seen.present_T, exponentials(s_T) * seen.losses_T - s_T, 0.0))
        return learn(memory, {"log_scales": tape.gradient(value, s_T)}, self.learning_rate, seen.present_T), value
