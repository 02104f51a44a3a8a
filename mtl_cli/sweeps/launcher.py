"""Trains the jobs that Hydra's sweeper hands over, as `hydra/launcher=mtl`."""

import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.types import HydraContext
from omegaconf import DictConfig

from mtl_cli.backend import start
from mtl_cli.comparison.files import SweepFolder
from mtl_cli.comparison.sweeper_objective import compared, worst
from mtl_cli.composition.combinations import Combinations
from mtl_cli.composition.resolve import plain
from mtl_cli.config import parse
from mtl_cli.errors import InputError, RunFailed
from mtl_cli.identity import program_key
from mtl_cli.run_folder.atomic_files import RUN_FILES, write_json
from mtl_cli.signals import Interrupt
from mtl_cli.sweeps.invocation import Invocation, Outcome
from mtl_cli.sweeps.job_configs import Composer
from mtl_cli.sweeps.job_folders import Folders
from mtl_cli.sweeps.plan import SweepPlan, plan
from mtl_cli.sweeps.resume import before_of, found_in, refuse_changed, resumed
from mtl_cli.sweeps.view import SweepView
from mtl_cli.terminal.config_notes import config_notes
from mtl_cli.terminal.run_text import how_it_ended
from mtl_cli.terminal.run_view import SHOWN_NOTES, View
from mtl_cli.training.dataset_cache import Datasets
from mtl_cli.training.job import Job
from mtl_cli.training.run import Run
from mtl_cli.training.scheduler import Scheduler
from mtl_cli.untrusted.files import read_summary

SECONDS_BETWEEN_TABLES: Final = 2.0


