"""A run in a terminal or a pipe: what will train, a live progress bar with losses, a table of what came of it.

Imports no TensorFlow.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn
from rich.table import Column
from rich.text import Text

from mtl_cli.run_folder.csv_files import Metrics
from mtl_cli.tasks import NO_LOSS
from mtl_cli.terminal.formatting import duration, format_number
from mtl_cli.terminal.run_view import REFRESHES_PER_SECOND, SHOWN_TASKS, Ending, Lines, Quiet, RunHeader, Standing, View
from mtl_cli.terminal.task_tables import NARROW, closing, opening, wrapped
from mtl_cli.untrusted.escaping import printable

SMOOTHING = 0.02
"""The weight of a task's newest loss in the one that is shown."""


class _Speed(ProgressColumn):
    def render(self, task: Any) -> Text:
        if not task.speed:
            return Text("compiling", style="dim")
        return Text(f"{format_number(task.speed)} it/s, {duration(task.time_remaining or 0)} left")


class Display(View):
    """The experiment in a few lines, each task's smoothed loss as it trains, and a table of what came of it.

    On a terminal what changes is live, elsewhere a line now and then.
    """

    def __init__(self, console: Console, tasks: Sequence[str], notes: Console | None = None) -> None:
        """Takes where it is shown, and where notes are: with the rest, unless it is said."""
        self._console = console
        self._notes = notes or console
        self._tasks = tasks
        self._smooth: NDArray[np.float64] = np.full(len(tasks), np.nan)
        self._evaluation = ""
        self._selection = ""
        self._begun = False
        self._steps = 0
        self._progress = Progress(
            BarColumn(bar_width=24 if console.width > NARROW else 8),
            TextColumn("{task.completed:,}/{task.total:,}"),
            _Speed(Column(no_wrap=True)),
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
        """Prints the experiment."""
        self._steps = plan.steps
        self._console.print(Text(printable(plan.title), style="bold"))
        self._print_all(opening(plan, self._console))
        self._facts(plan.facts)
        self._console.print(Text.assemble(("files     ", "dim"), plan.folder), soft_wrap=True)
        for note in plan.shown_notes():
            self._note(note)

    def built(self, facts: Mapping[str, str]) -> None:
        """Prints them, and begins the live part."""
        self._facts(facts)
        self._bar = self._progress.add_task("", total=self._steps)
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

    def compared(self, standing: Standing) -> None:
        """Shows what selection compared, and the best so far."""
        value = f"{standing.objective} {format_number(standing.value)}"
        self._selection = f"{value}  {standing.best_so_far()}"

    def sign(self, text: str) -> None:
        """Prints the line where nothing is live."""
        if not self._console.is_terminal:
            self._console.print(Text(text), soft_wrap=True)

    def say(self, text: str) -> None:
        """Prints it above the live part."""
        self._note(f"note: {text}")

    def stop(self) -> None:
        """Ends the live part."""
        self._live.stop()

    def end(self, ending: Ending) -> None:
        """Prints the table of what came of it, if it came to that."""
        if ending.metrics:
            self._print_all(closing(ending, self._console))
        for line in [ending.text, *ending.diagnostics]:
            self._console.print(wrapped(printable(line), self._console), soft_wrap=True)
        for note in ending.notes:
            self.say(note)
        self._console.print(Text(f"files in {ending.folder}"), soft_wrap=True)

    def _facts(self, facts: Mapping[str, str]) -> None:
        for name, fact in facts.items():
            text = wrapped(printable(fact), self._console, f"{name:10}")
            text.stylize("dim", 0, len(name))
            self._console.print(text, soft_wrap=True)

    def _note(self, text: str) -> None:
        """Prints it, as one line where it isn't on the terminal."""
        text = printable(text)
        shown = wrapped(text, self._notes) if self._notes is self._console else Text(text)
        shown.stylize("yellow")
        self._notes.print(shown, soft_wrap=True)

    def _print_all(self, parts: Sequence[RenderableType]) -> None:
        for part in parts:
            self._console.print(part, soft_wrap=isinstance(part, Text))

    def _render(self) -> RenderableType:
        smooth = {task: loss for task, loss in zip(self._tasks, self._smooth, strict=True) if not np.isnan(loss)}
        train = _losses("train", smooth)
        lines = f"{train}  (running mean of batches)" if train else "", self._evaluation, self._selection
        return Group(self._progress.get_renderable(), *(wrapped(line, self._console) for line in lines if line))


def view(kind: str, tasks: Sequence[str], every: int) -> View:
    """Returns the view for `log.console`."""
    views: dict[str, Callable[[], View]] = {
        "progress": lambda: _display(tasks),
        "lines": lambda: Lines(tasks, every),
        "quiet": Quiet,
        "auto": lambda: _display(tasks),
    }
    return views[kind]()


def _display(tasks: Sequence[str]) -> Display:
    console = Console(highlight=False)
    if console.is_terminal:
        return Display(console, tasks)
    plain = Console(highlight=False, width=80, color_system=None)
    return Display(plain, tasks, notes=Console(highlight=False, stderr=True, color_system=None))


def _losses(title: str, losses: Mapping[str, float]) -> str:
    shown = "  ".join(f"{task} {format_number(loss)}" for task, loss in list(losses.items())[:SHOWN_TASKS])
    more = f"  and {len(losses) - SHOWN_TASKS} more" if len(losses) > SHOWN_TASKS else ""
    return f"{title:5} {shown}{more}" if losses else ""
