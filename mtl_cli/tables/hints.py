"""Hints at what a column may hold: numbers or dates among texts, codes among numbers, marks for missing values."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from mtl_cli.tables import remedies
from mtl_cli.tables.dates import COMPACT, EPOCH, ISO, forms_of
from mtl_cli.tables.dtypes import read_as

Series = Any
"""A polars.Series."""
GAPS: Final = ("?", "-", "--", "---", ".", "*", "none", "None", "NONE", "unknown", "Unknown", "UNKNOWN", "n/a", "#N/A")
"""Texts that often stand for a missing value, besides the ones that always do."""
SURE: Final = ("?", "n/a", "#N/A")
"""Those of them that hardly are anything else."""
SENTINELS: Final = (-1, -8, -9, -98, -99, -999, -9999, -99999, 77, 88, 98, 99, 998, 999, 9999, 99999, 999999)
"""Numbers that often do, in two rows or more, where they are far from all others."""
OFTEN: Final = 5
"""Rows from which any whole number may."""
LARGE: Final = 8
"""The size from which one of them beside two others will do."""
MOST_ODD: Final = 3
"""Different ones that a column may have."""
LOOKED_AT: Final = 10_000
"""Texts of a column that decide what they may be."""
FEWEST: Final = 20
"""Rows up to which nothing is called an id."""
ID_SHARE: Final = 0.95
"""The part of a column's texts that are different from which it looks like one."""
IDS: Final = ("id", "nr", "no", "number", "index", "key", "uuid", "row")
"""Words in the names of columns that count rows."""
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
AMONG_NUMBERS: Final = "is text because of"
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
    key: Literal["types", "date_format", "decimal", "thousands", "missing"]
    value: str
    likely: bool
    other: str | None = None

    def remedy(self, missing: Sequence[str], dates: Mapping[str, str]) -> str:
        """Returns how to say it on the command line.

        Args:
            missing: Texts that stand for missing values already.
            dates: The forms of all columns that may hold dates, which are said at once.
        """
        match self.key:
            case "types":
                return f"if they are, say {remedies.types(self.column, self.value)}"
            case "date_format":
                other = f", or {self.other!r} if the day comes first" if self.other else ""
                return f"if they are, say {remedies.date_format(dates)}{other}"
            case "decimal" | "thousands":
                override = f'data.{self.key}="{self.value}"'
                return f"if they are, say {shlex.quote(override)}"
        say = remedies.missing("data.missing", [*missing, self.value])
        other = f", else {remedies.types(self.column, 'category')}" if self.among_numbers else ""
        return f"if that stands for a missing value, in all columns, say {say}{other}"

    @property
    def among_numbers(self) -> bool:
        """Whether it is what makes a column of numbers one of texts."""
        return self.why.startswith(AMONG_NUMBERS)

    @property
    def is_date(self) -> bool:
        """Whether it may hold dates."""
        return self.key == "date_format" or self.value == "date"

    @property
    def mark(self) -> str:
        """What the column may hold, in a word."""
        if self.key == "missing":
            return "missing?"
        if self.key in ("decimal", "thousands"):
            return "disguised" if self.likely else "decimals?"
        if self.is_date:
            return "day?" if self.other else "disguised"
        return "codes?" if self.value == "category" else "disguised"


def hints_on(series: Series, *, zeros: bool = False, grouped: bool = False) -> Iterator[Hint]:
    """Yields what a column may hold other than its type says.

    Args:
        series: The column.
        zeros: Whether numbers in it were written with leading zeros.
        grouped: Whether they were as if points grouped digits.
    """
    import polars as pl

    if grouped:
        example = series.drop_nulls()[0]
        why = f"has three digits behind every point ({example:.3f}), as where points group digits"
        yield Hint(series.name, why, "decimal", ",", likely=False)
    if series.dtype == pl.String:
        yield from _of_texts(series)
    elif series.dtype.is_numeric():
        yield from _of_numbers(series.cast(pl.Float64) if series.dtype.is_decimal() else series, zeros)


