"""The source article's data: an endless stream of uniform random numbers, fresh in every iteration."""

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mtl_cli.backend import Arrays
from mtl_cli.data.base import Data
from mtl_cli.datasets.batches import Batch, DeviceData, Feed, Rows, Stream
from mtl_cli.datasets.dataset import Dataset, Labels, Split
from mtl_cli.datasets.encoder import PlainFeatures
from mtl_cli.errors import InputError
from mtl_cli.randomness import ROWS, SAMPLE, Position, generator, go_to, position_of
from mtl_cli.tasks import Regression, Tasks

HIGH = 10.0
"""Features and labels are uniform in [0, HIGH)."""
SAMPLE_ROWS, SAMPLE_BYTES = 8192, 2**26
"""Of the stream, to evaluate on, at most."""


@dataclass(frozen=True)
class UniformFeed(Feed):
    """Cuts features and labels out of one block of uniform numbers a batch."""

    features: int
    units: tuple[tuple[str, int], ...]

    def joint(self, device_data: DeviceData, batch: Batch) -> list[Rows]:
        """Returns x [B, F] and y [B, U] for each task from a block [B, F + sum of U]."""
        block, labels, start = HIGH * batch["block"], {}, self.features
        for task, units in self.units:
            labels[task] = block[:, start : start + units]
            start += units
        return [Rows(block[:, : self.features], labels, {})]

    def single(self, device_data: DeviceData, batch: Batch, task: str) -> Rows:
        """Returns x and y of one task from a block [B, F + largest U]."""
        block = HIGH * batch["block"]
        labels = block[:, self.features : self.features + dict(self.units)[task]]
        return Rows(block[:, : self.features], {task: labels}, {})


class UniformStream(Stream):
    """Draws the blocks."""

    def __init__(self, feed: UniformFeed, seed: int, batch_size: int) -> None:
        self._random = generator(seed, ROWS)
        self._batch_size = batch_size
        self._features = feed.features
        self._units = [units for _, units in feed.units]
        self._memory = np.empty(0, np.float32)
        """The last draw's; it stays, because pages that are new cost more than the numbers drawn into them."""

    def joint(self, n: int) -> Arrays:
        """Returns `block` [n, B, F + sum of U], uniform in [0, 1)."""
        return self._block(n, self._features + sum(self._units))

    def single(self, picks: NDArray[np.int32]) -> Arrays:
        """Returns `block` [n, B, F + largest U], uniform in [0, 1)."""
        return self._block(len(picks), self._features + max(self._units))

    def position(self) -> Position:
        """Returns where the generator is."""
        return position_of(self._random)

    def go_to(self, position: Position) -> None:
        """Sets the generator."""
        go_to(self._random, position)

    def _block(self, n: int, width: int) -> Arrays:
        shape = (n, self._batch_size, width)
        if math.prod(shape) > len(self._memory):
            self._memory = np.empty(math.prod(shape), np.float32)
        block = self._memory[: math.prod(shape)].reshape(shape)
        return {"block": self._random.random(dtype=np.float32, out=block)}


@dataclass(frozen=True, kw_only=True, eq=False)
class UniformDataset(Dataset):
    """The endless stream."""

    feed: UniformFeed = field()

    def stream(self, seed: int, batch_size: int) -> Stream:
        """Returns the draws."""
        return UniformStream(self.feed, seed, batch_size)


class Seed(Data):
    """`features` numbers a row; every task is a regression on labels that have nothing to do with them."""

    name: Literal["seed"] = "seed"
    features: Annotated[int, Field(ge=1)] = 10

    @property
    def advice(self) -> str:
        """Returns that there is nothing to learn beyond the labels' mean."""
        return (
            "the labels of data=seed are random, so the naive value is the floor (no network gets below it); tasks "
            "that can be learned: mtl-train experiment=digits; your own: mtl-train inspect TABLE"
        )

    def load(self, tasks: Tasks, seed: int, batch_size: int) -> Dataset:
        """Returns the stream for these tasks."""
        for name, task in tasks.items():
            if not isinstance(task, Regression):
                raise InputError(f"tasks.{name}.kind: data=seed has regression tasks only, got {task.kind!r}")
        units = tuple((name, task.units or 1) for name, task in tasks.items())
        filled = {name: tasks[name].model_copy(update={"units": count}) for name, count in units}
        return UniformDataset(
            tasks=filled,
            encoder=PlainFeatures(self.features),
            feed=UniformFeed(self.features, units),
            train=_sample(self.features, units),
        )


@lru_cache(maxsize=4)
def _sample(features: int, units: tuple[tuple[str, int], ...]) -> Split:
    """Returns some rows of the stream, which no run trains on; the same for all seeds."""
    width = features + sum(count for _, count in units)
    rows = max(1, min(SAMPLE_ROWS, SAMPLE_BYTES // (4 * width)))
    sample = np.float32(HIGH) * generator(0, SAMPLE).random((rows, width), np.float32)
    ends = np.cumsum([features, *(count for _, count in units)])
    labels = {
        name: Labels(sample[:, begin:end]) for (name, _), begin, end in zip(units, ends[:-1], ends[1:], strict=True)
    }
    return Split(sample[:, :features], labels)
