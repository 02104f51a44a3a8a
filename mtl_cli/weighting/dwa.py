"""Dynamic weight average: more weight for tasks whose losses fall more slowly (Liu et al., arXiv 1803.10704).

L = sum_t w_t lambda_t L_t with lambda = T softmax(r / temperature) and r_t the task's mean loss in the last window of
iterations over that in the one before; 1 in the first two. The paper's window is an epoch. The factors' mean is 1, so
that `tasks.<task>.weight` means what it does in `fixed`; the paper's sum is that of weights 1.
"""

from collections.abc import Sequence
from typing import Literal

from mtl_cli.backend import Tensor, tf
from mtl_cli.settings import Positive, Whole
from mtl_cli.weighting.base import LossWeighting, MethodState, Observation


class Dwa(LossWeighting):
    """The weighted sum times factors from the losses' rates of change."""

    name: Literal["dwa"] = "dwa"
    temperature: Positive = 2.0
    window: Whole = 100

    def init(self, tasks: int, shared: Sequence[Tensor]) -> MethodState:
        """Returns the sums of this window's losses, and the means of the last two windows (0: none yet)."""
        zeros_T = tf.zeros([tasks])
        return {"iterations": tf.zeros([]), "sums": zeros_T, "counts": zeros_T, "last": zeros_T, "before": zeros_T}

    def joint_loss(self, memory: MethodState, seen: Observation) -> tuple[MethodState, Tensor]:
        """Returns sum_t w_t lambda_t L_t."""
        known_T = tf.logical_and(memory["last"] > 0, memory["before"] > 0)
        ratios_T = tf.where(known_T, memory["last"] / tf.where(known_T, memory["before"], 1.0), 1.0)
        ratios_T = tf.minimum(ratios_T, 1e6)
        factors_T = len(seen.tasks) * tf.nn.softmax(ratios_T / self.temperature)
        joint_loss = tf.reduce_sum(factors_T * seen.weights_T * seen.losses_T)
        return self._remembered(memory, seen), joint_loss

    def _remembered(self, memory: MethodState, seen: Observation) -> MethodState:
        iterations = memory["iterations"] + 1.0
        sums_T = memory["sums"] + seen.losses_T
        counts_T = memory["counts"] + tf.cast(seen.present_T, tf.float32)
        full = iterations >= self.window
        moves_T = tf.logical_and(full, counts_T > 0)
        return {
            "iterations": tf.where(full, 0.0, iterations),
            "sums": tf.where(full, 0.0, sums_T),
            "counts": tf.where(full, 0.0, counts_T),
            "last": tf.where(moves_T, sums_T / tf.maximum(counts_T, 1.0), memory["last"]),
            "before": tf.where(moves_T, memory["last"], memory["before"]),
        }