class Batch:
    """The jobs of one call of the launcher."""

    def __init__(
        self,
        context: HydraContext,
        config: DictConfig,
        invocation: Invocation,
        outcome: Outcome,
        interrupt: Interrupt,
        datasets: Datasets,
    ) -> None:
        """Takes what Hydra gives a launcher, and what the jobs of all batches share.

        Args:
            context: Hydra's.
            config: The sweep's own.
            invocation: What was asked of the command.
            outcome: Told what comes of the jobs.
            interrupt: The signals that end the sweep.
            datasets: The data of all jobs.
        """
        assert invocation.sweep is not None
        setup_globals()
        self._invocation = invocation
        self._sweep = invocation.sweep
        self._outcome = outcome
        self._interrupt = interrupt
        self._datasets = datasets
        self._config = config
        self._composer = Composer(context.config_loader, config)
        self._combinations = Combinations(context.config_loader, config)
        self._folders = Folders(context, config, self._composer, resumes=invocation.resumes)
        self._returns: dict[tuple[str, ...], JobReturn] = {}
        self._twice: Mapping[int, Sequence[Job]] = {}
        self._whole: Mapping[str, Sequence[Job]] = {}
        """The jobs of each program that were asked for, also those that are done."""
        self._device = ""
        self._noted: set[str] = set()

    def train(self, job_overrides: Sequence[Sequence[str]], first: int) -> Sequence[JobReturn]:
        """Trains the jobs and returns what became of each.

        Raises:
            KeyboardInterrupt: A signal asked for an end; the jobs under way were ended in order.
        """
        if self._outcome.failed_fast:
            raise RunFailed("sweep.fail_fast: there are no further batches after a job that failed")
        asked = [tuple(self._combinations.of_job(overrides)) for overrides in job_overrides]
        jobs = self._checked(asked, first)
        self._whole = {program_key(group[0].config): group for group in plan(jobs).groups}
        configs = {job.overrides: job.config for job in jobs}
        folder = Path(str(self._config.hydra.sweep.dir))
        with self._folders:
            if self._invocation.resumes:
                jobs = self._left(jobs, folder)
            if asked:
                self._interrupt.limit(jobs[0].config.max_time if jobs else None)
            self._train(plan(jobs), folder)
        if self._interrupt.asked:
            raise KeyboardInterrupt
        return [self._returns.get(job) or _returned(job, worst(configs[job])) for job in asked]

    def _checked(self, asked: Sequence[tuple[str, ...]], first: int) -> Sequence[Job]:
        """Returns the asked jobs, and behind the last ones those that no sweeper asks for."""
        known = self._sweep.jobs
        of_batch = known[first : first + len(asked)]
        if [job.overrides for job in of_batch] != asked:  # another sweeper than Hydra's own
            return [Job(number, parse(plain(self._composer(job))), job) for number, job in enumerate(asked, first)]
        is_last = first + len(asked) == len(known)
        return [*of_batch, *self._sweep.baselines] if is_last else of_batch

    def _left(self, jobs: Sequence[Job], folder: Path) -> Sequence[Job]:
        """Returns the jobs that aren't done yet, with the numbers of their folders, and says which those are."""
        found = found_in(folder)
        known = {earlier.number for earlier in before_of(jobs, found) if earlier is not None}
        more = [
            earlier.overrides
            for earlier in found
            if not earlier.finished and earlier.overrides and earlier.number not in known
        ]
        jobs = [*jobs, *(Job(-1, parse(plain(self._composer(overrides))), overrides) for overrides in more)]
        state = resumed(jobs, found)
        refuse_changed(state.left, found, folder)
        print(f"{len(jobs) - len(state.left):,} of {len(jobs):,} jobs are done", flush=True)
        done = [*state.done, *(job for job, number in state.twins if self._copy(folder / str(number), job))]
        for job in done:
            value = compared(job.config, read_summary(folder / str(job.number)))
            self._returns[job.overrides] = _returned(job.overrides, value)
        return state.left

    def _train(self, planned: SweepPlan, folder: Path) -> None:
        self._twice, self._outcome.has_begun = planned.twice, True
        with SweepView(planned, folder) as self._view, Tables(folder) as self._tables:
            if planned.groups:
                with self._interrupt.importing():
                    self._device = start(planned.jobs[0].config.device)
            for i, group in enumerate(planned.groups):
                if self._stop_asked():
                    break
                trained = partial(self._view.trained, i)
                whole = self._whole.get(program_key(group[0].config), group)
                say = self._view.say
                Scheduler(group, self._begin, self._stop_asked, whole, self._ended, trained, say).train()

    def _stop_asked(self) -> bool:
        return self._interrupt() or self._outcome.failed_fast

    def _reason(self) -> str:
        return self._interrupt.reason() or "sweep.fail_fast" * self._outcome.failed_fast

    def _begin(self, job: Job) -> Run | None:
        """Begins a job in the folder that Hydra makes for it; None where that isn't to be had."""
        folder = self._enter(job)
        if folder is None:
            return None
        log = _log(folder)
        log.info("training into %s with %s", folder, " ".join(job.overrides) or "the defaults")
        run = Run(job, folder, self._device, log, View(), self._invocation.git, self._reason)
        run.begin(partial(self._datasets.load, job.config))
        if run.error is None:
            self._note(config_notes(job.config, run.setup.dataset), run)
        self._view.began(run.progress.iterations)
        return run

    def _note(self, notes: Sequence[str], run: Run) -> None:
        """Says what should be known of a job's config, once where several jobs have it."""
        for note in notes:
            run.log.info(note)
            if note not in self._noted and len(self._noted) < SHOWN_NOTES:
                self._view.say(f"note: {note} (job {run.job.number}, maybe others)")
            self._noted.add(note)

    def _enter(self, job: Job) -> Path | None:
        try:
            folder, self._returns[job.overrides] = self._folders.make(job)
        except InputError as error:
            self._failed(job, error)
            return None
        return folder

    def _failed(self, job: Job, error: Exception) -> None:
        self._outcome.fail(error, f" (job {job.number}: {' '.join(job.overrides)})")
        self._outcome.failed_fast |= job.config.sweep.fail_fast

    def _copy(self, source: Path, twin: Job) -> bool:
        """Gives a job the files of one with the same config, with its own overrides; tells whether there is a place."""
        folder = self._enter(twin)
        if folder is None:
            return False
        for file in source.iterdir():
            if file.is_file() and file.name in RUN_FILES and file.name != "summary.json":
                shutil.copy2(file, folder / file.name)
        write_json(folder / "summary.json", read_summary(source) | {"overrides": list(twin.overrides)})
        self._folders.leave(folder)
        return True

    def _ended(self, run: Run) -> None:
        """Notes how a run ended, and gives those with the same config the same files."""
        summary, job = run.summary, run.job
        if run.error is not None:
            run.log.error("the run failed", exc_info=run.error)
            self._failed(job, run.error)
        run.log.info(how_it_ended(job.config, summary))
        for handler in run.log.handlers:
            with suppress(OSError):
                handler.close()
        self._folders.leave(run.folder)
        value = compared(job.config, summary)
        for twin in [job, *self._twice.get(job.number, ())]:
            if twin is job or self._copy(run.folder, twin):
                self._returns[twin.overrides].return_value = value
                self._view.ended(twin, summary, value)
        self._tables.refresh()


class Tables:
    """`sweep.csv` and `sweep.md`, written anew as jobs end, if that isn't all the time."""

    def __init__(self, folder: Path) -> None:
        """Takes the folder of the sweep."""
        self._sweep = SweepFolder(folder)
        self._next = 0.0
        self._began = False

    def __enter__(self) -> Self:
        """Returns the tables."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Writes what there is at the end, if there is a job."""
        if self._began:
            self._write()

    def refresh(self) -> None:
        """Writes them, unless that was a moment ago; writing takes a tenth of the time at most."""
        self._began, begun = True, time.perf_counter()
        if begun >= self._next:
            self._write()
            now = time.perf_counter()
            self._next = now + max(SECONDS_BETWEEN_TABLES, 9 * (now - begun))

    def _write(self) -> None:
        with suppress(InputError):  # the command says so when it prints them; the runs go on
            self._sweep.write()


def _log(folder: Path) -> logging.Logger:
    """Returns the log of a job, train.log in its folder; those of the process go on elsewhere."""
    log = logging.Logger(f"mtl_cli.{folder.name}", logging.INFO)
    handler = logging.FileHandler(folder / "train.log", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    return log


def _returned(overrides: Sequence[str], value: float) -> JobReturn:
    returned = JobReturn(overrides, status=JobStatus.COMPLETED)
    returned.return_value = value
    return returned
