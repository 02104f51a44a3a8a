"""The contract of a training mode: what the host draws for an iteration, and the pure step that uses it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Tensor, tf
from mtl_cli.data.base import DROPOUT, PICKS, Arrays, Batch, Feed, Resident, Rows, Stream, generator
from mtl_cli.models.base import Model, Network, Params
from mtl_cli.optimizers import Optimizer
from mtl_cli.sampling.base import Pool, Sampling
from mtl_cli.settings import Settings
from mtl_cli.tasks import NO_LOSS, Task, Tasks
from mtl_cli.weighting.base import Weighting

HALVED_FROM: Final = 128
"""The rows from which a batch is computed in two halves."""


class State(NamedTuple):
    """Everything that changes in training; nothing else does."""

    params: Params
    optimizers: dict[str, Any]
    """The optimizer states, by a name the mode chose."""


@dataclass(frozen=True)
class Parts:
    """What a step is made of. Inside the program the numbers of the settings are tensors."""

    network: Network
    feed: Feed
    model: Model
    weighting: Weighting
    optimizer: Optimizer
    tasks: Mapping[str, Task]

    def losses(self, params: Params, rows: Sequence[Rows], batch: Batch) -> dict[str, Tensor]:
        """Returns the loss of each task that has labels in `rows`, scalars, in training.

        A large batch goes through the network in two halves that need nothing of each other, forwards and backwards, so
        that two cores can take one each: XLA runs most products of this size on a single one. At 256 rows and layers of
        256 and 128 units an iteration takes 0.85 times as long.

        Groups of rows share dropout's noise.
        """
        losses: dict[str, Tensor] = {}
        for group in rows:
            inputs = [group.features, self.model.factors(batch["noise"])] if self.network.dropped else [group.features]
            of_rows: dict[str, list[Tensor]] = {name: [] for name in group.labels}
            for piece in _pieces(group.features.shape[0]):
                raw = self.network.outputs(params, [a[piece] for a in inputs], group.labels)
                for name, values in group.labels.items():
                    of_rows[name].append(self.tasks[name].row_losses(values[piece], raw[name]))
            for name, parts in of_rows.items():
                losses[name] = self.tasks[name].batch_loss(tf.concat(parts, axis=0), group.weights.get(name))
        return losses

    def recorded(self, losses: Mapping[str, Tensor], rows: Sequence[Rows]) -> Tensor:
        """Returns the tasks' losses, [T], with NO_LOSS for a task that has no label in this batch."""
        shown = dict(losses)
        for group in rows:
            for name, weights in group.weights.items():
                shown[name] = tf.where(tf.reduce_any(weights > 0), losses[name], NO_LOSS)
        return tf.stack([shown[name] for name in self.tasks])

    @staticmethod
    def gradients(tape: Any, objective: Tensor, params: list[Tensor]) -> list[Tensor]:
        """Returns the objective's gradients, dense (an embedding's comes as a list of rows)."""
        found = tape.gradient(objective, params, unconnected_gradients="zero")
        return [tf.convert_to_tensor(gradient) for gradient in found]

    def weights_T(self) -> Tensor:
        """Returns the tasks' weights, [T]."""
        return tf.stack([tf.convert_to_tensor(task.weight) for task in self.tasks.values()])


class Draws:
    """The host's randomness for a run: rows from the data, picks from the sampler, in the order of the iterations."""

    def __init__(self, stream: Stream, sampling: Sampling, pool: Pool, noise: tuple[int, int], seed: int) -> None:
        self.stream = stream
        self._sampling = sampling
        self._pool = pool
        self._noise = noise
        self._picking = generator(seed, PICKS)
        self._dropping = generator(seed, DROPOUT)

    def picks(self, iterations: NDArray[np.int64]) -> NDArray[np.int32]:
        """Returns the task to train in each of the iterations (counted from 1)."""
        return self._sampling.picks(iterations, self._pool, self._picking)

    def probabilities(self, iterations: NDArray[np.int64]) -> NDArray[np.float64]:
        """Returns each task's probability of being picked in each of the iterations (counted from 1), [n, T]."""
        return self._sampling.probabilities(iterations, self._pool)

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
    def init(self, parts: Parts, params: Params) -> dict[str, Any]:
        """Returns the optimizer states before the first iteration."""

    def shares(self, draws: Draws, tasks: Tasks, iterations: NDArray[np.int64]) -> NDArray[np.float64]:
        """Returns each task's share in each of the iterations (counted from 1), [n, T]: here what the config says."""
        return np.tile([getattr(task, self.share) for task in tasks.values()], (len(iterations), 1))

    @abstractmethod
    def draw(self, draws: Draws, iterations: NDArray[np.int64]) -> Arrays:
        """Draws what the iterations need, each array [n, ...]; `pick`, where there is one, is the task's number."""

    @abstractmethod
    def step(
        self, parts: Parts, state: State, resident: Resident, batch: Batch, learning_rate: Tensor
    ) -> tuple[State, Tensor]:
        """Returns the state after one iteration, and the losses before it, [1 + T]: joint, then each task's.

        A loss that the mode doesn't compute in this iteration is 0 there, NO_LOSS where a batch has no label of the
        task. Penalties (L2) are not part of the losses.
        """


def _pieces(rows: int) -> list[slice]:
    return [slice(0, rows // 2), slice(rows // 2, rows)] if rows >= HALVED_FROM else [slice(0, rows)]
