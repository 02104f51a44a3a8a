"""Multiple-gradient descent: the shortest convex combination of the gradients.

Source: Desideri 2012; Sener and Koltun, arXiv 1810.04650.

alpha minimises ||sum_t alpha_t g_t||^2 over alpha >= 0, sum alpha = 1. The result is a common descent direction, or
zero at a Pareto-stationary point; it leans to the task with the smallest gradient, which `normalize` evens out: alpha
is found for gradients divided by their norms (`l2`), by the losses (`loss`), or by both (`loss+`), and taken for them
as they are, as the authors' code does (theirs also weighs a task's own layers by alpha). `on: representation` is
MGDA-UB. `tasks.<task>.weight` has no meaning here. Solved exactly: u >= 0 minimises u'Gu / 2 - sum u, and alpha = u /
sum u; a combination shorter than 1e-6 of the shortest gradient counts as zero, since float32 doesn't know it.
"""

from typing import Literal

import numpy as np

from mtl_cli.backend import Tensor, tf
from mtl_cli.linalg.gram import Gram
from mtl_cli.linalg.solvers import RIDGE, nonnegative_qp
from mtl_cli.weighting.base import GradientWeighting, MethodState, Observation


class Mgda(GradientWeighting):
    """The min-norm point of the convex hull of the gradients."""

    name: Literal["mgda"] = "mgda"
    normalize: Literal["none", "l2", "loss", "loss+"] = "none"

    honours_weights = False

    def task_weights(
        self, memory: MethodState, seen: Observation, gram: Gram, weights_T: Tensor
    ) -> tuple[MethodState, Tensor]:
        """Returns alpha; a task without a label in the batch takes no part."""
        divisors_T = self._divisors_T(seen, gram)
        scaled = gram.scaled(1.0 / divisors_T)
        shortest = tf.reduce_min(tf.where(seen.present_T, scaled.norms_T, np.inf))
        lengths_T = tf.maximum(scaled.norms_T, 1e-300)  # a gradient that is zero is the shortest combination alone
        pull_T = tf.where(seen.present_T, tf.maximum(shortest, 1e-300) / lengths_T, 0.0)
        u_T = nonnegative_qp(scaled.cosines_TT, -pull_T[None])[0] * pull_T
        alpha_T = tf.math.divide_no_nan(u_T, tf.reduce_sum(u_T))
        sides_T = alpha_T * scaled.norms_T
        square = tf.reduce_sum(sides_T * tf.linalg.matvec(scaled.cosines_TT, sides_T))
        return memory, tf.where(square > tf.square(RIDGE * shortest), alpha_T, 0.0)

    def _divisors_T(self, seen: Observation, gram: Gram) -> Tensor:
        losses_T = tf.cast(tf.where(seen.losses_T > 0, seen.losses_T, 1.0), tf.float64)
        return {
            "none": tf.ones_like(losses_T),
            "l2": gram.lengths_T,
            "loss": losses_T,
            "loss+": losses_T * gram.lengths_T,
        }[self.normalize]
