"""Each iteration picks a task in proportion to its number of rows at first, almost any task alike at the end."""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mtl_cli.sampling.base import Chances, Pool, Sampling, powers


class Annealed(Sampling):
    """p_i ~ n_i^alpha in epoch e = 1, ..., E, alpha = 1 - 0.8 (e - 1) / (E - 1), with n_i labelled training rows.

    alpha falls from 1 to 0.2; with E = 1 it is 1. Stickland and Murray, "BERT and PALs", ICML 2019 (arXiv 1902.02671).
    An epoch of theirs is a number of iterations; here the run's `steps` are cut into E epochs, as equal as they can be.

    >>> pool = Pool(probs=np.array([0.5, 0.5]), rows=np.array([100.0, 10_000.0]), steps=1000)
    >>> Annealed(epochs=10).probabilities(np.array([1, 100, 101, 1000]), pool).round(4)
    array([[0.0099, 0.9901],
           [0.0099, 0.9901],
           [0.0148, 0.9852],
           [0.2847, 0.7153]])
    """

    name: Literal["annealed"] = "annealed"
    epochs: Annotated[int, Field(ge=1, le=2**31 - 1)] = 25

    uses_rows = True

    def chances(self, iterations: NDArray[np.int64], pool: Pool) -> Chances:
        """Returns the powers of each iteration's epoch."""
        done = (iterations - 1) * self.epochs // pool.steps
        alphas = 1 - 0.8 * done / max(self.epochs - 1, 1)
        return powers(pool.rows, alphas[:, None])
