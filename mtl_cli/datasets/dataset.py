"""What every data source gives: batches for training, whole splits for evaluation.

Shapes: n iterations, B rows a batch, F features, D units, U units of a task.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Tensor, keras
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

SPLIT, WEIGHTS, ROWS, PICKS, DROPOUT, WEIGHTING, OBSERVING, SAMPLE = range(8)
"""What randomness is for: each purpose has its own generator, so none disturbs another."""


def generator(seed: int, purpose: int, *which: int) -> np.random.Generator:
    """Returns the random generator of one purpose of a run."""
    return np.random.default_rng([seed, purpose, *which])


Position = dict[str, Any]
"""How far a supply of random numbers was drawn, as JSON can hold it."""


def position_of(random: np.random.Generator) -> Position:
    """Returns where a generator is."""
    return dict(random.bit_generator.state)


def go_to(random: np.random.Generator, position: Position) -> None:
    """Sets a generator to where it, or another of its kind, was."""
    random.bit_generator.state = position


def capacity_of(bytes_an_iteration: int, most: int = MAX_BYTES) -> int:
    """Returns how many iterations the host draws for at once when each takes this much, and all at most `most`."""
    return max(1, min(MAX_ITERATIONS, most // max(bytes_an_iteration, 1)))


class Rows(NamedTuple):
    """A batch of rows, as a step takes them."""

    features: Tensor
    """[B, F]"""
    labels: dict[str, Tensor]
    """Of the tasks that have labels here, [B, U] (classes: [B])."""
    weights: dict[str, Tensor]
    """[B], of the tasks whose rows don't all count alike; 0 where a row has no label."""


class Feed(ABC):
    """Turns what the host drew into batches, inside the compiled program; holds no data itself.

    Its `repr` tells apart feeds that compile to different programs.
    """

    @property
    def shares_rows(self) -> bool:
        """Tells whether all tasks can be had on the same rows."""
        return True

    @abstractmethod
    def joint(self, resident: Resident, batch: Batch) -> list[Rows]:
        """Returns the rows of an iteration: the same ones for all tasks, or a batch for each group of tasks."""

    @abstractmethod
    def single(self, resident: Resident, batch: Batch, task: str) -> Rows:
        """Returns a batch of one task's own rows."""


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

    @abstractmethod
    def position(self) -> Position:
        """Returns how far it was drawn."""

    @abstractmethod
    def go_to(self, position: Position) -> None:
        """Goes on from where it, or another stream of the same data, was."""

    def epochs(self) -> dict[str, float]:
        """Returns how often each task's training rows were drawn so far, on average; nothing where rows don't end."""
        return {}


@dataclass(frozen=True)
class Labels:
    """One task's labels in a split."""

    values: Array
    """As the loss takes them, [n, U] (classes: [n])."""
    rows: NDArray[np.int64] | None = None
    """Which of the split's rows have one; None: all."""
    weights: NDArray[np.float32] | None = None
    """How much each counts, on average 1, [n]; None: all alike."""


@dataclass(frozen=True, eq=False)
class Split:
    """Rows to evaluate on: those of `features` that `rows` numbers, or all."""

    features: Array
    labels: dict[str, Labels]
    rows: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """Returns the number of rows."""
        return len(self.features if self.rows is None else self.rows)

    def block(self, start: int, size: int) -> Array:
        """Returns the features of up to `size` rows from `start` on."""
        if self.rows is None:
            return self.features[start : start + size]
        return self.features[self.rows[start : start + size]]


class Entry(ABC):
    """The way from a row of data to the network's first units."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Numbers a row, F."""

    @property
    @abstractmethod
    def structure(self) -> str:
        """A text that is equal for entries that build the same network."""

    @abstractmethod
    def units(self, features: Tensor, random: np.random.Generator) -> tuple[Tensor, list[Any]]:
        """Returns the network's first units, [B, D] from [B, F], and the layers with variables on the way."""

    def initial(self, random: np.random.Generator) -> list[Array]:
        """Returns the first values of those layers' variables, as `units` draws them."""
        return []

    @abstractmethod
    def raw(self) -> tuple[Any, Tensor]:
        """Returns the saved model's inputs, and the features [B, F] made of them."""


@dataclass(frozen=True)
class Plain(Entry):
    """Features that go into the network as they are."""

    count: int

    @property
    def width(self) -> int:
        """Numbers a row."""
        return self.count

    @property
    def structure(self) -> str:
        """Tells widths apart."""
        return repr(self)

    def units(self, features: Tensor, random: np.random.Generator) -> tuple[Tensor, list[Any]]:
        """Returns the features."""
        return features, []

    def raw(self) -> tuple[Any, Tensor]:
        """Returns one input, `features` [B, F]."""
        inputs = keras.Input((self.count,), name="features")
        return inputs, inputs


@dataclass(frozen=True)
class Scale:
    """A regression's labels are (y - mean) / deviation in training, and y for people; both [U]."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    def original(self, predictions: Array) -> Array:
        """Returns numbers in the labels' own unit."""
        return predictions * self.deviation + self.mean


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset(ABC):
    """The rows of an experiment. `tasks` are the configured ones with their units filled in."""

    tasks: Tasks
    entry: Entry
    feed: Feed
    resident: dict[str, Any] = field(default_factory=dict)
    splits: dict[str, Split] = field(default_factory=dict)
    """What there is to evaluate on: `val` and `test`, or nothing."""
    train: Split
    """The training rows, or some of an endless stream's, to evaluate on."""
    rows: dict[str, int] = field(default_factory=dict)
    """Rows by split, `train` too; empty for an endless stream."""
    scales: dict[str, Scale] = field(default_factory=dict)
    """Of the tasks whose labels are standardised."""
    classes: dict[str, list[Any]] = field(default_factory=dict)
    """The classes' names by task, where they have names; a binary task's are no and yes."""
    schema: dict[str, Any] | None = None
    """What `mtl-train predict` needs to know of a table's columns, for columns.json."""
    columns: str = ""
    """What the columns of a table are, in words."""
    notes: list[str] = field(default_factory=list)
    """What the user should know of the data."""
    files: dict[str, str] = field(default_factory=dict)
    """The files that the rows are from, and a fingerprint of each."""

    @property
    def labelled(self) -> dict[str, int]:
        """How many training rows have a label of each task; nothing where rows don't end."""
        return {task: len(labels.values) for task, labels in self.train.labels.items()} if self.rows else {}

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
