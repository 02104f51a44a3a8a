"""A run in words: the lines that open it and the ones that close it."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mtl_cli.config import Config
from mtl_cli.datasets.dataset import Dataset
from mtl_cli.networks.network import Network
from mtl_cli.sampling.base import Pool
from mtl_cli.terminal.config_notes import config_notes
from mtl_cli.terminal.diagnostics_text import summed_up
from mtl_cli.terminal.formatting import duration, format_number
from mtl_cli.terminal.gates_text import gate_notes
from mtl_cli.terminal.run_view import Ending, RunHeader, first_few
from mtl_cli.untrusted.escaping import shown

MOST_OF_LOSS: Final = 0.9
"""The part of `val_loss` from which on a task is said to make most of it."""


def run_header(config: Config, dataset: Dataset, folder: Path) -> RunHeader:
    """Returns what will train, as far as that is known without TensorFlow: tasks, shares, data, training."""
    mode, optimizer, tasks = config.mode, config.optimizer, dataset.tasks
    pool = Pool.of(tasks, dataset.labelled, config.steps)
    shares = mode.shares(config.sampling, pool, tasks, np.array([1, config.steps]))
    rows = [
        [name, f"{task.kind} {task.units}", task.loss, _from_to(shares[:, i])]
        for i, (name, task) in enumerate(tasks.items())
    ]
    sizes = ", ".join(f"{rows:,} {split}" for split, rows in dataset.rows.items()) or "endless stream"
    facts = {
        "data": f"{config.data.name}: {sizes}; batches of {config.batch_size}",
        "training": f"{config.steps:,} iterations, {optimizer.name}, learning rate {optimizer.learning_rate:g} "
        f"{optimizer.schedule.name}, seed {config.seed}",
    }
    if dataset.columns:
        facts["columns"] = dataset.columns
    if any(count < dataset.rows["train"] for count in dataset.labelled.values()):
        counts = {task: f"{count:,}" for task, count in dataset.labelled.items()}
        facts["labels"] = f"{_of_tasks(counts)}, of {dataset.rows['train']:,} train rows"
    title = f"{config.name}: {mode.name} training, {getattr(config, mode.chooser).name} {mode.chooser}"
    notes = [*config_notes(config, dataset), *dataset.notes]
    return RunHeader(title, rows, mode.share, facts, notes, config.steps, shown(folder))


def network_facts(dataset: Dataset, network: Network, device: str) -> dict[str, str]:
    """Returns the network that was built: layers and parameters, the shared ones and each task's own."""
    sizes = network.sizes()
    own = {
        name: f"{_layers(network, variables) or 'no layers'}, {sizes['own'][name]:,} parameters"
        for name, variables in network.own.items()
    }
    alike = len(own) > 1 and len(set(own.values())) == 1
    return {
        "shared": f"{dataset.encoder.width} features, {_layers(network, network.shared) or 'layers none'}, "
        f"{sizes['shared']:,} parameters",
        "heads": f"{next(iter(own.values()))} each" if alike else _of_tasks(own, "; "),
        "device": device.partition(":")[0],
    }


def ending(config: Config, summary: dict[str, Any], folder: Path) -> Ending:
    """Returns how it ended: losses, metrics, time, files."""
    speed = summary["iterations_per_second"] or 0.0
    parts = [how_it_ended(config, summary)]
    if summary["iterations"]:
        parts[0] += f" in {duration(summary['train_seconds'])} ({format_number(speed)} it/s)"
    if summary["best_iteration"] is not None:
        parts.append(
            f"best iteration {summary['best_iteration']:,}, {config.objective} {format_number(summary['objective'])}"
            + " (mean over the tasks)" * (config.objective == "val_loss" and len(config.tasks) > 1)
        )
    if summary["picks"]:
        parts.append("picks " + _of_tasks({task: f"{count:,}" for task, count in summary["picks"].items()}))
    if summary["epochs"]:
        parts.append("epochs " + _of_tasks({task: f"{n:,.4g}" for task, n in summary["epochs"].items()}))
    if summary["metrics"] and "running_loss" in summary:  # an older version's training loss is another
        parts.append("each loss is a mean over its split's rows")
    if summary["status"] == "stopped":
        parts.append(f"mtl-train resume {shlex.quote(shown(folder))} goes on")
    known = summary["metrics"].values()
    return Ending(
        text="; ".join(parts),
        main_metrics={
            name: task.metric if all(task.metric in metrics[name] for metrics in known) else "loss"  # of older versions
            for name, task in config.tasks.items()
        },
        metrics=summary["metrics"],
        naive=summary.get("naive", {}),
        folder=shown(folder),
        notes=_notes(config, summary),
        diagnostics=summed_up(folder, list(config.tasks), config.diagnostics.every),
    )


