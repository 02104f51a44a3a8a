"""One run from config to files. This is the map of the program: data, model, step, program, loop, report."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mtl_cli.backend import keras, quiet, start, tf
from mtl_cli.config import Config
from mtl_cli.console import View
from mtl_cli.data.base import Arrays, Dataset
from mtl_cli.errors import InputError
from mtl_cli.interrupt import Interrupt
from mtl_cli.loop import Loop, Progress, Selection, draw, evaluate
from mtl_cli.models.base import Network
from mtl_cli.modes.base import Draws, State
from mtl_cli.overview import ending, plan
from mtl_cli.program import constants, make_parts, program_for, settings_tree
from mtl_cli.records import LossesCsv, Metrics, MetricsCsv, git_state, versions, write_json
from mtl_cli.sampling.base import Pool
from mtl_cli.tables.raw import allowing_any_column


@dataclass(frozen=True)
class Run:
    """A run that is ready to train."""

    config: Config
    folder: Path
    dataset: Dataset
    device: str
    network: Network
    loop: Loop
    state: State
    one_draw: Arrays
    """What the first iteration draws, for its shapes and to compile with."""


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
    if config.sampling.uses_rows and not dataset.labelled:
        raise InputError(
            f"sampling: {config.sampling.name!r} goes by the numbers of the tasks' training rows, and "
            f"data={config.data.name} has no end; choose sampling=fixed"
        )
    return dataset


def run(
    config: Config,
    dataset: Dataset,
    folder: Path,
    overrides: list[str],
    view: View,
    interrupt: Interrupt | None = None,
) -> dict[str, Any]:
    """Trains one run and writes its files into `folder`.

    Args:
        config: What to train.
        dataset: Its data, from `load`.
        folder: An existing folder for the files.
        overrides: The command line's overrides, for the summary.
        view: How to show it.
        interrupt: Asked after every chunk whether to end early; before the first, a signal ends the run at once.

    Returns:
        The summary, as in summary.json.

    Raises:
        InputError: The asked-for device isn't there. Nothing was written.
        RunFailed: A loss or parameter became NaN or infinite. Files are written up to there.
    """
    begun = time.perf_counter()
    interrupt = interrupt or Interrupt()
    with view.busy("loading TensorFlow"):
        device = start(config.device)
        interrupt.let_through()  # what a signal raises during an import may be lost in a callback of Python's
    progress, metrics = Progress(), {}
    status, message = "failed", None
    try:
        with view.busy("building the network"):
            ready = _prepare(config, dataset, folder, device, interrupt)
            interrupt.let_through()
        view.start(plan(config, dataset, ready.network, ready.loop.draws, device, folder))
        metrics = _train(ready, progress, view)
        status = "stopped" if progress.stopped else "finished"
    except KeyboardInterrupt:
        status = "stopped"
        raise
    except BaseException as error:
        message = str(error) or type(error).__name__
        raise
    finally:
        view.stop()
        summary = {"status": status, "error": message}
        summary |= _summary(progress, time.perf_counter() - begun, metrics)
        summary |= _provenance(config, overrides, device)
        write_json(folder / "summary.json", summary)
    view.end(ending(config, summary, folder))
    return summary


def _summary(progress: Progress, seconds: float, metrics: dict[str, Metrics]) -> dict[str, Any]:
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
        "metrics": metrics,
    }


def _provenance(config: Config, overrides: list[str], device: str) -> dict[str, Any]:
    """Returns what summary.json says of where the run came from."""
    return {
        "seed": config.seed,
        "config_hash": config.hash(),
        "overrides": overrides,
        "versions": versions(),
        "git": git_state(),
        "device": device,
    }


def _prepare(config: Config, dataset: Dataset, folder: Path, device: str, interrupt: Interrupt) -> Run:
    """Builds everything up to the first iteration."""
    network = config.model.build(dataset.entry, dataset.tasks, config.seed)
    tree = settings_tree(config.mode, config.model, config.weighting, config.optimizer, dataset.tasks)
    params = network.params()
    optimizers = config.mode.init(make_parts(network, dataset.feed, tree), params)
    probs = np.array([task.prob for task in dataset.tasks.values()])
    rows = np.array([dataset.labelled.get(name, np.inf) for name in dataset.tasks], np.float64)
    pool = Pool(probs, rows, config.steps)

    def draws() -> Draws:
        stream = dataset.stream(config.seed, config.batch_size)
        return Draws(stream, config.sampling, pool, (config.batch_size, network.dropped), config.seed)

    counted = tuple(name for name, task in dataset.tasks.items() if getattr(task, config.mode.share) > 0)
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
        stop_asked=interrupt,
    )
    return Run(config, folder, dataset, device, network, loop, State(params, optimizers), one_draw)


def _train(ready: Run, progress: Progress, view: View) -> dict[str, Metrics]:
    """Trains, writing files as it goes, and returns the metrics by split of what selection chose."""
    progress.state = progress.best = ready.state
    with quiet():
        ready.loop.compile(ready.state, ready.one_draw)
    metrics_csv = MetricsCsv(ready.folder)
    with LossesCsv(ready.folder, list(ready.dataset.tasks), ready.config.log.every) as losses_csv:
        ready.loop.train(progress, losses_csv, metrics_csv, view)
    return _finish(ready, progress, metrics_csv)


def _finish(ready: Run, progress: Progress, metrics_csv: MetricsCsv) -> dict[str, Metrics]:
    """Evaluates what selection chose, saves it, and returns the metrics by split."""
    chosen = progress.best_iteration or progress.iterations
    metrics = {"train": progress.recent.metrics(ready.dataset.tasks)}
    metrics_csv.write(progress.iterations, "train", metrics["train"])
    if ready.dataset.train is not None:
        when = f"on the training split after iteration {chosen}"
        found = evaluate(ready.loop.program, ready.dataset, progress.best, ready.dataset.train, when)
        fitted = {task: {k: v for k, v in of.items() if k != "loss"} for task, of in found.items()}
        metrics["train"] = {task: of | fitted[task] for task, of in metrics["train"].items()}
        metrics_csv.write(chosen, "train", fitted)
    if progress.val:
        metrics["val"] = progress.val
    if "test" in ready.dataset.splits:
        test = ready.dataset.splits["test"]
        when = f"on the test split after iteration {chosen}"
        metrics["test"] = evaluate(ready.loop.program, ready.dataset, progress.best, test, when)
        metrics_csv.write(chosen, "test", metrics["test"])
    ready.network.assign(progress.best.params)
    beside = ready.folder / "model.partial.keras"
    with allowing_any_column():
        predictor(ready.network, ready.dataset).save(beside)
    beside.replace(ready.folder / "model.keras")
    if ready.dataset.schema is not None:
        write_json(ready.folder / "columns.json", ready.dataset.schema)
    return metrics


def predictor(network: Network, dataset: Dataset) -> Any:
    """Returns the Keras model that is saved: raw data in, a dict of every task's predictions out.

    Preprocessing is its first part; regressions come in their labels' own unit, classes as probabilities.
    """
    inputs, features = dataset.entry.raw()
    raw = network.inference(features)
    outputs = {}
    for name, task in dataset.tasks.items():
        outputs[name] = keras.layers.Activation(task.activation, name=f"{name}_prediction")(raw[name])
        if name in dataset.scales:
            scale = dataset.scales[name]
            original = keras.layers.Rescaling(scale.deviation.tolist(), scale.mean.tolist(), name=f"{name}_original")
            outputs[name] = original(outputs[name])
    return keras.Model(inputs, outputs)
