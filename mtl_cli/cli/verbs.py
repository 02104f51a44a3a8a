"""The words that may come first: `mtl-train resume`, `report`, `predict`, `inspect`."""

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mtl_cli.errors import InputError, nearest
from mtl_cli.paths import check_folder
from mtl_cli.run_folder.atomic_files import CONFIGS
from mtl_cli.untrusted.escaping import printable

if TYPE_CHECKING:
    from mtl_cli.cli.inspect import Column


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see {self.prog} --help)")


def predict(words: Sequence[str]) -> None:
    """Predicts every task for the rows of a table."""
    parser = _Parser(
        prog="mtl-train predict",
        description="Predicts every task for the rows of a table: <task>, and <task>_<class> for probabilities.",
    )
    parser.add_argument("run", metavar="RUN_DIR", type=Path, help="the folder of a finished run with data=table")
    parser.add_argument("input", metavar="INPUT", help="a table (.csv, .tsv, .parquet, .ndjson, .gz), or a glob")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="a .csv or .parquet file to write")
    parser.add_argument("--id", action="append", default=[], metavar="COLUMN", help="a column to keep (repeatable)")
    parser.add_argument("--force", action="store_true", help="replace FILE if it is there")
    given = parser.parse_args(words)
    from mtl_cli.cli.predict import predict as run

    console = Console(stderr=True, highlight=False)
    with console.status("loading the model") as status:
        rows = run(
            given.run, given.input, given.out, list(dict.fromkeys(given.id)), force=given.force,
            shown=lambda done: status.update(f"{done:,} rows"),
        )  # fmt: skip
    print(f"{given.out}: {rows:,} rows")


def inspect(words: Sequence[str]) -> None:
    """Shows an unknown table, and writes a first config for it."""
    parser = _Parser(
        prog="mtl-train inspect",
        description="Shows what is in a table, and writes a config that trains on it as it is: "
        "DIR/experiment/<name of the table>.yaml.",
    )
    parser.add_argument("input", metavar="INPUT", help="a table (.csv, .tsv, .txt, .data, .parquet, .ndjson, .gz)")
    parser.add_argument(
        "overrides", metavar="KEY=VALUE", nargs="*", help="how it is written, such as data.separator=whitespace"
    )
    parser.add_argument("--target", action="append", default=[], metavar="COLUMN", help="to predict (repeatable)")
    parser.add_argument(
        "--out", default="configs", type=Path, metavar="DIR", help="folder of configs (default: %(default)s)"
    )
    given = parser.parse_intermixed_args(words)
    from mtl_cli.cli.first_config import config_text, stem_of
    from mtl_cli.cli.inspect import dialect_of, targets_of
    from mtl_cli.cli.inspect import inspect as look
    from mtl_cli.tables.duplicates import repeated

    found = look(given.input, dialect_of(given.overrides))
    targets = targets_of(found.columns, given.target)
    stem = stem_of(given.input)
    file: Path = given.out / "experiment" / f"{stem}.yaml"
    text = config_text(given.input, found, targets)
    _write_new(file, text.replace("--config-dir configs", f"--config-dir {given.out}"), given.out)
    console = Console(highlight=False)
    console.print(_columns_table(found.columns, targets))
    lines = [
        f"{printable(found.source.name)}: {len(found.source.frame):,} rows; wrote {file}. Train it with",
        f"  mtl-train --config-dir {given.out} experiment={stem}",
    ]
    unsure = [printable(name) for name in found.unsure(targets)]
    if unsure:
        lines.append(f"look at {', '.join(unsure)}: comments in {file} say what they may be else")
    again = repeated(found.source.frame)
    if again:
        lines.append(f"note: {again:,} rows are the same as an earlier one; data.duplicates says what becomes of them")
    for line in lines:
        console.print(line, soft_wrap=True, markup=False)


def _write_new(file: Path, text: str, folder: Path) -> None:
    if os.path.lexists(file):
        raise InputError(f"{file} exists; it is not overwritten: choose another folder with --out")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out: {folder} can't be a folder: {error.strerror}") from error
    with file.open("x") as opened:
        opened.write(text)


def _columns_table(columns: Sequence["Column"], targets: Sequence["Column"]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("column", "holds", "missing", "different", "example", "use"):
        table.add_column(heading, overflow="fold", justify="right" if heading in ("missing", "different") else "left")
    for column in columns:
        use = f"task: {column.task}" if column in targets else column.kind or "left out"
        use = "left out (like an id)" if column.id and column not in targets else use
        use = "left out (constant)" if column.constant and column not in targets else use
        cells = (column.name, column.type, f"{column.missing:.0%}", f"{column.different:,}", column.example, use)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table


def resume(words: Sequence[str]) -> list[str]:
    """Returns the command line that goes on with a run or a sweep."""
    parser = _Parser(
        prog="mtl-train resume",
        usage="%(prog)s [-h] DIR [KEY=VALUE ...]",
        description="Goes on with a run that was ended early, exactly as if it hadn't been; steps=N makes it longer. "
        "Of a sweep, goes on with the runs that haven't finished; with other or more values, trains the new ones too.",
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="the folder of a run, or of a sweep")
    parser.add_argument("overrides", metavar="KEY=VALUE", nargs="*", help="instead of what it was begun with")
    given = parser.parse_args(words)
    from mtl_cli.composition import recorded
    from mtl_cli.sweeps import resume as of_sweeps

    check_folder(given.folder, "DIR")
    if (given.folder / CONFIGS).is_dir():
        return recorded.arguments(given.folder.absolute(), given.overrides)
    return of_sweeps.arguments(given.folder, given.overrides)


def report(words: Sequence[str]) -> None:
    """Says what a run or a sweep came to."""
    parser = _Parser(
        prog="mtl-train report",
        description="Prints what a run or a sweep came to, from its files as they are now. For a sweep, writes its "
        "tables anew: DIR/sweep.csv, DIR/sweep.md.",
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="the folder of a run, or of a sweep")
    given = parser.parse_args(words)
    from mtl_cli.cli.report import report as run

    check_folder(given.folder, "DIR")
    run(given.folder)


Verb = Callable[[Sequence[str]], list[str] | None]
"""Takes the words behind it, and returns what Hydra is to be called with; None where it has done all there is to do."""
VERBS: dict[str, Verb] = {"report": report, "predict": predict, "inspect": inspect, "resume": resume}


def verb_of(arguments: Sequence[str]) -> Verb | None:
    """Returns what the first word asks for; None where it is an override or an option.

    Raises:
        InputError: It is neither, nor a verb.
    """
    if not arguments or arguments[0].startswith(("-", "+", "~")) or "=" in arguments[0]:
        return None
    if arguments[0] not in VERBS:
        hint = nearest(arguments[0], VERBS, "commands")
        raise InputError(f"{arguments[0]!r} is no command of mtl-train; {hint} (overrides look like key=value)")
    return VERBS[arguments[0]]
