"""What is checked of a composed config, and which folder is claimed, before Hydra makes anything there."""

import sys
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from mtl_cli.backend import refuse_too_little_memory
from mtl_cli.cli.hydra_files import absolute, discard_sweep, placing
from mtl_cli.composition.recorded import held
from mtl_cli.composition.resolve import plain
from mtl_cli.config import parse
from mtl_cli.errors import InputError
from mtl_cli.run_folder.atomic_files import CONFIGS
from mtl_cli.run_folder.git_state import git_state
from mtl_cli.run_folder.latest import is_dated, linked
from mtl_cli.run_folder.locks import claimed, locked, refuse_taken
from mtl_cli.signals import Interrupt
from mtl_cli.sweeps.grid import is_grid, jobs_of, refuse, refuse_other_folders
from mtl_cli.sweeps.invocation import Invocation, SweepAsked
from mtl_cli.sweeps.other_launchers import is_basic, is_elsewhere, refuse_elsewhere, secure
from mtl_cli.sweeps.plan import first_of_data, plan
from mtl_cli.training.dataset_cache import Datasets
from mtl_cli.training.job import Job


def check_run(config: DictConfig, asked: Invocation, interrupt: Interrupt, claims: ExitStack) -> Invocation:
    """Checks the config of a single run.

    Args:
        config: The composed one.
        asked: What is known so far.
        interrupt: Defers signals from here on, while the folder is made.
        claims: Takes what keeps other calls of the command out of the folder.

    Returns:
        What was asked, with all that there is to know.

    Raises:
        InputError: It can't be trained.
        SystemExit: That was a dry run.
    """
    folder, parsed = absolute(config.hydra.run.dir), parse(plain(config))
    _refuse_other_configs(config, resumes=asked.resumes)
    if parsed.sweep.dry_run:
        from mtl_cli.terminal.run_display import view
        from mtl_cli.training.experiment import rehearse

        rehearse(parsed, folder, view(parsed.log.console, list(parsed.tasks), parsed.log.every))
        sys.exit(0)
    refuse_too_little_memory()
    checked = replace(asked, git=git_state())
    interrupt.defer()
    claims.enter_context(held(folder, parsed) if asked.resumes else claimed(folder, "hydra.run.dir"))
    _link(config, folder, claims)
    claims.enter_context(placing(folder, discards=not asked.resumes))
    return checked


def check_sweep(
    config: DictConfig, asked: Invocation, interrupt: Interrupt, claims: ExitStack, datasets: Datasets
) -> Invocation:
    """Checks the config of a sweep, and of every job of it where Hydra's own sweeper makes the jobs.

    Args:
        config: The composed one.
        asked: What is known so far.
        interrupt: Delivers signals while the jobs are checked, and defers them from there on.
        claims: Takes what keeps other calls of the command out of the folder.
        datasets: Loads the first data of each kind.

    Returns:
        What was asked, with all that there is to know.

    Raises:
        InputError: A job can't be trained, or the folder can't be had.
        SystemExit: That was a dry run.
    """
    folder = absolute(config.hydra.sweep.dir)
    interrupt.deliver()
    if not asked.resumes:
        refuse_taken(folder, "hydra.sweep.dir")
    _refuse_other_configs(config, resumes=False)
    jobs, baselines = _check_jobs(config, datasets, resumes=asked.resumes) if is_grid(config) else ([], [])
    checked = replace(asked, git=git_state())
    interrupt()
    claims.enter_context(locked(folder) if asked.resumes else claimed(folder, "hydra.sweep.dir"))
    _link(config, folder, claims)
    refuse_elsewhere(config, folder, jobs if asked.resumes else ())
    if asked.resumes:
        _refuse_found(folder, [*jobs, *baselines])
    claims.enter_context(placing(folder, discards=False))
    if not asked.resumes:
        claims.callback(discard_sweep, folder)
    elsewhere = is_elsewhere(config)
    if elsewhere:
        secure(config, folder)
    return replace(checked, sweep=SweepAsked(folder, jobs, baselines, is_basic(config), elsewhere))


def _link(config: DictConfig, folder: Path, claims: ExitStack) -> None:
    """Has `latest` beside a dated folder below `outputs` lead to it, unless somebody chose that folder."""
    chosen = any(key in word for word in config.hydra.overrides.hydra for key in ("hydra.run.dir", "hydra.sweep.dir"))
    if is_dated(folder) and absolute("outputs") in folder.parents and not chosen:
        claims.enter_context(linked(folder))


def _check_jobs(config: DictConfig, datasets: Datasets, *, resumes: bool) -> tuple[list[Job], list[Job]]:
    """Returns the jobs that Hydra's own sweeper will make, and the baselines, and loads the first data of each kind."""
    if OmegaConf.is_interpolation(config.hydra.sweep, "subdir") is False:
        raise InputError("hydra.sweep.subdir: every job needs a folder of its own, e.g. ${hydra.job.num}")
    if resumes:
        refuse_other_folders(config)
    console = Console()
    with console.status("composing the jobs") if console.is_terminal else nullcontext():
        jobs, baselines = jobs_of(config, taken=resumes)
    if jobs[0].config.sweep.dry_run:
        planned = plan([*jobs, *baselines])
        print("\n".join([*planned.lines(), *planned.listing()]))
        sys.exit(0)
    if not is_elsewhere(config):
        refuse_too_little_memory()
    wrong: dict[str, str] = {}  # what all of them have wrong is said before a folder is there
    for job in first_of_data([*jobs, *baselines]):
        try:
            datasets.load(job.config)
        except InputError as error:
            wrong.setdefault(str(error), " ".join(job.overrides))
    refuse(wrong)
    return jobs, baselines


def _refuse_found(folder: Path, jobs: list[Job]) -> None:
    """Refuses to go on with a sweep of which a job is under way, or with jobs that came to something else."""
    from mtl_cli.sweeps.resume import found_in, refuse_changed, resumed  # needs polars

    found = found_in(folder)
    for earlier in found:  # it may have outlived the process that began the sweep, for example
        with locked(folder / str(earlier.number)):
            pass
    refuse_changed(resumed(jobs, found).left, found, folder)


def _refuse_other_configs(config: DictConfig, *, resumes: bool) -> None:
    """Refuses another folder for a run's config than the one by which it is resumed; going on, it stays as it is."""
    if config.hydra.output_subdir != (None if resumes else CONFIGS):
        raise InputError(
            f"hydra.output_subdir: a run is told of, repeated and resumed by its {CONFIGS}, got "
            f"{config.hydra.output_subdir}; leave it out"
        )
