"""The compiled program: a chunk of iterations in one XLA call, and the cache that lets runs share it.

    train_chunk(state, numbers, device_data, inputs, count) -> state, losses

and the same mapped over the runs of a sweep. It is a pure function. Everything that changes no shape is an argument,
so that a run with other numbers (seed, weights, learning rate, a method's constants) uses the same compiled program;
`signature` says which runs can.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Tensor, keras, tf
from mtl_cli.datasets.batches import capacity_of
from mtl_cli.datasets.dataset import Dataset
from mtl_cli.models.base import Model
from mtl_cli.modes.base import Mode
from mtl_cli.networks.network import Network, Params
from mtl_cli.optimizers.base import Optimizer
from mtl_cli.settings import bind, numbers, signature
from mtl_cli.step.context import StepContext
from mtl_cli.step.state import TrainState
from mtl_cli.tasks import Tasks
from mtl_cli.training import gate_diagnostics, gradient_diagnostics
from mtl_cli.training.chunk import Chunk
from mtl_cli.training.host_buffers import HostBuffers, ThreadBuffers
from mtl_cli.weighting.base import Weighting

MAX_BYTES_TOGETHER: Final = 128 * 2**20
"""The most memory that what the host draws at once for several runs may take."""


class ChunkResult(NamedTuple):
    """Result of a chunk of n iterations."""

    state: TrainState
    losses: NDArray[np.float32]
    """[n, 1 + T]"""
    seen: NDArray[np.float32]
    """What diagnosed iterations let be seen, as `gradient_diagnostics` has it; [n, 0] where none is."""
    finite: NDArray[np.bool_]
    """Whether all parameters and optimizer states are; a scalar."""


class Program:
    """One compiled training function with the settings it was compiled for."""

    def __init__(
        self, network: Network, dataset: Dataset, tree: Mapping[str, Any], example: Chunk, device: str
    ) -> None:
        self.capacity = capacity_of(_bytes(example))
        self.traces = 0
        self._network = network
        self._feed = dataset.feed
        self._tree = tree
        self.example = example
        self.device = device
        self.tasks = len(dataset.tasks)
        self._seen = 0
        if "observed" in example.arrays:
            self._seen = gradient_diagnostics.width(self.tasks) + gate_diagnostics.width(network.gates)
        self.width = 1 + self.tasks + self._seen
        self._thread_buffers = ThreadBuffers(example.inputs, self.capacity)
        self._train = tf.function(self._chunk, jit_compile=True, autograph=False)
        self._compiled: Any = None
        """`_train` for the only shapes it gets, which spares it to look at them in each call."""
        self._together: dict[tuple[int, bool], Vectorized] = {}
        self._infer = tf.function(network.inferred, autograph=False, reduce_retracing=True)
        self._weigh = tf.function(network.weighed, autograph=False, reduce_retracing=True)

    @property
    def on_cpu(self) -> bool:
        """Tells whether it computes on the processor."""
        return self.device.startswith("CPU")

    def train(self, state: TrainState, values: Mapping[str, Tensor], device_data: Any, chunk: Chunk) -> ChunkResult:
        """Runs the iterations of a chunk, at most `capacity`.

        Args:
            state: The state before them.
            values: The numbers, as `constants` gives them.
            device_data: The dataset's tensors on the device.
            chunk: The iterations.

        Returns:
            What came of them.
        """
        count = len(chunk)
        buffers = self._thread_buffers.buffers
        buffers.fill(chunk.inputs)
        with tf.device(self.device):
            arguments = (state, values, device_data, buffers.tensors(), tf.constant(count, tf.int32))
            self._compiled = self._compiled or self._train.get_concrete_function(*arguments)
            new, rows, finite = self._compiled(*arguments)
        losses, seen = np.split(rows.numpy()[:count], [1 + self.tasks], axis=1)
        return ChunkResult(new, losses, seen, finite.numpy())

    def vectorized(self, runs: int, *, own_rows: bool) -> "Vectorized":
        """Returns the program mapped over so many runs, which have rows of their `own` on the device or share them."""
        key = runs, own_rows
        if key not in self._together:
            self._together[key] = Vectorized(self, runs, own_rows=own_rows)
        return self._together[key]

    def predict(self, params: Params, features: Tensor) -> dict[str, Tensor]:
        """Returns every task's raw outputs in inference, [rows, U]."""
        with tf.device(self.device):
            return dict(self._infer(params, features))

    def gates(self, params: Params, features: Tensor) -> dict[str, Tensor]:
        """Returns the weights of experts in inference, [rows, E], by the gate's name."""
        with tf.device(self.device):
            return dict(self._weigh(params, features))

    def step(
        self,
        state: TrainState,
        values: Mapping[str, Tensor],
        device_data: Any,
        batch: Mapping[str, Tensor],
        *,
        mapped: bool,
    ) -> tuple[TrainState, Tensor]:
        """Returns the state after one iteration, and its losses with what it lets be seen; a pure function.

        Args:
            state: The state before it.
            values: The numbers.
            device_data: The dataset's tensors on the device.
            batch: What the host drew for it.
            mapped: Whether this is one of several runs.
        """
        tree = bind(self._tree, values)
        mode: Mode = tree["mode"]
        context, params, drawn = step_context(self._network, self._feed, tree), state.params, dict(batch)
        step = mode.mapped_step if mapped else mode.step
        state, row, weights_T = step(context, state, device_data, drawn, drawn.pop("learning_rate"))
        if not self._seen:
            return state, row

        def look() -> Tensor:
            return gradient_diagnostics.observed(
                context, params, mode.rows_of_all(context, device_data, drawn), drawn, weights_T
            )

        seen = tf.cond(drawn["observed"], look, lambda: tf.zeros([self._seen]))
        return state, tf.concat([row, seen], axis=0)

    def _chunk(
        self,
        state: TrainState,
        values: Mapping[str, Tensor],
        device_data: Any,
        drawn: Mapping[str, Tensor],
        count: Tensor,
    ) -> tuple[TrainState, Tensor, Tensor]:
        self.traces += 1

        def step(state: TrainState, batch: Mapping[str, Tensor]) -> tuple[TrainState, Tensor]:
            return self.step(state, values, device_data, batch, mapped=False)

        state, rows = _repeated(step, state, drawn, count, (self.capacity, self.width))
        return state, rows, _finite(state, 0)


