"""Each iteration picks a task with a probability between proportional to its number of rows and the same for all."""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mtl_cli.sampling.base import Chances, Pool, Sampling, powers


class Temperature(Sampling):
    """p_i ~ min(n_i, cap)^(1 / temperature) with n_i labelled training rows of task i; no cap where it is null.

    "Temperature-scaled mixing", with its limit K on the numbers of rows, in T5 (arXiv 1910.10683, section 3.5.2). In
    terms of an exponent alpha, which others give, temperature = 1 / alpha.

    >>> pool = Pool(probs=np.array([0.5, 0.5]), rows=np.array([100.0, 10_000.0]), steps=1000)
    >>> Temperature(temperature=2).probabilities(np.array([1]), pool).round(4)
    array([[0.0909, 0.9091]])
    >>> Temperature(temperature=2, cap=400).probabilities(np.array([1]), pool).round(4)
    array([[0.3333, 0.6667]])
    """

    name: Literal["temperature"] = "temperature"
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2.0
    cap: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None

    uses_rows = True

    def chances(self, iterations: NDArray[np.int64], pool: Pool) -> Chances:
        """Returns the powers."""
        rows = pool.rows if self.cap is None else np.minimum(pool.rows, self.cap)
        return powers(rows, 1 / self.temperature)
