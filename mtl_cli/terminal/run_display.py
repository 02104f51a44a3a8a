"""A run in a terminal: what will train, a live progress bar with losses, a closing table. Imports no TensorFlow."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

from mtl_cli.run_folder.csv_files import Metrics
from mtl_cli.tasks import NO_LOSS
from mtl_cli.terminal.formatting import duration, format_number
from mtl_cli.terminal.run_view import REFRESHES_PER_SECOND, SHOWN_TASKS, Ending, Lines, Quiet, RunHeader, Steady, View
from mtl_cli.untrusted.escaping import printable

SMOOTHING = 0.02
"""The weight of a task's newest loss in the one that is shown."""


class _Speed(ProgressColumn):
    def render(self, task: Any) -> Text:
        if not task.speed:
            return Text("compiling", style="dim")
        return Text(f"{format_number(task.speed)} it/s, {duration(task.time_remaining or 0)} left")


class Display(View):
    """The experiment in a few lines, a live progress bar with each task's smoothed loss, and a closing table."""

    def __init__(self, console: Console, tasks: Sequence[str]) -> None:
        self._console = console
        self._tasks = tasks
        self._smooth: NDArray[np.float64] = np.full(len(tasks), np.nan)
        self._evaluation = ""
        self._begun = False
        self._progress = Progress(
            BarColumn(bar_width=24),
            TextColumn("{task.completed:,}/{task.total:,}"),
            _Speed(),
            console=console,
        )
        self._live = Live(
            get_renderable=self._render,
            console=console,
            refresh_per_second=REFRESHES_PER_SECOND,
            transient=True,
        )

    def busy(self, doing: str) -> AbstractContextManager[Any]:
        """Shows a spinner."""
        return self._console.status(doing) if self._console.is_terminal else nullcontext()

    def start(self, plan: RunHeader) -> None:
        """Prints the experiment and begins the live part."""
        table = Table(box=SIMPLE_HEAD, pad_edge=False, title=plan.title, title_justify="left", title_style="bold")
        for heading in ("task", "kind", "loss", plan.share, "layers"):
            table.add_column(heading, overflow="fold")
        table.add_column("parameters", justify="right")
        for row in plan.tasks[:SHOWN_TASKS]:
            table.add_row(*row)
        if len(plan.tasks) > SHOWN_TASKS:
            table.add_row(f"and {len(plan.tasks) - SHOWN_TASKS} more")
        facts = Table.grid(padding=(0, 2))
        for name, fact in plan.facts.items():
            facts.add_row(Text(name, style="dim"), Text(printable(fact)))
        self._console.print(table, facts)
        for note in plan.shown_notes():
            self._console.print(Text(note, style="yellow"))
        self._bar = self._progress.add_task("", total=plan.steps)
        if self._console.is_terminal:
            self._live.start()

    def losses(
        self, iterations: NDArray[np.int64], losses: NDArray[np.float32], picks: NDArray[np.int32] | None
    ) -> None:
        """Moves the bar and the losses on."""
        for i in range(len(self._tasks)):
            values = losses[:, 1 + i] if picks is None else losses[picks == i, 1 + i]
            values = values[values != NO_LOSS]
            if len(values):
                mean, old = float(values.mean()), self._smooth[i]
                keep = 0.0 if np.isnan(old) else (1 - SMOOTHING) ** len(values)
                self._smooth[i] = mean if np.isnan(old) else keep * old + (1 - keep) * mean
        if not self._begun:  # neither what it goes on from nor compiling is this run's speed
            self._progress.reset(self._bar, completed=int(iterations[0]) - 1)
            self._begun = True
        self._progress.update(self._bar, completed=int(iterations[-1]))

    def evaluated(self, split: str, metrics: Metrics) -> None:
        """Shows the newest evaluation."""
        self._evaluation = _losses(split, {task: values["loss"] for task, values in metrics.items()})

    def say(self, text: str) -> None:
        """Prints it above the live part."""
        self._console.print(Text(f"note: {printable(text)}", style="yellow"))

    def stop(self) -> None:
        """Ends the live part."""
        self._live.stop()

    def end(self, ending: Ending) -> None:
        """Prints the closing table."""
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("task", overflow="fold")
        table.add_column("", overflow="fold")
        splits, of_naive = list(ending.metrics), ending.naive.get(ending.split, {})
        for heading in [*splits, *([f"naive {ending.split}"] if of_naive else [])]:
            table.add_column(Text(printable(heading)), justify="right")
        for task, main in ending.main_metrics.items():
            for metric in dict.fromkeys((main, "loss")):
                values = [ending.metrics[split][task][metric] for split in splits]
                values += [of_naive[task][metric]] if of_naive else []
                cells = [task if metric == main else "", metric, *map(format_number, values)]
                table.add_row(*(Text(printable(cell)) for cell in cells))
        self._console.print(table)
        for line in [ending.text, *ending.diagnostics]:
            self._console.print(Text(printable(line)))
        for note in ending.notes:
            self.say(note)
        self._console.print(Text(f"files in {ending.folder}", overflow="fold"), soft_wrap=True)

    def _render(self) -> RenderableType:
        smooth = {task: loss for task, loss in zip(self._tasks, self._smooth, strict=True) if not np.isnan(loss)}
        lines = [Text(line) for line in (_losses("loss", smooth), self._evaluation) if line]
        return Group(self._progress.get_renderable(), *lines)


def view(kind: str, tasks: Sequence[str], every: int) -> View:
    """Returns the view for `log.console`."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=80, color_system=None)
    views: dict[str, Callable[[], View]] = {
        "progress": lambda: Display(console, tasks),
        "lines": lambda: Lines(tasks, every),
        "quiet": Quiet,
        "auto": lambda: Display(console, tasks) if console.is_terminal else Steady(),
    }
    return views[kind]()


def _losses(title: str, losses: Mapping[str, float]) -> str:
    shown = "  ".join(f"{task} {format_number(loss)}" for task, loss in list(losses.items())[:SHOWN_TASKS])
    more = f"  and {len(losses) - SHOWN_TASKS} more" if len(losses) > SHOWN_TASKS else ""
    return f"{title:5} {shown}{more}" if losses else ""
