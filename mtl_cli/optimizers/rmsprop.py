"""RMSprop (Hinton's lecture 6e, 2012)."""

from typing import Literal

from mtl_cli.backend import Tensor, tf
from mtl_cli.optimizers.base import Optimizer
from mtl_cli.settings import Fraction, Positive


class RmsProp(Optimizer):
    """v <- rho v + (1-rho) g^2, m <- momentum m + a g / sqrt(v + epsilon), p <- p - m (Hinton's lecture 6e, 2012)."""

    name: Literal["rmsprop"] = "rmsprop"
    rho: Fraction = 0.9
    momentum: Fraction = 0.0
    epsilon: Positive = 1e-7

    slots = ("v", "m")

    def move(self, p: Tensor, g: Tensor, rate: Tensor, learning_rate: Tensor, *slots: Tensor) -> tuple[Tensor, ...]:
        """Returns p, v, m."""
        v = self.rho * slots[0] + (1.0 - self.rho) * tf.square(g)
        m = self.momentum * slots[1] + rate * g / tf.sqrt(v + self.epsilon)
        return p - m, v, m
