"""A learning rate that falls by a factor."""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mtl_cli.schedules.base import Schedule
from mtl_cli.settings import Positive


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
