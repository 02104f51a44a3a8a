"""Conversion of cells to float64, days, texts or integers; a cell that is no such thing is refused with its place."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from mtl_cli.errors import InputError
from mtl_cli.tables.dates import day_texts, read_dates
from mtl_cli.tables.remedies import exclude

Series = Any
"""A polars.Series."""
Kind = Literal["number", "category", "date"]
Place = Callable[[int], str]
"""Says where a row stands."""
NO_INTEGER: Final = -(2**63)
"""What the saved model takes for a missing value in a column of integers."""
LONGEST_NAME: Final = 1000
"""Characters that a column's name or a class may have."""
THOUSANDS: Final = r"^[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?$"
_CODES: Final = "EUR|USD|GBP|CHF|JPY|CNY|INR|AUD|CAD|SEK|NOK|DKK|PLN|BRL"
UNITS: Final = (
    (rf"^({_CODES})([-+(]?\d.*)$", 1, 2),
    (rf"^(.*\d\)?)({_CODES}|kg|g|mg|t|lb|m|m2|cm|mm|km|ft|mi|l|ml|h|min|s|ms|C|K)$", 2, 1),
)
"""Numbers with the code of a currency before, or a code or unit behind; the groups that are the unit and the number."""
BLANKS: Final = " \t\u00a0"
SIGNS: Final = r"$€£¥\s"
"""Signs of currencies, and blanks, as they stand beside numbers."""


def plain(series: Series) -> Series:
    """Returns a column in one of few types: texts without their own dictionary, times in UTC, nothing at all."""
    import polars as pl

    if series.dtype in (pl.Categorical, pl.Enum):
        return series.cast(pl.String)
    if series.dtype == pl.String and (series == "").any():
        series = series.set(series == "", None)
    if series.dtype == pl.Datetime and series.dtype.time_zone is not None:
        return series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return pl.Series(series.name, [None] * len(series)) if series.null_count() == len(series) else series


class Notation(NamedTuple):
    """How numbers are written: the decimal mark, and what groups digits by thousands, or nothing."""

    decimal: Literal[".", ","] = "."
    thousands: str | None = None

    @property
    def pattern(self) -> str:
        """The regular expression of a number, perhaps with the sign of a currency or per cent."""
        mark = re.escape(self.thousands or "")
        whole = rf"([1-9]\d{{0,2}}({mark}\d{{3}})+|\d+)" if self.thousands else r"\d+"
        return rf"^[{SIGNS}]*[-+]?{whole}({re.escape(self.decimal)}\d+)?([eE][-+]?\d+)?[%{SIGNS}]*$"

    def plain(self, series: Series) -> Series:
        """Returns texts, all numbers in this notation, with a point as the decimal mark and no other; else as is."""
        marks = [mark for mark in (self.decimal, self.thousands) if mark not in (".", None)]
        marks += ["."] if self.thousands == "." else []
        if not any(series.str.contains(mark, literal=True).any() for mark in marks):
            return series
        if not series.str.contains(self.pattern).all():
            return series
        if self.thousands:
            series = series.str.replace_all(self.thousands, "", literal=True)
        return series.str.replace(self.decimal, ".", literal=True)


POINTS: Final = Notation()


def stripped(series: Series, missing: Sequence[str]) -> Series:
    """Returns a column of texts without the blanks around them."""
    import polars as pl

    if series.dtype != pl.String or not series.str.contains(rf"^[{BLANKS}]|[{BLANKS}]$|^$").any():
        return series
    series = series.str.strip_chars(BLANKS)
    return series.set(series.is_in(["", *missing]), None)


def without(series: Series, missing: Sequence[str]) -> Series:
    """Returns a column with nothing where it has one of these texts; where it has numbers, one that is the same."""
    import polars as pl

    if not series.dtype.is_numeric():
        gone = series.cast(pl.String).is_in(list(missing))
    else:
        given = pl.Series(missing, dtype=pl.String).cast(pl.Float64, strict=False)
        values = given.filter(given.is_not_nan() & given.is_not_null()).to_list()
        if not values:
            return series
        gone = series.cast(pl.Float64).is_in(values)
    return pl.select(pl.when(gone).then(None).otherwise(series).alias(series.name)).to_series()


