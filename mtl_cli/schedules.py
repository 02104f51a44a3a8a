"""Learning-rate schedules, with the formulas of `keras.optimizers.schedules`.

A schedule is a factor on `optimizer.learning_rate` for every step s = 0, 1, ..., computed on the host, so that any of
its numbers can change without compiling again.
"""

import sys
from abc import ABC, abstractmethod
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from mtl_cli.families import any_of, members_of
from mtl_cli.settings import NonNegative, Positive, Settings, Share


class Schedule(Settings, ABC):
    """How the learning rate changes over the steps."""

    name: str

    @abstractmethod
    def factors(self, steps: NDArray[np.int64], total: int) -> NDArray[np.float64]:
        """Returns the factor of each of the `steps` (counted from 0) of a run of `total` steps."""


class Constant(Schedule):
    """Always 1."""

    name: Literal["constant"] = "constant"

    def factors(self, steps: NDArray[np.int64], total: int) -> NDArray[np.float64]:
        """Returns ones."""
        return np.ones(len(steps))


class Cosine(Schedule):
    """A linear rise over `warmup_steps`, then half a cosine down to `alpha` over `decay_steps`.

    For u = (s - warmup_steps) / decay_steps, at most 1: (1 - alpha) (1 + cos(pi u)) / 2 + alpha
    (Loshchilov and Hutter, arXiv 1608.03983, without restarts). `decay_steps: null` is the rest of the run.
    """

    name: Literal["cosine"] = "cosine"
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    decay_steps: Annotated[int, Field(ge=1)] | None = None
    alpha: Share = 0.0

    def factors(self, steps: NDArray[np.int64], total: int) -> NDArray[np.float64]:
        """Returns the rise and the half cosine."""
        decay_steps = self.decay_steps or max(total - self.warmup_steps, 1)
        part = np.clip((steps - self.warmup_steps) / decay_steps, 0.0, 1.0)
        decayed = (1 - self.alpha) * 0.5 * (1 + np.cos(np.pi * part)) + self.alpha
        return np.where(steps < self.warmup_steps, steps / max(self.warmup_steps, 1), decayed)


class Exponential(Schedule):
    """decay_rate ^ (s / decay_steps); with `staircase` the quotient is rounded down."""

    name: Literal["exponential"] = "exponential"
    decay_steps: Annotated[int, Field(ge=1)] = 1000
    decay_rate: Positive = 0.96
    staircase: bool = False

    def factors(self, steps: NDArray[np.int64], total: int) -> NDArray[np.float64]:
        """Returns the powers."""
        exponents = steps / self.decay_steps
        return self.decay_rate ** (np.floor(exponents) if self.staircase else exponents)


class Piecewise(Schedule):
    """`values[i]` up to and including step `boundaries[i]`, the last one after the last boundary."""

    name: Literal["piecewise"] = "piecewise"
    boundaries: list[Annotated[int, Field(ge=0)]] = [5000]
    values: list[NonNegative] = [1.0, 0.1]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.values) != len(self.boundaries) + 1:
            raise ValueError(f"{len(self.boundaries)} boundaries need {len(self.boundaries) + 1} values")
        if sorted(set(self.boundaries)) != self.boundaries:
            raise ValueError("boundaries must rise")
        return self

    def factors(self, steps: NDArray[np.int64], total: int) -> NDArray[np.float64]:
        """Returns the value of each step's piece."""
        return np.asarray(self.values)[np.searchsorted(self.boundaries, steps, side="left")]


AnySchedule = any_of(members_of(sys.modules[__name__], Schedule))
