"""The contract of a training mode: what the host draws for an iteration, and the pure step that uses it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Arrays, Tensor, tf
from mtl_cli.datasets.batches import Batch, Feed, Resident, Rows, Stream
from mtl_cli.models.base import Model, Network, Params
from mtl_cli.optimizers.base import Optimizer
from mtl_cli.randomness import DROPOUT, PICKS, WEIGHTING, Position, generator, go_to, position_of
from mtl_cli.sampling.base import Pool, Sampling
from mtl_cli.settings import Settings
from mtl_cli.tasks import Task, Tasks
from mtl_cli.weighting.base import Memory, Weighting

HALVED_FROM: Final = 128
"""The rows from which a batch is computed in two halves."""


class State(NamedTuple):
    """Everything that changes in training; nothing else does."""

    params: Params
    optimizers: dict[str, Any]
    """The optimizer states, by a name the mode chose."""
    memory: Memory
    """The weighting's."""


class Forward(NamedTuple):
    """A forward pass in training."""

    losses: dict[str, Tensor]
    """Of each task that has labels, a scalar."""
    representation: list[Tensor]
    """The shared layers' output [rows, units], in the pieces that it was computed in."""


@dataclass(frozen=True)
class Parts:
    """What a step is made of. Inside the program the numbers of the settings are tensors."""

    network: Network
    feed: Feed
    model: Model
    weighting: Weighting
    optimizer: Optimizer
    tasks: Mapping[str, Task]

    def forward(self, params: Params, rows: Sequence[Rows], batch: Batch) -> Forward:
        """Returns the loss of each task that has labels in `rows`, in training.

        A large batch goes through the network in two halves that need nothing of each other, forwards and backwards, so
        that two cores can take one each: XLA runs most products of this size on a single one. At 256 rows and layers of
        256 and 128 units an iteration takes 0.85 times as long.

        Groups of rows share dropout's noise.
        """
        forward = Forward({}, [])
        for group in rows:
            inputs = [group.features, self.model.factors(batch["noise"])] if self.network.dropped else [group.features]
            of_rows: dict[str, list[Tensor]] = {name: [] for name in group.labels}
            for piece in _pieces(group.features.shape[0]):
                raw, representation = self.network.outputs(params, [a[piece] for a in inputs], group.labels)
                forward.representation.append(representation)
                for name, values in group.labels.items():
                    of_rows[name].append(self.tasks[name].row_losses(values[piece], raw[name]))
            for name, parts in of_rows.items():
                loss = self.tasks[name].batch_loss(tf.concat(parts, axis=0), group.weights.get(name))
                forward.losses[name] = loss
        return forward

    def present_T(self, rows: Sequence[Rows]) -> Tensor:
        """Tells for each task whether it has a label in this batch, [T]."""
        weights = {name: of_rows for group in rows for name, of_rows in group.weights.items()}
        return tf.stack([tf.reduce_any(weights[name] > 0) if name in weights else True for name in self.tasks])

    @staticmethod
    def gradients(tape: Any, objective: Tensor, params: list[Tensor]) -> list[Tensor]:
        """Returns the objective's gradients, dense (an embedding's comes as a list of rows)."""
        found = tape.gradient(objective, params, unconnected_gradients="zero")
        return [tf.convert_to_tensor(gradient) for gradient in found]


