"""Lion (Chen et al., arXiv 2302.06675)."""

from typing import Literal

from mtl_cli.backend import Tensor, tf
from mtl_cli.optimizers.base import Optimizer
from mtl_cli.settings import Fraction


class Lion(Optimizer):
    """p <- p - a sign(b1 m + (1-b1) g), m <- b2 m + (1-b2) g (Chen et al., arXiv 2302.06675).

    Its steps are larger than Adam's: use a third to a tenth of Adam's learning rate.
    """

    name: Literal["lion"] = "lion"
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.99

    slots = ("m",)

    def move(self, p: Tensor, g: Tensor, rate: Tensor, learning_rate: Tensor, *slots: Tensor) -> tuple[Tensor, ...]:
        """Returns p, m."""
        m = slots[0]
        moved = p - rate * tf.sign(self.beta_1 * m + (1.0 - self.beta_1) * g)
        return moved, self.beta_2 * m + (1.0 - self.beta_2) * g
