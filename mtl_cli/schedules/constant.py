"""A learning rate that stays."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mtl_cli.schedules.base import Schedule


class Constant(Schedule):
    """Always 1."""

    name: Literal["constant"] = "constant"

    def factors(self, steps: NDArray[np.int64], total: int) -> NDArray[np.float64]:
        """Returns ones."""
        return np.ones(len(steps))