class Draws:
    """The host's randomness for a run, in the order of the iterations, each purpose's from a generator of its own."""

    def __init__(
        self,
        stream: Stream,
        sampling: Sampling,
        pool: Pool,
        weighting: Weighting,
        shared: int,
        noise: tuple[int, int],
        seed: int,
        observed: tuple[int, Stream] | None = None,
    ) -> None:
        """Takes what is drawn from.

        Args:
            stream: Rows.
            sampling: The way of picking tasks.
            pool: The tasks that it picks from.
            weighting: The weighting method.
            shared: How many shared parameters there are.
            noise: Rows a batch, and hidden units that dropout acts on.
            seed: The run's.
            observed: After how many iterations one is diagnosed, and a stream of rows for it alone; None: never.
        """
        self.stream = stream
        self._sampling = sampling
        self._pool = pool
        self._weighting = weighting
        self._shared = shared
        self._noise = noise
        self._observed = observed
        self._generators = [generator(seed, purpose) for purpose in (PICKS, DROPOUT, WEIGHTING)]
        self._picking, self._dropping, self._combining = self._generators
        self._streams = [stream, *([observed[1]] if observed else [])]

    def position(self) -> Position:
        """Returns how far everything was drawn."""
        return {
            "generators": [position_of(random) for random in self._generators],
            "streams": [stream.position() for stream in self._streams],
        }

    def go_to(self, position: Position) -> None:
        """Goes on from where these draws, or others of the same run, were."""
        for random, of_one in zip(self._generators, position["generators"], strict=True):
            go_to(random, of_one)
        for stream, of_one in zip(self._streams, position["streams"], strict=True):
            stream.go_to(of_one)

    def picks(self, iterations: NDArray[np.int64]) -> NDArray[np.int32]:
        """Returns the task to train in each of the iterations (counted from 1)."""
        return self._sampling.picks(iterations, self._pool, self._picking)

    def probabilities(self, iterations: NDArray[np.int64]) -> NDArray[np.float64]:
        """Returns each task's probability of being picked in each of the iterations (counted from 1), [n, T]."""
        return self._sampling.probabilities(iterations, self._pool)

    def weighting(self, n: int) -> Arrays:
        """Returns what the weighting needs for the next n iterations, each array [n, ...]."""
        return self._weighting.draw(self._combining, n, len(self._pool.probs), self._shared)

    def observed(self, iterations: NDArray[np.int64]) -> Arrays:
        """Returns `observed`, which of the iterations are diagnosed, [n]; nothing where none ever is."""
        if self._observed is None:
            return {}
        return {"observed": (iterations % self._observed[0] == 0) | (iterations == 1)}

    def aside(self, iterations: NDArray[np.int64]) -> Arrays:
        """Returns rows of all tasks for the diagnosed ones of the iterations, in arrays `aside_...` [n, ...]."""
        if self._observed is None:
            return {}
        flags = self.observed(iterations)["observed"]
        arrays = {}
        for key, drawn in self._observed[1].joint(int(flags.sum())).items():
            arrays[f"aside_{key}"] = np.zeros((len(iterations), *drawn.shape[1:]), drawn.dtype)
            arrays[f"aside_{key}"][flags] = drawn
        return arrays

    def noise(self, n: int) -> Arrays:
        """Returns dropout's noise for the next n iterations, uniform whole numbers [n, B, D]; nothing where D is 0."""
        rows, units = self._noise
        if not units:
            return {}
        words = -(-rows * units // 4)  # a 64-bit word makes four
        raw = self._dropping.bit_generator.random_raw(n * words).view(np.uint16).reshape(n, -1)
        return {"noise": raw[:, : rows * units].reshape(n, rows, units)}


class Mode(Settings, ABC):
    """A way to train, as the user describes it under `mode`."""

    name: str

    share: ClassVar[str]
    """The tasks' key that matters in this mode, `weight` or `prob`."""
    chooser: ClassVar[str]
    """The config group that acts in this mode, `weighting` or `sampling`."""

    @abstractmethod
    def init(self, parts: Parts, params: Params) -> State:
        """Returns the state before the first iteration."""

    def shares(self, draws: Draws, tasks: Tasks, iterations: NDArray[np.int64]) -> NDArray[np.float64]:
        """Returns each task's share in each of the iterations (counted from 1), [n, T]: here what the config says."""
        return np.tile([getattr(task, self.share) for task in tasks.values()], (len(iterations), 1))

    @abstractmethod
    def draw(self, draws: Draws, iterations: NDArray[np.int64]) -> Arrays:
        """Draws what the iterations need, each array [n, ...]; `pick`, where there is one, is the task's number."""

    @abstractmethod
    def step(
        self, parts: Parts, state: State, resident: Resident, batch: Batch, learning_rate: Tensor
    ) -> tuple[State, Tensor, Tensor]:
        """Returns the state after one iteration, the losses before it, and the weights of the tasks' gradients.

        The losses are [1 + T]: joint, then each task's. One that the mode doesn't compute in this iteration is 0,
        and NO_LOSS where a batch has no label of the task. Penalties (L2) are not part of them. The weights [T] are
        those of the update of the shared parameters, NaN where it is no weighted sum.
        """

    def mapped_step(
        self, parts: Parts, state: State, resident: Resident, batch: Batch, learning_rate: Tensor
    ) -> tuple[State, Tensor, Tensor]:
        """Returns the same as `step`, in a form that `tf.vectorized_map` can map over runs."""
        return self.step(parts, state, resident, batch, learning_rate)

    @abstractmethod
    def rows_of_all(self, parts: Parts, resident: Resident, batch: Batch) -> list[Rows]:
        """Returns rows of all tasks in an iteration that is diagnosed."""


def _pieces(rows: int) -> list[slice]:
    return [slice(0, rows // 2), slice(rows // 2, rows)] if rows >= HALVED_FROM else [slice(0, rows)]
