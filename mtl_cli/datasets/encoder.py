"""The way from a row of data to the network's first units. Shapes: B rows a batch, F features, D units."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from mtl_cli.backend import Array, Tensor, keras


class FeatureEncoder(ABC):
    """The way from a row of data to the network's first units."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Numbers a row, F."""

    @property
    @abstractmethod
    def structure(self) -> str:
        """A text that is equal for entries that build the same network."""

    @abstractmethod
    def units(self, features: Tensor, random: np.random.Generator) -> tuple[Tensor, list[Any]]:
        """Returns the network's first units, [B, D] from [B, F], and the layers with variables on the way."""

    def initial(self, random: np.random.Generator) -> list[Array]:
        """Returns the first values of those layers' variables, as `units` draws them."""
        return []

    @abstractmethod
    def raw(self) -> tuple[Any, Tensor]:
        """Returns the saved model's inputs, and the features [B, F] made of them."""


@dataclass(frozen=True)
class PlainFeatures(FeatureEncoder):
    """Features that go into the network as they are."""

    count: int

    @property
    def width(self) -> int:
        """Numbers a row."""
        return self.count

    @property
    def structure(self) -> str:
        """Tells widths apart."""
        return repr(self)

    def units(self, features: Tensor, random: np.random.Generator) -> tuple[Tensor, list[Any]]:
        """Returns the features."""
        return features, []

    def raw(self) -> tuple[Any, Tensor]:
        """Returns one input, `features` [B, F]."""
        inputs = keras.Input((self.count,), name="features")
        return inputs, inputs
