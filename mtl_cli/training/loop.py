"""The host's loop: chunks of iterations through the compiled program, evaluation, selection, early stopping.

How iterations are cut into chunks changes no number, only how often files, terminal and a stop request get their turn.
"""

import math
import time
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Arrays, Tensor
from mtl_cli.datasets.dataset import Dataset, Split
from mtl_cli.errors import RunFailed
from mtl_cli.models.base import Params
from mtl_cli.modes.base import Mode
from mtl_cli.optimizers.base import Optimizer
from mtl_cli.run_folder.atomic_files import Mark
from mtl_cli.run_folder.csv_files import DiagnosticsCsv, Files, Metrics, MetricsCsv
from mtl_cli.step.draws import Draws
from mtl_cli.step.state import TrainState
from mtl_cli.terminal.run_view import View
from mtl_cli.training.chunk_length import Pace
from mtl_cli.training.divergence import Diverged, finite_rows, loss_diverged, state_diverged
from mtl_cli.training.evaluation import Selection, evaluate
from mtl_cli.training.gradient_diagnostics import of_tasks, quantities
from mtl_cli.training.program import Program, Trained
from mtl_cli.training.progress import Progress

AT_ONCE = 10
"""Iterations in which a run that diverges did so at once."""
MOST_RESTORED = 10
"""How often a run that diverges may go back to a checkpoint; the learning rate is a thousandth then."""


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
    saves_every: int | None
    """Iterations between checkpoints, beside those that the clock asks for."""
    restores: bool
    """Whether a run that diverges goes back to its last checkpoint."""
    advice_at_once: str = ""
    """What a run that diverges in its first iterations should look at."""

    def goes_on(self, progress: Progress) -> bool:
        """Tells whether there are iterations left, and patience."""
        return progress.iterations < self.steps and not (progress.stopped or self._gave_up(progress))

    def _gave_up(self, progress: Progress) -> bool:
        return self.selection.patience is not None and progress.waited >= self.selection.patience

    def upcoming(self, progress: Progress, length: int) -> NDArray[np.int64]:
        """Returns the iterations of the next chunk, which ends with the next evaluation or checkpoint at the latest."""
        first, until = progress.iterations + 1, self.steps
        for every in (self.selection.every if "val" in self.dataset.splits else None, self.saves_every):
            if every is not None:
                until = min(until, -(-first // every) * every)
        return np.arange(first, min(until, first + length - 1) + 1)

    def draw(self, iterations: NDArray[np.int64], rate: float = 1.0) -> Arrays:
        """Draws on the host what the iterations need, with learning rates times `rate`."""
        drawn = draw(self.mode, self.optimizer, self.draws, iterations, self.steps)
        return drawn | {"learning_rate": self.learning_rates(iterations, rate)}

    def learning_rates(self, iterations: NDArray[np.int64], rate: float) -> NDArray[np.float32]:
        """Returns the schedule's learning rates for the iterations, times `rate`."""
        return self.optimizer.learning_rates(iterations - 1, self.steps) * np.float32(rate)

    def note_rate(self, progress: Progress, file: MetricsCsv) -> None:
        """Writes the learning rate of the latest iteration."""
        (rate,) = self.learning_rates(np.array([progress.iterations]), progress.rate)
        file.write(progress.iterations, "train", {"": {"learning_rate": float(rate)}})

    def train(self, progress: Progress, files: Files, view: View, stop_asked: Callable[[], bool]) -> None:
        """Trains to the last iteration, to the end of the patience, or until asked to stop.

        Raises:
            RunFailed: It diverged, or a file can't be written. Everything up to there is on disk.
        """
        pace, begun, before = Pace(self.program.capacity), time.perf_counter(), progress.seconds
        while self.goes_on(progress):
            chunk_begun = time.perf_counter()
            iterations = self.upcoming(progress, pace.length)
            drawn = self.draw(iterations, progress.rate)
            trained = self.program.train(progress.state, self.constants, self.resident, drawn)
            self.take(progress, files, view, iterations, drawn, trained)
            progress.seconds = before + time.perf_counter() - begun
            pace.measure(len(iterations), time.perf_counter() - chunk_begun)
            progress.stopped = stop_asked() and progress.iterations < self.steps
        self.end(progress, files)
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
        """Writes, shows and counts what came of a chunk, evaluates and saves where it is time to.

        Where the run diverged it goes back to its last checkpoint, if that is asked for.

        Raises:
            RunFailed: It diverged, or a file can't be written. Everything up to there is on disk.
        """
        try:
            self._take(progress, files, view, iterations, drawn, trained)
        except Diverged as error:
            self._go_back(progress, files, error)
        else:
            if files.checkpoints.due(progress.iterations):
                self.save(progress, files)

    def end(self, progress: Progress, files: Files) -> None:
        """Chooses the last state where nothing was compared, and saves where the run could go on from."""
        if progress.best_iteration is None:
            progress.best = progress.state.params
        self.save(progress, files)

    def save(self, progress: Progress, files: Files) -> None:
        """Writes a checkpoint, and makes sure that what it counts on is on the disk before it.

        Raises:
            RunFailed: A file can't be written.
        """
        for file in files.growing().values():
            file.sync()
        files.checkpoints.write(progress.snapshot(self.draws, files))

    def _take(
        self,
        progress: Progress,
        files: Files,
        view: View,
        iterations: NDArray[np.int64],
        drawn: Arrays,
        trained: Trained,
    ) -> None:
        losses, picks, state = trained.losses, drawn.get("pick"), trained.state
        good, fault = finite_rows(losses), None
        if good < len(iterations) or not trained.finite:
            good, fault, state = self._fault(progress.state, iterations, drawn, trained, good)
        done = iterations[: good + 1], losses[: good + 1], None if picks is None else picks[: good + 1]
        files.losses.write(*done, last=fault is not None)
        view.losses(*done)
        progress.recent.add(*done[1:])
        if files.diagnostics is not None:
            self._diagnose(files.diagnostics, progress, done[0], trained.seen[drawn["observed"]], done[2])
        if done[2] is not None:
            progress.count(self.dataset.tasks, done[2])
        progress.state, progress.iterations = state, int(done[0][-1])
        progress.epochs = self.draws.stream.epochs()
        if fault is not None:
            at_once = self.advice_at_once if progress.iterations <= AT_ONCE else ""
            raise Diverged("; ".join(filter(None, [fault, at_once])))
        if "val" in self.dataset.splits and self._evaluates(progress.iterations):
            metrics = self._evaluate(progress.state.params, self.dataset.splits["val"], progress.iterations)
            files.metrics.write(progress.iterations, "val", metrics | {"": {"val_loss": self.selection.loss(metrics)}})
            self.note_rate(progress, files.metrics)
            view.evaluated("val", metrics)
            progress.waited = 0 if self._select(progress, metrics, view) else progress.waited + 1
        view.went_on(partial(progress.recent.metrics, self.dataset.tasks))

    def _fault(
        self, before: TrainState, iterations: NDArray[np.int64], drawn: Arrays, trained: Trained, good: int
    ) -> tuple[int, str, TrainState]:
        """Returns where in a chunk the run diverged, counted from 0, what did, and the state after that iteration.

        A parameter can be infinite for a while before a loss shows it, so parts of the chunk are trained again.

        Args:
            before: The state before the chunk.
            iterations: The chunk's.
            drawn: What was drawn for it.
            trained: What came of it.
            good: How many of its rows have finite losses.
        """

        def after(count: int) -> Trained:
            first = {key: array[:count] for key, array in drawn.items()}
            return self.program.train(before, self.constants, self.resident, first)

        tasks, picks = list(self.dataset.tasks), drawn.get("pick")
        place = bisect_left(range(1, good + 1), True, key=lambda count: not after(count).finite)
        if place == good < len(iterations):
            return place, loss_diverged(tasks, int(iterations[place]), trained.losses[place]), trained.state
        place = min(place, len(iterations) - 1)  # alone it may take longer than together with others
        state = after(place + 1).state if place < good - 1 else trained.state
        who = "" if picks is None else f", which trained task {tasks[picks[place]]}"
        return place, state_diverged(f"{iterations[place]}{who}", state), state

    def _go_back(self, progress: Progress, files: Files, error: Diverged) -> None:
        """Goes on from the last checkpoint with half the learning rate.

        Raises:
            Diverged: Nobody asked for that, or it was done often enough.
        """
        if not self.restores or len(progress.restored) >= MOST_RESTORED:
            raise error
        snapshot = files.checkpoints.last()
        if snapshot is None:
            raise error
        at, rate, restored = progress.iterations, progress.rate / 2, progress.restored
        progress.put_back(snapshot, self.draws)
        for name, file in files.growing().items():
            file.cut(Mark(*snapshot.rest["files"][name]))
        progress.rate = rate
        note = {"iteration": at, "back_to": snapshot.iterations, "learning_rate_factor": rate, "error": str(error)}
        progress.restored = [*restored, note]
        files.say(f"{error}; going on from iteration {snapshot.iterations} with the learning rate times {rate:g}")

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

    def _evaluate(self, params: Params, val: Split, iteration: int) -> Metrics:
        when = f"on the validation split after iteration {iteration}"
        return evaluate(self.program, self.dataset, params, val, when)

    def _evaluates(self, iteration: int) -> bool:
        return iteration % self.selection.every == 0 or iteration == self.steps

    def _select(self, progress: Progress, metrics: Metrics, view: View) -> bool:
        value = self.selection.value(metrics)
        view.compared(self.selection.objective, value)
        if math.isnan(value):
            raise RunFailed(f"objective: {self.selection.objective} is NaN on the validation rows; choose another one")
        better = self.selection.better(value, progress.objective)
        if better:
            progress.objective, progress.val = value, metrics
            progress.best_iteration, progress.best = progress.iterations, progress.state.params
        return better


def draw(mode: Mode, optimizer: Optimizer, draws: Draws, iterations: NDArray[np.int64], steps: int) -> Arrays:
    """Draws on the host what the iterations of a run of `steps` need: rows, picks, noise, learning rates."""
    rates = {"learning_rate": optimizer.learning_rates(iterations - 1, steps)}
    return rates | mode.draw(draws, iterations) | draws.noise(len(iterations)) | draws.observed(iterations)
