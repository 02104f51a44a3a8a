"""The host's loop: chunks of iterations through the compiled program, evaluation, selection, early stopping.

How iterations are cut into chunks changes no number, only how often files, terminal and a stop request get their turn.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Tensor, keras, tf
from mtl_cli.console import REFRESHES_PER_SECOND, View
from mtl_cli.data.base import Arrays, Dataset, Labels, Split
from mtl_cli.errors import RunFailed
from mtl_cli.models.base import Params
from mtl_cli.modes.base import Draws, Mode, State
from mtl_cli.observing import of_tasks, quantities
from mtl_cli.optimizers import Optimizer
from mtl_cli.program import Program, Trained
from mtl_cli.records import DiagnosticsCsv, Files, Metrics
from mtl_cli.tasks import HIGHER_IS_BETTER, NO_LOSS, Task

FIRST_CHUNK = 10
GROWTH = 16
"""How many times longer a chunk may be than the one before."""
TRAIN_WINDOW = 1000
"""A task's training loss, as reported, is the mean of its values in this many last iterations."""
EVALUATION_ROWS = 8192


@dataclass(frozen=True)
class Selection:
    """When to evaluate, what to compare, when to give up."""

    every: int
    objective: str
    patience: int | None
    counted: tuple[str, ...]
    """The tasks that are trained: those whose weight or probability isn't 0."""

    def value(self, metrics: Metrics) -> float:
        """Returns the objective: the mean over trained tasks of the loss, or the named task's metric."""
        if self.objective == "val_loss":
            return float(np.mean([metrics[task]["loss"] for task in self.counted]))
        _, task, metric = self.objective.split("/")
        return metrics[task][metric]

    def better(self, value: float, than: float | None) -> bool:
        """Tells whether `value` is better; NaN never is."""
        if than is None:
            return not np.isnan(value)
        return value > than if self.objective.rpartition("/")[2] in HIGHER_IS_BETTER else value < than


@dataclass
class Progress:
    """How far a run has come; the loop keeps it up to date, so that it holds also when the loop fails."""

    state: State = field(default_factory=lambda: State(Params([], {}), {}, {}))
    best: State = field(default_factory=lambda: State(Params([], {}), {}, {}))
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
    stopped: bool = False
    """Somebody asked for an end before the last iteration."""

    def count(self, tasks: Iterable[str], picks: NDArray[np.int32]) -> None:
        """Adds a chunk's picks."""
        self.picks = {task: self.picks.get(task, 0) + int((picks == i).sum()) for i, task in enumerate(tasks)}


