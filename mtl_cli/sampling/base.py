"""The contract of a way to pick tasks."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from mtl_cli.settings import Settings


class Sampling(Settings, ABC):
    """Which task each iteration of alternating mode trains, as the user describes it under `sampling`."""

    name: str

    @abstractmethod
    def picks(
        self, iterations: NDArray[np.int64], probs: NDArray[np.float64], random: np.random.Generator
    ) -> NDArray[np.int32]:
        """Returns the task's number for each of the iterations (counted from 1), one draw of `random` or none each."""
