"""`mtl-train inspect`: what is in an unknown table, and a first config for it."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as Lines
from rich.text import Text

from mtl_cli.cli.first_config import config_text, stem_of
from mtl_cli.cli.verbs.base import Parser, Verb
from mtl_cli.config_errors import describe
from mtl_cli.data.table import Table
from mtl_cli.errors import InputError, nearest
from mtl_cli.tables.delimited import Dialect
from mtl_cli.tables.duplicates import repeated
from mtl_cli.tables.inspection import Column, inspect
from mtl_cli.untrusted.escaping import printable

LIKELY_TARGETS: Final = ("target", "label", "class", "y", "outcome", "response", "price", "result", "survived")
"""Names of columns that tables are mostly made to predict."""
WRITTEN: Final = ("encoding", "separator", "header", "decimal", "thousands", "missing")
"""Keys of `data` that say how text files are written."""


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
    given = parser.parse_intermixed_args(words)
    found = inspect(given.input, dialect_of(given.overrides))
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
            raise InputError(f"--target: there is no column {name!r}; the columns are {', '.join(named)}")
        if named[name].task is None:
            raise InputError(f"--target: column {name!r} ({named[name].type}) can't be a label")
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


def _write_new(file: Path, text: str, folder: Path) -> None:
    if os.path.lexists(file):
        raise InputError(f"{file} exists; it is not overwritten: choose another folder with --out")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out: {folder} can't be a folder: {error.strerror}") from error
    with file.open("x") as opened:
        opened.write(text)


def _columns_table(columns: Sequence[Column], targets: Sequence[Column]) -> Lines:
    table = Lines(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("column", "holds", "missing", "different", "example", "use"):
        table.add_column(heading, overflow="fold", justify="right" if heading in ("missing", "different") else "left")
    for column in columns:
        use = f"task: {column.task}" if column in targets else column.kind or "left out"
        use = "left out (like an id)" if column.id and column not in targets else use
        use = "left out (constant)" if column.constant and column not in targets else use
        cells = (column.name, column.type, f"{column.missing:.0%}", f"{column.different:,}", column.example, use)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table


VERB = Verb("inspect TABLE", "look at a table, write a config", run)
