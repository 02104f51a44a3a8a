"""What a person sees of a sweep: the plan, how far it has come and the best so far, how it ended. No TensorFlow."""

import math
import shlex
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mtl_cli.comparison.results import job_folders
from mtl_cli.sweeps.plan import SweepPlan, counted
from mtl_cli.tasks import HIGHER_IS_BETTER
from mtl_cli.terminal.formatting import duration, format_number
from mtl_cli.terminal.heartbeat import SECONDS_AT_LEAST, SECONDS_AT_MOST
from mtl_cli.terminal.run_view import REFRESHES_PER_SECOND
from mtl_cli.terminal.task_tables import NARROW, wrapped
from mtl_cli.training.job import Job
from mtl_cli.untrusted.escaping import printable, shown


class SweepView:
    """Shows a sweep; on a terminal it is live, elsewhere a few lines."""

    def __init__(self, plan: SweepPlan, folder: Path, clock: Callable[[], float] = time.perf_counter) -> None:
        """Takes what will be trained."""
        self._plan = plan
        self._folder = folder
        self._clock = clock
        self._console = Console(highlight=False)
        if not self._console.is_terminal:
            self._console = Console(highlight=False, width=80, color_system=None)
        self._trained_jobs = {job.number for group in plan.groups for job in group}
        self._in_all = set.intersection(*(set(job.overrides) for job in plan.jobs)) if plan.jobs else set()
        self._iterations = sum(job.config.steps for group in plan.groups for job in group)
        self._program = 0
        self._began = self._done = self._failed = self._stopped = 0
        self._come = 0
        """Iterations that needn't be waited for any more."""
        self._speed_since: float | None = None
        self._trained_since = 0
        self._best: tuple[float, Job] | None = None
        self._begun = self._said = clock()
        self._live = Live(
            get_renderable=self._render, console=self._console, refresh_per_second=REFRESHES_PER_SECOND, transient=True
        )

    def __enter__(self) -> Self:
        """Prints the plan and begins the live part."""
        for line in self._plan.lines():
            self._console.print(wrapped(line, self._console), soft_wrap=True)
        self._console.print(Text(f"files in {shown(self._folder)}"), soft_wrap=True)
        if self._console.is_terminal and self._plan.groups:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Ends the live part and says how it went."""
        self._live.stop()
        failed = f", {self._failed:,} failed" if self._failed else ""
        failed += f", {self._stopped:,} stopped" if self._stopped else ""
        left = self._plan.trained - self._done
        unfinished = f", {left:,} not trained" if left else ""
        took = duration(self._clock() - self._begun)
        finished = counted(self._done - self._failed - self._stopped, "job")
        self._console.print(f"{finished} finished{failed}{unfinished} in {took}")
        if (left or self._stopped) and any(job_folders(self._folder)):
            self._console.print(
                Text(f"go on with: mtl-train resume {shlex.quote(shown(self._folder))}"), soft_wrap=True
            )

    def say(self, text: str) -> None:
        """Prints what a person may want to know."""
        self._console.print(Text(text, style="dim"))

    def began(self, iterations: int) -> None:
        """Counts a run that is under way, and has so many iterations from an earlier time."""
        self._began += 1
        self._come += iterations

    def trained(self, program: int, iterations: int) -> None:
        """Counts iterations of a program's runs."""
        self._program = program
        self._come += iterations
        if self._speed_since is not None:
            self._trained_since += iterations
        elif iterations:  # compiling is no part of the speed
            self._speed_since = self._clock()
        self._tell(SECONDS_AT_MOST)

    def ended(self, job: Job, summary: Mapping[str, Any], value: float) -> None:
        """Counts a run that has ended."""
        if job.number not in self._trained_jobs:  # trained as another job
            return
        self._done += 1
        self._failed += summary["status"] == "failed"
        self._stopped += summary["status"] == "stopped"
        self._come += job.config.steps - summary["iterations"]  # an early end leaves none to wait for
        higher = job.config.objective.rpartition("/")[2] in HIGHER_IS_BETTER
        better = self._best is None or (value > self._best[0] if higher else value < self._best[0])
        if math.isfinite(value) and better and _compared(job) == _compared(self._plan.jobs[0]):
            self._best = value, job
        self._tell(SECONDS_AT_LEAST)

    def _tell(self, after: float) -> None:
        """Prints how far the sweep has come where there is no terminal, unless it did so a moment ago."""
        now = self._clock()
        if self._console.is_terminal or now - self._said < after:
            return
        self._said = now
        text = f"{self._done:,} of {self._plan.trained:,} jobs after {duration(now - self._begun)}"
        if self._come < self._iterations:
            text += f"; {self._come:,} of {self._iterations:,} iterations, {self._left()}"
        self._console.print(Text("; ".join(filter(None, [text, self._best_so_far()]))), soft_wrap=True)

    def _render(self) -> RenderableType:
        jobs = f"{self._done:,} of {counted(self._plan.trained, 'job')} done, {self._began - self._done:,} under way"
        jobs += f", {self._failed:,} failed" if self._failed else ""
        programs = len(self._plan.groups)
        jobs += f"; program {self._program + 1:,} of {programs:,}" if programs > 1 else ""
        bar = Table.grid(padding=(0, 1))
        width = 24 if self._console.width > NARROW else 8
        bar.add_row(
            ProgressBar(self._iterations, self._come, width),
            Text(f"{self._come:,}/{self._iterations:,}", no_wrap=True),
            Text(self._left(), no_wrap=True),
        )
        lines = [jobs, self._best_so_far()]
        first, *rest = (wrapped(line, self._console) for line in lines if line)
        return Group(first, bar, *rest)

    def _left(self) -> str:
        """Returns the speed and the time that is left, or what has to be waited for to tell."""
        if self._come >= self._iterations:
            return "done"
        if not self._trained_since or self._speed_since is None:
            return "compiling" if self._began else "loading TensorFlow"
        speed = self._trained_since / max(self._clock() - self._speed_since, 1e-9)
        return f"{format_number(speed)} it/s, {duration((self._iterations - self._come) / speed)} left"

    def _best_so_far(self) -> str:
        if self._best is None:
            return ""
        value, job = self._best
        own = printable(" ".join(override for override in job.overrides if override not in self._in_all))
        return ", ".join(filter(None, [f"best {job.config.objective} {format_number(value)}: job {job.number}", own]))


def _compared(job: Job) -> tuple[str, list[str]]:
    """Returns what makes objectives comparable: which one it is, and the tasks that are trained."""
    share = job.config.mode.share
    return job.config.objective, [name for name, task in job.config.tasks.items() if getattr(task, share) > 0]
