"""Adam (Kingma and Ba, arXiv 1412.6980)."""

from typing import Literal

from mtl_cli.backend import Tensor, tf
from mtl_cli.optimizers.base import Optimizer, bias_corrected, moments
from mtl_cli.settings import Fraction, Positive


class Adam(Optimizer):
    """m <- b1 m + (1-b1) g, v <- b2 v + (1-b2) g^2, p <- p - a sqrt(1-b2^t) / (1-b1^t) m / (sqrt(v) + epsilon).

    Kingma and Ba, arXiv 1412.6980, in the form before their section 2.1 (epsilon is not bias-corrected).
    """

    name: Literal["adam"] = "adam"
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: Positive = 1e-8

    slots = ("m", "v")

    def rate(self, learning_rate: Tensor, count: Tensor) -> Tensor:
        """Returns the bias-corrected step size."""
        return bias_corrected(learning_rate, count, self.beta_1, self.beta_2)

    def move(self, p: Tensor, g: Tensor, rate: Tensor, learning_rate: Tensor, *slots: Tensor) -> tuple[Tensor, ...]:
        """Returns p, m, v."""
        m, v = moments(g, slots, self.beta_1, self.beta_2)
        return p - rate * m / (tf.sqrt(v) + self.epsilon), m, v
