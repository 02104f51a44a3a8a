"""The rows of an experiment: what is trained on, whole splits to evaluate on, and what is known of them.

Shapes: n rows, U units of a task.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Array
from mtl_cli.datasets.batches import Feed, Stream
from mtl_cli.datasets.encoder import FeatureEncoder
from mtl_cli.tasks import Tasks


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
    encoder: FeatureEncoder
    feed: Feed
    device_data: dict[str, Any] = field(default_factory=dict)
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
