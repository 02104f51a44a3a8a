"""One run from config to files. This is the map of the program: data, model, step, program, loop, report."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from mtl_cli.backend import Arrays, keras, quiet, start, tf
from mtl_cli.config import Config
from mtl_cli.datasets.dataset import Dataset
from mtl_cli.errors import InputError, RunFailed
from mtl_cli.models.base import Network, network_for
from mtl_cli.randomness import OBSERVING, generator
from mtl_cli.run_folder.atomic_files import RUN_FILES, write_json
from mtl_cli.run_folder.checkpoints import Checkpoints
from mtl_cli.run_folder.csv_files import DiagnosticsCsv, Files, LossesCsv, Metrics, MetricsCsv, versions
from mtl_cli.run_folder.git_state import GitState
from mtl_cli.sampling.base import Pool
from mtl_cli.signals import Interrupt
from mtl_cli.step.draws import Draws
from mtl_cli.step.state import TrainState
from mtl_cli.terminal.heartbeat import Signs
from mtl_cli.terminal.run_text import ending, plan
from mtl_cli.terminal.run_view import View
from mtl_cli.training.evaluation import Selection, evaluate, naive
from mtl_cli.training.loop import Loop, draw
from mtl_cli.training.program import constants, program_for, settings_tree, step_context
from mtl_cli.training.progress import Progress
from mtl_cli.training.restore import differences, put_back
from mtl_cli.training.saved_model import save
from mtl_cli.untrusted.files import summary_in

log = logging.getLogger("mtl_cli")

BySplit = Mapping[str, Metrics]


@dataclass(frozen=True)
class Run:
    """A run that is ready to train."""

    config: Config
    dataset: Dataset
    network: Network
    loop: Loop
    state: TrainState
    one_draw: Arrays
    """What the first iteration draws, for its shapes and to compile with."""

    def rehearse(self) -> None:
        """Trains the first iteration and forgets it, which compiles the program."""
        with quiet():
            self.loop.program.train(self.state, self.loop.constants, self.loop.resident, self.one_draw)

    @contextmanager
    def open(self, folder: Path, record: "Record", say: Callable[[str], None]) -> Iterator[Files]:
        """Begins the run's files and its progress, or goes on where a checkpoint in its folder was.

        Args:
            folder: The run's.
            record: What is known of the run.
            say: Told what a person should know while it trains.
        """
        progress, when, about = record.progress, self.config.checkpoints(), record.about(self.dataset)
        progress.state, progress.best = self.state, self.state.params
        saves = Checkpoints(folder, about, every=when.every, every_steps=when.every_steps, keep=when.keep)
        growing = {"losses.csv", "metrics.csv", *(["diagnostics.csv"] if self.config.diagnostics.every else [])}
        marks = put_back(folder, progress, self.loop.draws, self.config.steps, about, growing, say)
        record.begins()
        saves.go_on_from(progress.iterations)
        for name in set(RUN_FILES) - {*marks, "train.log", *(["model.keras", "columns.json"] if marks else [])}:
            (folder / name).unlink(missing_ok=True)
        with ExitStack() as opened:
            names, every = list(self.dataset.tasks), self.config.log.every
            losses = opened.enter_context(LossesCsv(folder, names, every, marks.get("losses.csv")))
            metrics = opened.enter_context(MetricsCsv(folder, marks.get("metrics.csv")))
            diagnostics = None
            if self.config.diagnostics.every is not None:
                diagnostics = opened.enter_context(DiagnosticsCsv(folder, marks.get("diagnostics.csv")))
            files = Files(losses, metrics, diagnostics, saves, say)
            if self.loop.restores and not marks:
                self.loop.save(progress, files)
            yield files

    def finish(self, folder: Path, progress: Progress, metrics_csv: MetricsCsv) -> tuple[BySplit, BySplit]:
        """Evaluates what selection chose, saves it, and returns its metrics, and those of naive answers."""
        dataset, program = self.dataset, self.loop.program
        chosen = progress.best_iteration or progress.iterations
        when = f"on the training split after iteration {chosen}"
        metrics = {"train": evaluate(program, dataset, progress.best, dataset.train, when)}
        metrics_csv.write(chosen, "train", metrics["train"])
        metrics_csv.write(progress.iterations, "train", progress.recent.metrics(dataset.tasks))
        if "val" not in dataset.splits:  # else it was written when that was last evaluated
            self.loop.note_rate(progress, metrics_csv)
        if progress.val:
            metrics["val"] = progress.val
        if "test" in dataset.splits:
            when = f"on the test split after iteration {chosen}"
            metrics["test"] = evaluate(program, dataset, progress.best, dataset.splits["test"], when)
            metrics_csv.write(chosen, "test", metrics["test"])
        save(self.network, dataset, progress.best, folder / "model.keras")
        if dataset.schema is not None:
            write_json(folder / "columns.json", dataset.schema, synced=True)
        metrics_csv.sync()  # all of it is there before summary.json says that the run has finished
        return metrics, naive(dataset)


def load(config: Config) -> Dataset:
    """Returns the run's data, and refuses what doesn't fit it. Imports no TensorFlow.

    Raises:
        InputError: The data can't be used, or the config asks for a validation split that there isn't.
    """
    dataset = config.data.load(config.tasks, config.seed, config.batch_size)
    if "val" not in dataset.splits:
        if config.objective != "val_loss":
            raise InputError(f"objective: {config.objective!r} needs a validation split, and the data has none")
        if config.early_stopping.patience is not None:
            raise InputError("early_stopping.patience: it needs a validation split, and the data has none")
    if config.weighting.compares_rows and not dataset.feed.shares_rows:
        raise InputError(
            "weighting.on: 'representation' compares the tasks on the same rows, and tasks with a file of their own "
            "have different ones; use weighting.on=parameters"
        )
    if config.sampling.uses_rows and not dataset.labelled:
        raise InputError(
            f"sampling: {config.sampling.name!r} goes by the numbers of the tasks' training rows, and "
            f"data={config.data.name} has no end; choose sampling=fixed"
        )
    return replace(dataset, notes=[*dataset.notes, *_undefined(dataset)])


def _undefined(dataset: Dataset) -> Iterator[str]:
    """Says which metrics can't be told on which split."""
    for split, rows in {"train": dataset.train, **dataset.splits}.items():
        for name, task in dataset.tasks.items():
            metrics, why = task.undefined(rows.labels[name].values, dataset.classes.get(name, ()))
            if metrics:
                yield f"task {name} has {why} in the {split} split, so {', '.join(metrics)} can't be told there (nan)"


