"""Learning-rate schedules, with the formulas of `keras.optimizers.schedules`.

A schedule is a factor on `optimizer.learning_rate` for every step s = 0, 1, ..., computed on the host, so that any of
its numbers can change without compiling again.
"""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from mtl_cli.settings import Settings


class Schedule(Settings, ABC):
    """How the learning rate changes over the steps."""

    name: str

    @abstractmethod
    def factors(self, steps: NDArray[np.int64], total: int) -> NDArray[np.float64]:
        """Returns the factor of each of the `steps` (counted from 0) of a run of `total` steps."""
