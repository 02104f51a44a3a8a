"""What a person sees of a run, in lines of plain text: what will train, how it ended. Imports no TensorFlow."""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_cli.run_folder.csv_files import Metrics
from mtl_cli.terminal.formatting import format_number
from mtl_cli.untrusted.escaping import printable

REFRESHES_PER_SECOND = 4
SHOWN_TASKS = 8
"""Tasks whose losses are shown live; the rest are counted."""
SHOWN_NOTES = 20
LONGEST_NOTE = 1000


def first_few(parts: Sequence[str], between: str = ", ") -> str:
    """Returns what is said of tasks, or of parts of them, as far as one reads it; the rest are counted.

    >>> first_few("abc"), first_few("abcdefghij")
    ('a, b, c', 'a, b, c, d, e, f, g, h and 2 more')
    """
    more = f" and {len(parts) - SHOWN_TASKS:,} more" if len(parts) > SHOWN_TASKS else ""
    return between.join(parts[:SHOWN_TASKS]) + more


@dataclass(frozen=True)
class RunHeader:
    """What will train, for the opening lines."""

    title: str
    tasks: Sequence[Sequence[str]]
    """A row each task: name, kind, loss, share."""
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
class Standing:
    """What selection compared at an evaluation, and what came of it."""

    objective: str
    value: float
    best: float
    best_iteration: int
    waited: int
    """Evaluations since the best one."""
    patience: int | None
    """After how many of these the run ends."""

    def best_so_far(self) -> str:
        """Returns the best in words, and how many evaluations that aren't better it goes on for.

        >>> Standing("val_loss", 0.25, 0.125, 1500, 2, 10).best_so_far()
        'best 0.125 at iteration 1,500, patience 8 of 10 left'
        """
        left = "" if self.patience is None else f", patience {self.patience - self.waited:,} of {self.patience:,} left"
        return f"best {format_number(self.best)} at iteration {self.best_iteration:,}{left}"


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
    diagnostics: Sequence[str] = ()
    """What its diagnosed iterations came to."""

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
        """Shows what will train, as far as that is known before TensorFlow is loaded."""

    def built(self, facts: Mapping[str, str]) -> None:
        """Shows the network; training begins."""

    def losses(
        self, iterations: NDArray[np.int64], losses: NDArray[np.float32], picks: NDArray[np.int32] | None
    ) -> None:
        """Shows the losses of a chunk, which come as `ChunkRecord` has them."""

    def evaluated(self, split: str, metrics: Metrics) -> None:
        """Shows the newest evaluation."""

    def compared(self, standing: Standing) -> None:
        """Shows what selection compared of it."""

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
        print(
            f"{plan.title}; tasks {first_few(names)}; {plan.steps:,} iterations; files in {plan.folder}",
            file=self._file,
            flush=True,
        )

    def say(self, text: str) -> None:
        """Prints it on standard error."""
        print(f"note: {printable(text)}", file=sys.stderr, flush=True)

    def end(self, ending: Ending) -> None:
        """Prints the line."""
        results = [f"{task} {value}" for task, value in list(_results(ending).items())[:SHOWN_TASKS]]
        parts = [ending.text, ", ".join(results), f"files in {ending.folder}"]
        print("; ".join(filter(None, parts)), file=self._file, flush=True)
        for line in ending.diagnostics:
            print(printable(line), file=self._file, flush=True)
        for note in ending.notes:
            self.say(note)


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


def _results(ending: Ending) -> dict[str, str]:
    """Returns each task's main metric on the last split there is, if there is one, and what a naive answer has."""
    if not ending.metrics:
        return {}
    metrics, naive = ending.metrics[ending.split], ending.naive.get(ending.split, {})
    return {
        task: f"{ending.split} {main} {format_number(metrics[task][main])}"
        + (f" (naive {format_number(naive[task][main])})" if naive else "")
        for task, main in ending.main_metrics.items()
    }
