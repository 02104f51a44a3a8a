"""Each iteration picks a task at random with the probabilities `tasks.<task>.prob`, as the source article does."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mtl_cli.sampling.base import Chances, Pool, Sampling


class Fixed(Sampling):
    """p_i = prob_i, in independent draws.

    >>> pool = Pool(probs=np.array([0.3, 0.7]), rows=np.array([100.0, 10_000.0]), steps=10_000)
    >>> Fixed().probabilities(np.array([1]), pool)
    array([[0.3, 0.7]])
    >>> picks = Fixed().picks(np.arange(1, 10_001), pool, np.random.default_rng(0))
    >>> (np.bincount(picks) / 10_000).round(1)
    array([0.3, 0.7])
    """

    name: Literal["fixed"] = "fixed"

    neutral = True
    uses_prob = True

    def chances(self, iterations: NDArray[np.int64], pool: Pool) -> Chances:
        """Returns the probabilities of the config."""
        return pool.probs