def rehearse(config: Config, folder: Path, view: View) -> None:
    """Shows what a run would train, and into which folder; writes nothing.

    Raises:
        InputError: It can't be trained.
    """
    dataset, device = load(config), start(config.device)
    ready = prepare(config, dataset, device)
    view.start(plan(config, dataset, ready.network, ready.loop.draws, device, folder))
    view.stop()
    view.say("sweep.dry_run=true: nothing is trained")


def run(
    config: Config,
    dataset: Dataset,
    folder: Path,
    overrides: list[str],
    view: View,
    interrupt: Interrupt | None = None,
    repeats: Path | None = None,
    begins: Callable[[], None] = lambda: None,
    git: GitState | None = None,
) -> dict[str, Any]:
    """Trains one run and writes its files into `folder`.

    Args:
        config: What to train.
        dataset: Its data, from `load`.
        folder: An existing folder for the files.
        overrides: The command line's overrides, for the summary.
        view: How to show it.
        interrupt: Asked after every chunk whether to end early; before the first, a signal ends the run at once.
        repeats: The folder of the run that this one repeats.
        begins: Called before the first iteration, when nothing can be refused any more.
        git: The working folder's state at the command's beginning, for the summary.

    Returns:
        The summary, as in summary.json.

    Raises:
        InputError: The device that was asked for isn't there, or the network doesn't fit the rest. Nothing was written.
        RunFailed: A loss or parameter became NaN or infinite. Files are written up to there.
    """
    begun = time.perf_counter()
    interrupt = interrupt or Interrupt()
    with view.busy("loading TensorFlow"), interrupt.importing():
        device = start(config.device)
    record = Record(config, folder, overrides, device, begun, git, interrupt.reason)

    def say(text: str) -> None:
        log.warning(text)
        view.say(text)

    with record, ExitStack() as shown:
        shown.callback(view.stop)
        with view.busy("building the network"):
            ready = prepare(config, dataset, device)
            interrupt.let_through()
        view.start(plan(config, dataset, ready.network, ready.loop.draws, device, folder))
        ready.rehearse()
        if repeats not in (None, folder):
            for line in differences(summary_in(repeats) or {}, record.about(dataset)):
                say(f"{line}: the numbers may differ from those of {repeats}")
        with ready.open(folder, record, say) as files:
            begins()
            interrupt.hold_back()
            ready.loop.train(record.progress, files, Signs(view, config.steps, log.info), interrupt)
            record.finish(*ready.finish(folder, record.progress, files.metrics))
    view.end(ending(config, record.summary, folder))
    return record.summary


