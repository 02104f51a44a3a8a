"""How weights begin: Keras' initialisers, by name."""

import sys
from abc import ABC, abstractmethod
from typing import Annotated, Any, Literal, Self

from pydantic import model_validator

from mtl_cli.backend import keras
from mtl_cli.families import any_of, members_of
from mtl_cli.settings import Host, Number, Positive, Settings


class Initializer(Settings, ABC):
    """The distribution of a layer's first weights (biases begin at 0)."""

    @abstractmethod
    def build(self, seed: int) -> Any:
        """Returns the Keras initialiser."""


class Scaled(Initializer):
    """Variance scaled to the layer's width: Glorot and Bengio 2010, He et al. 2015, LeCun et al. 1998."""

    name: Literal["glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal"] = (
        "glorot_uniform"
    )

    def build(self, seed: int) -> Any:
        """Returns the Keras initialiser of that name."""
        return keras.initializers.get({"class_name": self.name, "config": {"seed": seed}})


class Uniform(Initializer):
    """Uniform in [minval, maxval)."""

    name: Literal["uniform"] = "uniform"
    minval: Annotated[Number, Host()] = -0.05
    maxval: Annotated[Number, Host()] = 0.05

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.minval >= self.maxval:
            raise ValueError(f"minval {self.minval:g} must be below maxval {self.maxval:g}")
        return self

    def build(self, seed: int) -> Any:
        """Returns the Keras initialiser."""
        return keras.initializers.RandomUniform(self.minval, self.maxval, seed=seed)


class Normal(Initializer):
    """Normal with mean 0."""

    name: Literal["normal"] = "normal"
    stddev: Annotated[Positive, Host()] = 0.05

    def build(self, seed: int) -> Any:
        """Returns the Keras initialiser."""
        return keras.initializers.RandomNormal(0.0, self.stddev, seed=seed)


AnyInitializer = any_of(members_of(sys.modules[__name__], Initializer))
