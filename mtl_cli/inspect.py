"""`mtl-train inspect`: what is in an unknown table, and a first config that trains on it. Imports no TensorFlow."""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from mtl_cli.config import RESERVED, TASK_NAME
from mtl_cli.data.table import MISSING_TEXTS
from mtl_cli.errors import InputError
from mtl_cli.tables.cells import read_as, read_dates, without_marks
from mtl_cli.tables.delimited import TEXT, Dialect, delimited
from mtl_cli.tables.faults import not_utf_8
from mtl_cli.tables.reading import Source, files_of, format_of, read
from mtl_cli.tables.unpacking import UNREADABLE
from mtl_cli.texts import printable

LIKELY_TARGETS: Final = ("target", "label", "class", "y", "outcome", "response", "price", "result", "survived")
FEW: Final = 20
"""Labelled rows under which nothing is split off."""
MOST_CLASSES: Final = 20
MANY: Final = 20_000
"""Rows above which the iterations that a table trains by itself are few passes."""
STEPS: Final = 4000
"""Those iterations, as in conf/data/table.yaml."""
ID_SHARE: Final = 0.95
"""The part of a column's cells that are different from which it looks like an id."""


@dataclass(frozen=True)
class Column:
    """What a column looks like.

    Attributes:
        kind: As a feature: number, category or date; None: it can't be one.
        task: As a label: regression, binary or multiclass; None: it can't be one.
        id: It looks like an id.
        marked: It is text that reads as numbers without signs of currencies, per cent or thousands.
    """

    name: str
    type: str
    missing: float
    different: int
    example: str
    kind: str | None
    task: str | None
    id: bool
    marked: bool = False

    @property
    def usable(self) -> bool:
        """It can be a feature, and may tell something."""
        return self.kind is not None and not self.id and not self.constant

    @property
    def constant(self) -> bool:
        """All cells are the same."""
        return self.different <= 1


class Inspected(NamedTuple):
    """A table, how its text files are written where that had to be found out, and what its columns look like."""

    source: Source
    dialect: Dialect
    columns: list[Column]


def inspect(path: str) -> Inspected:
    """Returns a table and what its columns look like.

    Raises:
        InputError: The table can't be read.
    """
    dialect = Dialect(tuple(MISSING_TEXTS))
    files = [(file, form) for file in files_of(path, "INPUT") for form in [format_of(file, "INPUT")] if form in TEXT]
    if any(not_utf_8(file, dialect) for file, _ in files):
        dialect = replace(dialect, encoding="windows-1252")
    with suppress(ValueError, *UNREADABLE):  # `read` says where it is wrong
        if any(delimited(file, form, dialect).nameless for file, form in files):
            dialect = replace(dialect, header=False)
    source = read(path, "INPUT", dialect)
    if any(read_as(series) == "comma" for series in source.frame):
        dialect = replace(dialect, decimal=",")
        source = read(path, "INPUT", dialect)
    return Inspected(source, dialect, [_column(source.frame[name]) for name in source.frame.columns])


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


