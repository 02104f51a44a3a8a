"""The contract of a weighting method. T tasks."""

from abc import ABC, abstractmethod

from mtl_cli.backend import Tensor
from mtl_cli.settings import Settings


class Weighting(Settings, ABC):
    """A way to combine the tasks' losses, as the user describes it under `weighting`."""

    name: str

    @abstractmethod
    def joint_loss(self, losses_T: Tensor, weights_T: Tensor) -> Tensor:
        """Returns the scalar to minimise from the tasks' losses and `tasks.<task>.weight`, both [T]."""
