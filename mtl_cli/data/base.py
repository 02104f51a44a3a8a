"""What every data source gives: batches for training, whole splits for evaluation.

Shapes: n iterations, B rows a batch, F features, U units of a task.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Tensor
from mtl_cli.settings import Settings
from mtl_cli.tasks import Tasks

Array = NDArray[Any]
Arrays = dict[str, Array]
Batch = Mapping[str, Tensor]
"""What the host drew for one iteration."""
Resident = Mapping[str, Any]
"""What stays on the device for the whole run, given to every call of the program."""

MAX_ITERATIONS: Final = 2000
"""The most iterations that the host draws for at once."""
MAX_BYTES: Final = 16 * 2**20
"""The most memory that what it draws at once may take."""

SPLIT, WEIGHTS, ROWS, PICKS, DROPOUT = range(5)
"""What randomness is for: each purpose has its own generator, so none disturbs another."""


def generator(seed: int, purpose: int, *which: int) -> np.random.Generator:
    """Returns the random generator of one purpose of a run."""
    return np.random.default_rng([seed, purpose, *which])


def capacity_of(bytes_an_iteration: int) -> int:
    """Returns how many iterations the host draws for at once when each takes this much."""
    return max(1, min(MAX_ITERATIONS, MAX_BYTES // max(bytes_an_iteration, 1)))


class Feed(ABC):
    """Turns what the host drew into features and labels, inside the compiled program; holds no data itself.

    Its `repr` tells apart feeds that compile to different programs.
    """

    @abstractmethod
    def joint(self, resident: Resident, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Returns features [B, F] and every task's labels [B, U] (classes: [B]) for the same rows."""

    @abstractmethod
    def single(self, resident: Resident, batch: Batch, task: str) -> tuple[Tensor, Tensor]:
        """Returns features and labels of a batch of one task's own rows."""


class Stream(ABC):
    """The host's side of the feed: an endless supply of draws that doesn't depend on how it is cut into chunks.

    What a draw returns holds until the next one, which may use the same memory.
    """

    @abstractmethod
    def joint(self, n: int) -> Arrays:
        """Draws the next n batches whose rows all tasks share, each array [n, ...]."""

    @abstractmethod
    def single(self, picks: NDArray[np.int32]) -> Arrays:
        """Draws the next batches, iteration k's from the rows of task `picks[k]`."""


@dataclass(frozen=True)
class Split:
    """Rows to evaluate on."""

    features: Array
    labels: Arrays

    def __len__(self) -> int:
        """Returns the number of rows."""
        return len(self.features)


@dataclass(frozen=True)
class Standardization:
    """(x - mean) / deviation, feature by feature; it becomes part of the saved model."""

    mean: Array
    deviation: Array


@dataclass(frozen=True)
class Dataset(ABC):
    """The rows of an experiment. `tasks` are the configured ones with their units filled in."""

    tasks: Tasks
    features: int
    feed: Feed
    resident: dict[str, Any] = field(default_factory=dict)
    splits: dict[str, Split] = field(default_factory=dict)
    """What there is to evaluate on: `val` and `test`, or nothing."""
    rows: dict[str, int] = field(default_factory=dict)
    """Rows by split, `train` too; empty for an endless stream."""
    standardization: Standardization | None = None

    @abstractmethod
    def stream(self, seed: int, batch_size: int) -> Stream:
        """Returns the training draws of a run from its first iteration."""


class Data(Settings, ABC):
    """A data source, as the user describes it under `data`."""

    name: str

    @abstractmethod
    def load(self, tasks: Tasks, seed: int, batch_size: int) -> Dataset:
        """Returns the data for these tasks.

        Raises:
            InputError: The tasks don't fit the data, or the data can't be read or used.
        """