def as_numbers(series: Series) -> Series:
    """Returns a column of texts as numbers, where all are."""
    import polars as pl

    for dtype in (pl.Int64, pl.Float64) if series.dtype == pl.String else ():
        found = series.cast(dtype, strict=False)
        if found.null_count() == series.null_count():
            return found
    return series


def without_marks(series: Series) -> Series:
    """Returns texts without what may stand beside a number: signs of currencies, per cent, commas that group digits.

    A number in brackets, or with a minus behind it, is one below 0; a code of a currency or a unit that all have goes.
    """
    import polars as pl

    plain = series.str.strip_chars()
    if plain.cast(pl.Float64, strict=False).null_count() == plain.null_count():
        return plain
    plain = plain.str.replace_all(rf"[%{SIGNS}]", "")
    for pattern, unit, number in UNITS:
        units = plain.str.extract(pattern, unit)
        if units.n_unique() == 1 + (units.null_count() > 0) and units.null_count() == plain.null_count():
            plain = plain.str.replace(pattern, f"${number}")
    plain = plain.str.replace(r"^\((.*)\)$", "-$1").str.replace(r"^([^-].*)-$", "-$1")
    commas = plain.filter(plain.str.contains(",", literal=True))
    return plain.str.replace_all(",", "", literal=True) if commas.str.contains(THOUSANDS).all() else plain


def read_as(series: Series) -> tuple[Literal["types", "decimal", "thousands"], str] | None:
    """Returns the key, and its value, by which nearly all texts read as numbers; None: by none."""
    import polars as pl

    present = series.drop_nulls() if series.dtype == pl.String else series.head(0)
    most = 0.05 * len(present)
    if not len(present):
        return None
    if without_marks(present).cast(pl.Float64, strict=False).null_count() <= most:
        return "types", "number"
    commas = present.str.contains(",", literal=True)
    if commas.any() and len(present) - present.str.contains(Notation(",", ".").pattern).sum() <= most:
        return "decimal", ","
    if len(present) - present.str.contains(Notation(".", "'").pattern).sum() <= most:
        return "thousands", "'"
    return None


def to_float64(series: Series, name: str, place: Place) -> NDArray[np.float64]:
    """Returns a column's numbers, NaN where one is missing.

    Raises:
        InputError: A cell is text, infinite, or too large for float32.
    """
    import polars as pl

    if series.dtype == pl.String:
        series = series.set(series == "", None)
        found = without_marks(series).cast(pl.Float64, strict=False)
    elif series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.Null):
        found = series.cast(pl.Float64)
    else:
        raise InputError(f"{place(0)}, column {name!r} holds {series.dtype}, not numbers")
    lost = found.is_null() & series.is_not_null()
    if lost.any():
        refuse_cell(series, int(lost.arg_max() or 0), name, place, "a number")
    values: NDArray[np.float64] = found.to_numpy()
    huge = np.abs(values) > np.finfo(np.float32).max
    if huge.any():
        refuse_cell(series, int(huge.argmax()), name, place, "a finite number (float32)")
    return values


def to_float32(series: Series, name: str, place: Place) -> NDArray[np.float32]:
    """Returns a column's numbers as the saved model takes them, in float32."""
    return to_float64(series, name, place).astype(np.float32)


