"""What a person sees of a sweep: the plan, a line for each program as it goes, how it ended. Imports no TensorFlow."""

import math
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from mtl_cli.comparison.results import job_folders
from mtl_cli.sweeps.plan import SweepPlan, counted
from mtl_cli.tasks import HIGHER_IS_BETTER
from mtl_cli.terminal.formatting import duration, format_number
from mtl_cli.terminal.heartbeat import SECONDS_AT_LEAST, SECONDS_AT_MOST
from mtl_cli.terminal.run_view import REFRESHES_PER_SECOND
from mtl_cli.training.job import Job
from mtl_cli.untrusted.escaping import shown


class _Left(ProgressColumn):
    def render(self, task: Any) -> Text:
        if task.finished:
            return Text("done", style="dim")
        if not task.completed or not task.elapsed:
            return Text("compiling" if task.started else "", style="dim")
        speed = task.completed / task.elapsed
        return Text(f"{format_number(speed)} it/s, {duration((task.total - task.completed) / speed)} left")


_LEFT: Final = _Left()


class SweepView:
    """Shows a sweep; on a terminal it is live, elsewhere a few lines."""

    def __init__(self, plan: SweepPlan, folder: Path) -> None:
        """Takes what will be trained."""
        self._plan = plan
        self._folder = folder
        self._console = Console(highlight=False)
        if not self._console.is_terminal:
            self._console = Console(highlight=False, width=80, color_system=None)
        self._group = {job.number: i for i, group in enumerate(plan.groups) for job in group}
        self._done = [0] * len(plan.groups)
        self._failed = [0] * len(plan.groups)
        self._stopped = 0
        self._best: tuple[float, Job] | None = None
        self._begun = self._said = time.perf_counter()
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=12), _Left(),
            console=self._console, refresh_per_second=REFRESHES_PER_SECOND, transient=True,
        )  # fmt: skip

    def __enter__(self) -> Self:
        """Prints the plan and begins the live part."""
        for line in self._plan.lines():
            self._console.print(line)
        self._console.print(Text(f"files in {shown(self._folder)}", overflow="fold"), soft_wrap=True)
        for i, group in enumerate(self._plan.groups):
            self._progress.add_task(self._text(i), total=sum(job.config.steps for job in group), start=False)
        if len(self._plan.groups) > 1:
            iterations = sum(task.total or 0 for task in self._progress.tasks)
            self._progress.add_task("all programs", total=iterations, start=False)
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Ends the live part and says how it went."""
        self._progress.stop()
        failed = f", {sum(self._failed):,} failed" if sum(self._failed) else ""
        failed += f", {self._stopped:,} stopped" if self._stopped else ""
        left = self._plan.trained - sum(self._done)
        unfinished = f", {left:,} not trained" if left else ""
        took = duration(time.perf_counter() - self._begun)
        finished = counted(sum(self._done) - sum(self._failed) - self._stopped, "run")
        self._console.print(f"{finished} finished{failed}{unfinished} in {took}")
        if (left or self._stopped) and any(job_folders(self._folder)):
            self._console.print(
                Text(f"go on with: mtl-train resume {shlex.quote(shown(self._folder))}"), soft_wrap=True
            )

    def say(self, text: str) -> None:
        """Prints what a person may want to know."""
        self._console.print(Text(text, style="dim"))

    def trained(self, group: int, iterations: int) -> None:
        """Counts iterations of a group's runs."""
        for task in self._shown_in(group):
            if not task.started:
                self._progress.start_task(task.id)
        self._advance(group, iterations)
        self._tell(SECONDS_AT_MOST)

    def ended(self, job: Job, summary: Mapping[str, Any], value: float) -> None:
        """Counts a run that has ended."""
        group = self._group.get(job.number)
        if group is None:  # trained as another job
            return
        self._done[group] += 1
        self._failed[group] += summary["status"] == "failed"
        self._stopped += summary["status"] == "stopped"
        higher = job.config.objective.rpartition("/")[2] in HIGHER_IS_BETTER
        better = self._best is None or (value > self._best[0] if higher else value < self._best[0])
        if math.isfinite(value) and better:
            self._best = value, job
        missing = job.config.steps - summary["iterations"]
        self._advance(group, missing)  # an early end leaves none to wait for
        self._progress.update(self._progress.tasks[group].id, description=self._text(group))
        self._tell(SECONDS_AT_LEAST)

    def _tell(self, after: float) -> None:
        """Prints how far the sweep has come where there is no terminal, unless it did so a moment ago."""
        now = time.perf_counter()
        if self._console.is_terminal or now - self._said < after:
            return
        self._said, of_all = now, self._progress.tasks[-1]
        text = f"{sum(self._done):,} of {self._plan.trained:,} runs after {duration(now - self._begun)}"
        if of_all.total and of_all.completed < of_all.total:
            text += f"; {of_all.completed:,.0f} of {of_all.total:,.0f} iterations, {_LEFT.render(of_all)}"
        self._console.print(text, soft_wrap=True)

    def _advance(self, group: int, iterations: int) -> None:
        for task in self._shown_in(group):
            self._progress.advance(task.id, iterations)

    def _shown_in(self, group: int) -> list[Task]:
        """Returns the lines that a group's iterations count in: its own, and that of all."""
        own, *_, last = [self._progress.tasks[group], *self._progress.tasks]
        return [own] if own is last else [own, last]

    def _text(self, group: int) -> str:
        total = len(self._plan.groups[group])
        text = f"program {group + 1}  {self._done[group]:,}/{total:,} runs"
        text += f", {self._failed[group]:,} failed" if self._failed[group] else ""
        if self._best is not None and self._best[1] in self._plan.groups[group]:
            text += f", best {format_number(self._best[0])} (job {self._best[1].number})"
        return text
