"""What trains the jobs that Hydra hands over, here or in another process, and what became of them."""

import errno
import logging
import os
import re
import shlex
import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from mtl_cli.comparison.results import job_folders
from mtl_cli.comparison.sweeper_objective import compared, worst
from mtl_cli.composition.recorded import record, recorded_overrides
from mtl_cli.composition.resolve import plain
from mtl_cli.config import parse
from mtl_cli.errors import ExitStatus, InputError, RunFailed
from mtl_cli.run_folder.atomic_files import CONFIGS
from mtl_cli.run_folder.git_state import GitState
from mtl_cli.run_folder.locks import locked
from mtl_cli.signals import Interrupt
from mtl_cli.sweeps.other_launchers import failures, stopped
from mtl_cli.training.dataset_cache import Datasets
from mtl_cli.training.job import Job
from mtl_cli.untrusted.escaping import shown, visible

NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
"""Of errors, those of a full disk."""

MOST_LINES, LONGEST_LINE = 20, 1000
"""Of a message."""

log = logging.getLogger("mtl_cli")


class Command:
    """What Hydra calls for each job, and what became of them."""

    def __init__(self) -> None:
        self.status = 0
        self.runs = 0
        """How many of the jobs left files of a run."""
        self.failed_fast = False
        self.has_begun = False
        """Whether something was trained, so that what goes wrong from there on is no wrong input."""
        self.interrupt = Interrupt()
        self.datasets = Datasets()
        self.jobs: list[Job] = []
        self.baselines: list[Job] = []
        self.resumes = False
        """Whether the jobs' folder has some that were trained before."""
        self.repeats: Path | None = None
        """The folder of a run whose recorded config this is."""
        self.sweep: Path | None = None
        """The folder of the sweep, where it is one."""
        self.elsewhere: Path | None = None
        """The folder of a sweep whose jobs other processes train, until it is said what became of them."""
        self.is_basic = False
        """Whether Hydra's own launcher trains a sweep's jobs, and says nothing of what is left."""
        self.git: GitState | None = None
        """The working folder's, before anything was written; null outside git."""
        self.held = ExitStack()
        """The folder that other calls of the command keep out of."""
        self.is_worker = False
        """Whether others train jobs of the same sweep meanwhile."""

    def __call__(self, composed: DictConfig) -> float | None:
        """Trains one job into the folder that Hydra made, and returns its objective.

        A job in another process may be there for the second time: a queue begins it again after it was interrupted.
        """
        settings = HydraConfig.get()
        folder = Path(settings.runtime.output_dir)
        with ExitStack() as held:
            if self.is_worker:
                held.enter_context(self.interrupt.handling(passes_on=True))
            if settings.mode == RunMode.MULTIRUN:
                held.enter_context(locked(folder))
            if settings.job.chdir:  # paths of data are still those of where the command was typed
                held.enter_context(chdir(settings.runtime.cwd))
            return self._train(composed, settings, folder)

    def _train(self, composed: DictConfig, settings: HydraConf, folder: Path) -> float | None:
        self.has_begun = True
        from mtl_cli.sweeps.resume import trained
        from mtl_cli.terminal.run_text import how_it_ended
        from mtl_cli.terminal.run_view import View, view
        from mtl_cli.training.experiment import train  # not needed to refuse a config
        from mtl_cli.training.run import Run

        overrides = list(settings.overrides.task)
        config = parse(plain(composed))
        if self.resumes or self.is_worker:
            known = trained(folder, config)
            if known is not None:
                self.runs += 1
                return compared(config, known)
            if settings.mode == RunMode.RUN:
                overrides = [*recorded_overrides(folder), *overrides]
        elif _has_run(folder):
            raise InputError(f"{folder} has a run already; runs are never overwritten")
        job = Job(0, config, tuple(overrides))
        try:
            self.interrupt.limit(config.max_time)
            self.interrupt.deliver()
            log.info("training into %s with %s", folder, " ".join(overrides) or "the defaults")
            one_of_many = self.is_worker and config.log.console == "auto"  # which would overwrite each other's lines
            display = view("quiet" if one_of_many else config.log.console, list(config.tasks), config.log.every)
            with display.busy("reading the data"):
                dataset = self.datasets.load(config)
            for line in filter(None, [dataset.columns, *dataset.notes]):
                log.info(line)
            goes_on = self.resumes and settings.mode == RunMode.RUN
            begins = partial(record, folder, composed) if goes_on else lambda: None
            summary = train(job, dataset, folder, display, self.interrupt, self.repeats, begins, self.git)
        except InputError as error:
            if settings.mode == RunMode.MULTIRUN:  # the sweep's table has this job as well
                Run(job, folder, config.device, log, View(), self.git).fail(RunFailed(str(error)))
                self._fail(ExitStatus.FAILED, error)
            else:
                self._discard(folder, settings)
                self._fail(ExitStatus.WRONG_INPUT, error)
        except KeyboardInterrupt:
            self._discard(folder, settings)
            raise
        except Exception as error:
            log.exception("the run failed")
            left = f"; what there was to write is in {folder}" if _has_run(folder) else ""
            if not settings.verbose:
                self._discard(folder, settings)
            self._fail(ExitStatus.FAILED, error, left)
        else:
            log.info(how_it_ended(config, summary))
            if summary["status"] == "stopped":  # a signal has a status of its own
                self.status = max(self.status, ExitStatus.TIME_IS_OVER)
            return compared(config, summary)
        finally:
            self.runs += _has_run(folder)
        return worst(config)

    def __reduce__(self) -> tuple[Any, ...]:
        """Goes to another process as what that process makes of it: its own, with what it has loaded and compiled."""
        return _of_worker, (self.resumes, self.git)

    def say_elsewhere(self) -> None:
        """Says what became of the jobs that other processes trained, by their folders."""
        sweep, self.elsewhere = self.elsewhere, None
        if sweep is None or not sweep.is_dir():
            return
        folders = list(job_folders(sweep))
        self.runs += len(folders)
        for error, where in failures(sweep):
            self._fail(ExitStatus.FAILED, error, where)
        lost = len(self.jobs) - sum((folder / "summary.json").exists() for folder in folders)
        if lost > 0 and not self.status and not self.interrupt.asked:
            self._fail(
                ExitStatus.FAILED, RunFailed(f"{sweep}: {lost:,} of {len(self.jobs):,} jobs left no summary.json there")
            )
        if stopped(sweep) and not self.interrupt.asked:  # its time was over; a signal has a status of its own
            self.status = max(self.status, ExitStatus.TIME_IS_OVER)
        if self.interrupt.asked or self.status == ExitStatus.TIME_IS_OVER:
            self._say_resume(sweep)

    def say_unfinished(self) -> None:
        """Says what goes on with a sweep that Hydra's own launcher left before its end."""
        if (
            self.is_basic
            and self.sweep is not None
            and (self.interrupt.asked or self.status == ExitStatus.TIME_IS_OVER)
        ):
            self._say_resume(self.sweep)

    @staticmethod
    def _say_resume(sweep: Path) -> None:
        if (sweep / "multirun.yaml").exists():
            print(f"go on with: mtl-train resume {shlex.quote(shown(sweep))}")

    def failed(self, error: Exception, where: str) -> None:
        """Says that a run failed, and makes that the command's status."""
        self._fail(ExitStatus.FAILED, error, where)

    def _discard(self, folder: Path, settings: HydraConf) -> None:
        """Removes what Hydra made for a run that left nothing."""
        if not self.resumes:
            _discard(folder)
            if settings.mode == RunMode.MULTIRUN:
                _remove_empty(folder, absolute(settings.sweep.dir))

    def _fail(self, status: int, error: Exception, where: str = "") -> None:
        self.status = max(self.status, status)
        complain(brief(error) + where)
        if HydraConfig.initialized() and HydraConfig.get().verbose:
            traceback.print_exception(error)


