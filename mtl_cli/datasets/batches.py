"""Batches for training: what the host draws for an iteration, and what the program makes of it.

Shapes: n iterations, B rows a batch, F features, U units of a task.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Arrays, Tensor
from mtl_cli.randomness import Position

Batch = Mapping[str, Tensor]
"""What the host drew for one iteration."""
DeviceData = Mapping[str, Any]
"""What stays on the device for the whole run, given to every call of the program."""

MAX_ITERATIONS: Final = 2000
"""The most iterations that the host draws for at once."""
MAX_BYTES: Final = 16 * 2**20
"""The most memory that what it draws at once may take."""


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
    def joint(self, device_data: DeviceData, batch: Batch) -> list[Rows]:
        """Returns the rows of an iteration: the same ones for all tasks, or a batch for each group of tasks."""

    @abstractmethod
    def single(self, device_data: DeviceData, batch: Batch, task: str) -> Rows:
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
