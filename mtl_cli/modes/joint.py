"""Joint training: every iteration computes all tasks' losses on the same rows and minimises their combination.

One optimizer state for all parameters. The combination is the weighting's, by default sum_t w_t L_t.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Tensor, tf
from mtl_cli.data.base import Arrays, Batch, Resident
from mtl_cli.models.base import Params
from mtl_cli.modes.base import Draws, Mode, Parts, State


class Joint(Mode):
    """All tasks in every iteration."""

    name: Literal["joint"] = "joint"

    share = "weight"
    chooser = "weighting"

    def init(self, parts: Parts, params: Params) -> dict[str, Any]:
        """Returns one state for all parameters."""
        return {"joint": parts.optimizer.init(params.all())}

    def draw(self, draws: Draws, iterations: NDArray[np.int64]) -> Arrays:
        """Draws rows that all tasks share, or a batch for each group of tasks."""
        return draws.stream.joint(len(iterations))

    def step(
        self, parts: Parts, state: State, resident: Resident, batch: Batch, learning_rate: Tensor
    ) -> tuple[State, Tensor]:
        """Returns the state after one update of all parameters, and all losses."""
        rows = parts.feed.joint(resident, batch)
        parameters = state.params.all()
        with tf.GradientTape() as tape:
            tape.watch(parameters)
            losses = parts.losses(state.params, rows, batch)
            losses_T = tf.stack([losses[task] for task in parts.tasks])
            joint_loss = parts.weighting.joint_loss(losses_T, parts.weights_T())
            objective = joint_loss + parts.model.penalty(parameters)
        gradients = parts.gradients(tape, objective, parameters)
        optimizer, moved = parts.optimizer.update(state.optimizers["joint"], parameters, gradients, learning_rate)
        row = tf.concat([[joint_loss], parts.recorded(losses, rows)], axis=0)
        return State(state.params.like(moved), {"joint": optimizer}), row
