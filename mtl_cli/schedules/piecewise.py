"""A learning rate that changes at given steps."""

from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from mtl_cli.schedules.base import Schedule
from mtl_cli.settings import NonNegative


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
