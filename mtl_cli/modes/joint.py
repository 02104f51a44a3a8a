"""Joint training: every iteration computes all tasks' losses on the same rows and minimises their combination.

One optimizer state for all parameters. The combination is the weighting's, by default sum_t w_t L_t.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Arrays, Tensor, tf
from mtl_cli.datasets.batches import Batch, DeviceData, Rows
from mtl_cli.modes.base import Mode
from mtl_cli.networks.network import Params
from mtl_cli.step.context import StepContext
from mtl_cli.step.draws import Draws
from mtl_cli.step.state import TrainState
from mtl_cli.step.task_gradients import TaskGradients
from mtl_cli.tasks import NO_LOSS
from mtl_cli.weighting.base import Observation


class Joint(Mode):
    """All tasks in every iteration."""

    name: Literal["joint"] = "joint"

    share = "weight"
    chooser = "weighting"

    def init(self, context: StepContext, params: Params) -> TrainState:
        """Returns one optimizer state for all parameters, and the weighting's memory."""
        memory = context.weighting.init(len(context.tasks), params.shared)
        return TrainState(params, {"joint": context.optimizer.init(params.all())}, memory)

    def draw(self, draws: Draws, iterations: NDArray[np.int64]) -> Arrays:
        """Draws rows that all tasks share, or a batch for each group of tasks, and what the weighting needs."""
        return draws.stream.joint(len(iterations)) | draws.weighting(len(iterations))

    def step(
        self, context: StepContext, state: TrainState, device_data: DeviceData, batch: Batch, learning_rate: Tensor
    ) -> tuple[TrainState, Tensor, Tensor]:
        """Returns the state after one update of all parameters, all losses, and the weighting's weights."""
        rows = self.rows_of_all(context, device_data, batch)
        parameters = state.params.all()
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(parameters)
            forward = context.forward(state.params, rows, batch)
            losses = {task: forward.losses[task] for task in context.tasks}
            penalty = context.penalty(state.params, context.tasks, forward.extra)
        last_layer = [state.params.shared[place] for place in context.network.last_layer]
        gradients = TaskGradients(tape, losses, forward.cut, state.params, last_layer)
        losses_T, present_T = tf.stack(list(losses.values())), context.present_T(rows)
        seen = Observation(context.tasks, losses_T, present_T, batch, gradients.rows, gradients.gram)
        memory, update = context.weighting.combine(state.memory, seen)
        found = context.optimizer.clipped(gradients.combined(update, penalty))
        optimizer, moved = context.optimizer.update(state.optimizers["joint"], parameters, found, learning_rate)
        params = state.params.like(moved)

        def losses_after() -> Tensor:
            after = context.forward(params, rows, batch).losses
            return tf.stack([after[task] for task in context.tasks])

        memory = context.weighting.after_update(memory, seen, losses_after)
        row = tf.concat([[update.joint_loss], tf.where(present_T, losses_T, NO_LOSS)], axis=0)
        return TrainState(params, {"joint": optimizer}, memory), row, update.shared_weights_T

    def rows_of_all(self, context: StepContext, device_data: DeviceData, batch: Batch) -> list[Rows]:
        """Returns the iteration's rows."""
        return context.feed.joint(device_data, batch)
