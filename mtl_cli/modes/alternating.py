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

from mtl_cli.backend import Tensor, tf
from mtl_cli.data.base import Arrays, Batch, Resident, Rows
from mtl_cli.models.base import Params
from mtl_cli.modes.base import Draws, Mode, Parts, State
from mtl_cli.tasks import Tasks

SHARED = "shared layers"
"""The key of the shared state; no task can have this name."""


class Alternating(Mode):
    """One task in every iteration."""

    name: Literal["alternating"] = "alternating"
    optimizer_scope: Literal["per_task", "shared"] = "per_task"

    share = "prob"
    chooser = "sampling"

    def init(self, parts: Parts, params: Params) -> State:
        """Returns optimizer states for each task's parameters, and with `shared` one for the shared ones."""
        groups = {SHARED: params.shared} | params.own
        if self._per_task:
            groups = {task: [*params.shared, *own] for task, own in params.own.items()}
        return State(params, {name: parts.optimizer.init(group) for name, group in groups.items()}, {})

    def shares(self, draws: Draws, tasks: Tasks, iterations: NDArray[np.int64]) -> NDArray[np.float64]:
        """Returns the sampler's probabilities."""
        return draws.probabilities(iterations)

    def draw(self, draws: Draws, iterations: NDArray[np.int64]) -> Arrays:
        """Draws picks, and rows of the picked tasks."""
        picks = draws.picks(iterations)
        return {"pick": picks, **draws.stream.single(picks), **draws.aside(iterations)}

    def step(
        self, parts: Parts, state: State, resident: Resident, batch: Batch, learning_rate: Tensor
    ) -> tuple[State, Tensor, Tensor]:
        """Returns the state after one update of the picked task's and the shared parameters, and that task's loss."""

        def branch(number: int, task: str) -> Callable[[], tuple[State, Tensor]]:
            return lambda: self._train(parts, state, resident, batch, learning_rate, number, task)

        branches = [branch(number, task) for number, task in enumerate(parts.tasks)]
        state, losses = tf.switch_case(batch["pick"], branches)
        return state, losses, tf.fill([len(parts.tasks)], np.nan)

    def rows_of_all(self, parts: Parts, resident: Resident, batch: Batch) -> list[Rows]:
        """Returns rows drawn for this alone, since the iteration's own are those of one task."""
        aside = {key.removeprefix("aside_"): array for key, array in batch.items() if key.startswith("aside_")}
        return parts.feed.joint(resident, aside)

    def _train(
        self,
        parts: Parts,
        state: State,
        resident: Resident,
        batch: Batch,
        learning_rate: Tensor,
        number: int,
        task: str,
    ) -> tuple[State, Tensor]:
        rows = parts.feed.single(resident, batch, task)
        shared, own = state.params.shared, state.params.own[task]
        with tf.GradientTape() as tape:
            tape.watch([*shared, *own])
            loss = parts.forward(state.params, [rows], batch).losses[task]
            objective = loss + parts.model.penalty([*shared, *own])
        gradients = parts.gradients(tape, objective, [*shared, *own])

        optimizers = dict(state.optimizers)
        groups = {task: [*shared, *own]} if self._per_task else {SHARED: shared, task: own}
        moved: list[Tensor] = []
        for name, group in groups.items():
            of_group = gradients[len(moved) : len(moved) + len(group)]
            optimizers[name], new = parts.optimizer.update(optimizers[name], group, of_group, learning_rate)
            moved += new
        params = Params(moved[: len(shared)], state.params.own | {task: moved[len(shared) :]})
        losses = tf.scatter_nd([[1 + number]], [loss], [1 + len(parts.tasks)])
        return State(params, optimizers, state.memory), losses

    @property
    def _per_task(self) -> bool:
        return self.optimizer_scope == "per_task"
