"""A call of the command: what was asked, and what came of it."""

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from mtl_cli.errors import ExitStatus
from mtl_cli.run_folder.git_state import GitState
from mtl_cli.terminal.complaints import brief, complain
from mtl_cli.training.job import Job


@dataclass(frozen=True)
class SweepAsked:
    """The sweep that a config asks for.

    Attributes:
        folder: The sweep's.
        jobs: Those whose configs were checked before; none where another sweeper than Hydra's own makes them.
        baselines: More of them, which are trained with the last ones.
        is_basic: Whether Hydra's own launcher trains the jobs, and says nothing of what is left.
        is_elsewhere: Whether other processes train the jobs.
    """

    folder: Path
    jobs: Sequence[Job]
    baselines: Sequence[Job]
    is_basic: bool
    is_elsewhere: bool


@dataclass(frozen=True)
class Invocation:
    """What was asked.

    Attributes:
        resumes: Whether the folder has a run, or jobs, that were trained before.
        repeats: The folder of a run whose recorded config this is.
        is_worker: Whether this process trains jobs for another one, and others do so meanwhile.
        git: The working folder's state, before anything was written; None outside git.
        sweep: What is known once its config is composed and checked; None for a single run.
    """

    resumes: bool = False
    repeats: Path | None = None
    is_worker: bool = False
    git: GitState | None = None
    sweep: SweepAsked | None = None


@dataclass
class Outcome:
    """What came of it so far.

    Attributes:
        status: The exit status, but for what a signal makes of it.
        has_begun: Whether something was trained, so that what goes wrong from there on is no wrong input.
        failed_fast: Whether a job failed that was to end the sweep.
        is_collected: Whether what other processes left is counted in.
    """

    status: int = 0
    has_begun: bool = False
    failed_fast: bool = False
    is_collected: bool = False

    def note(self, status: int) -> None:
        """Makes it the command's status, unless that is higher."""
        self.status = max(self.status, status)

    def fail(self, error: Exception, where: str = "", status: int = ExitStatus.FAILED) -> None:
        """Says that a run failed, and makes that the command's status."""
        self.note(status)
        complain(brief(error) + where)
        if HydraConfig.initialized() and HydraConfig.get().verbose:
            traceback.print_exception(error)
