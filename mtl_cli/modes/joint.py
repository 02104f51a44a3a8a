"""Joint training: every iteration computes all tasks' losses on the same rows and minimises their combination.

One optimizer state for all parameters. The combination is the weighting's, by default sum_t w_t L_t.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Arrays, Tensor, tf
from mtl_cli.datasets.batches import Batch, Resident, Rows
from mtl_cli.models.base import Params
from mtl_cli.modes.base import Mode
from mtl_cli.step.context import Parts
from mtl_cli.step.draws import Draws
from mtl_cli.step.state import State
from mtl_cli.step.task_gradients import TaskGradients
from mtl_cli.tasks import NO_LOSS
from mtl_cli.weighting.base import Seen


class Joint(Mode):
    """All tasks in every iteration."""

    name: Literal["joint"] = "joint"

    share = "weight"
    chooser = "weighting"

    def init(self, parts: Parts, params: Params) -> State:
        """Returns one optimizer state for all parameters, and the weighting's memory."""
        memory = parts.weighting.init(len(parts.tasks), params.shared)
        return State(params, {"joint": parts.optimizer.init(params.all())}, memory)

    def draw(self, draws: Draws, iterations: NDArray[np.int64]) -> Arrays:
        """Draws rows that all tasks share, or a batch for each group of tasks, and what the weighting needs."""
        return draws.stream.joint(len(iterations)) | draws.weighting(len(iterations))

    def step(
        self, parts: Parts, state: State, resident: Resident, batch: Batch, learning_rate: Tensor
    ) -> tuple[State, Tensor, Tensor]:
        """Returns the state after one update of all parameters, all losses, and the weighting's weights."""
        rows = self.rows_of_all(parts, resident, batch)
        parameters = state.params.all()
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(parameters)
            losses, representation = parts.forward(state.params, rows, batch)
            losses = {task: losses[task] for task in parts.tasks}
            penalty = parts.model.penalty(parameters)
        last_layer = state.params.shared[len(state.params.shared) - parts.network.last_layer :]
        gradients = TaskGradients(tape, losses, representation, state.params, last_layer)
        losses_T, present_T = tf.stack(list(losses.values())), parts.present_T(rows)
        seen = Seen(parts.tasks, losses_T, present_T, batch, gradients.rows, gradients.gram)
        memory, update = parts.weighting.combine(state.memory, seen)
        found = parts.optimizer.clipped(gradients.combined(update, penalty))
        optimizer, moved = parts.optimizer.update(state.optimizers["joint"], parameters, found, learning_rate)
        params = state.params.like(moved)

        def losses_after() -> Tensor:
            after = parts.forward(params, rows, batch).losses
            return tf.stack([after[task] for task in parts.tasks])

        memory = parts.weighting.look_back(memory, seen, losses_after)
        row = tf.concat([[update.joint_loss], tf.where(present_T, losses_T, NO_LOSS)], axis=0)
        return State(params, {"joint": optimizer}, memory), row, update.shared_T

    def rows_of_all(self, parts: Parts, resident: Resident, batch: Batch) -> list[Rows]:
        """Returns the iteration's rows."""
        return parts.feed.joint(resident, batch)
