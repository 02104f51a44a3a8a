"""ExcessMTL: more weight for tasks that are further from their optimum (He et al., arXiv 2402.02009).

A task's excess risk is estimated by e_t = sum over shared parameters of g_t^2 / sqrt(S_t), S_t the sum of g_t^2 over
all iterations up to this one (plus 1e-7); relative to the first estimate it moves the weights: w_t <- w_t
exp(step_size e_t / e_t(0)), scaled to sum to 1, beginning with 1 / T. The weight of a task without a label in the
batch stays, and those of the others keep their sum. `tasks.<task>.weight` has no meaning here.
"""

import math
from collections.abc import Sequence
from typing import Literal

from mtl_cli.backend import Tensor, tf
from mtl_cli.settings import NonNegative
from mtl_cli.weighting.base import MethodState, Observation, Update, Weighting


class ExcessMtl(Weighting):
    """Multiplicative weights from excess risks."""

    name: Literal["excess_mtl"] = "excess_mtl"
    step_size: NonNegative = 1.0

    honours_weights = False
    asks_gradients = True

    def init(self, tasks: int, shared: Sequence[Tensor]) -> MethodState:
        """Returns `logits` (the weights' logarithms) and `initial` estimates [T], `squares` S [T, ...] a parameter."""
        squares = [tf.zeros([tasks, *parameter.shape]) for parameter in shared]
        return {"logits": tf.fill([tasks], -math.log(tasks)), "initial": tf.zeros([tasks]), "squares": squares}

    def combine(self, memory: MethodState, seen: Observation) -> tuple[MethodState, Update]:
        """Returns the weights after this iteration's gradients."""
        rows = seen.gradients("parameters")
        squares = [total + tf.square(row) for total, row in zip(memory["squares"], rows, strict=True)]
        excess_T = tf.add_n(
            [
                tf.reduce_sum(tf.square(row) * tf.math.rsqrt(total + 1e-7), axis=list(range(1, len(row.shape))))
                for total, row in zip(squares, rows, strict=True)
            ]
        )
        initial_T, known_T = memory["initial"], memory["initial"] > 0
        change_T = tf.where(known_T, tf.minimum(tf.math.divide_no_nan(excess_T, initial_T), 1e6), 0.0)
        logits_T = self._moved(memory["logits"], self.step_size * change_T, seen.present_T)
        weights_T = tf.exp(logits_T)
        memory = {"logits": logits_T, "initial": tf.where(known_T, initial_T, excess_T), "squares": squares}
        return memory, Update(tf.reduce_sum(weights_T * seen.losses_T), weights_T, weights_T)

    @staticmethod
    def _moved(logits_T: Tensor, change_T: Tensor, present_T: Tensor) -> Tensor:
        """Returns the logits of the present tasks after their change, with the sum of weights that they had."""
        others = tf.reduce_sum(tf.where(present_T, 0.0, tf.exp(logits_T)))
        moved_T = tf.nn.log_softmax(tf.where(present_T, logits_T + change_T, -1e30))
        return tf.where(present_T, moved_T + tf.math.log1p(-tf.minimum(others, 1.0)), logits_T)
