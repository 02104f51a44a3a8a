"""What a person sees of a run: what will train, how it goes, how it ended. Imports no TensorFlow."""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
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
from mtl_cli.untrusted.escaping import printable

REFRESHES_PER_SECOND = 4
SMOOTHING = 0.02
"""The weight of a task's newest loss in the one that is shown."""
SHOWN_TASKS = 8
"""Tasks whose losses are shown live; the rest are counted."""
SHOWN_NOTES = 20
LONGEST_NOTE = 1000


@dataclass(frozen=True)
class RunHeader:
    """What will train, for the opening lines."""

    title: str
    tasks: Sequence[Sequence[str]]
    """A row each task: name, kind, loss, share, layers, parameters."""
    share: str
    facts: Mapping[str, str]
    notes: Sequence[str]
    """What the user should know of the data."""
    steps: int
    folder: str

    def shown_notes(self) -> list[str]:
        """Returns the notes as far as one reads them; the log has all."""
        shown = [f"note: {printable(note[:LONGEST_NOTE])}" for note in self.notes[:SHOWN_NOTES]]
        more = len(self.notes) - SHOWN_NOTES
        return [*shown, f"note: and {more:,} more, in train.log"] if more > 0 else shown


@dataclass(frozen=True)
class Ending:
    """How it ended, for the closing lines."""

    text: str
    main_metrics: Mapping[str, str]
    metrics: Mapping[str, Metrics]
    """By split, of the selected model; nothing where the run didn't come to that."""
    naive: Mapping[str, Metrics]
    """By split, of answers that are the same for all rows."""
    folder: str
    notes: Sequence[str] = ()
    """What one should know of it."""

    @property
    def split(self) -> str:
        """The last split there is, whose metrics are the result."""
        return list(self.metrics)[-1]


class View:
    """How a run is shown. This one shows nothing; each way to show more fills in what it needs."""

    def busy(self, doing: str) -> AbstractContextManager[Any]:
        """Shows, while the block runs, what the program is doing."""
        return nullcontext()

    def start(self, plan: RunHeader) -> None:
        """Shows what will train."""

    def losses(
        self, iterations: NDArray[np.int64], losses: NDArray[np.float32], picks: NDArray[np.int32] | None
    ) -> None:
        """Shows the losses of a chunk, which come as `ChunkRecord` has them."""

    def evaluated(self, split: str, metrics: Metrics) -> None:
        """Shows the newest evaluation."""

    def compared(self, objective: str, value: float) -> None:
        """Shows what selection compares of it."""

    def went_on(self, train: Callable[[], Metrics]) -> None:
        """Comes after each chunk and its evaluation; `train` returns the training losses of late."""

    def sign(self, text: str) -> None:
        """Shows a line of how far it has come, which comes now and then."""

    def say(self, text: str) -> None:
        """Shows what a person should know while it trains."""

    def stop(self) -> None:
        """Gives the terminal back."""

    def end(self, ending: Ending) -> None:
        """Shows how it ended."""


class Quiet(View):
    """A line at the start and one at the end."""

    def __init__(self, file: Any = None) -> None:
        self._file = file or sys.stdout

    def start(self, plan: RunHeader) -> None:
        """Prints the line, and what should be known of the data on standard error."""
        for note in plan.shown_notes():
            print(note, file=sys.stderr)
        names = [row[0] for row in plan.tasks]
        shown = ", ".join(names[:SHOWN_TASKS]) + (f" and {len(names) - SHOWN_TASKS} more" * (len(names) > SHOWN_TASKS))
        print(
            f"{plan.title}; tasks {shown}; {plan.steps:,} iterations; files in {plan.folder}",
            file=self._file,
            flush=True,
        )

    def say(self, text: str) -> None:
        """Prints it on standard error."""
        print(f"note: {printable(text)}", file=sys.stderr, flush=True)

    def end(self, ending: Ending) -> None:
        """Prints the line."""
        results = [f"{task} {value}" for task, value in list(_results(ending).items())[:SHOWN_TASKS]]
        print(f"{ending.text}; {', '.join(results)}; files in {ending.folder}", file=self._file, flush=True)
        for note in ending.notes:
            self.say(note)


class Steady(Quiet):
    """A line now and then as well, for output that nobody looks at until it is long."""

    def sign(self, text: str) -> None:
        """Prints the line."""
        print(text, file=self._file, flush=True)


class Lines(Quiet):
    """The source article's lines on standard output, one each logged iteration: `iteration:17, y1_loss:42.5`."""

    def __init__(self, tasks: Sequence[str], every: int) -> None:
        super().__init__(sys.stderr)
        self._names = ["joint", *tasks]
        self._every = every

    def losses(
        self, iterations: NDArray[np.int64], losses: NDArray[np.float32], picks: NDArray[np.int32] | None
    ) -> None:
        """Prints the lines."""
        columns = np.zeros(len(iterations), np.int64) if picks is None else picks + 1
        lines = [
            f"iteration:{iteration}, {self._names[column]}_loss:{row[column]}\n"
            for iteration, column, row in zip(iterations.tolist(), columns.tolist(), losses, strict=True)
            if iteration % self._every == 0
        ]
        sys.stdout.write("".join(lines))
        sys.stdout.flush()


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
        self._console.print(Text(printable(ending.text)))
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


def _results(ending: Ending) -> dict[str, str]:
    """Returns each task's main metric on the last split there is, and what a naive answer has."""
    metrics, naive = ending.metrics[ending.split], ending.naive.get(ending.split, {})
    return {
        task: f"{ending.split} {main} {format_number(metrics[task][main])}"
        + (f" (naive {format_number(naive[task][main])})" if naive else "")
        for task, main in ending.main_metrics.items()
    }


def duration(seconds: float) -> str:
    """Returns a length of time in words.

    >>> duration(4.26), duration(75), duration(4000)
    ('4.3 s', '1 min 15 s', '1 h 06 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def format_number(value: float) -> str:
    """Returns a number with four digits that count, grouped in thousands.

    >>> format_number(954.2671), format_number(0.0123456), format_number(5012345.6), format_number(float("nan"))
    ('954.3', '0.01235', '5,012,346', 'nan')
    """
    if not math.isfinite(value) or abs(value) < 1000:
        return f"{value:.4g}"
    return f"{value:,.0f}"
