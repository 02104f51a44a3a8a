"""`mtl-train inspect`: what is in an unknown table, and a first config for it."""

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError
from rich.box import SIMPLE_HEAD
from rich.table import Table as Lines
from rich.text import Text

from mtl_cli.cli.first_config import config_text, stem_of
from mtl_cli.cli.verbs.base import Parser, Verb
from mtl_cli.comparison.files import terminal
from mtl_cli.config_errors import describe
from mtl_cli.data.table import Table
from mtl_cli.errors import InputError, RunFailed, nearest
from mtl_cli.run_folder.atomic_files import replace
from mtl_cli.tables.delimited import Dialect
from mtl_cli.tables.doubts import Doubt, doubts_on
from mtl_cli.tables.duplicates import repeated
from mtl_cli.tables.inspection import MOST_CLASSES, Column, Inspected, inspect
from mtl_cli.terminal.task_tables import wrapped
from mtl_cli.untrusted.escaping import printable, visible

LIKELY_TARGETS: Final = ("target", "label", "class", "y", "outcome", "response", "price", "result", "survived")
"""Names of columns that tables are mostly made to predict."""
WRITTEN: Final = ("encoding", "separator", "header", "decimal", "thousands", "missing")
"""Keys of `data` that say how text files are written."""
WIDE: Final = 80
"""Letters of a line from which there is room for an example."""
SHOWN: Final = 5
"""Columns of which the same is said."""


