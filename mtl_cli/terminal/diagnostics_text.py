"""What the diagnosed iterations of a run come to, in three lines. Imports no TensorFlow."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mtl_cli.run_folder.csv_files import DiagnosticsCsv
from mtl_cli.terminal.formatting import format_number

SHOWN: Final = 6
"""Pairs and tasks that are named; of more pairs the lowest cosines, of more tasks the longest gradients."""
_COLUMNS: Final = {
    "iteration": pl.Int64,
    "quantity": pl.String,
    "task": pl.String,
    "other_task": pl.String,
    "value": pl.Float64,
}


class Looks(NamedTuple):
    """The diagnosed iterations: n looks at T tasks, P pairs."""

    norms: NDArray[np.float64]
    """Of the tasks' gradients on the shared parameters, [n, T]."""
    cosines: NDArray[np.float64]
    """Of each pair, [n, P]; NaN where one of the two gradients was zero, as of a task without a label in the batch."""


def summed_up(folder: Path, tasks: Sequence[str], every: int | None) -> list[str]:
    """Returns what a run's diagnostics.csv comes to, in three lines; nothing where there is none, or one task.

    Args:
        folder: The run's.
        tasks: Their names.
        every: The config's `diagnostics.every`.
    """
    file = folder / DiagnosticsCsv.name
    if every is None or len(tasks) < 2 or not file.is_file():
        return []
    try:
        looks = read_looks(pl.read_csv(file, schema=_COLUMNS), tasks)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        return [f"{file.name} can't be read: {' '.join(str(error).split())[:200]}"]
    if not len(looks.norms):
        return []
    count = f"{len(looks.norms):,} look{'s' * (len(looks.norms) > 1)} (iteration 1, every {every:,})"
    return [*_of_pairs(looks.cosines, list(combinations(tasks, 2)), count), _of_norms(looks.norms, tasks)]


def read_looks(rows: pl.DataFrame, tasks: Sequence[str]) -> Looks:
    """Returns the looks that rows of diagnostics.csv tell of.

    Raises:
        ValueError: They aren't those of these tasks.
    """
    norms = _by_iteration(rows, "gradient_norm", [(task, None) for task in tasks])
    pairs = list(combinations(range(len(tasks)), 2))
    cosines = _by_iteration(rows, "cosine", [(tasks[i], tasks[j]) for i, j in pairs])
    if len(norms) != len(cosines):
        raise ValueError(f"it has {len(norms)} looks at norms, and {len(cosines)} at cosines")
    seen = np.isfinite(cosines) & np.array([(norms[:, i] > 0) & (norms[:, j] > 0) for i, j in pairs]).T
    return Looks(norms, np.where(seen, cosines, np.nan))


def _by_iteration(rows: pl.DataFrame, quantity: str, of: Sequence[tuple[str, str | None]]) -> NDArray[np.float64]:
    """Returns a quantity of each task or pair, [n, len(of)]."""
    rows = rows.filter(pl.col("quantity") == quantity)
    if rows.select("task", "other_task").rows() != [*of] * rows["iteration"].n_unique():
        raise ValueError(f"its rows of {quantity} aren't those of the run's tasks")
    return rows["value"].to_numpy().reshape(-1, len(of))


def _of_pairs(cosines: NDArray[np.float64], pairs: Sequence[tuple[str, str]], looks: str) -> list[str]:
    """Returns the lines on cosines and on conflicts."""
    counts = np.sum(~np.isnan(cosines), axis=0)
    known = np.flatnonzero(counts).tolist()
    if not known:
        return [f"gradients over {looks}: no two tasks had one at once"]
    means, conflicts = np.nanmean(cosines[:, known], axis=0), np.sum(cosines < 0, axis=0)[known]
    order = np.argsort(means, kind="stable")[:SHOWN] if len(known) > SHOWN else np.arange(len(known))
    which = f", the {SHOWN} lowest of {len(known):,}" * (len(known) > SHOWN)
    names = ["-".join(pairs[i]) for i in known]
    listed = ", ".join(f"{names[i]} {_cosine(means[i])}" for i in order)
    share, total = conflicts / counts[known], int(counts.sum())
    text = f"conflicts (cosine below 0): {conflicts.sum():,} of {total:,} looks at a pair"
    text += f", {_per_cent(conflicts.sum(), total)}"
    if len(known) > 1 and conflicts.any():
        most = int(np.argmax(share))
        text += f"; most often {names[most]}, {_per_cent(conflicts[most], counts[known[most]])}"
    return [f"gradient cosines, means of {looks}{which}: {listed}", text]


def _of_norms(norms: NDArray[np.float64], tasks: Sequence[str]) -> str:
    """Returns the line on who moves the shared layers most."""
    means = norms.mean(axis=0)
    order = np.argsort(-means, kind="stable")
    longest = int(np.sum(norms.argmax(axis=1) == order[0]))
    listed = ", ".join(f"{tasks[i]} {format_number(means[i])}" for i in order[:SHOWN])
    listed += f" and {len(tasks) - SHOWN} more" * (len(tasks) > SHOWN)
    return f"gradient norms, shared layers: {listed}; {tasks[order[0]]} longest in {longest:,} of {len(norms):,}"


def _cosine(mean: float) -> str:
    """Returns a mean cosine; near zero, where the sign is what counts, with a digit more.

    >>> _cosine(-0.254), _cosine(-0.0123), _cosine(-0.0001)
    ('-0.25', '-0.012', '0.000')
    """
    return f"{mean:z.3f}" if abs(mean) < 0.1 else f"{mean:.2f}"


def _per_cent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %"
