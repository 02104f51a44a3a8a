"""What became NaN or infinite, in words."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import keras
from mtl_cli.errors import RunFailed
from mtl_cli.step.state import TrainState
from mtl_cli.training.chunk import Chunk
from mtl_cli.training.program import ChunkResult

ADVICE = "try a smaller optimizer.learning_rate, or optimizer.clip_norm=1"


class Diverged(RunFailed):
    """A loss, a parameter or an optimizer's state became NaN or infinite."""


def finite_rows(losses: NDArray[np.float32]) -> int:
    """Returns how many rows there are before the first that holds NaN or infinity."""
    finite = np.isfinite(losses).all(axis=1)
    return len(losses) if finite.all() else int(finite.argmin())


def first_fault(
    tasks: Sequence[str],
    train: Callable[[TrainState, Chunk], ChunkResult],
    before: TrainState,
    chunk: Chunk,
    result: ChunkResult,
    good: int,
) -> tuple[int, str, TrainState]:
    """Returns where in a chunk the run diverged, counted from 0, what did, and the state after that iteration.

    A parameter can be infinite for a while before a loss shows it, so parts of the chunk are trained again.

    Args:
        tasks: Their names.
        train: Trains a chunk from a state.
        before: The state before the chunk.
        chunk: The iterations.
        result: What came of it.
        good: How many of its rows have finite losses.
    """
    place = bisect_left(range(1, good + 1), True, key=lambda count: not train(before, chunk.first(count)).finite)
    if place == good < len(chunk):
        return place, loss_diverged(tasks, int(chunk.iterations[place]), result.losses[place]), result.state
    place = min(place, len(chunk) - 1)  # alone it may take longer than together with others
    state = train(before, chunk.first(place + 1)).state if place < good - 1 else result.state
    who = "" if chunk.picks is None else f", which trained task {tasks[chunk.picks[place]]}"
    return place, state_diverged(f"{chunk.iterations[place]}{who}", state), state


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