def how_it_ended(config: Config, summary: Mapping[str, Any]) -> str:
    """Returns what ended a run, and after how many iterations, as the first words of a line."""
    status, done, cause = summary["status"], f"{summary['iterations']:,}", summary.get("ended_by")
    if cause in (None, "steps"):
        return f"{status}: {done} iterations"
    words = {"early_stopping": "early stopping", "error": "an error", "request": "an end was asked for"}
    patience = config.early_stopping.patience
    why = f" (no better {config.objective} in {patience:,} evaluations)" if cause == "early_stopping" else ""
    return f"{status}: {words.get(cause, cause)} after {done} of {config.steps:,} iterations{why}"


def _notes(config: Config, summary: Mapping[str, Any]) -> list[str]:
    """Returns what one should know of the result, and of how the best iteration was chosen."""
    notes, best, done = [], summary["best_iteration"], summary["iterations"]
    if config.data.advice and summary["status"] == "finished":
        notes.append(config.data.advice)
    if best == config.eval.every < done:
        notes.append(
            f"the first evaluation, at iteration {best:,}, was the best of {done:,} iterations; a lower "
            "optimizer.learning_rate, or eval.every, may find a better one"
        )
    elif best is not None and 2 * best < done and config.early_stopping.patience is None:
        notes.append(
            f"the best iteration came at {best:,} of {done:,}, and early stopping is off; early_stopping.patience=N "
            "ends a run after N evaluations that were no better"
        )
    notes += gate_notes(summary.get("gates", {}))
    losses = {
        task: values["loss"]
        for task, values in summary["metrics"].get("val", {}).items()
        if getattr(config.tasks[task], config.mode.share) > 0
    }
    total = sum(losses.values())
    if config.objective == "val_loss" and len(losses) > 1 and total > 0:
        task = max(losses, key=lambda name: losses[name])
        if losses[task] > MOST_OF_LOSS * total:
            why = "" if getattr(config.tasks[task], "standardize", True) else f" (tasks.{task}.standardize is false)"
            other = next(name for name in losses if name != task)
            notes.append(
                f"task {task} makes {100 * losses[task] / total:.1f} % of val_loss{why}, so the best iteration is "
                f"that task's; objective=val/{other}/{config.tasks[other].metric}, say, chooses by another"
            )
    return notes


def _of_tasks(values: Mapping[str, str], between: str = ", ") -> str:
    return first_few([f"{task} {value}" for task, value in values.items()], between)


def _from_to(shares: NDArray[np.float64]) -> str:
    return " to ".join(dict.fromkeys(format_number(share) for share in shares))


def _layers(network: Network, variables: Sequence[Any]) -> str:
    """Returns the layers that these variables are of, by kind, with their units; of experts how many there are, too."""
    kinds: dict[str, list[str]] = {}
    for kernel in filter(None, (network.kernels.get(id(v)) for v in variables)):
        shape = kernel.variable.shape
        count = "" if kernel.stacked is None else f"{shape[kernel.stacked]} x "
        kinds.setdefault(kernel.kind, []).append(f"{count}{shape[-1]}")
    return ", ".join(f"{kind} {' - '.join(units)}" for kind, units in kinds.items() if kind)
