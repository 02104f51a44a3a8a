"""`sweep.csv` and `sweep.md`: the results in the folder of a sweep, as tables. Imports no TensorFlow."""

import csv
import io
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from mtl_cli.comparison.comparison import Comparison
from mtl_cli.comparison.results import Results, is_run, job_folders
from mtl_cli.comparison.text import rendered
from mtl_cli.errors import InputError, RunFailed
from mtl_cli.run_folder.atomic_files import replace
from mtl_cli.terminal.markdown import Block, markdown, show
from mtl_cli.untrusted.escaping import cell

_OWN: Final = ("job", "run", "status", "seed", "objective", "seconds", "baseline")
"""The columns of sweep.csv that are neither swept keys nor metrics."""


@dataclass(frozen=True)
class Report:
    """The comparison of a sweep's settings, and its text."""

    comparison: Comparison
    blocks: Sequence[Block]


class SweepFolder:
    """The folder of a sweep, whatever launcher trains its jobs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._results = Results(folder)

    def write(self) -> Report:
        """Writes sweep.csv and sweep.md from the jobs' folders as they are now.

        It may be called again and again: only what has changed since the last call is read.

        Raises:
            InputError: A job's file can't be read.
        """
        if not self._folder.is_dir():
            raise InputError(f"{self._folder}: the sweep's folder is gone")
        comparison = Comparison(self._results.read())
        blocks = rendered(comparison, self._folder)
        write_text(self._folder / "sweep.csv", csv_text(comparison))
        write_text(self._folder / "sweep.md", "# Sweep\n\n" + markdown(blocks))
        return Report(comparison, blocks)


def has_runs(folder: Path) -> bool:
    """Tells whether a folder has runs in it, as that of a sweep has, and isn't one itself."""
    return folder.is_dir() and not is_run(folder) and next(job_folders(folder), None) is not None


def print_report(report: Report, console: Console | None = None) -> None:
    """Prints a sweep's report, plain and 80 columns wide where there is no terminal."""
    show(report.blocks, console or terminal(), "sweep.md")


def terminal() -> Console:
    """Returns where to print to."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=80, color_system=None)


def csv_text(comparison: Comparison) -> str:
    """Returns sweep.csv: `job,status,<every swept key>,seed,objective,<split>_<task>_<metric>...,seconds,baseline`.

    Numbers read back as the same. Where two metrics would have the same column, as those of tasks `a` and `a_log` may,
    it is `<split>/<task>/<metric>`; a swept key with the name of another column is `config.<key>`.
    """
    found = dict.fromkeys(place for result in comparison.results for place, _ in result.metrics())
    names = Counter(map("_".join, found))
    metrics = {place: ("_" if names["_".join(place)] == 1 else "/").join(place) for place in found}
    keys = {key: f"config.{key}" if key in _OWN or key in metrics.values() else key for key in comparison.swept}
    file = io.StringIO()
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(
        map(
            cell,
            [comparison.noun, "status", *keys.values(), "seed", "objective", *metrics.values(), "seconds", "baseline"],
        )
    )
    baselines = comparison.baseline_tasks
    for result in comparison.results:
        values = dict(result.metrics())
        rows.writerow(map(cell, [
            result.name,
            result.status,
            *(result.value(key) for key in keys),
            result.seed,
            result.summary.get("objective"),
            *(values.get(place) for place in metrics),
            result.summary.get("seconds"),
            baselines.get(result.name),
        ]))  # fmt: skip
    return file.getvalue()


def write_text(file: Path, text: str) -> None:
    """Writes a file whole or not at all, also where several processes do so at once."""
    try:
        replace(file, text.encode(), suffix=secrets.token_hex(8))
    except RunFailed as error:
        raise InputError(str(error)) from error
