"""Each iteration picks a task at random with the probabilities `tasks.<task>.prob`, as the source article does."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mtl_cli.sampling.base import Sampling


class Fixed(Sampling):
    """Independent draws.

    >>> random = np.random.default_rng(0)
    >>> picks = Fixed().picks(np.arange(1, 10_001), np.array([0.3, 0.0, 0.7]), random)
    >>> (np.bincount(picks) / 10_000).round(1)
    array([0.3, 0. , 0.7])
    """

    name: Literal["fixed"] = "fixed"

    def picks(
        self, iterations: NDArray[np.int64], probs: NDArray[np.float64], random: np.random.Generator
    ) -> NDArray[np.int32]:
        """Returns one draw an iteration, by inverting the cumulative distribution."""
        bounds = np.cumsum(probs)
        bounds /= bounds[-1]  # ends at exactly 1, above every draw
        return np.searchsorted(bounds, random.random(len(iterations)), side="right").astype(np.int32)
