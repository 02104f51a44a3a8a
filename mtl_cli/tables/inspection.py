"""What is in an unknown table, and what of it can be predicted. Imports no TensorFlow."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from mtl_cli.tables.decompression import UNREADABLE
from mtl_cli.tables.delimited import TEXT, Dialect, delimited
from mtl_cli.tables.dtypes import without_marks
from mtl_cli.tables.files import files_of, format_of
from mtl_cli.tables.hints import SURE, Hint, hints_on, is_like_id, mostly_numbers
from mtl_cli.tables.locate_errors import not_utf_8
from mtl_cli.tables.reader import read
from mtl_cli.tables.sources import Source

MOST_CLASSES: Final = 20


@dataclass(frozen=True)
class Column:
    """What a column looks like.

    Attributes:
        kind: As a feature: number, category or date; None: it can't be one.
        task: As a label: regression, binary or multiclass; None: it can't be one.
        id: It looks like an id.
        hints: What it may hold else.
    """

    name: str
    type: str
    missing: float
    different: int
    example: str
    kind: str | None
    task: str | None
    id: bool
    hints: tuple[Hint, ...] = ()

    @property
    def usable(self) -> bool:
        """It can be a feature, and may tell something."""
        return self.kind is not None and not self.id and not self.constant

    @property
    def constant(self) -> bool:
        """All cells are the same, and none is missing, or all are."""
        return self.different == 0 or (self.different == 1 and self.missing == 0)


class Inspected(NamedTuple):
    """A table, how its text files are written where that had to be found out, and what its columns look like."""

    source: Source
    dialect: Dialect
    columns: list[Column]


def inspect(path: str, dialect: Dialect) -> Inspected:
    """Returns a table and what its columns look like.

    Args:
        path: The file, or a glob.
        dialect: How text files are written; what it leaves open is found.

    Raises:
        InputError: The table can't be read.
    """
    files = [(file, form) for file in files_of(path, "INPUT") for form in [format_of(file, "INPUT")] if form in TEXT]
    if dialect.encoding is None and any(not_utf_8(file, dialect) for file, _ in files):
        dialect = replace(dialect, encoding="windows-1252")
    with suppress(ValueError, *UNREADABLE):  # `read` says where it is wrong
        if any(delimited(file, form, dialect).nameless for file, form in files):
            dialect = replace(dialect, header=False)
    source = _read(path, dialect)
    hints = _hints(source)
    likely = [hint for of_column in hints.values() for hint in of_column if hint.likely]
    found: dict[str, Any] = {hint.key: hint.value for hint in likely if hint.key in ("decimal", "thousands")}
    values = _values(source.frame)
    gaps = {hint.value for hint in likely if hint.key == "missing" and (hint.value in SURE or hint.value not in values)}
    if found or gaps:
        dialect = replace(dialect, missing=(*dialect.missing, *sorted(gaps)), **found)
        before, source = source, _read(path, dialect)
        now = _hints(source)
        hints = {name: (*_kept(before.frame[name], source.frame[name], hints[name]), *now[name]) for name in now}
    return Inspected(source, dialect, [_column(series, hints[series.name]) for series in source.frame])


def _read(path: str, dialect: Dialect) -> Source:
    """Returns the table with texts as training has them where they are declared numbers."""
    source = read(path, "INPUT", dialect)
    return source.understood(source.frame.columns)


def _hints(source: Source) -> dict[str, tuple[Hint, ...]]:
    return {
        series.name: tuple(hints_on(series, zeros=series.name in source.zeros, grouped=series.name in source.grouped))
        for series in source.frame
    }


def _kept(before: Any, now: Any, hints: tuple[Hint, ...]) -> Iterator[Hint]:
    """Yields what is still to be said of a column of numbers that is read as the first hints had it."""
    if now.dtype.is_integer() and before.dtype.is_float():
        hint = next(hints_on(before, grouped=True))
        yield hint._replace(why=f"{hint.why}, and is read so")
    elif now.dtype.is_numeric():
        yield from (hint for hint in hints if hint.likely and hint.key in ("decimal", "thousands"))


def _values(frame: Any) -> set[str]:
    """Returns what texts that aren't numbers have few different of: these aren't taken for missing."""
    import polars as pl

    texts = [series.drop_nulls() for series in frame if series.dtype == pl.String and not mostly_numbers(series)]
    return {value for series in texts if series.n_unique() <= MOST_CLASSES for value in series.unique()}


def _column(series: Any, hints: tuple[Hint, ...]) -> Column:
    import polars as pl

    if any(hint.likely and hint.value == "number" for hint in hints):
        series = without_marks(series).cast(pl.Float64, strict=False)
    dates = any(hint.is_date for hint in hints)
    rows, present = len(series), series.drop_nulls()
    different = present.n_unique() if not series.dtype.is_nested() else len(present)
    kinds = {pl.String: "text", pl.Boolean: "yes/no", pl.Date: "date", pl.Datetime: "date"}
    word = next((word for dtype, word in kinds.items() if series.dtype == dtype), None)
    if word is None and series.dtype.is_numeric():
        word = "whole numbers" if series.dtype.is_integer() else "numbers"
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
        id=is_like_id(series) and not dates,
        hints=hints,
    )


def _task_kind(present: Any, word: str | None, different: int) -> str | None:
    if word not in ("text", "yes/no", "numbers", "whole numbers") or different < 2:
        return None
    if different == 2 and (word in ("text", "yes/no") or set(present.unique().to_list()) == {0, 1}):
        return "binary"
    if word == "text":
        return "multiclass" if different <= MOST_CLASSES else None
    return "multiclass" if word == "whole numbers" and different <= MOST_CLASSES // 2 else "regression"
