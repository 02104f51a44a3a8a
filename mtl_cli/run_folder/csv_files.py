"""The files of a run, as they are written: losses.csv, metrics.csv, summary.json. Imports no TensorFlow."""

import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mtl_cli.run_folder.atomic_files import Growing, Mark
from mtl_cli.run_folder.checkpoints import Checkpoints
from mtl_cli.tasks import NO_LOSS

Metrics = dict[str, dict[str, float]]
"""Metrics by task and name."""


class LossesCsv(Growing):
    """`losses.csv`: `iteration,task,joint_loss,<task>_loss...`, a row each logged iteration, written as the run goes.

    Joint rows (`task` = joint) have the loss of every task that has a label in the batch; alternating rows have the
    picked task's name and loss. Numbers are the shortest that read back as the same float32.
    """

    def __init__(self, folder: Path, tasks: Sequence[str], every: int, mark: Mark | None = None) -> None:
        """Begins the file, or goes on with it from a mark."""
        super().__init__(folder / "losses.csv", mark)
        self._tasks = list(tasks)
        self._every = every
        if mark is None:
            header = ["iteration", "task", "joint_loss", *(f"{task}_loss" for task in self._tasks)]
            self.append(_csv(pl.DataFrame({column: [] for column in header}), header=True))

    def write(
        self,
        iterations: NDArray[np.int64],
        losses: NDArray[np.float32],
        picks: NDArray[np.int32] | None,
        *,
        last: bool = False,
    ) -> None:
        """Appends the rows of a chunk.

        Args:
            iterations: Their numbers [n], from 1.
            losses: [n, 1 + T]: joint, then each task's.
            picks: The picked tasks [n] in alternating mode.
            last: Whether to write the last row in any case: it is the one where the run failed.
        """
        if self._every > 1:
            kept = iterations % self._every == 0
            kept[-1] |= last
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


class DiagnosticsCsv(Growing):
    """`diagnostics.csv`, long form: `iteration,quantity,task,other_task,value`, written as the run goes.

    Numbers are the shortest that read back as the same float32.
    """

    def __init__(self, folder: Path, mark: Mark | None = None) -> None:
        """Begins the file, or goes on with it from a mark."""
        super().__init__(folder / "diagnostics.csv", mark)
        if mark is None:
            self.append(b"iteration,quantity,task,other_task,value\n")

    def write(self, iteration: int, quantities: Iterable[tuple[str, str, str, float]]) -> None:
        """Appends an iteration's quantities: name, task, other task (empty where there is none), value."""
        lines = []
        for quantity, task, other, value in quantities:
            shown = str(value) if isinstance(value, int) else str(np.float32(value))
            lines.append(f"{iteration},{quantity},{task},{other},{shown}\n")
        self.append("".join(lines).encode())


class MetricsCsv(Growing):
    """`metrics.csv`, long form: `iteration,split,task,metric,value`; `task` is empty where it is about none of them."""

    def __init__(self, folder: Path, mark: Mark | None = None) -> None:
        """Begins the file, or goes on with it from a mark."""
        super().__init__(folder / "metrics.csv", mark)
        if mark is None:
            self.append(b"iteration,split,task,metric,value\n")

    def write(self, iteration: int, split: str, metrics: Metrics) -> None:
        """Appends the metrics of one evaluation; those of the task "" are about no single one."""
        rows = [
            (iteration, split, task or None, name, value) for task, of in metrics.items() for name, value in of.items()
        ]
        self.append(_csv(pl.DataFrame(rows, orient="row")))


def _csv(rows: pl.DataFrame, *, header: bool = False) -> bytes:
    return rows.write_csv(include_header=header).encode()


@dataclass(frozen=True)
class Files:
    """The open files of a run."""

    losses: LossesCsv
    metrics: MetricsCsv
    diagnostics: DiagnosticsCsv | None
    checkpoints: Checkpoints
    say: Callable[[str], None]
    """Told what a person should know while it trains."""

    def growing(self) -> dict[str, Growing]:
        """Returns them by name."""
        return {file.path.name: file for file in (self.losses, self.metrics, self.diagnostics) if file is not None}


@cache
def _version(package: str) -> str:
    return version(package)  # 2 ms, for each job of a sweep


def versions() -> dict[str, str]:
    """Returns the versions that results depend on."""
    packages = {name: _version(name) for name in ("tensorflow", "keras", "numpy")}
    return {"mtl_cli": _version("mtl-cli"), **packages, "python": platform.python_version()}