class Vectorized:
    """A program mapped over R runs: in every iteration each makes one of its own."""

    def __init__(self, program: Program, runs: int, *, own_rows: bool) -> None:
        self.capacity = capacity_of(runs * _bytes(program.example), MAX_BYTES_TOGETHER)
        self.traces = 0
        self._program = program
        self._runs = runs
        self._own_rows = own_rows
        self._train = tf.function(self._chunk, jit_compile=True, autograph=False)

    def buffers(self) -> HostBuffers:
        """Returns buffers for what is drawn for a chunk; two calls at once need one each."""
        return HostBuffers(self._program.example.inputs, self.capacity, self._runs)

    def train(
        self,
        states: TrainState,
        values: Mapping[str, Tensor],
        device_data: Any,
        chunks: Mapping[int, Chunk],
        buffers: HostBuffers,
    ) -> ChunkResult:
        """Runs the next n iterations of each run.

        Args:
            states: The states before them, each tensor [R, ...].
            values: The runs' numbers, [R].
            device_data: The device_data tensors, [R, ...] if the runs have their own.
            chunks: By the run's place, its iterations, equally many of each. A place without a run trains on what was
                there before, for nothing.
            buffers: From `buffers`.

        Returns:
            What came of them: states [R, ...], losses [n, R, 1 + T], what was seen [n, R, ...], which are finite [R].
        """
        for place, chunk in chunks.items():
            buffers.fill(chunk.inputs, place)
        (count,) = {len(chunk) for chunk in chunks.values()}
        with tf.device(self._program.device):
            drawn_tensors, length = buffers.tensors(), tf.constant(count, tf.int32)
            states, rows, finite = self._train(states, values, device_data, drawn_tensors, length)
        losses, seen = np.split(rows.numpy()[:count], [1 + self._program.tasks], axis=2)
        return ChunkResult(states, losses, seen, finite.numpy())

    def _chunk(
        self,
        states: TrainState,
        values: Mapping[str, Tensor],
        device_data: Any,
        drawn: Mapping[str, Tensor],
        count: Tensor,
    ) -> tuple[TrainState, Tensor, Tensor]:
        self.traces += 1
        own = {"device_data": device_data} if self._own_rows else {}

        def step_of_one(of_run: Mapping[str, Any]) -> tuple[TrainState, Tensor]:
            rows = of_run.get("device_data", device_data)
            return self._program.step(of_run["state"], of_run["values"], rows, of_run["batch"], mapped=True)

        def step(states: TrainState, batches: Mapping[str, Tensor]) -> tuple[TrainState, Tensor]:
            of_runs = {"state": states, "values": values, "batch": batches, **own}
            mapped: tuple[TrainState, Tensor] = tf.vectorized_map(step_of_one, of_runs, fallback_to_while_loop=False)
            return mapped

        states, rows = _repeated(step, states, drawn, count, (self.capacity, self._runs, self._program.width))
        return states, rows, _finite(states, 1)


