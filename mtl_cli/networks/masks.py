"""What tensors are multiplied by in training, drawn on the host: an input of the network."""

from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from mtl_cli.backend import keras


class Mask:
    """Parts of one input, each for a tensor: noted in the first pass, given out in the second."""

    def __init__(self, name: str) -> None:
        """Takes the input's name."""
        self._name = name
        self._widths: list[int] = []
        self._parts: Iterator[Any] = iter(())

    @property
    def width(self) -> int:
        """How many numbers a row has."""
        return sum(self._widths)

    def note(self, width: int) -> None:
        """Notes that a tensor needs so many."""
        self._widths.append(width)

    def begin(self) -> Any:
        """Returns the input, whose parts `next` gives from now on."""
        whole, ends = keras.Input((self.width,), name=self._name), accumulate(self._widths)
        self._parts = (whole[:, end - width : end] for width, end in zip(self._widths, ends, strict=True))
        return whole

    def next(self) -> Any:
        """Returns the part [B, width] of the next tensor, in the order in which they were noted."""
        return next(self._parts)
