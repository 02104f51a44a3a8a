"""Gradient vaccine: gradients turned until they are as similar as they usually are (Wang et al., arXiv 2010.05874).

For each task i and the other tasks j in random order: where phi = cos(g_i, g_j) is below its running average a_ij,
g_i += ||g_i|| (a sqrt(1 - phi^2) - phi sqrt(1 - a^2)) / (||g_j|| sqrt(1 - a^2)) g_j, with g_i as it is by then and
the original g_j; then a_ij <- (1 - beta) a_ij + beta phi. The direction is the sum over i of what became of w_i g_i;
with weights w = `tasks.<task>.weight` of 1 it is the paper's (a task of weight 0 still turns the others). The
averages begin at 0, so the first step is PCGrad's, and count as 0.999 at most. Cosines are those of all shared
parameters together (the paper also looks at each layer alone); beta is 0.5 as in LibMTL and TorchJD.
"""

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np

from mtl_cli.backend import Arrays, Tensor, tf
from mtl_cli.linalg.gram import Gram
from mtl_cli.linalg.solvers import orders, project_in_turn
from mtl_cli.settings import UnitInterval
from mtl_cli.weighting.base import GradientWeighting, MethodState, Observation

LARGEST: Final = 0.999
"""The largest cosine that a gradient is turned to; at 1 rounding alone would turn it by a million times its length."""


class GradVac(GradientWeighting):
    """The sum of the turned gradients."""

    name: Literal["gradvac"] = "gradvac"
    beta: UnitInterval = 0.5

    def init(self, tasks: int, shared: Sequence[Tensor]) -> MethodState:
        """Returns the running `averages` of the cosines, [T, T]."""
        return {"averages": tf.zeros([tasks, tasks])}

    def draw(self, random: np.random.Generator, n: int, tasks: int, shared: int) -> Arrays:
        """Draws `orders` [n, T, T]: for each task the order in which it looks at the others."""
        return {"orders": orders(random, n, tasks)}

    def task_weights(
        self, memory: MethodState, seen: Observation, gram: Gram, weights_T: Tensor
    ) -> tuple[MethodState, Tensor]:
        """Returns the factors whose sum of gradients is the sum of the turned ones, and the averages moved on."""
        averages_TT = tf.cast(memory["averages"], tf.float64)

        def change(cosines_T: Tensor, norms_T: Tensor, others_TT: Tensor) -> Tensor:
            target_T = tf.clip_by_value(tf.reduce_sum(averages_TT * others_TT, axis=1), -LARGEST, LARGEST)
            across_T = tf.sqrt(1.0 - target_T**2)
            added_T = target_T * tf.sqrt(1.0 - cosines_T**2) / across_T - cosines_T
            return tf.where(cosines_T < target_T, norms_T * added_T, 0.0)

        parts_TT, met_TT = project_in_turn(gram.cosines_TT, seen.drawn["orders"], change)
        there_T = gram.norms_T > 0
        known_TT = tf.logical_and(there_T[:, None], there_T)
        moved_TT = averages_TT + tf.cast(self.beta, tf.float64) * (met_TT - averages_TT)
        memory = memory | {"averages": tf.cast(tf.where(known_TT, moved_TT, averages_TT), tf.float32)}
        return memory, tf.linalg.matvec(parts_TT, weights_T * gram.norms_T, transpose_a=True) / gram.lengths_T
