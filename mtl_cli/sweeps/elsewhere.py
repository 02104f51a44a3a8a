"""Sweeps whose jobs other processes train: `hydra/launcher=joblib`, `submitit_local`, `submitit_slurm`, `ray`.

The process that began the sweep only sees what comes of its jobs in their folders.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from omegaconf import DictConfig

from mtl_cli.config import GOES_ON_WITH, INDIFFERENT
from mtl_cli.errors import InputError, RunFailed
from mtl_cli.foreign import summary_in
from mtl_cli.sweeps.plan import Job
from mtl_cli.sweeps.results import job_folders, natural

OWN: Final = "SweepLauncher"
"""The class that `hydra/launcher=mtl` names."""


def is_elsewhere(sweep: DictConfig) -> bool:
    """Tells whether other processes train the jobs."""
    return _launcher(sweep) not in (OWN, BasicLauncher.__name__)


def is_basic(sweep: DictConfig) -> bool:
    """Tells whether Hydra's own launcher trains the jobs, one after the other in this process."""
    return _launcher(sweep) == BasicLauncher.__name__


def refuse_elsewhere(sweep: DictConfig, folder: Path, jobs: Sequence[Job]) -> None:
    """Refuses what only the project's own launcher can do.

    Args:
        sweep: The sweep's config.
        folder: Its folder.
        jobs: Those that are to go on in it; their numbers must be those of their folders.

    Raises:
        InputError: Another launcher is asked to do it.
    """
    if _launcher(sweep) == OWN:
        return
    from mtl_cli.sweeps.resuming import found_in  # imports polars, which isn't needed to refuse a config

    for key in ("baselines", "fail_fast"):
        if sweep.sweep[key]:
            raise InputError(f"sweep.{key}: only hydra/launcher=mtl does that")
    for found in found_in(folder) if jobs else ():
        if found.number < len(jobs) and _fixed(jobs[found.number].overrides) != _fixed(found.overrides):
            raise InputError(
                f"hydra.launcher: {folder} has another job in {found.number}; only hydra/launcher=mtl can go on with a "
                "sweep whose jobs have other numbers than before"
            )


def _fixed(overrides: Sequence[str]) -> list[str]:
    """Returns those that decide what a job is; the others may change when it goes on."""
    keys = ((line, line.lstrip("+~").partition("=")[0]) for line in overrides)
    return [line for line, key in keys if key not in GOES_ON_WITH and key.partition(".")[0] not in INDIFFERENT]


def failures(sweep: Path) -> Iterator[tuple[RunFailed, str]]:
    """Yields what went wrong in the jobs that failed, and which those are."""
    for folder in sorted(job_folders(sweep), key=lambda folder: natural(folder.name)):
        summary = summary_in(folder)
        if summary is not None and summary.get("status") == "failed":
            yield RunFailed(summary["error"]), f" (job {folder.relative_to(sweep)}: {' '.join(summary['overrides'])})"


def stopped(sweep: Path) -> bool:
    """Tells whether a job in a sweep's folder was ended before its last iteration."""
    return any((summary_in(folder) or {}).get("status") == "stopped" for folder in job_folders(sweep))


def _launcher(sweep: DictConfig) -> str:
    return str(sweep.hydra.launcher._target_).rpartition(".")[2]
