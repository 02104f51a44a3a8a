"""The compiled program: a chunk of iterations in one XLA call, and the cache that lets runs share it.

    train_chunk(state, numbers, resident, drawn, count) -> state, losses

It is a pure function. Everything that changes no shape is an argument, so that a run with other numbers (seed, weights,
learning rate, a method's constants) uses the same compiled program; `signature` says which runs can.
"""

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtl_cli import observing
from mtl_cli.backend import Tensor, keras, tf
from mtl_cli.data.base import Arrays, Dataset, capacity_of
from mtl_cli.models.base import Model, Network
from mtl_cli.modes.base import Mode, Parts, State
from mtl_cli.optimizers import Optimizer
from mtl_cli.settings import bind, numbers, signature
from mtl_cli.tasks import Tasks
from mtl_cli.weighting.base import Weighting

ALIGNMENT: Final = 64
"""In bytes."""


class Trained(NamedTuple):
    """What came of a chunk of n iterations."""

    state: State
    losses: NDArray[np.float32]
    """[n, 1 + T]"""
    seen: NDArray[np.float32]
    """What diagnosed iterations let be seen, as `observing` has it; [n, 0] where none is."""


class Program:
    """One compiled training function with the settings it was compiled for."""

    def __init__(
        self, network: Network, dataset: Dataset, tree: Mapping[str, Any], one_draw: Arrays, device: str
    ) -> None:
        self.capacity = capacity_of(sum(array.nbytes for array in one_draw.values()))
        self.traces = 0
        self._host = {key: _aligned((self.capacity, *array.shape[1:]), array.dtype) for key, array in one_draw.items()}
        """Memory that stays, since fresh pages cost more than what is written into them."""
        self._network = network
        self._feed = dataset.feed
        self._tree = tree
        self._device = device
        self._tasks = len(dataset.tasks)
        self._seen = observing.width(self._tasks) if "observed" in one_draw else 0
        self._train = tf.function(self._chunk, jit_compile=True, autograph=False)
        self._compiled: Any = None
        """`_train` for the only shapes it gets, which spares it to look at them in each call."""
        self._infer = tf.function(network.inferred, autograph=False, reduce_retracing=True)

    def train(self, state: State, values: Mapping[str, Tensor], resident: Any, drawn: Arrays) -> Trained:
        """Runs the next n iterations, at most `capacity`.

        Args:
            state: The state before them.
            values: The numbers, as `constants` gives them.
            resident: The dataset's resident tensors.
            drawn: What the host drew for them, each array [n, ...].

        Returns:
            What came of them.
        """
        count = len(drawn["learning_rate"])
        tensors = {}
        for key, array in drawn.items():
            self._host[key][:count] = array
            # without a copy on a CPU; a new handle in each call, because a GPU keeps the copy it made of an old one
            tensors[key] = tf.experimental.dlpack.from_dlpack(self._host[key].__dlpack__())
        with tf.device(self._device):
            arguments = (state, values, resident, tensors, tf.constant(count, tf.int32))
            self._compiled = self._compiled or self._train.get_concrete_function(*arguments)
            new, rows = self._compiled(*arguments)
        losses, seen = np.split(rows.numpy()[:count], [1 + self._tasks], axis=1)
        return Trained(new, losses, seen)

    def predict(self, state: State, features: Tensor) -> dict[str, Tensor]:
        """Returns every task's raw outputs in inference, [rows, U]."""
        with tf.device(self._device):
            return dict(self._infer(state.params, features))

    def _chunk(
        self,
        state: State,
        values: Mapping[str, Tensor],
        resident: Any,
        drawn: Mapping[str, Tensor],
        count: Tensor,
    ) -> tuple[State, Tensor]:
        self.traces += 1
        tree = bind(self._tree, values)
        mode: Mode = tree["mode"]
        parts = make_parts(self._network, self._feed, tree)

        def body(k: Tensor, state: State, losses: Any) -> tuple[Tensor, State, Any]:
            batch = {key: array[k] for key, array in drawn.items()}
            learning_rate, params = batch.pop("learning_rate"), state.params
            state, row, weights_T = mode.step(parts, state, resident, batch, learning_rate)
            if self._seen:

                def look() -> Tensor:
                    rows = mode.rows_of_all(parts, resident, batch)
                    return observing.observed(parts, params, rows, batch, weights_T)

                seen = tf.cond(batch["observed"], look, lambda: tf.zeros([self._seen]))
                row = tf.concat([row, seen], axis=0)
            return k + 1, state, losses.write(k, row)

        rows = tf.TensorArray(tf.float32, self.capacity, element_shape=[1 + self._tasks + self._seen])
        _, state, rows = tf.while_loop(lambda k, *_: k < count, body, (tf.constant(0), state, rows))
        return state, rows.stack()


def make_parts(network: Network, feed: Any, tree: Mapping[str, Any]) -> Parts:
    """Returns the parts of a step from the settings of the tree."""
    return Parts(network, feed, tree["model"], tree["weighting"], tree["optimizer"], tree["tasks"])


def settings_tree(mode: Mode, model: Model, weighting: Weighting, optimizer: Optimizer, tasks: Tasks) -> dict[str, Any]:
    """Returns the settings that a program is compiled from."""
    return {"mode": mode, "model": model, "weighting": weighting, "optimizer": optimizer, "tasks": tasks}


def constants(tree: Mapping[str, Any]) -> dict[str, Tensor]:
    """Returns the numbers of the tree as float32 tensors, the program's arguments."""
    return {path: tf.constant(value, tf.float32) for path, value in numbers(tree).items()}


def _aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Returns an array whose memory begins where TensorFlow wants its tensors to, so that it can take it as it is."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.full(size + ALIGNMENT, 0, np.uint8)  # written now, so that no page is new when a run's time counts
    begin = -memory.ctypes.data % ALIGNMENT
    return memory[begin : begin + size].view(dtype).reshape(shape)


_programs: dict[str, Program] = {}


def program_for(network: Network, dataset: Dataset, tree: Mapping[str, Any], one_draw: Arrays, device: str) -> Program:
    """Returns the compiled program for these settings, data and shapes: the one there is, or a new one.

    Args:
        network: The run's network; a new program keeps it as its description.
        dataset: The run's data; only its feed and shapes matter.
        tree: The settings, as `settings_tree` gives them.
        one_draw: What the host draws for one iteration, each array [1, ...].
        device: The device to compute on.
    """
    shapes = keras.tree.map_structure(lambda a: (a.dtype.name, a.shape), [dataset.resident, one_draw])
    key = "\n".join([signature(tree), repr(dataset.feed), dataset.entry.structure, repr(shapes), device])
    if key not in _programs:
        _programs[key] = Program(network, dataset, tree, one_draw, device)
    return _programs[key]
