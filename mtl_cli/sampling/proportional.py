"""Each iteration picks a task with a probability in proportion to its number of labelled training rows."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mtl_cli.sampling.base import Chances, Pool, Sampling


class Proportional(Sampling):
    """p_i = n_i / sum_j n_j with n_i training rows of task i: every row of every task is seen equally often.

    "Examples-proportional mixing" in T5 (arXiv 1910.10683); with a limit on n_i it is `temperature` with temperature 1.

    >>> pool = Pool(probs=np.array([0.5, 0.5]), rows=np.array([100.0, 10_000.0]), steps=1000)
    >>> Proportional().probabilities(np.array([1]), pool).round(4)
    array([[0.0099, 0.9901]])
    """

    name: Literal["proportional"] = "proportional"

    uses_rows = True

    def chances(self, iterations: NDArray[np.int64], pool: Pool) -> Chances:
        """Returns the numbers of rows."""
        return pool.rows