@cache
def _of_worker(resumes: bool, git: GitState | None) -> Command:
    """Returns the command of a process to which a launcher hands jobs, the same one for each."""
    command = Command()
    command.resumes, command.git, command.is_worker = resumes, git, True
    return command


def absolute(folder: str) -> Path:
    """Returns the path without `..`, as Hydra makes it."""
    return Path(os.path.abspath(folder))  # noqa: PTH100 (`Path.absolute` keeps `..`, `resolve` follows links)


@contextmanager
def placing(folder: Path, *, discards: bool) -> Iterator[None]:
    """Says of an error of the block's what folder it is of, where it doesn't say so: Hydra writes there.

    Args:
        folder: The folder.
        discards: Whether Hydra's files in it are removed then, if there is nothing of a run.
    """
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(folder)
        if discards:
            _discard(folder)
        raise


def brief(error: Exception) -> str:
    """Returns an error in one or a few lines, with its type where the message isn't the project's own."""
    if isinstance(error, InputError | RunFailed):
        return str(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        shape = re.search(r"shape ?([\[(][\d, ]+[\])])", str(error))
        what = f"an array of {shape[1]} numbers" if shape else "the run"
        return f"out of memory: {what} doesn't fit; smaller layers, a smaller batch_size or fewer rows need less"
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def complain(message: str) -> None:
    """Prints what is wrong, as much of it as one reads; what it quotes can't act on the terminal."""
    lines = message.rstrip("\n").split("\n")
    if len(lines) > MOST_LINES:
        lines[MOST_LINES:] = [f"and {len(lines) - MOST_LINES:,} more"]
    for line in lines:
        text = visible(line[: LONGEST_LINE + 1])
        with suppress(OSError):  # in a process of another's, whose streams are its own
            print(f"mtl-train: {text if len(text) <= LONGEST_LINE else f'{text[:LONGEST_LINE]}...'}", file=sys.stderr)


def _has_run(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("losses.csv", "summary.json"))


def _discard(folder: Path) -> None:
    """Removes what Hydra made for a run: its log, and its folder of configs."""
    if _has_run(folder):
        return
    for handler in logging.getLogger().handlers:
        handler.close()
        if isinstance(handler, logging.FileHandler) and folder in (file := Path(handler.baseFilename)).parents:
            file.unlink(missing_ok=True)
    for name in ("config.yaml", "hydra.yaml", "overrides.yaml"):
        (folder / CONFIGS / name).unlink(missing_ok=True)
    _remove_empty(folder / CONFIGS, folder)


def _remove_empty(folder: Path, end: Path) -> None:
    """Removes the folder and those above it, as long as they are empty, up to one that stays."""
    with suppress(OSError):
        while folder != end and end in folder.parents:
            folder.rmdir()
            folder = folder.parent
