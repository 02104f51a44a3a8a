"""`mtl-train report`: what a run or a sweep came to, from its files. Imports no TensorFlow."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from mtl_cli.cli.verbs.base import Parser, Verb
from mtl_cli.comparison.files import SweepFolder, has_runs, print_report, terminal
from mtl_cli.comparison.results import is_sweep
from mtl_cli.comparison.runs import FILES, RunsFolder
from mtl_cli.config import parse
from mtl_cli.errors import InputError
from mtl_cli.paths import check_folder
from mtl_cli.terminal.run_display import Display
from mtl_cli.terminal.run_text import ending
from mtl_cli.terminal.run_view import Ending
from mtl_cli.untrusted.escaping import printable, shown
from mtl_cli.untrusted.files import read_summary


def run(words: Sequence[str]) -> None:
    """Says what a run or a sweep came to."""
    parser = Parser(
        prog="mtl-train report",
        description="Prints what a run or a sweep came to, from its files as they are now, or compares the runs in a "
        "folder, those of each experiment (the config's `name`) with each other. For a sweep, writes its tables anew: "
        "DIR/sweep.csv, DIR/sweep.md.",
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="the folder of a run, of a sweep, or of several runs")
    parser.add_argument(
        "--write", action="store_true", help="write what is printed of several runs: DIR/runs.csv, DIR/runs.md"
    )
    given = parser.parse_args(words)
    report(check_folder(given.folder, "DIR"), write=given.write)


def report(folder: Path, *, write: bool = False) -> None:
    """Prints what the run, the sweep or the runs in a folder came to; a sweep's tables are written anew.

    Args:
        folder: The folder.
        write: Whether to write down what several runs came to.

    Raises:
        InputError: It is the folder of none of them, or its files can't be read.
    """
    if has_runs(folder):
        if is_sweep(folder):
            report_sweep(folder)
            return
        runs = RunsFolder(folder)
        runs.show(terminal(), FILES[1] * write)
        if write:
            runs.write()
            print(f"tables in {shown(folder)}: {', '.join(FILES)}")
        return
    summary, losses = folder / "summary.json", folder / "losses.csv"
    try:
        if summary.is_file():
            _print_run(folder, read_summary(folder), terminal())
        elif losses.is_file():
            _print_beginning(folder, losses, terminal())
        else:
            raise InputError(
                f"DIR: {folder} is neither the folder of a run, with a summary.json or a losses.csv, nor that of a "
                "sweep or of several runs, with a folder in it for each"
            )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"DIR: the files in {folder} can't be read: {type(error).__name__}: {error}") from error


def report_sweep(folder: Path) -> None:
    """Prints what a sweep came to, and writes its tables."""
    print_report(SweepFolder(folder).write())
    print(f"tables in {shown(folder)}: sweep.csv, sweep.md")


def _print_run(folder: Path, summary: dict[str, Any], console: Console) -> None:
    """Prints the closing lines of a run that has ended."""
    config = parse(summary["config"])
    numbers = {key: summary.get(key) for key in ("objective", "metrics", "naive")}
    read = summary | {key: _nan(value) for key, value in numbers.items() if value is not None or key == "objective"}
    closing = ending(config, read, folder)
    if closing.metrics:
        Display(console, list(config.tasks)).end(closing)
        return
    for line in [closing.text, *closing.diagnostics]:
        console.print(Text(printable(line)))
    if summary["error"]:
        console.print(Text(f"error: {printable(str(summary['error']))}"))
    console.print(Text(f"files in {closing.folder}", overflow="fold"), soft_wrap=True)


def _print_beginning(folder: Path, file: Path, console: Console) -> None:
    """Prints how far a run has come that hasn't ended, or was killed: its last losses."""
    import polars as pl

    whole = file.read_bytes().rpartition(b"\n")[0]  # the last line may be half there
    rows = pl.read_csv(io.BytesIO(whole + b"\n"), infer_schema_length=None)
    tasks = [column.removesuffix("_loss") for column in rows.columns[3:]]
    last = {task: {"loss": _last(rows[f"{task}_loss"].drop_nulls())} for task in tasks}
    so_far = int(rows["iteration"][-1]) if len(rows) else 0
    text = f"unfinished: {so_far:,} iterations so far; these are the last training losses, each a mean over one batch"
    Display(console, tasks).end(Ending(text, dict.fromkeys(tasks, "loss"), {"last": last}, {}, shown(folder)))


def _last(values: Any) -> float:
    return float(values[-1]) if len(values) else math.nan


def _nan(value: Any) -> Any:
    """Returns what was read with NaN for null."""
    if isinstance(value, dict):
        return {key: _nan(inner) for key, inner in value.items()}
    return math.nan if value is None else value


VERB = Verb("report DIR", "say what a run or a sweep came to, or compare the runs in a folder", run)
