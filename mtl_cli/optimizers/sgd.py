"""Stochastic gradient descent, with momentum or Nesterov's."""

from typing import Literal

from mtl_cli.backend import Tensor
from mtl_cli.optimizers.base import Optimizer
from mtl_cli.settings import Fraction


class Sgd(Optimizer):
    """m <- momentum m - a g, p <- p + m; with `nesterov` p <- p + momentum m - a g.

    Polyak 1964; Nesterov's form after Sutskever et al., ICML 2013. Momentum 0 is plain gradient descent.
    """

    name: Literal["sgd"] = "sgd"
    momentum: Fraction = 0.0
    nesterov: bool = False

    slots = ("m",)

    def move(self, p: Tensor, g: Tensor, rate: Tensor, learning_rate: Tensor, *slots: Tensor) -> tuple[Tensor, ...]:
        """Returns p, m."""
        step = rate * g
        m = self.momentum * slots[0] - step
        return p + (self.momentum * m - step if self.nesterov else m), m
