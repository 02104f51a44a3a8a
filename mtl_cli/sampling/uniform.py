"""Each iteration picks any task, all with the same probability."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mtl_cli.sampling.base import Chances, Pool, Sampling


class Uniform(Sampling):
    """p_i = 1/K over the K tasks that aren't left out, in independent draws; "equal mixing" in T5 (arXiv 1910.10683).

    >>> pool = Pool(probs=np.array([0.5, 0.5]), rows=np.array([100.0, 10_000.0]), steps=1000)
    >>> Uniform().probabilities(np.array([1]), pool)
    array([[0.5, 0.5]])
    """

    name: Literal["uniform"] = "uniform"

    def chances(self, iterations: NDArray[np.int64], pool: Pool) -> Chances:
        """Returns ones."""
        return np.ones(len(pool.probs))