class Record:
    """How a run went, for summary.json, which is written when the block ends, also if it fails."""

    def __init__(
        self,
        config: Config,
        folder: Path,
        overrides: list[str],
        device: str,
        begun: float,
        git: GitState | None,
        asked: Callable[[], str] = str,
    ) -> None:
        """Takes what the summary says of where the run came from.

        Args:
            config: The run's.
            folder: The run's.
            overrides: The command line's.
            device: What it is computed on.
            begun: When the run began, on the performance counter.
            git: The working folder's state.
            asked: Says what asked for an end before the last iteration; nothing where that wasn't asked for.
        """
        self.progress = Progress()
        self.summary: dict[str, Any] = {}
        self._config = config
        self._folder = folder
        self._overrides = overrides
        self._device = device
        self._begun = begun
        self._git = git
        self._asked = asked
        self._metrics: BySplit = {}
        self._naive: BySplit = {}
        self._about: dict[str, Any] = {}
        self._keeps = (folder / "summary.json").exists()
        """Whether what an earlier run left still stands."""

    def __enter__(self) -> Self:
        """Returns the record."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Writes summary.json, unless the input was wrong: then there was no run."""
        if isinstance(error, InputError):
            return
        status = "stopped" if self.progress.stopped else "finished"
        message = None
        if isinstance(error, KeyboardInterrupt | SystemExit):
            status = "stopped"
        elif error is not None:
            status, message = "failed", str(error) or type(error).__name__
        self.summary = {"status": status, "ended_by": self._ended_by(status), "error": message}
        self.summary |= _summary(self.progress, time.perf_counter() - self._begun)
        self.summary |= {"metrics": self._metrics, "naive": self._naive}
        recent = self.progress.recent.metrics(self._config.tasks)
        self.summary["running_loss"] = {task: of["running_loss"] for task, of in recent.items()}
        if self.progress.restored:
            self.summary["restored"] = self.progress.restored
        self.summary |= _provenance(self._config, self._overrides, self._git) | (self._about or self._source({}))
        if self._keeps:
            return
        try:
            write_json(self._folder / "summary.json", self.summary)
        except RunFailed as unwritten:
            raise RunFailed("; ".join(filter(None, [message, str(unwritten)]))) from error

    def _ended_by(self, status: str) -> str:
        """Returns what ended the run: its steps, early stopping, an error, or what asked for an end."""
        if status != "finished":
            return "error" if status == "failed" else self._asked() or "request"
        return "steps" if self.progress.iterations == self._config.steps else "early_stopping"

    def about(self, dataset: Dataset) -> dict[str, Any]:
        """Returns what a checkpoint says of the run: its config, and what else its results depend on."""
        self._about = self._source(dataset.files)
        return {"config": self._config.decisive(), **self._about}

    def _source(self, files: dict[str, str]) -> dict[str, Any]:
        return {"versions": versions(), "device": self._device, "data": files}

    def begins(self) -> None:
        """Notes that what an earlier run left is now changed."""
        self._keeps = False

    def finish(self, metrics: BySplit, of_naive: BySplit) -> None:
        """Takes the metrics of what was selected, and those of naive answers."""
        self._metrics, self._naive = metrics, of_naive


