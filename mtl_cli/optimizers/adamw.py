"""AdamW: Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101)."""

from typing import Literal

from mtl_cli.backend import Tensor, tf
from mtl_cli.optimizers.base import Optimizer, bias_corrected, moments
from mtl_cli.settings import Fraction, NonNegative, Positive


class AdamW(Optimizer):
    """Adam after p <- p - a weight_decay p, on every parameter (Loshchilov and Hutter, arXiv 1711.05101)."""

    name: Literal["adamw"] = "adamw"
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: Positive = 1e-8
    weight_decay: NonNegative = 0.004

    slots = ("m", "v")

    def rate(self, learning_rate: Tensor, count: Tensor) -> Tensor:
        """Returns the bias-corrected step size."""
        return bias_corrected(learning_rate, count, self.beta_1, self.beta_2)

    def move(self, p: Tensor, g: Tensor, rate: Tensor, learning_rate: Tensor, *slots: Tensor) -> tuple[Tensor, ...]:
        """Returns p, m, v."""
        m, v = moments(g, slots, self.beta_1, self.beta_2)
        return p - learning_rate * self.weight_decay * p - rate * m / (tf.sqrt(v) + self.epsilon), m, v
