"""A run in progress: its state, its files and its end, whoever trains its chunks."""

import logging
import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Arrays
from mtl_cli.datasets.dataset import Dataset
from mtl_cli.errors import InputError, RunFailed
from mtl_cli.identity import decisive
from mtl_cli.networks.network import Params
from mtl_cli.run_folder.atomic_files import Mark, write_json
from mtl_cli.run_folder.checkpoints import Checkpoints
from mtl_cli.run_folder.csv_files import ChunkRecord, DiagnosticsCsv, LossesCsv, Metrics, MetricsCsv, Output
from mtl_cli.run_folder.folder import RunFolder
from mtl_cli.run_folder.git_state import GitState
from mtl_cli.step.draws import Draws
from mtl_cli.terminal.heartbeat import Heartbeat
from mtl_cli.terminal.run_view import Standing, View
from mtl_cli.training.chunk import Chunk
from mtl_cli.training.divergence import Diverged, finite_rows, first_fault
from mtl_cli.training.evaluation import evaluate, look_at_gates, naive
from mtl_cli.training.gradient_diagnostics import diagnosed
from mtl_cli.training.job import Job
from mtl_cli.training.program import ChunkResult
from mtl_cli.training.progress import Progress
from mtl_cli.training.restore import put_back
from mtl_cli.training.saved_model import save
from mtl_cli.training.setup import Setup, set_up
from mtl_cli.training.summary import BySplit, circumstances, how_it_ended, how_it_went, provenance

AT_ONCE = 10
"""Iterations in which a run that diverges did so at once."""
MOST_RESTORED = 10
"""How often a run that diverges may go back to a checkpoint; the learning rate is a thousandth then."""


