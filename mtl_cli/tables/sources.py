"""Rows of a table's files in one data frame, with the file and row that each is from."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from mtl_cli.errors import InputError, nearest
from mtl_cli.tables.delimited import Delimited
from mtl_cli.tables.dtypes import POINTS, Notation

Frame = Any
"""A polars.DataFrame, or LazyFrame while it is only looked at (polars is imported when a table is read)."""
NO_NAMES: Final = "where the first row has values and no names, say data.header=false, or [their, names]"


@dataclass(frozen=True)
class Source:
    """The rows of one file, or of several with the same columns.

    Attributes:
        frame: The rows.
        files: Each file's name and its first row's number in the frame.
        key: The config key that named them.
        index: The first column, where it has no name, as pandas writes an index.
        notation: How its numbers are written.
        zeros: Columns of whole numbers that have leading zeros.
        grouped: Columns of numbers with three digits behind every point, where points may group digits.
        forms: How its text files are.
    """

    frame: Frame
    files: Sequence[tuple[str, int]]
    key: str
    index: str | None = None
    notation: Notation = POINTS
    zeros: frozenset[str] = frozenset()
    grouped: frozenset[str] = frozenset()
    forms: Sequence[Delimited] = ()

    @property
    def name(self) -> str:
        """What to call it in a message."""
        first = self.files[0][0]
        return first if len(self.files) == 1 else f"{first} and {len(self.files) - 1} more"

    def place(self, row: int) -> str:
        """Returns where a row stands, counted from 1 below the header, as `homes.csv, row 4`."""
        name, first = next((name, first) for name, first in reversed(self.files) if first <= row)
        return f"{name}, row {row - first + 1}"

    def understood(self, columns: Iterable[str]) -> "Source":
        """Returns the table with these columns' texts as numbers in its notation, with their signs of currencies."""
        import polars as pl

        texts = [self.frame[column] for column in columns if self.frame[column].dtype == pl.String]
        return replace(self, frame=self.frame.with_columns(self.notation.plain(series) for series in texts))

    def need(self, columns: Sequence[str], key: str) -> None:
        """Refuses columns that aren't there."""
        known = dict.fromkeys(self.frame.columns)
        for column in columns:
            if column not in known:
                hint = nearest(column, known, "columns")
                numbered = re.fullmatch(r"column_\d+", column) and any(form.header for form in self.forms)
                hint += f"; {NO_NAMES}" if numbered else ""
                raise InputError(f"{key}: {self.name} has no column {column!r}; {hint}")


def join(sources: Sequence[Source], columns: Sequence[str]) -> Source:
    """Returns these columns of several tables, one after the other; a column that a table lacks is missing there.

    Raises:
        InputError: A column has types that don't go together.
    """
    import polars as pl

    files, rows = [], 0
    for source in sources:
        files += [(name, first + rows) for name, first in source.files]
        rows += len(source.frame)
    known = [set(source.frame.columns) for source in sources]
    joined = []
    for column in columns:
        parts = [s.frame[column] if column in names else None for s, names in zip(sources, known, strict=True)]
        given = [(s, part) for s, part in zip(sources, parts, strict=True) if part is not None]
        families = {family_of(part): source for source, part in reversed(given)}
        families.pop("nothing", None)
        if len(families) > 1:
            (one, first), (other, second), *_ = families.items()
            where = f"{one} in {first.name} and {other} in {second.name}"
            raise InputError(f"{second.key}: column {column!r} is {where}")
        whole = [
            pl.Series([None] * len(s.frame)) if part is None else part for s, part in zip(sources, parts, strict=True)
        ]
        stacked = pl.concat([part.alias(column).to_frame() for part in whole], how="vertical_relaxed")
        joined.append(stacked.to_series())
    return replace(
        sources[0],
        frame=pl.DataFrame(joined),
        files=files,
        zeros=frozenset[str]().union(*(source.zeros for source in sources)),
        grouped=frozenset[str]().union(*(source.grouped for source in sources)),
        forms=tuple(form for source in sources for form in source.forms),
    )


def family_of(series: Any) -> str:
    """Returns what a column holds: number, text, date, nothing, or the name of another type."""
    import polars as pl

    if series.dtype.is_numeric() or series.dtype == pl.Boolean:
        return "number"
    names = {pl.String: "text", pl.Date: "date", pl.Datetime: "date", pl.Null: "nothing"}
    return names.get(series.dtype.base_type(), str(series.dtype))
