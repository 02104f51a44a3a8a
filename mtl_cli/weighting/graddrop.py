"""GradDrop: every coordinate keeps the gradients of one sign only, chosen at random (Chen et al., arXiv 2010.06808).

For each shared parameter with the tasks' gradients w_t g_t: P = (1 + sum / sum of sizes) / 2 is how positive they
are; with probability P the positive ones are kept, else the negative ones, and added. A task keeps the fraction
`leak` of what it would lose. With weights w = `tasks.<task>.weight` of 1 it is the paper's, on the parameters'
gradients (the paper's are those of activations).
"""

from typing import Literal

import numpy as np

from mtl_cli.backend import Arrays, Tensor, tf
from mtl_cli.settings import UnitInterval
from mtl_cli.weighting.base import MethodState, Observation, Update, Weighting

LEVELS = 2**16
"""A random number is one of this many in (0, 1), each the middle of its step."""


class GradDrop(Weighting):
    """Sums of gradients of one sign."""

    name: Literal["graddrop"] = "graddrop"
    leak: UnitInterval = 0.0

    asks_gradients = True

    def draw(self, random: np.random.Generator, n: int, tasks: int, shared: int) -> Arrays:
        """Draws `levels` [n, P], whole numbers below LEVELS."""
        raw = random.bit_generator.random_raw(n * -(-shared // 4)).view(np.uint16)  # a 64-bit word makes four
        return {"levels": raw.reshape(n, -1)[:, :shared]}

    def combine(self, memory: MethodState, seen: Observation) -> tuple[MethodState, Update]:
        """Returns the sum, which is no weighted one."""
        weights_T, direction, start = seen.weights_T, [], 0
        for gradients in seen.gradients("parameters"):
            shape = gradients.shape[1:]
            levels = tf.reshape(seen.drawn["levels"][start : start + shape.num_elements()], shape)
            start += shape.num_elements()
            weighted = gradients * tf.reshape(weights_T, [-1] + [1] * len(shape))
            direction.append(self._one_sign(weighted, (tf.cast(levels, tf.float32) + 0.5) / LEVELS))
        nothing_T = tf.fill(weights_T.shape, np.nan)
        return memory, Update(seen.weighted_loss, weights_T, nothing_T, direction)

    def _one_sign(self, weighted: Tensor, uniform: Tensor) -> Tensor:
        """Returns the sum over tasks, from [T, ...] and a number in (0, 1) for each parameter, [...]."""
        upward = tf.reduce_sum(tf.maximum(weighted, 0.0), axis=0)
        downward = tf.reduce_sum(tf.maximum(-weighted, 0.0), axis=0)
        positive = tf.math.divide_no_nan(upward, upward + downward) > uniform
        kept = tf.where(positive, weighted > 0, weighted < 0)
        return tf.reduce_sum(tf.where(kept, weighted, self.leak * weighted), axis=0)