class Run:
    """One run from its folder to summary.json, which is written when the block ends, or when it finishes or fails."""

    setup: Setup
    draws: Draws
    files: RunFolder

    def __init__(
        self,
        job: Job,
        folder: Path,
        device: str,
        log: logging.Logger,
        view: View,
        git: GitState | None = None,
        end_reason: Callable[[], str] = str,
        begun: float | None = None,
    ) -> None:
        """Takes what the run is and where its files go.

        Args:
            job: What to train.
            folder: The run's, which is there.
            device: What it is computed on.
            log: The run's.
            view: How it is shown.
            git: The working folder's state, for the summary.
            end_reason: Says what asked for an end before the last iteration; nothing where that wasn't asked for.
            begun: When it began, on the performance counter; None: now.
        """
        self.job = job
        self.folder = folder
        self.progress = Progress()
        self.summary: dict[str, Any] = {}
        """What summary.json says, once the run has ended."""
        self.error: Exception | None = None
        self.circumstances = circumstances(device, {})
        """What its results depend on beside the config."""
        self._device = device
        self.log = log
        self._shown = view
        self._view = Heartbeat(view, job.config.steps, log.info)
        self._git = git
        self._end_reason = end_reason
        self._begun = time.perf_counter() if begun is None else begun
        self._metrics: BySplit = {}
        self._naive: BySplit = {}
        self._of_network: dict[str, Any] = {}
        self._keeps = (folder / "summary.json").exists()
        """Whether what an earlier run left still stands."""
        self._opened = ExitStack()
        self._ended = False

    def __enter__(self) -> Self:
        """Returns the run."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Ends it, if it hasn't ended: failed by an error, stopped by a signal; raises what it failed by."""
        self._end(error)
        if self.error is not None and self.error is not error:
            raise self.error

    def say(self, text: str) -> None:
        """Says what a person should know of the run while it trains."""
        self.log.warning(text)
        self._shown.say(text)

    def prepare(self, dataset: Dataset) -> None:
        """Builds the network and the program.

        Raises:
            InputError: The network doesn't fit the rest. Nothing was written.
        """
        self.setup = set_up(self.job.config, dataset, self._device)
        self.draws = self.setup.draws()
        self.circumstances = circumstances(self._device, dataset.files)

    def open(self) -> None:
        """Begins the run's files and its progress, or goes on where a checkpoint in its folder was.

        Raises:
            InputError: A checkpoint is of another run.
            RunFailed: A file can't be written.
        """
        config, when = self.job.config, self.job.config.checkpoints()
        about = {"config": decisive(config), **self.circumstances}
        checkpoints = Checkpoints(self.folder, about, every=when.every, every_steps=when.every_steps, keep=when.keep)
        self._metrics_csv = MetricsCsv(self.folder)
        outputs: list[Output] = [LossesCsv(self.folder, list(config.tasks), config.log.every), self._metrics_csv]
        if config.diagnostics.every is not None:
            outputs.append(DiagnosticsCsv(self.folder))
        self.files = RunFolder(self.folder, outputs, checkpoints)
        self.progress.state, self.progress.best = self.setup.state, self.setup.state.params
        marks = put_back(self.folder, self.progress, self.draws, config.steps, about, self.files.names, self.say)
        self._keeps = False
        checkpoints.go_on_from(self.progress.iterations)
        self._opened.enter_context(self.files)
        self.files.open(marks)
        if self._restores and not marks:
            self._save()

    def begin(self, load: Callable[[], Dataset]) -> None:
        """Prepares and opens it; where that fails it has ended."""
        try:
            self.prepare(load())
            self.open()
        except Exception as error:
            self.fail(error)

    @property
    def has_ended(self) -> bool:
        """Tells whether it has finished, failed or been stopped."""
        return self._ended

    @property
    def goes_on(self) -> bool:
        """Tells whether it has iterations left, and patience."""
        if self._ended or self.progress.iterations >= self.job.config.steps:
            return False
        patience = self.setup.selection.patience
        return patience is None or self.progress.waited < patience

    def upcoming(self, length: int) -> NDArray[np.int64]:
        """Returns the iterations of its next chunk, at most `length`."""
        return self.setup.upcoming(self.progress.iterations, length)

    def chunk(self, iterations: NDArray[np.int64], drawn: Arrays | None = None) -> Chunk:
        """Returns the iterations with what they need: drawn now, or for another run that draws the same."""
        return self.setup.chunk(self.draws, iterations, self.progress.rate, drawn)

    def draw_with(self, other: "Run") -> None:
        """Draws from now on with another run whose draws are the same, if both are as far, and stay so.

        One that goes back to a checkpoint where it diverges may not; `draws_key` tells such runs from others.
        """
        if other.progress.iterations == self.progress.iterations and not self._restores:
            self.draws = other.draws

    def absorb(self, chunk: Chunk, result: ChunkResult, seconds: float) -> None:
        """Takes what a chunk came to, which took so many seconds: writes, shows, counts, evaluates and saves.

        Where the run diverged it goes back to its last checkpoint, if that is asked for. What else goes wrong ends it.
        """
        begun = time.perf_counter()
        self.progress.seconds += seconds
        try:
            try:
                self._absorb(chunk, result)
            except Diverged as error:
                self._go_back(error)
            else:
                if self.files.checkpoints.due(self.progress.iterations):
                    self._save()
        except Exception as error:
            self.fail(error)
        self.progress.seconds += time.perf_counter() - begun

    def finish(self) -> None:
        """Evaluates and saves what selection chose, and ends the run, if it hasn't ended: as stopped if it goes on."""
        if self._ended:
            return
        self.progress.stopped = self.goes_on
        try:
            if self.progress.best_iteration is None:
                self.progress.best = self.progress.state.params
            self._save()
            self._finish()
        except Exception as error:
            self.fail(error)
        else:
            self._end(None)

    def fail(self, error: Exception) -> None:
        """Ends the run as failed; a job of a sweep that can't be trained has a summary, too."""
        self._end(RunFailed(str(error)) if isinstance(error, InputError) else error)

    @property
    def _restores(self) -> bool:
        """Whether it goes back to its last checkpoint where it diverges."""
        return self.job.config.on_divergence == "restore"

    def _save(self) -> None:
        self.files.save(self.progress.snapshot(self.draws, self.files.marks))

    def _absorb(self, chunk: Chunk, result: ChunkResult) -> None:
        setup, progress, tasks = self.setup, self.progress, list(self.job.config.tasks)
        state, fault, good = result.state, "", finite_rows(result.losses)
        if good < len(chunk) or not result.finite:
            place, fault, state = first_fault(tasks, setup.train, progress.state, chunk, result, good)
            chunk = chunk.first(place + 1)
        gates, probabilities = setup.network.gates, self.draws.probabilities
        diagnostics = list(diagnosed(tasks, chunk, result.seen, progress.picks, gates, probabilities))
        losses = result.losses[: len(chunk)]
        record = ChunkRecord(chunk.iterations, losses, chunk.picks, diagnostics, failed=bool(fault))
        self.files.record(record)
        self._view.losses(record.iterations, record.losses, record.picks)
        progress.add(record, tasks, state)
        progress.epochs = self.draws.stream.epochs()
        if fault:
            advice = self.job.config.model.advice if progress.iterations <= AT_ONCE else ""
            raise Diverged("; ".join(filter(None, [fault, advice])))
        if "val" in setup.dataset.splits and setup.selection.is_due(progress.iterations, self.job.config.steps):
            self._evaluate()
        self._view.went_on(partial(progress.recent.metrics, tasks))

    def _evaluate(self) -> None:
        """Evaluates on the validation rows, and selects."""
        progress, selection = self.progress, self.setup.selection
        when = f"on the validation split after iteration {progress.iterations}"
        metrics = self._metrics_of(progress.state.params, "val", when)
        self._metrics_csv.write(progress.iterations, "val", metrics | {"": {"val_loss": selection.loss(metrics)}})
        self._write_learning_rate()
        self._view.evaluated("val", metrics)
        value = selection.value(metrics)
        if math.isnan(value):
            raise RunFailed(f"objective: {selection.objective} is NaN on the validation rows; choose another one")
        progress.select(value, metrics, better=selection.better(value, progress.objective))
        best, at = progress.objective, progress.best_iteration
        assert best is not None
        assert at is not None
        self._view.compared(Standing(selection.objective, value, best, at, progress.waited, selection.patience))

    def _metrics_of(self, params: Params, split: str, when: str) -> Metrics:
        dataset = self.setup.dataset
        rows = dataset.train if split == "train" else dataset.splits[split]
        return evaluate(self.setup.program, dataset, params, rows, when)

    def _write_learning_rate(self) -> None:
        (rate,) = self.setup.learning_rates(np.array([self.progress.iterations]), self.progress.rate)
        self._metrics_csv.write(self.progress.iterations, "train", {"": {"learning_rate": float(rate)}})

    def _go_back(self, error: Diverged) -> None:
        """Goes on from the last checkpoint with half the learning rate.

        Raises:
            Diverged: Nobody asked for that, or it was done often enough.
        """
        progress = self.progress
        if not self._restores or len(progress.restored) >= MOST_RESTORED:
            raise error
        snapshot = self.files.checkpoints.last()
        if snapshot is None:
            raise error
        at, rate, restored, seconds = progress.iterations, progress.rate / 2, progress.restored, progress.seconds
        progress.put_back(snapshot, self.draws)
        self.files.cut({name: Mark(*mark) for name, mark in snapshot.rest["files"].items()})
        progress.rate, progress.seconds = rate, seconds
        note = {"iteration": at, "back_to": snapshot.iterations, "learning_rate_factor": rate, "error": str(error)}
        progress.restored = [*restored, note]
        self.say(f"{error}; going on from iteration {snapshot.iterations} with the learning rate times {rate:g}")

    def _finish(self) -> None:
        """Evaluates what selection chose, and saves it."""
        dataset, progress, file = self.setup.dataset, self.progress, self._metrics_csv
        chosen = progress.best_iteration or progress.iterations
        metrics = {"train": self._metrics_of(progress.best, "train", f"on the training split after iteration {chosen}")}
        file.write(chosen, "train", metrics["train"])
        file.write(progress.iterations, "train", progress.recent.metrics(dataset.tasks))
        if "val" not in dataset.splits:  # else it was written when that was last evaluated
            self._write_learning_rate()
        if progress.val:
            metrics["val"] = progress.val
        if "test" in dataset.splits:
            metrics["test"] = self._metrics_of(progress.best, "test", f"on the test split after iteration {chosen}")
            file.write(chosen, "test", metrics["test"])
        network, rows = self.setup.network, dataset.splits.get("val", dataset.train)
        self._of_network = {"parameters": network.sizes()}
        if gates := look_at_gates(self.setup.program, network, progress.best, rows):
            self._of_network["gates"] = gates
        save(network, dataset, progress.best, self.folder / "model.keras")
        if dataset.schema is not None:
            write_json(self.folder / "columns.json", dataset.schema, synced=True)
        file.sync()  # all of it is there before summary.json says that the run has finished
        self._metrics, self._naive = metrics, naive(dataset)

    def _end(self, error: BaseException | None) -> None:
        """Closes the files, and writes summary.json, unless the input was wrong: then there was no run."""
        if self._ended:
            return
        try:
            self._opened.close()
        except OSError as unclosed:
            error = error or unclosed
        self._ended = True
        self.error = error if isinstance(error, Exception) else None
        if not isinstance(error, InputError):
            self._summarise(error)

    def _summarise(self, error: BaseException | None) -> None:
        config, seconds = self.job.config, time.perf_counter() - self._begun
        self.summary = how_it_ended(config, self.progress, error, self._end_reason)
        self.summary |= how_it_went(config, self.progress, seconds, self._metrics, self._naive)
        self.summary |= provenance(config, self.job.overrides, self._git) | self.circumstances
        self.summary["data_fingerprint"] = self.circumstances["data"]
        self.summary |= self._of_network
        if self._keeps:
            return
        try:
            write_json(self.folder / "summary.json", self.summary)
        except RunFailed as unwritten:
            self.error = RunFailed("; ".join(filter(None, [self.summary["error"], str(unwritten)])))
            self.error.__cause__ = error
            self.summary |= {"status": "failed", "ended_by": "error", "error": str(self.error)}
