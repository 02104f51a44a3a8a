"""Sweeps whose jobs other processes train: `hydra/launcher=joblib`, `submitit_local`, `submitit_slurm`, `ray`.

The process that began the sweep only sees what comes of its jobs in their folders.
"""

import secrets
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from omegaconf import DictConfig, flag_override

from mtl_cli.comparison.results import job_folders, natural
from mtl_cli.composition.hydra_private import BasicLauncher
from mtl_cli.errors import ExitStatus, InputError, RunFailed
from mtl_cli.identity import is_marked
from mtl_cli.settings import Cosmetic, Extends, Rollback
from mtl_cli.signals import Interrupt
from mtl_cli.sweeps.invocation import Outcome, SweepAsked
from mtl_cli.training.job import Job
from mtl_cli.untrusted.escaping import shown
from mtl_cli.untrusted.files import summary_in

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
    from mtl_cli.sweeps.resume import found_in  # imports polars, which isn't needed to refuse a config

    for key in ("baselines", "fail_fast"):
        if sweep.sweep[key]:
            raise InputError(f"sweep.{key}: only hydra/launcher=mtl does that")
    for found in found_in(folder) if jobs else ():
        if not found.is_known or found.number >= len(jobs):
            continue
        if _fixed(jobs[found.number].overrides) != _fixed(found.overrides):
            raise InputError(
                f"hydra.launcher: {folder} has another job in {found.number}; only hydra/launcher=mtl can go on with a "
                "sweep whose jobs have other numbers than before"
            )


def secure(sweep: DictConfig, folder: Path) -> None:
    """Keeps what is in the sweep's and the working folder from being code in the processes that train the jobs.

    submitit unpickles what it finds in its folder, so each call has one of its own, whose name nobody knows before; in
    its job scripts a line break in a path begins a line. Ray's processes import from the working folder first.

    Raises:
        InputError: It can't be done.
    """
    launcher, places = str(sweep.hydra.launcher._target_), (folder, Path.cwd())
    odd = next((place for place in places if not str(place).isprintable()), None)
    if odd is not None:
        raise InputError(
            f"hydra.launcher: {str(odd)!r} has a character that isn't printable, which a job script can't have"
        )
    if (
        "submitit" in launcher
        and sweep.hydra.launcher.get("submitit_folder") == f"{sweep.hydra.sweep.dir}/.submitit/%j"
    ):
        if (folder / ".submitit").is_symlink():
            raise InputError(f"{folder / '.submitit'} is a link; move it away")
        with flag_override(sweep, ["readonly", "struct"], False):
            own = f"{sweep.hydra.sweep.dir}/.submitit/{secrets.token_hex(8)}/%j"
            sweep.hydra.launcher.submitit_folder = own
    if ".hydra_ray_launcher." in f".{launcher}":
        for path in Path.cwd().iterdir():
            if path.suffix in (".py", ".so", ".pyc", ".pyd") or (path / "__init__.py").exists():
                raise InputError(
                    f"hydra.launcher: ray's processes import from the working folder first, and {path.name} is in it; "
                    "work in a folder without Python's files, or take another launcher"
                )


def _fixed(overrides: Sequence[str]) -> list[str]:
    """Returns those that decide what a job is; the others may change when it goes on."""
    keys = ((line, line.lstrip("+~").partition("=")[0]) for line in overrides)
    return [line for line, key in keys if not is_marked(key, Cosmetic, Rollback, Extends)]


def collect(sweep: SweepAsked, outcome: Outcome, interrupt: Interrupt) -> None:
    """Says what became of the jobs that other processes trained, by their folders, unless it was said before."""
    if not sweep.is_elsewhere or outcome.is_collected:
        return
    outcome.is_collected = True
    if not sweep.folder.is_dir():
        return
    folders = list(job_folders(sweep.folder))
    for error, where in _failures(sweep.folder):
        outcome.fail(error, where)
    lost = len(sweep.jobs) - sum((folder / "summary.json").exists() for folder in folders)
    if lost > 0 and not outcome.status and not interrupt.asked:
        left = f"{lost:,} of {len(sweep.jobs):,} jobs left no summary.json there"
        outcome.fail(RunFailed(f"{sweep.folder}: {left}"))
    if _is_stopped(sweep.folder) and not interrupt.asked:  # its time was over; a signal has a status of its own
        outcome.note(ExitStatus.TIME_IS_OVER)
    say_resume(sweep, outcome, interrupt)


def say_resume(sweep: SweepAsked, outcome: Outcome, interrupt: Interrupt) -> None:
    """Says how to go on with a sweep that a signal or its time has ended."""
    is_cut = interrupt.asked or outcome.status == ExitStatus.TIME_IS_OVER
    if is_cut and (sweep.folder / "multirun.yaml").exists():
        print(f"go on with: mtl-train resume {shlex.quote(shown(sweep.folder))}")


def _failures(sweep: Path) -> Iterator[tuple[RunFailed, str]]:
    """Yields what went wrong in the jobs that failed, and which those are."""
    for folder in sorted(job_folders(sweep), key=lambda folder: natural(folder.name)):
        summary = summary_in(folder)
        if summary is not None and summary.get("status") == "failed":
            yield RunFailed(summary["error"]), f" (job {folder.relative_to(sweep)}: {' '.join(summary['overrides'])})"


def _is_stopped(sweep: Path) -> bool:
    """Tells whether a job in a sweep's folder was ended before its last iteration."""
    return any((summary_in(folder) or {}).get("status") == "stopped" for folder in job_folders(sweep))


def _launcher(sweep: DictConfig) -> str:
    return str(sweep.hydra.launcher._target_).rpartition(".")[2]
