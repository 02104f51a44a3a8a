"""What Hydra calls for each job, here or in another process."""

import logging
from contextlib import ExitStack, chdir
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from mtl_cli.cli.hydra_files import absolute, discard, has_run, remove_empty
from mtl_cli.comparison.sweeper_objective import compared, worst
from mtl_cli.composition.recorded import began_elsewhere, record, recorded_overrides
from mtl_cli.composition.resolve import as_typed, plain
from mtl_cli.config import Config, parse
from mtl_cli.errors import ExitStatus, InputError, NotHere
from mtl_cli.run_folder.git_state import GitState
from mtl_cli.run_folder.locks import locked
from mtl_cli.signals import SIGPIPE, Interrupt
from mtl_cli.sweeps.invocation import Invocation, Outcome
from mtl_cli.terminal.complaints import complain
from mtl_cli.training.dataset_cache import Datasets
from mtl_cli.training.job import Job
from mtl_cli.untrusted.files import summary_in

if TYPE_CHECKING:
    from mtl_cli.terminal.run_view import View  # needs polars

log = logging.getLogger("mtl_cli")


class JobRunner:
    """Trains the jobs that Hydra hands over.

    Attributes:
        invocation: What was asked; of what Hydra composes, as soon as it is checked.
        outcome: What came of it so far.
        interrupt: The signals that end it.
        datasets: The data of its jobs.
    """

    def __init__(self, interrupt: Interrupt, invocation: Invocation | None = None) -> None:
        self.invocation = invocation or Invocation()
        self.outcome = Outcome()
        self.interrupt = interrupt
        self.datasets = Datasets()

    def __call__(self, composed: DictConfig) -> float | None:
        """Trains one job into the folder that Hydra made, and returns its objective.

        A job in another process may be there for the second time: a queue begins it again after it was interrupted.
        """
        settings = HydraConfig.get()
        folder = Path(settings.runtime.output_dir)
        with ExitStack() as held:
            if self.invocation.is_worker:
                held.enter_context(self.interrupt.handling(passes_on=True))
            if settings.mode == RunMode.MULTIRUN:
                held.enter_context(locked(folder))
            if settings.job.chdir:  # paths of data are still those of where the command was typed
                held.enter_context(chdir(settings.runtime.cwd))
            return self._train(composed, settings, folder)

    def _train(self, composed: DictConfig, settings: HydraConf, folder: Path) -> float | None:
        self.outcome.has_begun = True
        from mtl_cli.sweeps.resume import trained
        from mtl_cli.terminal.config_notes import config_notes
        from mtl_cli.terminal.run_display import view
        from mtl_cli.terminal.run_text import how_it_ended
        from mtl_cli.terminal.run_view import View
        from mtl_cli.training.experiment import train  # not needed to refuse a config
        from mtl_cli.training.run import Run

        asked, overrides = self.invocation, as_typed(settings.overrides.task)
        config = parse(plain(composed))
        if asked.resumes or asked.is_worker:
            known = trained(folder, config)
            if known is not None:
                return compared(config, known)
            if settings.mode == RunMode.RUN:
                overrides = [*recorded_overrides(folder), *overrides]
        elif has_run(folder):
            raise InputError(f"{folder} has a run already; runs are never overwritten")
        job, before = Job(0, config, tuple(overrides)), summary_in(folder)
        display = View()
        try:
            self.interrupt.limit(config.max_time)
            self.interrupt.deliver()
            log.info("training into %s with %s", folder, " ".join(overrides) or "the defaults")
            one_of_many = asked.is_worker and config.log.console == "auto"  # which would overwrite each other's lines
            display = view("quiet" if one_of_many else config.log.console, list(config.tasks), config.log.every)
            with display.busy("reading the data"):
                dataset = self.datasets.load(config)
            for line in filter(None, [dataset.columns, *config_notes(config, dataset), *dataset.notes]):
                log.info(line)
            goes_on = asked.resumes and settings.mode == RunMode.RUN
            begins = partial(record, folder, composed) if goes_on else lambda: None
            summary = train(job, dataset, folder, display, self.interrupt, asked.repeats, begins, asked.git)
        except InputError as error:
            if settings.mode == RunMode.MULTIRUN:  # the sweep's table has this job as well
                Run(job, folder, config.device, log, View(), asked.git).fail(error)
                self.outcome.fail(error)
            else:
                self._discard(folder, settings)
                began = began_elsewhere(folder) if asked.resumes and isinstance(error, NotHere) else None
                where = f"; the run began in {began}" if began else ""
                self.outcome.fail(error, where, ExitStatus.WRONG_INPUT)
        except KeyboardInterrupt:
            self._discard(folder, settings)
            if settings.mode == RunMode.RUN:  # a sweep says itself how to go on
                self._say_what_is_left(config, folder, before, display)
            raise
        except Exception as error:
            log.exception("the run failed")
            left = f"; what there was to write is in {folder}" if has_run(folder) else ""
            if not settings.verbose:
                self._discard(folder, settings)
            self.outcome.fail(error, left)
        else:
            log.info(how_it_ended(config, summary))
            if summary["status"] == "stopped":  # a signal has a status of its own
                self.outcome.note(ExitStatus.TIME_IS_OVER)
            return compared(config, summary)
        return worst(config)

    def _say_what_is_left(self, config: Config, folder: Path, before: dict[str, Any] | None, display: "View") -> None:
        """Says of a run that a signal ended how it goes on, or that its folder is as it was before."""
        from mtl_cli.terminal.run_text import ending, how_it_ended

        found = summary_in(folder)
        if found and found != before and found["status"] == "stopped":
            log.info(how_it_ended(config, found))
            display.end(ending(config, found, folder))
        elif found == before and self.interrupt.signal != SIGPIPE:
            when = "it went on" if self.invocation.resumes else "the first iteration"
            complain(f"{self.interrupt.reason()} before {when}: nothing was written")

    def __reduce__(self) -> tuple[Any, ...]:
        """Goes to another process as what that process makes of it: its own, with what it has loaded and compiled."""
        return _of_worker, (self.invocation.resumes, self.invocation.git)

    def _discard(self, folder: Path, settings: HydraConf) -> None:
        """Removes what Hydra made for a run that left nothing."""
        if not self.invocation.resumes:
            discard(folder)
            if settings.mode == RunMode.MULTIRUN:
                remove_empty(folder, absolute(settings.sweep.dir))


@cache
def _of_worker(resumes: bool, git: GitState | None) -> JobRunner:
    """Returns the runner of a process to which a launcher hands jobs, the same one for each."""
    return JobRunner(Interrupt(), Invocation(resumes=resumes, is_worker=True, git=git))
