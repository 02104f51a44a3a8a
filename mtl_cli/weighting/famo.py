"""Fast adaptive multitask optimization: all losses made to fall at the same rate (Liu et al., arXiv 2306.03792).

With z = softmax(xi), l_t the losses and c = 1 / sum_t(z_t / l_t) it minimises c sum_t z_t log l_t, that is with
weights c z_t / l_t that sum to 1. After the update the losses l' on the same rows are computed anew, and xi takes a
step of Adam along (dz/dxi)'(log l - log l') + weight_decay xi: the task that gained least gets more weight. It costs
a second forward pass. The losses must be above 0 (one below 1e-30 counts as 1e-30). A task without a label in the
batch takes no part, and its xi stays. `tasks.<task>.weight` has no meaning here.
"""

from collections.abc import Callable, Sequence
from typing import Literal

from mtl_cli.backend import Tensor, tf
from mtl_cli.settings import NonNegative, Positive
from mtl_cli.weighting.base import MethodState, Observation, Update, Weighting, learn, learning, logarithms


class Famo(Weighting):
    """Weights from how much the last update helped each task."""

    name: Literal["famo"] = "famo"
    learning_rate: Positive = 0.025
    weight_decay: NonNegative = 1e-3

    honours_weights = False

    def init(self, tasks: int, shared: Sequence[Tensor]) -> MethodState:
        """Returns `logits` xi, [T]."""
        return learning({"logits": tf.zeros([tasks])})

    def combine(self, memory: MethodState, seen: Observation) -> tuple[MethodState, Update]:
        """Returns the weights c z_t / l_t."""
        z_T = self._softmax(memory, seen)
        log_T = seen.log_losses_T
        total = tf.reduce_logsumexp(tf.math.log(tf.maximum(z_T, 1e-37)) - log_T)  # log(1 / c)
        weights_T = z_T * tf.exp(-log_T - total)
        joint_loss = tf.exp(-total) * tf.reduce_sum(z_T * log_T)
        return memory, Update(joint_loss, weights_T, weights_T)

    def after_update(self, memory: MethodState, seen: Observation, losses_after: Callable[[], Tensor]) -> MethodState:
        """Returns the memory with xi moved."""
        gains_T = tf.where(seen.present_T, seen.log_losses_T - logarithms(losses_after()), 0.0)
        z_T = self._softmax(memory, seen)
        slopes_T = z_T * (gains_T - tf.reduce_sum(z_T * gains_T)) + self.weight_decay * memory["logits"]
        return learn(memory, {"logits": slopes_T}, self.learning_rate, seen.present_T)

    def _softmax(self, memory: MethodState, seen: Observation) -> Tensor:
        return tf.nn.softmax(tf.where(seen.present_T, memory["logits"], -1e30))
