"""Finite data in memory: the rows stay on the device, and the host draws row numbers only."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Tensor, tf
from mtl_cli.data.base import (
    ROWS,
    Arrays,
    Batch,
    Dataset,
    Feed,
    Resident,
    Split,
    Standardization,
    Stream,
    generator,
)
from mtl_cli.errors import InputError
from mtl_cli.tasks import Tasks


@dataclass(frozen=True)
class RowsFeed(Feed):
    """Gathers the drawn rows of the resident features and labels."""

    def joint(self, resident: Resident, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Returns features [B, F] and labels of the rows `batch["rows"]` [B]."""
        rows = batch["rows"]
        labels = {task: tf.gather(values, rows) for task, values in resident["labels"].items()}
        return tf.gather(resident["features"], rows), labels

    def single(self, resident: Resident, batch: Batch, task: str) -> tuple[Tensor, Tensor]:
        """Returns features and the labels of one task."""
        rows = batch["rows"]
        return tf.gather(resident["features"], rows), tf.gather(resident["labels"][task], rows)


class Shuffled:
    """Row numbers in random order, each once before any comes again."""

    def __init__(self, rows: NDArray[np.int32], random: np.random.Generator) -> None:
        self._rows = rows
        self._random = random
        self._left = rows[:0]

    def take(self, count: int) -> NDArray[np.int32]:
        """Returns the next row numbers."""
        parts, missing = [self._left[:count]], count - len(self._left)
        self._left = self._left[count:]
        while missing > 0:
            order = self._random.permutation(self._rows)
            parts.append(order[:missing])
            self._left = order[missing:]
            missing -= len(order)
        return np.concatenate(parts)


class RowsStream(Stream):
    """Draws batches of row numbers: one order for all tasks, and one for each task's own rows."""

    def __init__(self, rows: Mapping[str, NDArray[np.int32]], seed: int, batch_size: int) -> None:
        everyone = next(iter(rows.values()))
        self._shared = Shuffled(everyone, generator(seed, ROWS, 0))
        self._own = [Shuffled(own, generator(seed, ROWS, 1, i)) for i, own in enumerate(rows.values())]
        self._batch_size = batch_size

    def joint(self, n: int) -> Arrays:
        """Returns `rows` [n, B]."""
        return {"rows": self._shared.take(n * self._batch_size).reshape(n, self._batch_size)}

    def single(self, picks: NDArray[np.int32]) -> Arrays:
        """Returns `rows` [n, B], iteration k's from the order of task `picks[k]`."""
        rows = np.empty((len(picks), self._batch_size), np.int32)
        for task, own in enumerate(self._own):
            chosen = picks == task
            count = int(chosen.sum())
            rows[chosen] = own.take(count * self._batch_size).reshape(count, self._batch_size)
        return {"rows": rows}


@dataclass(frozen=True, kw_only=True)
class RowsDataset(Dataset):
    """A table in memory, split."""

    train: Mapping[str, NDArray[np.int32]]
    """The training rows of each task, as row numbers of the resident arrays."""

    def stream(self, seed: int, batch_size: int) -> Stream:
        """Returns the draws of training rows."""
        return RowsStream(self.train, seed, batch_size)


def dataset(
    tasks: Tasks,
    splits: Mapping[str, Split],
    batch_size: int,
    standardization: Standardization | None = None,
) -> Dataset:
    """Returns the dataset whose splits (`train`, and perhaps `val` and `test`) these are.

    Raises:
        InputError: A batch has more rows than the training split.
    """
    train = splits["train"]
    if batch_size > len(train):
        raise InputError(f"batch_size: {batch_size} is more than the {len(train)} rows of the training split")
    return RowsDataset(
        tasks=tasks,
        features=train.features.shape[1],
        feed=RowsFeed(),
        resident={"features": train.features, "labels": dict(train.labels)},
        splits={name: split for name, split in splits.items() if name != "train" and len(split)},
        rows={name: len(split) for name, split in splits.items() if len(split)},
        standardization=standardization,
        train=dict.fromkeys(tasks, np.arange(len(train), dtype=np.int32)),
    )