def _summary(progress: Progress, seconds: float) -> dict[str, Any]:
    """Returns what summary.json says of the training."""
    return {
        "iterations": progress.iterations,
        "seconds": seconds,
        "train_seconds": progress.seconds,
        "iterations_per_second": progress.iterations / progress.seconds if progress.seconds else None,
        "best_iteration": progress.best_iteration,
        "objective": progress.objective,
        "epochs": progress.epochs,
        "picks": progress.picks or None,
    }


def _provenance(config: Config, overrides: list[str], git: GitState | None) -> dict[str, Any]:
    """Returns what summary.json says of where the run came from."""
    return {
        "seed": config.seed,
        "shares": {name: getattr(task, config.mode.share) for name, task in config.tasks.items()},
        "config_hash": config.hash(),
        "overrides": overrides,
        "git": None if git is None else git._asdict(),
        "config": config.model_dump(mode="json"),
    }


def prepare(config: Config, dataset: Dataset, device: str) -> Run:
    """Builds everything up to the first iteration.

    Raises:
        InputError: The network doesn't fit the rest.
    """
    network, params = network_for(config.model, dataset.entry, dataset.tasks, config.seed)
    if not network.shared and (config.weighting.asks_gradients or config.diagnostics.every is not None):
        asking = (
            "diagnostics.every" if config.diagnostics.every is not None else f"weighting: {config.weighting.name!r}"
        )
        raise InputError(f"{asking} looks at the shared parameters' gradients, and this model shares none")
    tree = settings_tree(config.mode, config.model, config.weighting, config.optimizer, dataset.tasks)
    state = config.mode.init(step_context(network, dataset.feed, tree), params)
    probs = np.array([task.prob for task in dataset.tasks.values()])
    rows = np.array([dataset.labelled.get(name, np.inf) for name in dataset.tasks], np.float64)
    pool = Pool(probs, rows, config.steps)

    def draws() -> Draws:
        stream = dataset.stream(config.seed, config.batch_size)
        shared, noise = sum(prod(v.shape) for v in network.shared), (config.batch_size, network.dropped)
        observed = None
        if config.diagnostics.every is not None:
            seed = int(generator(config.seed, OBSERVING).integers(2**62))
            observed = config.diagnostics.every, dataset.stream(seed, config.batch_size)
        return Draws(stream, config.sampling, pool, config.weighting, shared, noise, config.seed, observed)

    counted = tuple(name for name, task in dataset.tasks.items() if getattr(task, config.mode.share) > 0)
    chosen_by = config.objective.split("/")[1] if "/" in config.objective else counted[0]
    if chosen_by not in counted:
        raise InputError(
            f"objective: {config.objective!r} chooses by task {chosen_by}, which isn't trained "
            f"(tasks.{chosen_by}.{config.mode.share} is 0); take val_loss, or "
            f"val/{counted[0]}/{config.tasks[counted[0]].metric}"
        )
    selection = Selection(config.eval.every, config.objective, config.early_stopping.patience, counted)
    one_draw = draw(config.mode, config.optimizer, draws(), np.arange(1, 2), config.steps)
    loop = Loop(
        program=program_for(network, dataset, tree, one_draw, device),
        mode=config.mode,
        optimizer=config.optimizer,
        dataset=dataset,
        draws=draws(),
        constants=constants(tree),
        resident=keras.tree.map_structure(tf.constant, dataset.resident),
        steps=config.steps,
        selection=selection,
        saves_every=config.checkpoints().every_steps,
        restores=config.on_divergence == "restore",
        advice_at_once=config.model.advice,
    )
    return Run(config, dataset, network, loop, state, one_draw)