def run(words: Sequence[str]) -> None:
    """Shows an unknown table, and writes a first config for it."""
    parser = Parser(
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
    parser.add_argument("--force", action="store_true", help="replace the config if it is there")
    given = parser.parse_intermixed_args(words)
    found = inspect(given.input, dialect_of(given.overrides))
    targets = targets_of(found.columns, given.target)
    doubts = list(doubts_on(found, targets))
    stem = stem_of(given.input)
    file: Path = given.out / "experiment" / f"{stem}.yaml"
    text = config_text(given.input, str(given.out), found, targets, doubts)
    is_new = _write(file, text, given.out, force=given.force)
    console = terminal()
    console.print(_columns_table(found.columns, targets, doubts, console.width))
    if doubts:
        console.print("to check:")
        console.print(_check_table(doubts))
    written = f"wrote {file}{', with comments on what to check' if doubts else ''}; train it with"
    kept = f"{file} is there, so nothing was written; replace it with --force, or choose another folder with --out"
    for line in (*_closing(found, given.target, targets), written if is_new else f"{kept}; it is trained with"):
        text = visible(line)
        console.print(wrapped(text, console) if console.is_terminal else Text(text), soft_wrap=True)
    print(visible(f"  mtl-train --config-dir {shlex.quote(str(given.out))} experiment={stem}"))


def dialect_of(overrides: Sequence[str]) -> Dialect:
    """Returns how text files are written as `data.<key>=<value>` says.

    Raises:
        InputError: There is no such key, or its value is none.
    """
    given: dict[str, Any] = {}
    for override in overrides:
        key, _, value = override.partition("=")
        if key.removeprefix("data.") not in WRITTEN:
            keys = [f"data.{name}" for name in WRITTEN]
            raise InputError(f"{key}: inspect takes how the file is written; {nearest(key, keys, 'keys')}")
        try:
            given[key.removeprefix("data.")] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise InputError(f"{key}: {value!r} can't be read as YAML") from error
    try:
        return Table.model_validate(given).dialect
    except ValidationError as error:
        raise InputError(f"data.{describe(Table, error.errors()[0])}") from None


def targets_of(columns: Sequence[Column], asked: Sequence[str]) -> list[Column]:
    """Returns the columns to predict: the asked-for ones, those with a likely name, or the last that can be a label.

    Raises:
        InputError: One isn't there, can't be a label, or there is none.
    """
    named = {column.name: column for column in columns}
    for name in asked:
        if name not in named:
            raise InputError(f"--target: there is no column {name!r}; {nearest(name, named, 'columns')}")
        if named[name].task is None:
            raise InputError(
                f"--target: {name!r} ({named[name].type}, {named[name].different:,} different) can't be a label: "
                f"those are numbers, or texts of which 2 to {MOST_CLASSES} are different"
            )
    if asked:
        chosen = [named[name] for name in dict.fromkeys(asked)]
        _check_features(columns, chosen)
        return chosen
    able = [column for column in columns if column.task is not None and not column.id and not column.constant]
    likely = [c for c in able if re.sub(r"[\d_ ]+$", "", c.name.lower()) in LIKELY_TARGETS]
    chosen = likely or able[-1:]
    if not chosen or len(columns) < 2:
        raise InputError("INPUT: no column can be a label beside features; name one with --target")
    _check_features(columns, chosen)
    return chosen


def _check_features(columns: Sequence[Column], targets: Sequence[Column]) -> None:
    if not any(column.usable for column in columns if column not in targets):
        raise InputError("INPUT: besides the labels there are only ids, constants and columns that can't be used")


def _write(file: Path, text: str, folder: Path, *, force: bool) -> bool:
    """Writes the config, and returns whether it did: not where something is there, unless it is to be replaced."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out: {folder} can't be a folder: {error.strerror}") from error
    if os.path.lexists(file) and not force:
        return False
    try:
        replace(file, text.encode())
    except RunFailed as error:
        raise InputError(f"--out: {error}") from error
    return True


def _columns_table(columns: Sequence[Column], targets: Sequence[Column], doubts: Sequence[Doubt], width: int) -> Lines:
    table = Lines(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    longest = max(len("column"), *(len(printable(column.name)) for column in columns))
    table.add_column("column", overflow="fold", width=min(longest, 3 * width // 10))
    table.add_column("holds", overflow="fold")
    table.add_column("missing", justify="right", no_wrap=True)
    table.add_column("different", justify="right", no_wrap=True)
    if width >= WIDE:
        table.add_column("example", overflow="ellipsis", no_wrap=True)
    table.add_column("use, to check", overflow="fold")
    for column in columns:
        use = f"task: {column.task}" if column in targets else column.kind or "left out"
        use = "left out (like an id)" if column.id and column not in targets else use
        use = "left out (constant)" if column.constant and column not in targets else use
        marks = ", ".join(dict.fromkeys(doubt.mark for doubt in doubts if doubt.column == column.name))
        cells = (column.name, column.type, f"{column.missing:.0%}", f"{column.different:,}")
        example = (column.example,) if width >= WIDE else ()
        marked = Text.assemble(use, f"{', ' if marks else ''}", (marks, "yellow"))
        table.add_row(*(Text(printable(cell)) for cell in (*cells, *example)), marked)
    return table


def _check_table(doubts: Sequence[Doubt]) -> Lines:
    """Returns what to look at, a line each; of each kind, a few."""
    table = Lines.grid(padding=(0, 2, 0, 0))
    for mark in dict.fromkeys(doubt.mark for doubt in doubts):
        alike = [doubt for doubt in doubts if doubt.mark == mark]
        for doubt in alike[:SHOWN]:
            table.add_row(
                *(Text(printable(cell), overflow="fold") for cell in ("", doubt.mark, doubt.column, doubt.why))
            )
        if len(alike) > SHOWN:
            table.add_row("", mark, f"{len(alike) - SHOWN:,} more")
    return table


def _closing(found: Inspected, asked: Sequence[str], targets: Sequence[Column]) -> Iterator[str]:
    yield f"{printable(found.source.name)}: {len(found.source.frame):,} rows"
    again = repeated(found.source.frame)
    if again:
        yield f"note: {again:,} rows are the same as an earlier one; data.duplicates says what becomes of them"
    if not asked:
        labels = ", ".join(printable(column.name) for column in targets)
        yield f"note: without --target, the labels are what is called like one, or the last column: {labels}"


VERB = Verb("inspect TABLE", "look at a table, write a config", run)
