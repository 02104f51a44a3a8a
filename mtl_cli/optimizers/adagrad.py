"""Adagrad (Duchi et al., JMLR 2011)."""

from typing import Literal

from mtl_cli.backend import Tensor, tf
from mtl_cli.optimizers.base import Optimizer
from mtl_cli.settings import NonNegative, Positive


class Adagrad(Optimizer):
    """v <- v + g^2, p <- p - a g / sqrt(v + epsilon) (Duchi et al., JMLR 2011)."""

    name: Literal["adagrad"] = "adagrad"
    initial_accumulator_value: NonNegative = 0.1
    epsilon: Positive = 1e-7

    slots = ("v",)

    def slot_start(self) -> float:
        """Returns the accumulator's first value."""
        return self.initial_accumulator_value

    def move(self, p: Tensor, g: Tensor, rate: Tensor, learning_rate: Tensor, *slots: Tensor) -> tuple[Tensor, ...]:
        """Returns p, v."""
        v = slots[0] + tf.square(g)
        return p - rate * g / tf.sqrt(v + self.epsilon), v
