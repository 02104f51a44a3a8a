"""The files of a run, as they are written: losses.csv, metrics.csv, summary.json. Imports no TensorFlow."""

import json
import math
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mtl_cli.tasks import NO_LOSS

RUN_FILES = (
    "losses.csv", "metrics.csv", "diagnostics.csv", "summary.json", "model.keras", "columns.json", "train.log"
)  # fmt: skip
"""What a run leaves in its folder, beside Hydra's."""
Metrics = dict[str, dict[str, float]]
"""Metrics by task and name."""


class LossesCsv:
    """`losses.csv`: `iteration,task,joint_loss,<task>_loss...`, a row each logged iteration, written as the run goes.

    Joint rows (`task` = joint) have the loss of every task that has a label in the batch; alternating rows have the
    picked task's name and loss. Numbers are the shortest that read back as the same float32.
    """

    def __init__(self, folder: Path, tasks: Sequence[str], every: int) -> None:
        self._tasks = list(tasks)
        self._every = every
        self._file = (folder / "losses.csv").open("wb")
        header = ["iteration", "task", "joint_loss", *(f"{task}_loss" for task in self._tasks)]
        pl.DataFrame({column: [] for column in header}).write_csv(self._file)

    def __enter__(self) -> Self:
        """Returns the open file."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Closes the file."""
        self._file.close()

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
        rows = pl.DataFrame([pl.Series("iteration", iterations), names, *columns])
        rows.write_csv(self._file, include_header=False)
        self._file.flush()


class DiagnosticsCsv:
    """`diagnostics.csv`, long form: `iteration,quantity,task,other_task,value`, written as the run goes.

    Numbers are the shortest that read back as the same float32.
    """

    def __init__(self, folder: Path) -> None:
        self._file = (folder / "diagnostics.csv").open("w")
        self._file.write("iteration,quantity,task,other_task,value\n")

    def __enter__(self) -> Self:
        """Returns the open file."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Closes the file."""
        self._file.close()

    def write(self, iteration: int, quantities: Iterable[tuple[str, str, str, float]]) -> None:
        """Appends an iteration's quantities: name, task, other task (empty where there is none), value."""
        for quantity, task, other, value in quantities:
            shown = str(value) if isinstance(value, int) else str(np.float32(value))
            self._file.write(f"{iteration},{quantity},{task},{other},{shown}\n")

    def flush(self) -> None:
        """Lets readers see what is written so far."""
        self._file.flush()


class MetricsCsv:
    """`metrics.csv`, long form: `iteration,split,task,metric,value`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "metrics.csv"
        self._path.write_text("iteration,split,task,metric,value\n")

    def write(self, iteration: int, split: str, metrics: Metrics) -> None:
        """Appends the metrics of one evaluation."""
        rows = [(iteration, split, task, name, value) for task, of in metrics.items() for name, value in of.items()]
        with self._path.open("ab") as file:
            pl.DataFrame(rows, orient="row").write_csv(file, include_header=False)


@dataclass(frozen=True)
class Files:
    """The open files of a run."""

    losses: LossesCsv
    metrics: MetricsCsv
    diagnostics: DiagnosticsCsv | None


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes a file like `summary.json` whole or not at all; what is not finite becomes null."""
    beside = path.with_name(f"{path.name}.partial")
    beside.write_text(json.dumps(_finite(content), indent=2, allow_nan=False, ensure_ascii=False) + "\n")
    beside.replace(path)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def versions() -> dict[str, str]:
    """Returns the versions that results depend on."""
    packages = {name: version(name) for name in ("tensorflow", "keras", "numpy")}
    return {"mtl_cli": version("mtl-cli"), **packages, "python": platform.python_version()}


def git_state() -> dict[str, Any] | None:
    """Returns the working directory's commit and whether it has uncommitted changes, or null outside git."""
    environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0"}

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, check=True, timeout=5, env=environment
        )
        return done.stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None
