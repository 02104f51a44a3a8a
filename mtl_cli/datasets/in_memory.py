"""Finite data in memory: the rows stay on the device, and the host draws row numbers only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Arrays, tf
from mtl_cli.datasets.batches import Batch, DeviceData, Feed, Rows, Stream
from mtl_cli.datasets.dataset import Dataset, Split
from mtl_cli.datasets.encoder import FeatureEncoder
from mtl_cli.errors import InputError
from mtl_cli.randomness import ROWS, Position, generator, go_to, position_of
from mtl_cli.tasks import Tasks

Numbers = NDArray[np.int32]
"""Row numbers."""


@dataclass(frozen=True)
class RowsFeed(Feed):
    """Gathers the drawn rows of the resident features, labels and weights.

    Attributes:
        groups: The tasks that share rows in joint training; each group has rows of its own.
        weighted: The tasks whose rows don't all count alike, whether or not each has a label.
        masked: Those some of whose group's rows have no label.
    """

    groups: tuple[tuple[str, ...], ...]
    weighted: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()

    @property
    def shares_rows(self) -> bool:
        """Tells whether there is only one group."""
        return len(self.groups) == 1

    def joint(self, device_data: DeviceData, batch: Batch) -> list[Rows]:
        """Returns the rows that `batch["rows"]` [G, B] numbers for each of the G groups."""
        counted = {*self.weighted, *self.masked}
        return [_gathered(device_data, batch["rows"][i], group, counted) for i, group in enumerate(self.groups)]

    def single(self, device_data: DeviceData, batch: Batch, task: str) -> Rows:
        """Returns the rows that `batch["rows"]` [B] numbers, all of which have a label of the task."""
        return _gathered(device_data, batch["rows"], [task], self.weighted)


def _gathered(device_data: DeviceData, rows: Any, tasks: Sequence[str], counted: Any) -> Rows:
    return Rows(
        tf.gather(device_data["features"], rows),
        {task: tf.gather(device_data["labels"][task], rows) for task in tasks},
        {task: tf.gather(device_data["weights"][task], rows) for task in tasks if task in counted},
    )


class Shuffled:
    """Row numbers in random order, each once before any comes again."""

    def __init__(self, rows: Numbers, random: np.random.Generator) -> None:
        self._rows = rows
        self._random = random
        self._left = rows[:0]
        self._before = position_of(random)
        """Where the generator was when it made the order that `_left` is left of."""
        self.taken = 0

    def take(self, count: int) -> Numbers:
        """Returns the next row numbers."""
        parts, missing = [self._left[:count]], count - len(self._left)
        self._left = self._left[count:]
        self.taken += count
        while missing > 0:
            self._before = position_of(self._random)
            order = self._random.permutation(self._rows)
            parts.append(order[:missing])
            self._left = order[missing:]
            missing -= len(order)
        return np.concatenate(parts)

    def position(self) -> Position:
        """Returns how far the rows were taken."""
        return {"random": self._before, "taken": self.taken}

    def go_to(self, position: Position) -> None:
        """Makes the order anew that was taken from."""
        self.taken = position["taken"]
        go_to(self._random, position["random"])
        if self.taken:
            self._before = position_of(self._random)
            self._left = self._random.permutation(self._rows)[(self.taken - 1) % len(self._rows) + 1 :]

    @property
    def epochs(self) -> float:
        """How often each row was taken, on average."""
        return self.taken / len(self._rows)


class RowsStream(Stream):
    """Draws batches of row numbers: an order for each group of tasks, and one for each task's own rows."""

    def __init__(
        self,
        groups: Sequence[Sequence[str]],
        shared: Sequence[Numbers],
        own: Mapping[str, Numbers],
        seed: int,
        batch_size: int,
    ) -> None:
        self._groups = groups
        self._shared = [Shuffled(rows, generator(seed, ROWS, 0, *([i] if i else []))) for i, rows in enumerate(shared)]
        self._own = {task: Shuffled(rows, generator(seed, ROWS, 1, i)) for i, (task, rows) in enumerate(own.items())}
        self._batch_size = batch_size

    def joint(self, n: int) -> Arrays:
        """Returns `rows` [n, G, B]."""
        shape = (n, self._batch_size)
        return {"rows": np.stack([rows.take(n * self._batch_size).reshape(shape) for rows in self._shared], axis=1)}

    def single(self, picks: NDArray[np.int32]) -> Arrays:
        """Returns `rows` [n, B], iteration k's from the order of task `picks[k]`."""
        rows = np.empty((len(picks), self._batch_size), np.int32)
        for task, own in enumerate(self._own.values()):
            chosen = picks == task
            count = int(chosen.sum())
            rows[chosen] = own.take(count * self._batch_size).reshape(count, self._batch_size)
        return {"rows": rows}

    def position(self) -> Position:
        """Returns how far each order was taken."""
        own = {task: rows.position() for task, rows in self._own.items()}
        return {"shared": [rows.position() for rows in self._shared], "own": own}

    def go_to(self, position: Position) -> None:
        """Goes on in each order."""
        for rows, of_group in zip(self._shared, position["shared"], strict=True):
            rows.go_to(of_group)
        for task, rows in self._own.items():
            rows.go_to(position["own"][task])

    def epochs(self) -> dict[str, float]:
        """Returns how often each task's rows were drawn, on average."""
        shared = {task: rows.epochs for group, rows in zip(self._groups, self._shared, strict=True) for task in group}
        return {task: round(own.epochs + shared[task], 3) for task, own in self._own.items()}


@dataclass(frozen=True, kw_only=True, eq=False)
class RowsDataset(Dataset):
    """A table in memory, split."""

    feed: RowsFeed = field()
    shared: Sequence[Numbers]
    """The training rows of each group, as row numbers of the resident arrays."""
    own: Mapping[str, Numbers]
    """The labelled training rows of each task."""

    def stream(self, seed: int, batch_size: int) -> Stream:
        """Returns the draws of training rows."""
        return RowsStream(self.feed.groups, self.shared, self.own, seed, batch_size)


def dataset(tasks: Tasks, encoder: FeatureEncoder, splits: Mapping[str, Split], batch_size: int) -> Dataset:
    """Returns the dataset whose splits (`train`, and perhaps `val` and `test`) these are, every row with all labels.

    Raises:
        InputError: A batch has more rows than the training split.
    """
    train = splits["train"]
    if batch_size > len(train):
        raise InputError(f"batch_size: {batch_size} is more than the {len(train)} rows of the training split")
    rows = np.arange(len(train), dtype=np.int32)
    return RowsDataset(
        tasks=tasks,
        encoder=encoder,
        feed=RowsFeed((tuple(tasks),)),
        device_data={
            "features": train.features,
            "labels": {name: labels.values for name, labels in train.labels.items()},
        },
        splits={name: split for name, split in splits.items() if name != "train" and len(split)},
        train=train,
        rows={name: len(split) for name, split in splits.items() if len(split)},
        shared=[rows],
        own=dict.fromkeys(tasks, rows),
    )
