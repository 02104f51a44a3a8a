"""Buffers on the host that TensorFlow takes without a copy."""

import math
import threading
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Arrays, Tensor, tf

ALIGNMENT: Final = 64
"""In bytes."""


class HostBuffers:
    """Host memory for what is drawn for a chunk. It stays: fresh pages cost more than what is written into them."""

    def __init__(self, example: Arrays, capacity: int, *runs: int) -> None:
        self._arrays = {
            key: _aligned((capacity, *runs, *array.shape[1:]), array.dtype) for key, array in example.items()
        }

    def fill(self, drawn: Arrays, place: int | None = None) -> None:
        """Copies what was drawn for n iterations, of the run at a place."""
        for key, array in drawn.items():
            memory = self._arrays[key][: len(array)]
            (memory if place is None else memory[:, place])[...] = array

    def tensors(self) -> dict[str, Tensor]:
        """Returns all of it: on a CPU without a copy; a GPU keeps the copy of a handle, so that these are new ones."""
        return {key: tf.experimental.dlpack.from_dlpack(array.__dlpack__()) for key, array in self._arrays.items()}


class ThreadBuffers(threading.local):
    """Buffers of each thread's own: runs that train beside each other draw at the same time."""

    def __init__(self, example: Arrays, capacity: int) -> None:
        self.buffers = HostBuffers(example, capacity)


def _aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Returns an array whose memory begins where TensorFlow wants its tensors to, so that it can take it as it is."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.full(size + ALIGNMENT, 0, np.uint8)  # written now, so that no page is new when a run's time counts
    begin = -memory.ctypes.data % ALIGNMENT
    return memory[begin : begin + size].view(dtype).reshape(shape)
