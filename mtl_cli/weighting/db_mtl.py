"""Dual-balancing: logarithms of the losses, and smoothed gradients made equally long (Lin et al., arXiv 2308.12029).

m_t <- b m_t + (1 - b) grad log L_t on the shared parameters, b = beta / k^decay in iteration k, beginning with m = 0;
the direction is max_s ||m_s|| times sum_t w_t m_t / ||m_t||. A task's own layers get the gradient of w_t log L_t.
With weights w = `tasks.<task>.weight` of 1 it is the paper's. A loss below 1e-30 counts as 1e-30, a constant; a task
without a label in the batch keeps its m as it is, and its k counts the iterations in which it had one.
"""

from collections.abc import Sequence
from typing import Literal

from mtl_cli.backend import Tensor, tf
from mtl_cli.linalg.gram import gram
from mtl_cli.settings import Fraction, NonNegative
from mtl_cli.weighting.base import MethodState, Observation, Update, Weighting


class DbMtl(Weighting):
    """Smoothed gradients of log losses, all as long as the longest."""

    name: Literal["db_mtl"] = "db_mtl"
    beta: Fraction = 0.9
    decay: NonNegative = 0.0

    asks_gradients = True

    def init(self, tasks: int, shared: Sequence[Tensor]) -> MethodState:
        """Returns the `iterations` k, [T], and `means` m, [T, ...] a parameter."""
        return {"iterations": tf.zeros([tasks]), "means": [tf.zeros([tasks, *parameter.shape]) for parameter in shared]}

    def combine(self, memory: MethodState, seen: Observation) -> tuple[MethodState, Update]:
        """Returns the direction, which is no weighted sum of this iteration's gradients."""
        iterations_T = memory["iterations"] + tf.cast(seen.present_T, tf.float32)
        share_T = tf.where(seen.present_T, 1.0 - self.beta / tf.maximum(iterations_T, 1.0) ** self.decay, 0.0)
        inverses_T = tf.where(seen.losses_T > 1e-30, 1.0 / tf.maximum(seen.losses_T, 1e-30), 0.0)
        means = [
            mean + _along(mean, share_T) * (row * _along(row, inverses_T) - mean)
            for mean, row in zip(memory["means"], seen.gradients("parameters"), strict=True)
        ]
        norms_T = tf.cast(gram(means).norms_T, tf.float32)
        weights_T = seen.weights_T
        factors_T = weights_T * tf.reduce_max(norms_T)
        units = [tf.math.divide_no_nan(mean, _along(mean, norms_T)) for mean in means]
        direction = [tf.reduce_sum(unit * _along(unit, factors_T), axis=0) for unit in units]
        head_weights_T = tf.where(seen.present_T, weights_T * inverses_T, 0.0)
        joint_loss = tf.reduce_sum(weights_T * seen.log_losses_T)
        nothing_T = tf.fill(weights_T.shape, float("nan"))
        return {"iterations": iterations_T, "means": means}, Update(joint_loss, head_weights_T, nothing_T, direction)


def _along(rows: Tensor, numbers_T: Tensor) -> Tensor:
    """Returns one number a task in a shape that multiplies [T, ...]."""
    return tf.reshape(numbers_T, [-1] + [1] * (len(rows.shape) - 1))
