"""GradNorm: weights that make the tasks train at similar rates (Chen et al., arXiv 1711.02257).

With G_t = ||w_t grad L_t|| at the last shared layer, rates r_t = (L_t / L_t(0)) / mean, and targets mean(G) r_t^alpha
taken as constants, w takes a step of Adam along the gradient of sum_t |G_t - target_t|, which is sign(G_t - target_t)
||grad L_t||; then w is scaled to sum to T. L_t(0) is the task's first loss above 0. The paper leaves open what
happens to a weight below 0: here none falls below 1e-4 before w is scaled. A task without a label in the batch takes
no part, and its weight stays. `tasks.<task>.weight` has no meaning here: the rates decide.
"""

from collections.abc import Sequence
from typing import Literal

from mtl_cli.backend import Tensor, tf
from mtl_cli.settings import NonNegative, Positive
from mtl_cli.weighting.base import MethodState, Observation, Update, Weighting, learn, learning


class GradNorm(Weighting):
    """Weights learned from gradient norms and training rates."""

    name: Literal["gradnorm"] = "gradnorm"
    on: Literal["last_layer", "parameters", "representation"] = "last_layer"
    alpha: NonNegative = 1.5
    learning_rate: Positive = 0.025

    honours_weights = False
    asks_gradients = True

    def init(self, tasks: int, shared: Sequence[Tensor]) -> MethodState:
        """Returns `weights` [T], and `initial` losses [T], 0 where there was none yet."""
        return learning({"weights": tf.ones([tasks])}) | {"initial": tf.zeros([tasks])}

    def combine(self, memory: MethodState, seen: Observation) -> tuple[MethodState, Update]:
        """Returns the weights as they are, and the memory with them moved."""
        weights_T = memory["weights"]
        initial_T = tf.where(memory["initial"] > 0, memory["initial"], seen.losses_T)
        slopes_T = self.slopes_T(weights_T, seen, initial_T)
        memory = learn(memory, {"weights": slopes_T}, self.learning_rate, seen.present_T) | {"initial": initial_T}
        memory["weights"] = normalised(memory["weights"], seen.present_T)
        return memory, Update(tf.reduce_sum(weights_T * seen.losses_T), weights_T, weights_T)

    def slopes_T(self, weights_T: Tensor, seen: Observation, initial_T: Tensor) -> Tensor:
        """Returns the derivatives of sum_t |G_t - target_t| by the weights, over the tasks with labels in the batch."""
        norms_T = tf.cast(seen.gram(self.on).norms_T, tf.float32)
        scaled_T = weights_T * norms_T
        progress_T = tf.minimum(tf.math.divide_no_nan(seen.losses_T, initial_T), 1e6)
        targets_T = targets(scaled_T, progress_T, seen.present_T, self.alpha)
        return tf.where(seen.present_T, tf.sign(scaled_T - targets_T) * norms_T, 0.0)


def targets(scaled_T: Tensor, progress_T: Tensor, present_T: Tensor, alpha: Tensor) -> Tensor:
    """Returns mean(G) r^alpha from the norms G and L / L(0), over the tasks with labels in the batch.

    >>> targets(tf.constant([1.0, 4.0]), tf.constant([0.5, 1.0]), tf.constant([True, True]), 1.5).numpy().round(4)
    array([1.3608, 3.849 ], dtype=float32)
    """
    rates_T = tf.math.divide_no_nan(progress_T, _mean(progress_T, present_T))
    return _mean(scaled_T, present_T) * rates_T**alpha


def _mean(values_T: Tensor, present_T: Tensor) -> Tensor:
    counted_T = tf.cast(present_T, tf.float32)
    return tf.reduce_sum(values_T * counted_T) / tf.maximum(tf.reduce_sum(counted_T), 1.0)


def normalised(weights_T: Tensor, present_T: Tensor) -> Tensor:
    """Returns weights above 0 that sum to T, those of absent tasks as they were.

    >>> normalised(tf.constant([1.025, 0.9]), tf.constant([True, True])).numpy().round(5)
    array([1.06494, 0.93506], dtype=float32)
    >>> normalised(tf.constant([1.2, 0.4, 0.9]), tf.constant([True, True, False])).numpy().round(5)
    array([1.575, 0.525, 0.9  ], dtype=float32)
    """
    positive_T = tf.where(present_T, tf.maximum(weights_T, 1e-4), 0.0)
    others = tf.reduce_sum(tf.where(present_T, 0.0, weights_T))
    scaled_T = positive_T * tf.math.divide_no_nan(weights_T.shape[0] - others, tf.reduce_sum(positive_T))
    return tf.where(present_T, scaled_T, weights_T)
