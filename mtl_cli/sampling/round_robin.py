"""The tasks take turns in the order of the config."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mtl_cli.sampling.base import Sampling


class RoundRobin(Sampling):
    """Task 0, 1, ..., T - 1, 0, 1, ...; probabilities play no part, but a task whose `prob` is 0 is left out.

    >>> RoundRobin().picks(np.arange(1, 6), np.array([0.5, 0.5]), np.random.default_rng(0))
    array([0, 1, 0, 1, 0], dtype=int32)
    """

    name: Literal["round_robin"] = "round_robin"

    def picks(
        self, iterations: NDArray[np.int64], probs: NDArray[np.float64], random: np.random.Generator
    ) -> NDArray[np.int32]:
        """Returns the turns."""
        tasks = np.flatnonzero(probs > 0)
        return tasks[(iterations - 1) % len(tasks)].astype(np.int32)
