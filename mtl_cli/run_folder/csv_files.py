"""The files that grow as a run trains: losses.csv, metrics.csv, diagnostics.csv. Imports no TensorFlow."""

from abc import ABC
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mtl_cli.run_folder.atomic_files import Growing, Mark
from mtl_cli.tasks import NO_LOSS

Metrics = dict[str, dict[str, float]]
"""Metrics by task and name."""
Quantity = tuple[str, str, str, float]
"""Name, task, other task (empty where there is none), value."""


class ChunkRecord(NamedTuple):
    """What a chunk of n iterations came to, for files, views and progress."""

    iterations: NDArray[np.int64]
    """Their numbers [n], from 1."""
    losses: NDArray[np.float32]
    """[n, 1 + T]: joint, then each task's."""
    picks: NDArray[np.int32] | None
    """The picked tasks [n] in alternating mode."""
    diagnostics: Sequence[tuple[int, Sequence[Quantity]]] = ()
    """Of the diagnosed iterations: number, quantities."""
    failed: bool = False
    """Whether the run failed in the last one."""


class Output(Growing, ABC):
    """A file that a run writes as it trains; what is to be in it comes with the chunks."""

    name: ClassVar[str]
    header: str

    def __init__(self, folder: Path) -> None:
        """Takes the run's folder."""
        super().__init__(folder / self.name)

    def begin(self, mark: Mark | None = None) -> None:
        """Opens the file, new, or as it was at a mark."""
        self.open(mark)
        if mark is None:
            self.append(self.header.encode())

    def record(self, chunk: ChunkRecord) -> None:
        """Appends what is to be written of a chunk."""


class LossesCsv(Output):
    """`losses.csv`: `iteration,task,joint_loss,<task>_loss...`, a row each logged iteration, written as the run goes.

    Joint rows (`task` = joint) have the loss of every task that has a label in the batch; alternating rows have the
    picked task's name and loss. Numbers are the shortest that read back as the same float32.
    """

    name = "losses.csv"

    def __init__(self, folder: Path, tasks: Sequence[str], every: int) -> None:
        """Takes the run's folder, its tasks, and every how many iterations one is logged."""
        super().__init__(folder)
        self.header = ",".join(["iteration", "task", "joint_loss", *(f"{task}_loss" for task in tasks)]) + "\n"
        self._tasks = list(tasks)
        self._every = every

    def record(self, chunk: ChunkRecord) -> None:
        """Appends the rows of a chunk; the one where the run failed in any case."""
        iterations, losses, picks = chunk.iterations, chunk.losses, chunk.picks
        if self._every > 1:
            kept = iterations % self._every == 0
            kept[-1] |= chunk.failed
            iterations, losses, picks = iterations[kept], losses[kept], None if picks is None else picks[kept]
        if picks is None:
            names = pl.Series("task", ["joint"]).new_from_index(0, len(iterations))
            columns = [pl.Series(str(i), column) for i, column in enumerate(np.ascontiguousarray(losses.T))]
            if (losses == NO_LOSS).any():
                columns = [columns[0], *(column.set(column == NO_LOSS, None) for column in columns[1:])]
        else:
            names = pl.Series("task", self._tasks).gather(picks)
            empty = pl.Series("joint", [None], dtype=pl.Float32).new_from_index(0, len(picks))
            columns = [empty]
            for i, column in enumerate(np.ascontiguousarray(losses[:, 1:].T)):
                columns.append(pl.Series(str(i), column).set(pl.Series(picks != i), None))
        self.append(_csv(pl.DataFrame([pl.Series("iteration", iterations), names, *columns])))


class DiagnosticsCsv(Output):
    """`diagnostics.csv`, long form: `iteration,quantity,task,other_task,value`, written as the run goes.

    Numbers are the shortest that read back as the same float32.
    """

    name = "diagnostics.csv"
    header = "iteration,quantity,task,other_task,value\n"

    def record(self, chunk: ChunkRecord) -> None:
        """Appends the quantities of a chunk's diagnosed iterations."""
        lines = []
        for iteration, quantities in chunk.diagnostics:
            for quantity, task, other, value in quantities:
                shown = str(value) if isinstance(value, int) else str(np.float32(value))
                lines.append(f"{iteration},{quantity},{task},{other},{shown}\n")
        self.append("".join(lines).encode())


class MetricsCsv(Output):
    """`metrics.csv`, long form: `iteration,split,task,metric,value`; `task` is empty where it is about none of them."""

    name = "metrics.csv"
    header = "iteration,split,task,metric,value\n"

    def write(self, iteration: int, split: str, metrics: Metrics) -> None:
        """Appends the metrics of one evaluation; those of the task "" are about no single one."""
        rows = [
            (iteration, split, task or None, name, value)
            for task, values in metrics.items()
            for name, value in values.items()
        ]
        self.append(_csv(pl.DataFrame(rows, orient="row")))


def _csv(rows: pl.DataFrame) -> bytes:
    return rows.write_csv(include_header=False).encode()
