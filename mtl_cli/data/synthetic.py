"""Regressions whose relatedness is a number: the cosine between their weight vectors.

Ma et al., "Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts" (MMoE), KDD 2018,
section 3.2. What the paper leaves open is as in `synthetic_demo.py` of the public drawbridge/keras-mmoe: scale 0.3,
five waves, alpha and beta standard normal, 10,000, 1,000 and 1,000 rows.
"""

from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mtl_cli.data.base import Data
from mtl_cli.datasets.dataset import Dataset
from mtl_cli.datasets.regressions import Examples, drawn, regressions, truth_generator
from mtl_cli.errors import InputError
from mtl_cli.settings import NonNegative, Number, Positive, Repeat
from mtl_cli.tasks import Count, Tasks

Numbers = NDArray[np.float64]


class Truth(NamedTuple):
    """What the labels are made of."""

    weights: Numbers
    """Each task's w, [T, F]."""
    alpha: Numbers
    """[m]"""
    beta: Numbers
    """[m]"""

    def labels(self, features: NDArray[np.float32]) -> Numbers:
        """Returns every task's labels without noise, [T, n], of features [n, F]."""
        z = labels = self.weights @ features.T.astype(np.float64)
        for alpha, beta in zip(self.alpha, self.beta, strict=True):
            labels = labels + np.sin(alpha * z + beta)
        return labels


class Synthetic(Data):
    """y_k = w_k.x + sum_{i=1..m} sin(alpha_i w_k.x + beta_i) + noise, of x ~ N(0, I) with F `features`.

    For two tasks w_1 = c u_1 and w_2 = c (p u_1 + sqrt(1 - p^2) u_2), with the `scale` c, the `relatedness` p and
    random orthogonal unit vectors u. For T tasks, which the paper doesn't have, W = c L U, where L is lower triangular
    and L L^T has 1 on the diagonal and p everywhere else: every two tasks have the cosine p, at least -1 / (T - 1).
    The m `waves` are the same for all tasks; those with p = 1 differ in noise alone. `noise` is a standard deviation.
    Labels aren't standardised.

    `split_seed`, or else the run's seed, decides everything here. The same one gives the same x, alpha, beta, u and
    noise for every p, and a task the same labels whatever tasks come after it.
    """

    name: Literal["synthetic"] = "synthetic"
    relatedness: Annotated[Number, Field(ge=-1, le=1)] = 0.5
    features: Count = 100
    scale: Positive = 0.3
    waves: Annotated[int, Field(ge=0)] = 5
    noise: NonNegative = 0.1
    examples: Examples = Examples()
    split_seed: Annotated[Annotated[int, Field(ge=0)] | None, Repeat()] = None

    def load(self, tasks: Tasks, seed: int, batch_size: int) -> Dataset:
        """Returns rows for these tasks, one unit each."""
        filled = regressions(tasks, self.name, units=1)
        self._check(len(tasks))
        data_seed = seed if self.split_seed is None else self.split_seed
        truth = self.truth(len(tasks), data_seed)

        def draw(random: np.random.Generator, count: int) -> tuple[NDArray[np.float32], list[Numbers]]:
            x = random.standard_normal((count, self.features), dtype=np.float32)
            labels = truth.labels(x)
            return x, list((labels + self.noise * random.standard_normal(labels.shape))[..., None])

        return drawn(filled, self.examples, data_seed, batch_size, draw)

    def truth(self, tasks: int, seed: int) -> Truth:
        """Returns what the labels of a seed are made of."""
        random = truth_generator(seed)
        alpha, beta = random.standard_normal((2, self.waves))
        directions = _orthonormal(random.standard_normal((tasks, self.features)))
        return Truth(self.scale * mixing(tasks, self.relatedness) @ directions, alpha, beta)

    def _check(self, tasks: int) -> None:
        if tasks > self.features:
            raise InputError(
                f"data.features: {self.features} is fewer than the {tasks} tasks; each needs a direction of its own"
            )
        if tasks > 1 and self.relatedness < -1 / (tasks - 1):
            raise InputError(
                f"data.relatedness: {self.relatedness:g} is less than {tasks} tasks can have to one another; "
                f"the least is -1 / {tasks - 1}"
            )


def mixing(tasks: int, cosine: float) -> Numbers:
    """Returns the lower triangular L, [T, T], whose rows are unit vectors with this cosine between every two.

    It is the Cholesky factor of the matrix with 1 on the diagonal and the cosine elsewhere, also where that is
    singular. The numbers below the diagonal of column j are all a_j = (cosine - s_j) / L_jj, where L_jj = sqrt(1 - s_j)
    and s_j is the sum of the squares of a_0 ... a_{j-1}.

    >>> mixing(2, 0.6).tolist()
    [[1.0, 0.0], [0.6, 0.8]]
    """
    rows, taken = np.zeros((tasks, tasks)), 0.0
    for j in range(tasks):
        rows[j, j] = np.sqrt(max(1.0 - taken, 0.0))
        below = (cosine - taken) / rows[j, j] if rows[j, j] > 0 else 0.0
        rows[j + 1 :, j] = below
        taken += below**2
    return rows


def _orthonormal(vectors: Numbers) -> Numbers:
    """Returns orthogonal unit vectors [T, F] by Gram and Schmidt's rule: each of those up to it only."""
    q, r = np.linalg.qr(vectors.T)
    return (q * np.sign(np.diag(r))).T
