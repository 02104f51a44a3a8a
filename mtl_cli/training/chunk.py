"""A chunk: the iterations that one call of the compiled program trains."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Arrays


@dataclass(frozen=True)
class Chunk:
    """Consecutive iterations, with all that the host computes for them."""

    iterations: NDArray[np.int64]
    """Their numbers [n], from 1."""
    learning_rates: NDArray[np.float32]
    """[n]"""
    arrays: Arrays
    """What was drawn for them, each array [n, ...]."""

    def __len__(self) -> int:
        """Returns how many iterations they are, n."""
        return len(self.iterations)

    @property
    def inputs(self) -> Arrays:
        """What the program takes of an iteration, each array [n, ...]."""
        return self.arrays | {"learning_rate": self.learning_rates}

    @property
    def picks(self) -> NDArray[np.int32] | None:
        """The number of the task that each iteration trains [n]; None where each trains all."""
        return self.arrays.get("pick")

    def first(self, count: int) -> "Chunk":
        """Returns the first iterations of it."""
        arrays = {key: array[:count] for key, array in self.arrays.items()}
        return Chunk(self.iterations[:count], self.learning_rates[:count], arrays)
