"""The tasks take turns in the order of the config."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mtl_cli.sampling.base import Chances, Pool, Sampling


class RoundRobin(Sampling):
    """Task 0, 1, ..., T - 1, 0, 1, ...; nothing is left to chance, and its probabilities are shares in a whole round.

    >>> pool = Pool(probs=np.array([0.5, 0.3, 0.2]), rows=np.array([100.0, 10_000.0, 50.0]), steps=1000)
    >>> RoundRobin().picks(np.arange(1, 6), pool, np.random.default_rng(0))
    array([0, 1, 2, 0, 1], dtype=int32)
    >>> RoundRobin().probabilities(np.array([1]), pool).round(4)
    array([[0.3333, 0.3333, 0.3333]])
    """

    name: Literal["round_robin"] = "round_robin"

    def chances(self, iterations: NDArray[np.int64], pool: Pool) -> Chances:
        """Returns ones: in a whole round each task has one turn."""
        return np.ones(len(pool.probs))

    def picks(self, iterations: NDArray[np.int64], pool: Pool, random: np.random.Generator) -> NDArray[np.int32]:
        """Returns the turns."""
        tasks = pool.trained()
        return tasks[(iterations - 1) % len(tasks)]
