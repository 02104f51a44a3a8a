"""Weights from each task's homoscedastic uncertainty, learned (Kendall, Gal and Cipolla, arXiv 1705.07115).

L = sum_t w_t (k_t exp(-s_t) L_t + s_t / 2) with s_t = log sigma_t^2 and k_t = 1/2 for a regression, 1 for a
classification. So a task's weight is w_t k_t exp(-s_t). s is learned with the network, by an Adam of its own. At its
optimum s_t = log(2 k_t L_t): in the end the method is `log`, and weights grow as losses fall. The value may be
negative; s beyond 30 in size counts as 30. w is `tasks.<task>.weight`, a power of the task's likelihood (in the paper
1); it leaves the optimal s where it is.
"""

from collections.abc import Sequence
from typing import Literal

from mtl_cli.backend import Tensor, tf
from mtl_cli.settings import Number, Positive
from mtl_cli.tasks import Regression
from mtl_cli.weighting.base import LossWeighting, MethodState, Observation, exponentials, learn, learning


class Uncertainty(LossWeighting):
    """The negative log likelihood of tasks with learned variances."""

    name: Literal["uncertainty"] = "uncertainty"
    learning_rate: Positive = 0.025
    initial_log_variance: Number = 0.0

    def init(self, tasks: int, shared: Sequence[Tensor]) -> MethodState:
        """Returns `log_variances` s, [T]."""
        return learning({"log_variances": tf.fill([tasks], self.initial_log_variance)})

    def joint_loss(self, memory: MethodState, seen: Observation) -> tuple[MethodState, Tensor]:
        """Returns the value above, over the tasks that have labels in the batch."""
        halves_T = tf.constant([0.5 if isinstance(task, Regression) else 1.0 for task in seen.tasks.values()])
        weights_T = tf.where(seen.present_T, seen.weights_T, 0.0)
        s_T = memory["log_variances"]
        with tf.GradientTape() as tape:
            tape.watch(s_T)
            value = tf.reduce_sum(weights_T * (halves_T * exponentials(-s_T) * seen.losses_T + 0.5 * s_T))
        return learn(memory, {"log_variances": tape.gradient(value, s_T)}, self.learning_rate, seen.present_T), value