@dataclass(frozen=True)
class Loop:
    """The host's side of one run's training, with all it needs."""

    program: Program
    mode: Mode
    optimizer: Optimizer
    dataset: Dataset
    draws: Draws
    constants: dict[str, Tensor]
    resident: dict[str, Any]
    """The dataset's, as tensors."""
    steps: int
    selection: Selection

    def goes_on(self, progress: Progress) -> bool:
        """Tells whether there are iterations left, and patience."""
        return progress.iterations < self.steps and not (progress.stopped or progress.waited == self.selection.patience)

    def upcoming(self, progress: Progress, length: int) -> NDArray[np.int64]:
        """Returns the iterations of the next chunk, which ends with the next evaluation at the latest."""
        first, until = progress.iterations + 1, self.steps
        if "val" in self.dataset.splits:
            until = min(until, -(-first // self.selection.every) * self.selection.every)
        return np.arange(first, min(until, first + length - 1) + 1)

    def draw(self, iterations: NDArray[np.int64]) -> Arrays:
        """Draws on the host what the iterations need."""
        return draw(self.mode, self.optimizer, self.draws, iterations, self.steps)

    def train(self, progress: Progress, files: Files, view: View, stop_asked: Callable[[], bool]) -> None:
        """Trains to the last iteration, to the end of the patience, or until asked to stop.

        Raises:
            RunFailed: A loss or a parameter became NaN or infinite. Everything up to it is written.
        """
        pace, begun, before = Pace(self.program.capacity), time.perf_counter(), progress.seconds
        while self.goes_on(progress):
            chunk_begun = time.perf_counter()
            iterations = self.upcoming(progress, pace.length)
            drawn = self.draw(iterations)
            trained = self.program.train(progress.state, self.constants, self.resident, drawn)
            self.take(progress, files, view, iterations, drawn, trained)
            progress.seconds = before + time.perf_counter() - begun
            pace.measure(len(iterations), time.perf_counter() - chunk_begun)
            progress.stopped = stop_asked() and progress.iterations < self.steps
        self.end(progress)
        progress.seconds = before + time.perf_counter() - begun

    def take(
        self,
        progress: Progress,
        files: Files,
        view: View,
        iterations: NDArray[np.int64],
        drawn: Arrays,
        trained: Trained,
    ) -> None:
        """Writes, shows and counts what came of a chunk, and evaluates where it is time to.

        Raises:
            RunFailed: A loss or a parameter became NaN or infinite. Everything up to it is written.
        """
        losses, picks = trained.losses, drawn.get("pick")
        good = _finite_rows(losses)
        done = iterations[: good + 1], losses[: good + 1], None if picks is None else picks[: good + 1]
        files.losses.write(*done, last=good < len(iterations))
        view.losses(*done)
        progress.recent.add(*done[1:])
        if files.diagnostics is not None:
            self._diagnose(files.diagnostics, progress, done[0], trained.seen[drawn["observed"]], done[2])
        if done[2] is not None:
            progress.count(self.dataset.tasks, done[2])
        progress.state, progress.iterations = trained.state, int(done[0][-1])
        progress.epochs = self.draws.stream.epochs()
        if good < len(iterations):
            raise RunFailed(_diverged(list(self.dataset.tasks), progress.iterations, losses[good]))
        if "val" in self.dataset.splits and self._evaluates(progress.iterations):
            _refuse_diverged(progress)
            metrics = self._evaluate(progress.state, self.dataset.splits["val"], progress.iterations)
            files.metrics.write(progress.iterations, "val", metrics)
            view.evaluated("val", metrics)
            progress.waited = 0 if self._select(progress, metrics) else progress.waited + 1

    def end(self, progress: Progress) -> None:
        """Chooses the last state where nothing was compared.

        Raises:
            RunFailed: A parameter became NaN or infinite.
        """
        _refuse_diverged(progress)
        if progress.best_iteration is None:
            progress.best = progress.state

    def _diagnose(
        self,
        file: DiagnosticsCsv,
        progress: Progress,
        iterations: NDArray[np.int64],
        seen: NDArray[np.float32],
        picks: NDArray[np.int32] | None,
    ) -> None:
        """Writes what the diagnosed ones of the iterations let be seen; before they are counted in `progress`."""
        tasks, flags = list(self.dataset.tasks), self.draws.observed(iterations)["observed"]
        for place, row in zip(np.flatnonzero(flags), seen, strict=False):
            iteration = int(iterations[place])
            file.write(iteration, quantities(tasks, row))
            if picks is not None:
                chances = self.draws.probabilities(iterations[place : place + 1])[0]
                counts = np.bincount(picks[: place + 1], minlength=len(tasks)).tolist()
                picked = [progress.picks.get(task, 0) + count for task, count in zip(tasks, counts, strict=True)]
                file.write(iteration, of_tasks("probability", tasks, chances.tolist()))
                file.write(iteration, of_tasks("picks", tasks, picked))
        file.flush()

    def _evaluate(self, state: State, val: Split, iteration: int) -> Metrics:
        when = f"on the validation split after iteration {iteration}"
        return evaluate(self.program, self.dataset, state, val, when)

    def _evaluates(self, iteration: int) -> bool:
        return iteration % self.selection.every == 0 or iteration == self.steps

    def _select(self, progress: Progress, metrics: Metrics) -> bool:
        value = self.selection.value(metrics)
        if math.isnan(value):
            raise RunFailed(f"objective: {self.selection.objective} is NaN on the validation rows; choose another one")
        better = self.selection.better(value, progress.objective)
        if better:
            progress.objective, progress.val = value, metrics
            progress.best_iteration, progress.best = progress.iterations, progress.state
        return better


def draw(mode: Mode, optimizer: Optimizer, draws: Draws, iterations: NDArray[np.int64], steps: int) -> Arrays:
    """Draws on the host what the iterations of a run of `steps` need: rows, picks, noise, learning rates."""
    rates = {"learning_rate": optimizer.learning_rates(iterations - 1, steps)}
    return rates | mode.draw(draws, iterations) | draws.noise(len(iterations)) | draws.observed(iterations)


def evaluate(program: Program, dataset: Dataset, state: State, split: Split, when: str) -> Metrics:
    """Returns each task's loss and metrics on the rows of a split.

    Raises:
        RunFailed: A loss is NaN or infinite; the message says `when`.
    """
    blocks = [
        program.predict(state, tf.constant(split.block(start, EVALUATION_ROWS)))
        for start in range(0, len(split), EVALUATION_ROWS)
    ]
    metrics = {}
    for name, task in dataset.tasks.items():
        raw, labels = tf.concat([block[name] for block in blocks], axis=0), split.labels[name]
        if labels.rows is not None:
            raw = tf.gather(raw, labels.rows)
        loss = _mean_loss(task, labels, raw)
        if not math.isfinite(loss):
            raise RunFailed(f"diverged: task {name}'s loss is {loss} {when}; {_ADVICE}")
        answers, predictions = labels.values, keras.activations.get(task.activation)(raw).numpy()
        if name in dataset.scales:
            answers, predictions = map(dataset.scales[name].original, (answers, predictions))
        metrics[name] = {"loss": loss, **task.metrics(answers, predictions, labels.weights)}
    return metrics


def _mean_loss(task: Task, labels: Labels, raw: Tensor) -> float:
    return float(task.batch_loss(task.row_losses(labels.values, raw), labels.weights))


class Recent:
    """The latest losses of each task, for its training loss."""

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
        if not self._chunks:
            return {task: {"loss": math.nan} for task in tasks}
        losses = np.concatenate([rows for rows, _ in self._chunks])[-TRAIN_WINDOW:, 1:].astype(np.float64)
        picks = [picks for _, picks in self._chunks if picks is not None]
        picked = np.concatenate(picks)[-TRAIN_WINDOW:] if picks else None
        means = {}
        for i, task in enumerate(tasks):
            values = losses[:, i] if picked is None else losses[picked == i, i]
            values = values[values != NO_LOSS]
            means[task] = {"loss": float(values.mean()) if len(values) else math.nan}
        return means


class Pace:
    """How many iterations the next chunk gets: as many as fit between two refreshes of the terminal."""

    def __init__(self, capacity: int, refreshes_per_second: float = REFRESHES_PER_SECOND) -> None:
        self._capacity = capacity
        self._refreshes_per_second = refreshes_per_second
        self.length = min(FIRST_CHUNK, capacity)

    def measure(self, count: int, seconds: float) -> None:
        """Notes how long a chunk took."""
        fitting = int(count / max(seconds, 1e-9) / self._refreshes_per_second)
        self.length = max(1, min(fitting, GROWTH * self.length, self._capacity))


def _finite_rows(losses: NDArray[np.float32]) -> int:
    """Returns how many rows there are before the first that holds NaN or infinity."""
    finite = np.isfinite(losses).all(axis=1)
    return len(losses) if finite.all() else int(finite.argmin())


_ADVICE = "try a smaller optimizer.learning_rate, or optimizer.clip_norm=1"


def _refuse_diverged(progress: Progress) -> None:
    """Raises RunFailed where a parameter isn't finite; the losses show it one iteration later only."""
    params = progress.state.params
    for owner, group in {"the shared layers": params.shared, **params.own}.items():
        if not all(np.isfinite(parameter.numpy()).all() for parameter in group):
            who = owner if group is params.shared else f"task {owner}'s layers"
            raise RunFailed(
                f"diverged: a parameter of {who} became NaN or infinite by iteration {progress.iterations}; {_ADVICE}"
            )


def _diverged(tasks: Sequence[str], iteration: int, losses: NDArray[np.float32]) -> str:
    """Returns the message for the first row of losses [1 + T] that isn't finite."""
    bad = [task for task, loss in zip(tasks, losses[1:], strict=True) if not np.isfinite(loss)]
    if not bad:
        return f"diverged: the joint loss is {losses[0]} in iteration {iteration}; {_ADVICE}"
    value = losses[1 + tasks.index(bad[0])]
    who = f"task {bad[0]}'s loss" if len(bad) == 1 else f"the losses of tasks {', '.join(bad)}"
    return f"diverged: {who} became {value} in iteration {iteration}; {_ADVICE}"
