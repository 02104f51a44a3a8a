"""How far a run has come: all that changes while it trains, to be kept in a checkpoint and put back.

A run is a pure function of its config, so what is put back goes on exactly as if it had never been away.
"""

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import keras, tf
from mtl_cli.networks.network import Params
from mtl_cli.run_folder.atomic_files import Mark
from mtl_cli.run_folder.checkpoints import Snapshot
from mtl_cli.run_folder.csv_files import ChunkRecord, Metrics
from mtl_cli.step.draws import Draws
from mtl_cli.step.state import TrainState
from mtl_cli.tasks import NO_LOSS, TRAIN_WINDOW


@dataclass
class Progress:
    """How far a run has come; `Run` keeps it up to date, so that it holds also when a chunk fails."""

    state: TrainState = field(default_factory=lambda: TrainState(Params([], {}), {}, {}))
    best: Params = field(default_factory=lambda: Params([], {}))
    """What selection chose; the latest where nothing is compared."""
    iterations: int = 0
    seconds: float = 0.0
    best_iteration: int | None = None
    objective: float | None = None
    val: Metrics = field(default_factory=dict)
    """The validation metrics of the best iteration."""
    recent: "Recent" = field(default_factory=lambda: Recent())
    epochs: dict[str, float] = field(default_factory=dict)
    """How often each task's training rows were seen, on average."""
    picks: dict[str, int] = field(default_factory=dict)
    """How many iterations picked each task; nothing where every iteration trains all."""
    waited: int = 0
    """Evaluations since the best one."""
    rate: float = 1.0
    """What the learning rate is multiplied by: halved each time the run diverged and was restored."""
    restored: list[dict[str, Any]] = field(default_factory=list)
    """When that was, and why."""
    stopped: bool = False
    """Somebody asked for an end before the last iteration."""

    def add(self, chunk: ChunkRecord, tasks: Iterable[str], state: TrainState) -> None:
        """Adds a chunk, behind which the state is this."""
        self.recent.add(chunk.losses, chunk.picks)
        if chunk.picks is not None:
            self.picks = {task: self.picks.get(task, 0) + int((chunk.picks == i).sum()) for i, task in enumerate(tasks)}
        self.state, self.iterations = state, int(chunk.iterations[-1])

    def select(self, objective: float, val: Metrics, *, better: bool) -> None:
        """Takes an evaluation: one that is better than the best keeps the parameters, else it waits longer."""
        self.waited = 0 if better else self.waited + 1
        if better:
            self.objective, self.val, self.best_iteration, self.best = (
                objective,
                val,
                self.iterations,
                self.state.params,
            )

    def snapshot(self, draws: Draws, marks: Mapping[str, Mark]) -> Snapshot:
        """Returns all of it, with how far was drawn and each file was written."""
        tensors = _named("state", self.state)
        if self.best_iteration is not None:
            tensors |= _named("best", self.best)
        losses, picks = self.recent.window()
        tensors |= {"recent.losses": np.ascontiguousarray(losses)} | ({} if picks is None else {"recent.picks": picks})
        rest = {key: getattr(self, key) for key in _KEPT}
        rest |= {"draws": draws.position(), "files": dict(marks)}
        return Snapshot(self.iterations, tensors, rest)

    def put_back(self, snapshot: Snapshot, draws: Draws) -> None:
        """Makes it, and the draws, what they were.

        Raises:
            KeyError, TypeError, ValueError: The snapshot is of another run.
        """
        tensors, rest = snapshot.tensors, snapshot.rest
        state = _tensors("state", self.state, tensors)
        best = state.params if rest["best_iteration"] is None else _tensors("best", self.state.params, tensors)
        losses, picks = tensors["recent.losses"], tensors.get("recent.picks")
        columns = 1 + len(state.params.own)
        if len(losses) and losses.shape != (len(losses), columns):
            raise ValueError(f"its losses are {losses.shape}")
        if picks is not None and (picks.shape != (len(losses),) or not np.isin(picks, range(columns - 1)).all()):
            raise ValueError("its picks aren't those of its losses")
        draws.go_to(rest["draws"])
        self.state, self.best, self.iterations = state, best, snapshot.iterations
        for key in _KEPT:
            setattr(self, key, rest[key])
        self.epochs = draws.stream.epochs()
        self.recent = Recent()
        if len(losses):
            self.recent.add(losses, picks)


_KEPT: Final = ("seconds", "best_iteration", "objective", "val", "picks", "waited", "rate", "restored")


def _named(name: str, nest: Any) -> dict[str, NDArray[Any]]:
    return {f"{name}.{i}": np.asarray(tensor.numpy()) for i, tensor in enumerate(keras.tree.flatten(nest))}


def _tensors(name: str, like: Any, found: dict[str, NDArray[Any]]) -> Any:
    """Returns the tensors that `_named` named, nested, shaped and typed as those of `like`."""
    tensors = []
    for i, tensor in enumerate(keras.tree.flatten(like)):
        array = found[f"{name}.{i}"]
        if (array.shape, array.dtype) != (tuple(tensor.shape), tensor.dtype.as_numpy_dtype):
            raise ValueError(f"{name}.{i} is {array.dtype} {array.shape}")
        tensors.append(tf.constant(array))
    return keras.tree.pack_sequence_as(like, tensors)


class Recent:
    """The latest losses of each task, for its running loss."""

    def __init__(self) -> None:
        self._chunks: deque[tuple[NDArray[np.float32], NDArray[np.int32] | None]] = deque()
        self._rows = 0

    def add(self, losses: NDArray[np.float32], picks: NDArray[np.int32] | None) -> None:
        """Adds a chunk, and forgets the ones that have left the window."""
        self._chunks.append((losses, picks))
        self._rows += len(losses)
        while self._rows - len(self._chunks[0][0]) >= TRAIN_WINDOW:
            self._rows -= len(self._chunks.popleft()[0])

    def metrics(self, tasks: Iterable[str]) -> Metrics:
        """Returns each task's mean loss over the window; NaN where it never was computed."""
        if not self._rows:
            return {task: {"running_loss": math.nan} for task in tasks}
        rows, picked = self.window()
        losses = rows[:, 1:].astype(np.float64)
        means = {}
        for i, task in enumerate(tasks):
            values = losses[:, i] if picked is None else losses[picked == i, i]
            values = values[values != NO_LOSS]
            means[task] = {"running_loss": float(values.mean()) if len(values) else math.nan}
        return means

    def window(self) -> tuple[NDArray[np.float32], NDArray[np.int32] | None]:
        """Returns the losses [n, 1 + T] of the window, and the picks [n] in alternating mode."""
        if not self._rows:
            return np.zeros((0, 1), np.float32), None
        picks = [picks for _, picks in self._chunks if picks is not None]
        losses = np.concatenate([rows for rows, _ in self._chunks])[-TRAIN_WINDOW:]
        return losses, np.concatenate(picks)[-TRAIN_WINDOW:] if picks else None