def to_days(series: Series, name: str, form: str | None, place: Place) -> NDArray[np.float32]:
    """Returns a column's dates as days since 1970-01-01, NaN where one is missing.

    `form` says how text or whole numbers are to be read, as `read_dates` takes it.
    """
    import polars as pl

    if series.dtype == pl.String or (series.dtype.is_numeric() and form is not None):
        stamps = read_dates(series, form)
        lost = stamps.is_null() & series.is_not_null()
        if lost.any():
            rule = f"a date in the form {form!r}" if form else "a date like 2026-11-22 (see data.date_format)"
            refuse_cell(series, int(lost.arg_max() or 0), name, place, rule)
    elif series.dtype in (pl.Date, pl.Datetime, pl.Null):
        stamps = series.cast(pl.Datetime("us"))
    else:
        raise InputError(f"{place(0)}, column {name!r} holds {series.dtype}, not dates")
    microseconds = stamps.dt.epoch("us").cast(pl.Float64).to_numpy()
    return np.asarray(microseconds / 86_400e6, np.float32)


def to_date_texts(series: Series, name: str, form: str | None, place: Place) -> NDArray[Any]:
    """Returns a column's dates as texts in a form, as a saved model can take them, "" where one is missing.

    Raises:
        InputError: A cell is no date or no such text, or the form doesn't tell days apart.
    """
    first, texts = day_texts(form)
    if not texts:
        raise InputError(
            f"data.date_format: {form!r} doesn't tell days apart, column {name!r}; use one like '%d.%m.%Y', or "
            "data.text_dates=false"
        )
    days = to_days(series, name, form, place)
    known = ~np.isnan(days)
    at = np.where(known, days - first, 0)
    lost = (at < 0) | (at >= len(texts)) | (at != np.floor(at))
    if lost.any():
        rule = f"a day without a time from {texts[0]} to {texts[-1]}, which data.text_dates=true needs"
        refuse_cell(series, int(lost.argmax()), name, place, rule)
    return np.where(known, np.array(texts, object)[at.astype(np.int64)], "")


def to_categories(series: Series, name: str, place: Place) -> Series:
    """Returns a column as text, or as integers (booleans too), null where a value is missing.

    Integers that 64 bits don't hold come as text.

    Raises:
        InputError: A cell is a fraction or infinite, or holds a character that Keras' lookups can't.
    """
    import polars as pl

    if series.dtype.is_float():
        whole = series.fill_nan(None)
        odd = ((whole != whole.floor()) | (whole.abs() > 2**62)).fill_null(value=False)
        if odd.any():
            refuse_cell(series, int(odd.arg_max() or 0), name, place, "a whole number or text, as a category is")
        return whole.cast(pl.Int64)
    if series.dtype.is_integer() or series.dtype in (pl.Boolean, pl.Null):
        fitting = series.cast(pl.Int64, strict=False)
        fits = fitting.null_count() == series.null_count() and not (fitting == NO_INTEGER).any()
        return fitting if fits else series.cast(pl.String)
    if series.dtype == pl.String:
        reserved = series.str.contains("\0", literal=True).fill_null(value=False)
        if reserved.any():
            refuse_cell(series, int(reserved.arg_max() or 0), name, place, "text without NUL characters")
        return series.set(series == "", None)
    raise InputError(f"{place(0)}, column {name!r} holds {series.dtype}, which can't be a category")


def kind_of(series: Series, name: str, place: Place) -> Kind:
    """Returns what a column is when nobody said so."""
    import polars as pl

    if series.dtype in (pl.Date, pl.Datetime):
        return "date"
    if series.dtype in (pl.String, pl.Boolean):
        return "category"
    if series.dtype.is_numeric() or series.dtype == pl.Null:
        return "number"
    raise InputError(
        f"{place(0)}, column {name!r} holds {series.dtype}, which can't be learned from; "
        f"leave it out with {exclude(name)}"
    )


def refuse_cell(series: Series, row: int, name: str, place: Place, rule: str) -> NoReturn:
    """Refuses the cell of a row, in a message that says where it is, what it holds and what it should."""
    cell = series[row]
    shown = repr(cell if not isinstance(cell, str) or len(cell) <= 60 else cell[:60] + "...")
    raise InputError(f"{place(row)}, column {name!r} holds {shown}, not {rule}")
