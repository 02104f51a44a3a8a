"""One job of a sweep under way: it doesn't matter to it whether it trains alone or together with others."""

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Arrays
from mtl_cli.datasets.dataset import Dataset
from mtl_cli.errors import InputError, RunFailed
from mtl_cli.run_folder.git_state import GitState
from mtl_cli.terminal.heartbeat import Signs
from mtl_cli.terminal.run_text import how_it_ended
from mtl_cli.terminal.run_view import View
from mtl_cli.training.experiment import Record, prepare
from mtl_cli.training.job import Job
from mtl_cli.training.program import Trained
from mtl_cli.training.progress import Progress


class Lane:
    """A job's data, network, state, files and log."""

    def __init__(
        self,
        job: Job,
        folder: Path,
        load: Callable[[], Dataset],
        device: str,
        git: GitState | None,
        asked: Callable[[], str],
    ) -> None:
        """Begins the run in its folder, which is there; where that fails it has ended. `Record` takes the same."""
        self.job = job
        self.folder = folder
        self.error: Exception | None = None
        self._log = _log(folder)
        self._view = Signs(View(), job.config.steps, self._log.info)
        self._record = Record(job.config, folder, list(job.overrides), device, time.perf_counter(), git, asked)
        self._log.info("training into %s with %s", folder, " ".join(job.overrides) or "the defaults")
        self._stack = ExitStack()
        self._stack.enter_context(self._record)
        try:
            self.ready = prepare(job.config, load(), device)
            self.files = self._stack.enter_context(self.ready.open(folder, self._record, self._log.warning))
        except InputError as error:
            self.fail(RunFailed(str(error)))
        except Exception as error:
            self.fail(error)

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        return self._record.progress

    @property
    def summary(self) -> dict[str, Any]:
        """What summary.json says, once it has ended."""
        return self._record.summary

    @property
    def goes_on(self) -> bool:
        """Tells whether it has iterations left."""
        return not self.summary and self.ready.loop.goes_on(self.progress)

    def upcoming(self, length: int) -> NDArray[np.int64]:
        """Returns the iterations of its next chunk, at most `length`."""
        return self.ready.loop.upcoming(self.progress, length)

    def draw(self, iterations: NDArray[np.int64]) -> Arrays:
        """Draws on the host what the iterations need."""
        return self.ready.loop.draw(iterations, self.progress.rate)

    def take(self, iterations: NDArray[np.int64], drawn: Arrays, trained: Trained, seconds: float) -> None:
        """Takes a chunk, and ends the run if that made it fail."""
        self.progress.seconds += seconds
        try:
            self.ready.loop.take(self.progress, self.files, self._view, iterations, drawn, trained)
        except Exception as error:
            self.fail(error)

    def alone(self, length: int) -> int:
        """Trains a chunk without others, and returns its length; ends the run if that made it fail."""
        loop, begun = self.ready.loop, time.perf_counter()
        iterations = self.upcoming(length)
        try:
            drawn = self.draw(iterations)
            trained = loop.program.train(self.progress.state, loop.constants, loop.resident, drawn)
        except Exception as error:
            self.fail(error)
        else:
            self.take(iterations, drawn, trained, time.perf_counter() - begun)
        return len(iterations)

    def end(self) -> None:
        """Evaluates and saves what selection chose, and ends the run, if it hasn't ended: as stopped if it goes on."""
        if self.summary:
            return
        self.progress.stopped = self.goes_on
        try:
            self.ready.loop.end(self.progress, self.files)
            self._record.finish(*self.ready.finish(self.folder, self.progress, self.files.metrics))
        except Exception as error:
            self.fail(error)
        else:
            self._close(None)

    def fail(self, error: Exception) -> None:
        """Ends the run as failed."""
        self._log.error("the run failed", exc_info=error)
        self._close(error)

    def _close(self, error: Exception | None) -> None:
        self.error = error
        with suppress(Exception):
            self._stack.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)
        if self.summary:
            self._log.info(how_it_ended(self.job.config, self.summary))
        for handler in self._log.handlers:
            handler.close()


def _log(folder: Path) -> logging.Logger:
    """Returns the log of a job, train.log in its folder; those of the process go on elsewhere."""
    log = logging.Logger(f"mtl_cli.{folder.name}", logging.INFO)
    handler = logging.FileHandler(folder / "train.log", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    return log
