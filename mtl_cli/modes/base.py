"""The contract of a training mode: what the host draws for an iteration, and the pure step that uses it."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Arrays, Tensor
from mtl_cli.datasets.batches import Batch, DeviceData, Rows
from mtl_cli.networks.network import Params
from mtl_cli.sampling.base import Pool, Sampling
from mtl_cli.settings import Settings
from mtl_cli.step.context import StepContext
from mtl_cli.step.draws import Draws
from mtl_cli.step.state import TrainState
from mtl_cli.tasks import Tasks


class Mode(Settings, ABC):
    """A way to train, as the user describes it under `mode`."""

    name: str

    share: ClassVar[str]
    """The tasks' key that matters in this mode, `weight` or `prob`."""
    chooser: ClassVar[str]
    """The config group that acts in this mode, `weighting` or `sampling`."""

    @abstractmethod
    def init(self, context: StepContext, params: Params) -> TrainState:
        """Returns the state before the first iteration."""

    def shares(
        self, sampling: Sampling, pool: Pool, tasks: Tasks, iterations: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Returns each task's share in each of the iterations (counted from 1), [n, T]: here what the config says."""
        return np.tile([getattr(task, self.share) for task in tasks.values()], (len(iterations), 1))

    @abstractmethod
    def draw(self, draws: Draws, iterations: NDArray[np.int64]) -> Arrays:
        """Draws what the iterations need, each array [n, ...]; `pick`, where there is one, is the task's number."""

    @abstractmethod
    def step(
        self, context: StepContext, state: TrainState, device_data: DeviceData, batch: Batch, learning_rate: Tensor
    ) -> tuple[TrainState, Tensor, Tensor]:
        """Returns the state after one iteration, the losses before it, and the weights of the tasks' gradients.

        The losses are [1 + T]: joint, then each task's. One that the mode doesn't compute in this iteration is 0,
        and NO_LOSS where a batch has no label of the task. Penalties (L2) are not part of them. The weights [T] are
        those of the update of the shared parameters, NaN where it is no weighted sum.
        """

    def mapped_step(
        self, context: StepContext, state: TrainState, device_data: DeviceData, batch: Batch, learning_rate: Tensor
    ) -> tuple[TrainState, Tensor, Tensor]:
        """Returns the same as `step`, in a form that `tf.vectorized_map` can map over runs."""
        return self.step(context, state, device_data, batch, learning_rate)

    @abstractmethod
    def rows_of_all(self, context: StepContext, device_data: DeviceData, batch: Batch) -> list[Rows]:
        """Returns rows of all tasks in an iteration that is diagnosed."""
