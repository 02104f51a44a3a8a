"""What became NaN or infinite, in words."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import keras
from mtl_cli.errors import RunFailed
from mtl_cli.step.state import TrainState

ADVICE = "try a smaller optimizer.learning_rate, or optimizer.clip_norm=1"


class Diverged(RunFailed):
    """A loss, a parameter or an optimizer's state became NaN or infinite."""


def finite_rows(losses: NDArray[np.float32]) -> int:
    """Returns how many rows there are before the first that holds NaN or infinity."""
    finite = np.isfinite(losses).all(axis=1)
    return len(losses) if finite.all() else int(finite.argmin())


def state_diverged(iteration: str, state: TrainState) -> str:
    """Returns the message for a state that isn't finite while its iteration's losses are."""

    def finite(tensors: Any) -> bool:
        return all(np.isfinite(tensor.numpy()).all() for tensor in keras.tree.flatten(tensors))

    params = state.params
    owners = {"the shared layers": params.shared} | {f"task {task}'s layers": own for task, own in params.own.items()}
    bad = [owner for owner, tensors in owners.items() if not finite(tensors)]
    what = f"a parameter of {bad[0]}" if bad else "the optimizer's state"
    return f"diverged: {what} became NaN or infinite in iteration {iteration}; {ADVICE}"


def loss_diverged(tasks: Sequence[str], iteration: int, losses: NDArray[np.float32]) -> str:
    """Returns the message for the first row of losses [1 + T] that isn't finite."""
    bad = [task for task, loss in zip(tasks, losses[1:], strict=True) if not np.isfinite(loss)]
    if not bad:
        return f"diverged: the joint loss is {losses[0]} in iteration {iteration}; {ADVICE}"
    value = losses[1 + tasks.index(bad[0])]
    who = f"task {bad[0]}'s loss" if len(bad) == 1 else f"the losses of tasks {', '.join(bad)}"
    return f"diverged: {who} became {value} in iteration {iteration}; {ADVICE}"
