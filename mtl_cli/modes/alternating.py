"""Alternating training: every iteration picks one task and minimises that task's loss alone.

A task that isn't picked leaves its own layers and their moments as they are. `optimizer_scope`:

- `per_task` (the source article): every task has an optimizer state of its own for the shared layers and its own.
- `shared`: one state for the shared layers, which every iteration moves on, and one for each task's own layers, which
  only its own iterations do. (A single state over all parameters would give a head that is first picked at iteration
  t a bias correction t steps too far, and move the other heads by their momentum.)
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Arrays, Tensor, keras, tf
from mtl_cli.datasets.batches import Batch, DeviceData, Rows
from mtl_cli.modes.base import Mode
from mtl_cli.networks.network import Params
from mtl_cli.sampling.base import Pool, Sampling
from mtl_cli.step.context import StepContext
from mtl_cli.step.draws import Draws
from mtl_cli.step.state import TrainState
from mtl_cli.tasks import Tasks

SHARED = "shared layers"
"""The key of the shared state; no task can have this name."""


class Alternating(Mode):
    """One task in every iteration."""

    name: Literal["alternating"] = "alternating"
    optimizer_scope: Literal["per_task", "shared"] = "per_task"

    share = "prob"
    chooser = "sampling"

    def init(self, context: StepContext, params: Params) -> TrainState:
        """Returns optimizer states for each task's parameters, and with `shared` one for the shared ones."""
        groups = {SHARED: params.shared} | params.own
        if self._per_task:
            groups = {task: [*params.shared, *own] for task, own in params.own.items()}
        return TrainState(params, {name: context.optimizer.init(group) for name, group in groups.items()}, {})

    def shares(
        self, sampling: Sampling, pool: Pool, tasks: Tasks, iterations: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Returns the sampler's probabilities."""
        return sampling.probabilities(iterations, pool)

    def draw(self, draws: Draws, iterations: NDArray[np.int64]) -> Arrays:
        """Draws picks, and rows of the picked tasks."""
        picks = draws.picks(iterations)
        return {"pick": picks, **draws.stream.single(picks), **draws.aside(iterations)}

    def step(
        self, context: StepContext, state: TrainState, device_data: DeviceData, batch: Batch, learning_rate: Tensor
    ) -> tuple[TrainState, Tensor, Tensor]:
        """Returns the state after one update of the picked task's and the shared parameters, and that task's loss."""

        def branch(number: int, task: str) -> Callable[[], tuple[TrainState, Tensor]]:
            return lambda: self._train(context, state, device_data, batch, learning_rate, number, task)

        branches = [branch(number, task) for number, task in enumerate(context.tasks)]
        state, losses = tf.switch_case(batch["pick"], branches)
        return state, losses, tf.fill([len(context.tasks)], np.nan)

    def mapped_step(
        self, context: StepContext, state: TrainState, device_data: DeviceData, batch: Batch, learning_rate: Tensor
    ) -> tuple[TrainState, Tensor, Tensor]:
        """Returns the same as `step`, without a branch: all tasks' losses on the rows, of which the picked one counts.

        Every task's update is computed, and the picked one's kept.
        """
        picked_T = tf.equal(batch["pick"], tf.range(len(context.tasks)))
        everything = state.params.all()
        with tf.GradientTape() as tape:
            tape.watch(everything)
            found = {
                task: context.forward(state.params, [context.feed.single(device_data, batch, task)], batch)
                for task in context.tasks
            }
            losses_T = tf.where(picked_T, tf.stack([forward.losses[task] for task, forward in found.items()]), 0.0)
            pulls = [context.penalty(state.params, [task], forward.extra) for task, forward in found.items()]
            objective = tf.reduce_sum(losses_T + tf.where(picked_T, tf.stack(pulls), 0.0))
        gradients = state.params.like(context.gradients(tape, objective, everything))
        for number, task in enumerate(context.tasks):
            moved = self._updated(context, state, task, [*gradients.shared, *gradients.own[task]], learning_rate)
            state = _where(picked_T[number], moved, state)
        return state, tf.concat([[0.0], losses_T], axis=0), tf.fill([len(context.tasks)], np.nan)

    def rows_of_all(self, context: StepContext, device_data: DeviceData, batch: Batch) -> list[Rows]:
        """Returns rows drawn for this alone, since the iteration's own are those of one task."""
        aside = {key.removeprefix("aside_"): array for key, array in batch.items() if key.startswith("aside_")}
        return context.feed.joint(device_data, aside)

    def _train(
        self,
        context: StepContext,
        state: TrainState,
        device_data: DeviceData,
        batch: Batch,
        learning_rate: Tensor,
        number: int,
        task: str,
    ) -> tuple[TrainState, Tensor]:
        rows = context.feed.single(device_data, batch, task)
        shared, own = state.params.shared, state.params.own[task]
        with tf.GradientTape() as tape:
            tape.watch([*shared, *own])
            forward = context.forward(state.params, [rows], batch)
            loss = forward.losses[task]
            objective = loss + context.penalty(state.params, [task], forward.extra)
        gradients = context.gradients(tape, objective, [*shared, *own])
        losses = tf.scatter_nd([[1 + number]], [loss], [1 + len(context.tasks)])
        return self._updated(context, state, task, gradients, learning_rate), losses

    def _updated(
        self, context: StepContext, state: TrainState, task: str, gradients: list[Tensor], learning_rate: Tensor
    ) -> TrainState:
        """Returns the state after an update of the shared parameters and one task's own."""
        shared, own = state.params.shared, state.params.own[task]
        optimizers, gradients = dict(state.optimizers), context.optimizer.clipped(gradients)
        groups = {task: [*shared, *own]} if self._per_task else {SHARED: shared, task: own}
        moved: list[Tensor] = []
        for name, group in groups.items():
            of_group = gradients[len(moved) : len(moved) + len(group)]
            optimizers[name], new = context.optimizer.update(optimizers[name], group, of_group, learning_rate)
            moved += new
        params = Params(moved[: len(shared)], state.params.own | {task: moved[len(shared) :]})
        return TrainState(params, optimizers, state.memory)

    @property
    def _per_task(self) -> bool:
        return self.optimizer_scope == "per_task"


def _where(condition: Tensor, one: TrainState, other: TrainState) -> TrainState:
    chosen: TrainState = keras.tree.map_structure(lambda a, b: tf.where(condition, a, b), one, other)
    return chosen