def config_text(path: str, table: Inspected, targets: Sequence[Column]) -> str:
    """Returns an experiment's YAML that trains on the table as it is."""
    columns = table.columns
    stem, rows = stem_of(path), len(table.source.frame)
    excluded = [c.name for c in columns if c not in targets and not c.usable]
    types = {c.name: "date" for c in columns if c.kind == "date" and c.type == "text" and c not in targets}
    types |= {c.name: "number" for c in columns if c.marked and c not in targets and c.usable}
    labelled = min(round(rows * (1 - column.missing)) for column in targets)
    batch = max(1, min(64 if rows <= MANY else 256, int(0.7 * labelled) // 4))
    taken: set[str] = set()
    lines = [
        "# @package _global_",
        f"# A first config for {printable(Path(path).name)}: {rows:,} rows, {len(columns)} columns.",
        f"#   mtl-train --config-dir configs experiment={stem}",
        "defaults:",
        "  - override /data: table",
        "",
        f"name: {stem}",
        *_longer(rows, batch),
        f"batch_size: {batch}",
        "data:",
        f"  path: {_quoted(path)}",
        f"  exclude: [{', '.join(map(_quoted, excluded))}]   # ids, constants, what can't be used",
        *_written(table.dialect),
        *(["  types:", *(f"    {_quoted(name)}: {kind}" for name, kind in types.items())] if types else []),
        *(["  split: {train: 1.0, val: 0.0, test: 0.0}   # too few rows for more"] if labelled < FEW else []),
        "tasks:",
        *(_task(column, taken) for column in targets),
    ]
    others = [c for c in columns if c not in targets and c.task and not c.id and not c.constant]
    if others:
        lines += ["# Other columns that could be tasks:", *(f"# {_task(column, taken)}" for column in others)]
    return "\n".join(lines) + "\n"


def _written(dialect: Dialect) -> list[str]:
    """Returns the keys that say how the file is written, where it isn't as usual."""
    encoding = f"  encoding: {dialect.encoding}   # it isn't UTF-8; look at letters with accents"
    header = "  header: false   # the first row has values; [names, of, the, columns] can stand here"
    keys = {encoding: dialect.encoding, header: not dialect.header, "  decimal: ','": dialect.decimal}
    return [line for line, needed in keys.items() if needed]


def _longer(rows: int, batch: int) -> list[str]:
    """Returns more iterations than a table's default, and fewer evaluations, where rows are many: ten passes."""
    if rows <= MANY:
        return []
    steps = max(STEPS, int(round(10 * 0.7 * rows / batch, -3)))
    return [f"steps: {steps}", "eval:", f"  every: {steps // 100}"]


def stem_of(path: str) -> str:
    """Returns a name for the experiment: the file's, without what can't stand in a config's name."""
    stem = re.sub(r"[^A-Za-z0-9_]+", "_", Path(path).name.split(".")[0]).strip("_")
    return stem or "table"


def _column(series: Any) -> Column:
    import polars as pl

    marked = read_as(series) == "marks"
    if marked:
        series = without_marks(series).cast(pl.Float64, strict=False)
    rows, present = len(series), series.drop_nulls()
    different = present.n_unique() if not series.dtype.is_nested() else len(present)
    kinds = {pl.String: "text", pl.Boolean: "yes/no", pl.Date: "date", pl.Datetime: "date"}
    word = next((word for dtype, word in kinds.items() if series.dtype == dtype), None)
    if word is None and series.dtype.is_numeric():
        word = "whole numbers" if series.dtype.is_integer() else "numbers"
    text = word == "text"
    dates = text and len(present) > 0 and bool(read_dates(present.head(1000), None).is_not_null().all())
    infinite = series.dtype.is_float() and bool(present.is_infinite().any())
    kind: str | None = {"text": "category", "yes/no": "category", "date": "date"}.get(
        word or "", "number" if word else None
    )
    return Column(
        name=series.name,
        type=word or str(series.dtype).lower(),
        missing=1 - len(present) / max(rows, 1),
        different=different,
        example=str(present[0])[:24] if len(present) else "",
        kind="date" if dates else None if infinite else kind,
        task=None if dates or infinite else _task_kind(present, word, different),
        id=(text or word == "whole numbers") and not dates and different > max(20, ID_SHARE * len(present)),
        marked=marked,
    )


def _task_kind(present: Any, word: str | None, different: int) -> str | None:
    if word not in ("text", "yes/no", "numbers", "whole numbers") or different < 2:
        return None
    if different == 2 and (word in ("text", "yes/no") or set(present.unique().to_list()) == {0, 1}):
        return "binary"
    if word == "text":
        return "multiclass" if different <= MOST_CLASSES else None
    return "multiclass" if word == "whole numbers" and different <= MOST_CLASSES // 2 else "regression"


def _task(column: Column, taken: set[str]) -> str:
    """Returns a task's line; a column whose name can't be a task's gets another one."""
    name = re.sub(r"\W+", "_", column.name, flags=re.ASCII).strip("_") or "task"
    name = name if TASK_NAME.fullmatch(name) and name not in RESERVED else f"task_{name}"
    while name in taken:
        name += "_"
    taken.add(name)
    of = "" if name == column.name else f", column: {_quoted(column.name)}"
    return f"  {name}: {{kind: {column.task}{of}}}"


def _quoted(text: str) -> str:
    """Returns a text as YAML reads it back, and with OmegaConf's interpolations as they stand."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_./-]*", text) and yaml.safe_load(text) == text and len(text) > 1:
        return text
    quoted = json.dumps(re.sub(r"(\\*)\$\{", r"\1\1\\${", text), ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)
