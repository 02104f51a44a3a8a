"""What summary.json says of a run: how it went, and where it came from."""

import platform
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np

from mtl_cli.config import Config
from mtl_cli.identity import config_hash
from mtl_cli.run_folder.csv_files import Metrics
from mtl_cli.run_folder.git_state import GitState
from mtl_cli.training.progress import Progress

BySplit = Mapping[str, Metrics]


def how_it_ended(
    config: Config, progress: Progress, error: BaseException | None, end_reason: Callable[[], str]
) -> dict[str, Any]:
    """Returns whether a run finished, and what ended it: its steps, early stopping, an error, or what asked for an end.

    Args:
        config: The run's.
        progress: How far it has come.
        error: What it failed by; a signal stopped it.
        end_reason: Says what asked for an end; nothing where that isn't known.
    """
    is_signal = isinstance(error, KeyboardInterrupt | SystemExit)
    if error is not None and not is_signal:
        return {"status": "failed", "ended_by": "error", "error": str(error) or type(error).__name__}
    if is_signal or progress.stopped:
        return {"status": "stopped", "ended_by": end_reason() or "request", "error": None}
    is_whole = progress.iterations == config.steps
    return {"status": "finished", "ended_by": "steps" if is_whole else "early_stopping", "error": None}


def how_it_went(config: Config, progress: Progress, seconds: float, metrics: BySplit, naive: BySplit) -> dict[str, Any]:
    """Returns how the training went.

    Args:
        config: The run's.
        progress: How far it has come.
        seconds: Since the run began.
        metrics: Of what selection chose.
        naive: Of answers that are the same for all rows.
    """
    recent = progress.recent.metrics(config.tasks)
    val_losses = [progress.val[task]["loss"] for task, share in _shares(config).items() if progress.val and share > 0]
    return {
        "iterations": progress.iterations,
        "seconds": seconds,
        "train_seconds": progress.seconds,
        "iterations_per_second": progress.iterations / progress.seconds if progress.seconds else None,
        "best_iteration": progress.best_iteration,
        "objective": progress.objective,
        "best_val_loss": float(np.mean(val_losses)) if val_losses else None,
        "epochs": progress.epochs,
        "picks": progress.picks or None,
        "metrics": metrics,
        "naive": naive,
        "running_loss": {task: values["running_loss"] for task, values in recent.items()},
        **({"restored": progress.restored} if progress.restored else {}),
    }


def provenance(config: Config, overrides: Sequence[str], git: GitState | None) -> dict[str, Any]:
    """Returns where the run came from."""
    return {
        "seed": config.seed,
        "shares": _shares(config),
        f"{config.mode.share}s": _shares(config),
        "config_hash": config_hash(config),
        "overrides": list(overrides),
        "git": None if git is None else git._asdict(),
        "config": config.model_dump(mode="json"),
    }


def _shares(config: Config) -> dict[str, float]:
    return {name: getattr(task, config.mode.share) for name, task in config.tasks.items()}


def circumstances(device: str, files: Mapping[str, str]) -> dict[str, Any]:
    """Returns what results depend on beside the config: versions, the device, and the data's fingerprints."""
    return {"versions": versions(), "device": device, "data": dict(files)}


def versions() -> dict[str, str]:
    """Returns the versions that results depend on."""
    packages = {name: _version(name) for name in ("tensorflow", "keras", "numpy")}
    return {"mtl_cli": _version("mtl-cli"), **packages, "python": platform.python_version()}


@cache
def _version(package: str) -> str:
    return version(package)  # 2 ms, for each job of a sweep
