"""The contract of a way to pick tasks. T tasks, K of them picked (the others are left out), n iterations."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mtl_cli.settings import Settings
from mtl_cli.tasks import Tasks

Chances = NDArray[np.float64]


@dataclass(frozen=True)
class Pool:
    """The tasks of a run, and what their chances may depend on."""

    probs: NDArray[np.float64]
    """`tasks.<task>.prob`, [T]; 0 leaves a task out."""
    rows: NDArray[np.float64]
    """How many training rows have a label of the task, [T]; infinite where rows don't end."""
    steps: int
    """Iterations of the run."""

    @classmethod
    def of(cls, tasks: Tasks, labelled: Mapping[str, int], steps: int) -> Self:
        """Returns a run's; `labelled` is empty where rows don't end."""
        probs = np.array([task.prob for task in tasks.values()])
        return cls(probs, np.array([labelled.get(name, np.inf) for name in tasks], np.float64), steps)

    def trained(self) -> NDArray[np.int32]:
        """Returns the numbers of the tasks that aren't left out, [K]."""
        return np.flatnonzero(self.probs > 0).astype(np.int32)


class Sampling(Settings, ABC):
    """Which task each iteration of alternating mode trains, as the user describes it under `sampling`.

    A member says the tasks' chances. Picks follow from the run's seed and the number of the iteration alone: they don't
    depend on how iterations are cut into chunks.
    """

    name: str

    acts: ClassVar[str] = "picks tasks in mode=alternating"
    """What it does, and where."""
    neutral: ClassVar[bool] = False
    """Whether it is what a mode that picks no tasks may be configured with, since it asks for nothing."""
    uses_prob: ClassVar[bool] = False
    """Whether `tasks.<task>.prob` matters, beyond that 0 leaves a task out."""
    uses_rows: ClassVar[bool] = False
    """Whether the numbers of labelled rows matter, so that data must have an end."""

    @abstractmethod
    def chances(self, iterations: NDArray[np.int64], pool: Pool) -> Chances:
        """Returns numbers >= 0 that the probabilities are proportional to, [n, K], or [K] where they never change.

        Args:
            iterations: Counted from 1, [n].
            pool: The K tasks that aren't left out.
        """

    def probabilities(self, iterations: NDArray[np.int64], pool: Pool) -> Chances:
        """Returns each task's probability in each of the iterations (counted from 1), [n, T]; rows add up to 1."""
        tasks, chances = self._chances_K(iterations, pool)
        probabilities = np.zeros((len(iterations), len(pool.probs)))
        probabilities[:, tasks] = chances / chances.sum(axis=-1, keepdims=True)
        return probabilities

    def picks(self, iterations: NDArray[np.int64], pool: Pool, random: np.random.Generator) -> NDArray[np.int32]:
        """Returns the task's number for each of the iterations (counted from 1), one draw of `random` or none each.

        Inverts the cumulative distribution, which ends at exactly 1, above every draw.
        """
        tasks, chances = self._chances_K(iterations, pool)
        bounds = np.cumsum(chances, axis=-1)
        bounds /= bounds[..., -1:]
        draws = random.random(len(iterations))
        once = bounds.ndim == 1
        above = np.searchsorted(bounds, draws, side="right") if once else (bounds > draws[:, None]).argmax(axis=1)
        return tasks.take(above)

    def _chances_K(self, iterations: NDArray[np.int64], pool: Pool) -> tuple[NDArray[np.int32], Chances]:
        """Returns the tasks that aren't left out, and the chances of them alone: the others can't be picked."""
        tasks = pool.trained()
        trained = Pool(pool.probs[tasks], pool.rows[tasks], pool.steps)
        assert np.isfinite(trained.rows).all() or not self.uses_rows
        return tasks, self.chances(iterations, trained)


def powers(rows: NDArray[np.float64], exponents: Chances | float) -> Chances:
    """Returns rows ^ exponents up to a common factor, which keeps large powers finite."""
    relative: Chances = rows / rows.max()
    return relative**exponents
