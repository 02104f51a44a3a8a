"""What a column may hold other than it seems: numbers or dates among texts, codes among numbers, marks for missing."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal, NamedTuple

from mtl_cli.tables.cells import read_as
from mtl_cli.tables.dates import COMPACT, EPOCH, ISO, forms_of

Series = Any
"""A polars.Series."""
GAPS: Final = (
    "?",
    "-",
    "--",
    "---",
    ".",
    "*",
    "none",
    "None",
    "NONE",
    "unknown",
    "Unknown",
    "UNKNOWN",
    "n/a",
    "#N/A",
    "na",
)
"""Texts that often stand for a missing value, besides the ones that always do."""
SENTINELS: Final = (-1, -9, -99, -999, -9999, -99999, 99, 999, 9999, 99999, 999999)
"""Numbers that often do, in two rows or more, where they are far from all others."""
OFTEN: Final = 5
"""Rows from which any whole number may."""
MOST: Final = 10**15
"""The largest."""
FAR: Final = 3.0
"""How many times their range they are away from these."""
MOST_CODES: Final = 10
"""Different whole numbers up to which these may be codes."""
CODES: Final = ("zip", "zipcode", "postcode", "postal", "plz", "code", "id")
"""Words in the names of columns that hold codes."""
MOMENTS: Final = ("date", "time", "stamp", "timestamp", "datetime", "ts", "epoch", "created", "updated", "at")
"""Words in the names of columns that hold moments."""
FEW_NUMBERS: Final = "holds few whole numbers"
EPOCH_SECONDS: Final = (10**8, 2**32)
"""Seconds since 1970 that moments from 1973 to 2106 have."""


class Hint(NamedTuple):
    """What a column may hold.

    Attributes:
        column: Its name.
        why: What speaks for it, to be read behind the column's name.
        key: The key below `data` that says so.
        value: What it says.
        likely: Whether it is so much more likely that a first config says it.
        other: What else it could say, as well.
    """

    column: str
    why: str
    key: Literal["types", "date_format", "decimal", "missing"]
    value: str
    likely: bool
    other: str | None = None

    @property
    def remedy(self) -> str:
        """How to say it on the command line."""
        match self.key:
            case "types":
                return f"if they are, say '+data.types.{self.column}={self.value}'"
            case "date_format":
                other = f", or {self.other!r} if the day comes first" if self.other else ""
                return f"if they are, say 'data.date_format={{{self.column}: \"{self.value}\"}}'{other}"
            case "decimal":
                return "if they are, say data.decimal=','"
        other = f", else say '+data.types.{self.column}=category'" if self.likely else ""
        return f"if that stands for a missing value, add it to data.missing{other}"

    @property
    def is_date(self) -> bool:
        """Whether it may hold dates."""
        return self.key == "date_format" or self.value == "date"

    @property
    def unsure(self) -> bool:
        """Whether somebody has to look."""
        return not self.likely or self.other is not None


def hints_on(series: Series, *, zeros: bool = False) -> Iterator[Hint]:
    """Yields what a column may hold other than its type says.

    Args:
        series: The column.
        zeros: Whether numbers in it were written with leading zeros.
    """
    import polars as pl

    if series.dtype == pl.String:
        yield from _of_texts(series)
    elif series.dtype.is_numeric():
        yield from _of_numbers(series, zeros)


def _of_texts(series: Series) -> Iterator[Hint]:
    import polars as pl

    present = series.drop_nulls()
    if not len(present):
        return
    shown = repr(present[0][:20])
    form = read_as(present)
    if form is not None and not mostly_numbers(present):
        why = f"is taken for texts, and these read as numbers ({shown})"
        if form == "marks":
            yield Hint(series.name, why, "types", "number", likely=True)
        else:
            yield Hint(series.name, why, "decimal", ",", likely=True)
    elif form is None and (forms := forms_of(present)):
        why = f"is taken for texts, and these read as dates ({shown})"
        if forms == [ISO]:
            yield Hint(series.name, why, "types", "date", likely=True)
        else:
            yield Hint(series.name, why, "date_format", forms[0], likely=True, other=(*forms, None)[1])
    elif mostly_numbers(present):
        odd = present.filter(present.cast(pl.Float64, strict=False).is_null())
        if len(odd):
            why = f"is text because of cells like {odd[0][:20]!r}, though most are numbers"
            yield Hint(series.name, why, "missing", odd[0], likely=odd.n_unique() == 1 and odd[0] in GAPS)
    else:
        yield from (
            Hint(series.name, f"has {text!r} in {count:,} of {len(series):,} rows", "missing", text, likely=False)
            for text, count in present.filter(present.is_in(GAPS)).value_counts().sort(series.name).iter_rows()
            if count < len(present)
        )


def _of_numbers(series: Series, zeros: bool) -> Iterator[Hint]:
    sentinel = _sentinel(series)
    if sentinel is not None:
        yield sentinel
    if not series.dtype.is_integer():
        return
    dates, different = _as_dates(series), series.drop_nulls().n_unique()
    if dates is not None:
        why = f"is taken for numbers, and these read as dates ({series.drop_nulls()[0]})"
        yield Hint(series.name, why, "date_format", dates, likely=True)
    elif zeros:
        yield Hint(series.name, "has numbers with leading zeros, as codes have", "types", "category", likely=False)
    elif _is_called(series.name, CODES):
        yield Hint(series.name, "holds whole numbers, and is called as codes are", "types", "category", likely=False)
    elif 2 < different <= min(MOST_CODES, len(series) / 2):
        yield Hint(series.name, f"{FEW_NUMBERS}, {different} different ones", "types", "category", likely=False)


def _is_called(name: str, words: Sequence[str]) -> bool:
    """Returns whether a column's name has one of these words, as in `zip_code` or `CreatedAt`."""
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)
    return any(part.lower() in words for part in parts)


def _as_dates(series: Series) -> str | None:
    """Returns the form of whole numbers that are dates; moments that are counted must be called so."""
    present = series.drop_nulls()
    if not len(present) or present.n_unique() < 2:
        return None
    if _is_called(series.name, MOMENTS):
        for word, microseconds in EPOCH.items():
            first, last = (bound * 10**6 // microseconds for bound in EPOCH_SECONDS)
            if present.is_between(first, last).all():
                return word
    return COMPACT if forms_of(present) else None


def _sentinel(series: Series) -> Hint | None:
    """Returns that the least or the largest number is far from all others, and not in one row alone."""
    known = series.drop_nulls().drop_nans() if series.dtype.is_float() else series.drop_nulls()
    for value in [known.min(), known.max()]:
        others = known.filter(known != value)
        rows = len(known) - len(others)
        if (
            abs(value) > MOST
            or value != round(value)
            or rows < (2 if value in SENTINELS else OFTEN)
            or others.n_unique() < 3
        ):
            continue
        low, high = others.min(), others.max()
        away = FAR * (high - low)
        if value < low - away or value > high + away or (value in SENTINELS and value < 0 <= low):
            why = (
                f"has {int(value)} in {rows:,} of {len(series):,} rows, and all others are between {low:g} and {high:g}"
            )
            return Hint(series.name, why, "missing", str(int(value)), likely=False)
    return None


def mostly_numbers(series: Series) -> bool:
    """Returns whether most cells of texts are plain numbers."""
    import polars as pl

    present = series.drop_nulls()
    return len(present) > 0 and present.cast(pl.Float64, strict=False).is_not_null().sum() > 0.5 * len(present)