def _of_texts(series: Series) -> Iterator[Hint]:
    import polars as pl

    present = series.drop_nulls()
    if not len(present):
        return
    first = present.head(LOOKED_AT)
    name, shown, form = series.name, repr(present[0][:20]), read_as(first)
    if mostly_numbers(first):
        odd = present.filter(present.cast(pl.Float64, strict=False).is_null())
        cells = f"cells like {odd[0][:20]!r}" if len(odd) else ""
        if 0 < odd.n_unique() <= MOST_ODD:
            likely = odd.n_unique() == 1 and odd[0] in GAPS
            yield Hint(name, f"{AMONG_NUMBERS} {cells}, though most are numbers", "missing", odd[0], likely=likely)
        elif len(odd):
            why = f"is taken for texts because of {odd.n_unique():,} {cells}, and most of them read as numbers"
            yield Hint(name, why, "types", "category", likely=False)
    elif form is not None:
        why = f"is taken for texts, and these read as numbers ({shown})"
        yield Hint(name, why, *form, likely=True)
    elif forms := forms_of(first) and forms_of(present):
        why = f"is taken for texts, and these read as dates ({shown})"
        key: tuple[Any, str] = ("types", "date") if forms == [ISO] else ("date_format", forms[0])
        yield Hint(name, why, *key, likely=True, other=(*forms, None)[1])
    elif present.n_unique() > 2:
        counts = present.filter(present.is_in(GAPS)).value_counts().sort(name).iter_rows()
        for text, count in counts:
            yield Hint(name, f"has {text!r} in {count:,} of {len(series):,} rows", "missing", text, likely=False)


def _of_numbers(series: Series, zeros: bool) -> Iterator[Hint]:
    import polars as pl

    known = series.drop_nulls()
    code = zeros or _is_called(series.name, CODES)
    if not code:
        yield from _sentinels(series)
    if series.dtype.is_float() and len(known) and (known == known.floor()).all() and known.abs().max() < MOST:
        series = series.cast(pl.Int64, strict=False)
    if not series.dtype.is_integer():
        return
    dates, different = _as_dates(series), known.n_unique()
    if dates is not None:
        why = f"is taken for numbers, and these read as dates ({known[0]})"
        yield Hint(series.name, why, "date_format", dates, likely=True)
    elif zeros:
        yield Hint(series.name, "has numbers with leading zeros, as codes have", "types", "category", likely=False)
    elif code:
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


def _sentinels(series: Series) -> Iterator[Hint]:
    """Yields the numbers at one end, three at most, that are far from all others, and not in one row alone."""
    known = series.drop_nulls().drop_nans() if series.dtype.is_float() else series.drop_nulls()
    if not any((known == end).sum() > 1 for end in (known.min(), known.max()) if end is not None):
        return
    values = known.unique().sort()
    for count in range(1, min(MOST_ODD, len(values) - 1) + 1):
        for at_end, others in ((values[:count], values[count:]), (values[-count:], values[:-count])):
            if all(_is_sentinel(known, value, others, alone=count == 1) for value in at_end):
                for value in at_end:
                    rows = f"{(known == value).sum():,} of {len(series):,} rows"
                    why = f"has {int(value)} in {rows}, and others are between {others.min():g} and {others.max():g}"
                    yield Hint(series.name, why, "missing", str(int(value)), likely=False)
                return


def _is_sentinel(known: Series, value: float, others: Series, *, alone: bool) -> bool:
    listed = value in SENTINELS
    if abs(value) > MOST or value != round(value) or (known == value).sum() < (2 if listed else OFTEN):
        return False
    if len(others) < (2 if listed and not -LARGE < value < LARGE else 3):
        return False
    low, high = others.min(), others.max()
    away = FAR * (high - low)
    negative = value < 0 <= low and (listed or alone)
    return bool(value < low - away or value > high + away or negative)


def is_like_id(series: Series) -> bool:
    """Returns whether a column looks like an id: texts that are nearly all different, or numbers that count rows."""
    import polars as pl

    present = series.drop_nulls()
    if len(present) <= FEWEST:
        return False
    first = present.head(LOOKED_AT)
    if series.dtype == pl.String:
        if not all(part.n_unique() > ID_SHARE * len(part) for part in (first, present)):
            return False
        return not mostly_numbers(first) and read_as(first) is None and not forms_of(first)
    if (
        not series.dtype.is_integer()
        or any(part.n_unique() < len(part) for part in (first, present))
        or _as_dates(series) is not None
    ):
        return False
    return bool(_is_called(series.name, IDS) or present.is_sorted() or present.is_sorted(descending=True))


def mostly_numbers(series: Series) -> bool:
    """Returns whether most cells of texts are plain numbers."""
    import polars as pl

    present = series.drop_nulls()
    return len(present) > 0 and present.cast(pl.Float64, strict=False).is_not_null().sum() > 0.5 * len(present)