def _repeated(
    step: Callable[[TrainState, Mapping[str, Tensor]], tuple[TrainState, Tensor]],
    state: TrainState,
    drawn: Mapping[str, Tensor],
    count: Tensor,
    shape: tuple[int, ...],
) -> tuple[TrainState, Tensor]:
    """Returns the state after `count` steps, each on its part of what was drawn, and the rows that they gave.

    Args:
        step: Takes a state and what was drawn for an iteration, and returns the next state and a row.
        state: The state before them.
        drawn: What was drawn, each array [capacity, ...].
        count: How many steps.
        shape: Of the rows, the capacity first.
    """

    def body(k: Tensor, state: TrainState, rows: Any) -> tuple[Tensor, TrainState, Any]:
        state, row = step(state, {key: array[k] for key, array in drawn.items()})
        return k + 1, state, rows.write(k, row)

    rows = tf.TensorArray(tf.float32, shape[0], element_shape=shape[1:])
    _, state, rows = tf.while_loop(lambda k, *_: k < count, body, (tf.constant(0), state, rows))
    return state, rows.stack()


def _finite(state: TrainState, first: int) -> Tensor:
    """Tells whether all parameters and optimizer states are finite, over the axes from `first` on."""
    tensors = keras.tree.flatten([state.params, state.optimizers])
    each = [tf.reduce_all(tf.math.is_finite(t), axis=list(range(first, len(t.shape)))) for t in tensors]
    return tf.reduce_all(tf.stack(each), axis=0)


def _bytes(example: Chunk) -> int:
    return sum(array.nbytes for array in example.inputs.values())


def step_context(network: Network, feed: Any, tree: Mapping[str, Any]) -> StepContext:
    """Returns the context of a step from the settings of the tree."""
    return StepContext(network, feed, tree["model"], tree["weighting"], tree["optimizer"], tree["tasks"])


def settings_tree(mode: Mode, model: Model, weighting: Weighting, optimizer: Optimizer, tasks: Tasks) -> dict[str, Any]:
    """Returns the settings that a program is compiled from."""
    return {"mode": mode, "model": model, "weighting": weighting, "optimizer": optimizer, "tasks": tasks}


def constants(tree: Mapping[str, Any]) -> dict[str, Tensor]:
    """Returns the numbers of the tree as float32 tensors, the program's arguments."""
    return {path: tf.constant(value, tf.float32) for path, value in numbers(tree).items()}


_programs: dict[str, Program] = {}


def program_for(network: Network, dataset: Dataset, tree: Mapping[str, Any], example: Chunk, device: str) -> Program:
    """Returns the compiled program for these settings, data and shapes: the one there is, or a new one.

    Args:
        network: The run's network; a new program keeps it as its description.
        dataset: The run's data; only its feed and shapes matter.
        tree: The settings, as `settings_tree` gives them.
        example: A chunk of one iteration; its shapes are the program's.
        device: The device to compute on.
    """
    shapes = keras.tree.map_structure(lambda a: (a.dtype.name, a.shape), [dataset.device_data, example.inputs])
    key = "\n".join([signature(tree), repr(dataset.feed), dataset.encoder.structure, repr(shapes), device])
    if key not in _programs:
        _programs[key] = Program(network, dataset, tree, example, device)
    return _programs[key]
