"""Dates in texts or numbers: parsing them, and finding the forms that a column's cells have."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator

from mtl_cli.untrusted.escaping import SHOWN

Series = Any
"""A polars.Series."""
EPOCH: Final = {"seconds": 1_000_000, "milliseconds": 1_000}
"""Forms of dates that are numbers, counted since 1970-01-01 in UTC, with the microseconds of one."""
ISO_FORMS: Final = (
    "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M",
    "%Y-%m-%dT%H:%M:%S%.fZ",
)  # fmt: skip
ISO: Final = "ISO 8601"
"""Stands for any of these, which need no form."""
DAYS: Final = (
    "%d.%m.%y", "%d.%m.%Y", "%m/%d/%y", "%m/%d/%Y", "%d/%m/%y", "%d/%m/%Y", "%d-%m-%y", "%d-%m-%Y", "%m-%d-%Y",
    "%Y/%m/%d", "%Y.%m.%d", "%d %b %Y", "%d %B %Y", "%d-%b-%y", "%d-%b-%Y", "%b %d, %Y", "%B %d, %Y", "%B %d %Y",
)  # fmt: skip
"""Forms that are looked for. Where day and month can't be told apart, the first is the likelier."""
TIMES: Final = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
COMPACT: Final = "%Y%m%d"
YEARS: Final = (1500, 2500)
"""Years between which a date is believed."""
TEXT_DAYS: Final = (date(1900, 1, 1), date(2099, 12, 31))
"""The first and last day that a saved model knows as a text."""
LOOKED_AT: Final = 1_000
"""Cells that decide which forms are tried on all."""
LONGEST: Final = 1000
"""Characters of a form."""
_LIKE: Final = re.compile(r"\d{1,4}[-./ ](\d{1,2}|[^\W\d]{3,9})[-./ ]\d{2,4}.*|[^\W\d]{3,9} \d{1,2}, \d{4}.*")


def _check_format(given: Any) -> Any:
    """Refuses what is neither a form of dates nor a mapping of columns to forms."""
    forms = given if isinstance(given, Mapping) else {"": given}
    for column, form in forms.items():
        if not isinstance(column, str) or not isinstance(form, str) or len(form) > LONGEST or not _is_form(form):
            where = f"{column[:SHOWN]}: " if column else ""
            raise ValueError(
                f"{where}a form of dates is like '%d.%m.%Y', seconds or milliseconds, got {repr(form)[:SHOWN]}"
            )
    return given


def _is_form(form: str) -> bool:
    """Returns whether polars can write a moment so, in UTC or in no time zone."""
    import polars as pl

    moments = pl.Series([0]).cast(pl.Datetime("us"))
    for series in (moments, moments.dt.replace_time_zone("UTC")):
        with suppress(pl.exceptions.PolarsError):
            return form in EPOCH or ("%" in form and series.dt.strftime(form)[0] != form)
    return False


DateFormat = Annotated[Any, AfterValidator(_check_format)]
"""A form of dates, or a mapping of columns to forms."""


def form_of(date_format: str | Mapping[str, str] | None, column: str) -> str | None:
    """Returns how a column's dates are to be read; None: as ISO 8601."""
    return date_format.get(column) if isinstance(date_format, Mapping) else date_format


def read_dates(series: Series, form: str | None) -> Series:
    """Returns texts or whole numbers as moments, null where one is none.

    Args:
        series: The column.
        form: As strptime's, or a word of `EPOCH`; None: as ISO 8601 (2026-11-22, perhaps with a time).
    """
    import polars as pl

    if form in EPOCH:
        microseconds = series.cast(pl.Float64, strict=False) * EPOCH[form]
        return microseconds.cast(pl.Int64, strict=False).cast(pl.Datetime("us"))
    if series.dtype.is_numeric():
        widest = pl.Series([datetime(1999, 12, 31, 23, 59, 59)])  # a number has lost zeros ahead
        width = len(widest.dt.strftime(form)[0]) if form else 0
        series = series.cast(pl.Int64, strict=False).cast(pl.String).str.zfill(width)
    read = [series.str.strptime(pl.Datetime("us"), each, strict=False) for each in ([form] if form else ISO_FORMS)]
    return pl.select(pl.coalesce(read)).to_series()


def day_texts(form: str | None) -> tuple[int, tuple[str, ...]]:
    """Returns the texts of successive days in a form (None: as 2026-11-22), and which day since 1970-01-01 is first.

    There is none where the form doesn't tell days apart.

    >>> first, texts = day_texts("%d.%m.%y")
    >>> first, texts[0], texts[-1]
    (0, '01.01.70', '31.12.69')
    >>> day_texts("%Y-%m"), day_texts("seconds")
    ((0, ()), (0, ()))
    """
    import polars as pl

    days = pl.date_range(*TEXT_DAYS, eager=True)
    texts = days.cast(pl.Datetime("us")).dt.strftime(form or ISO_FORMS[0])
    meant = (read_dates(texts, form).dt.date() == days).fill_null(value=False)  # two digits of a year: one century
    kept = days.filter(meant).to_physical().cast(pl.Int64)
    if not len(kept) or (kept.diff().drop_nulls() != 1).any():
        return 0, ()
    return kept[0], tuple(texts.filter(meant))


def forms_of(series: Series) -> list[str]:
    """Returns the forms of dates that all cells of a column have, texts or whole numbers like 20261122.

    There are two where day and month can't be told apart: neither is above 12, nor do the dates rise in one of both.
    """
    import polars as pl

    present = series.drop_nulls()
    if not len(present):
        return []
    if series.dtype.is_integer():
        return [COMPACT] if _has(present, COMPACT) else []
    if series.dtype != pl.String or not _LIKE.fullmatch(present[0]):
        return []
    if read_dates(present, None).is_not_null().all():
        return [ISO]
    found: dict[str, Series] = {}
    for form in (day + time for day in DAYS for time in TIMES):
        if _has(present, form):
            read = read_dates(present, form)
            if not any(read.equals(other) for other in found.values()):
                found[form] = read
    rising = [form for form, read in found.items() if read.is_sorted()]
    return rising if len(rising) == 1 and len(present) > 2 else list(found)[:2]


def _has(present: Series, form: str) -> bool:
    lowest, highest = YEARS
    for cells in (present.head(LOOKED_AT), present):
        moments = read_dates(cells, form)
        if moments.null_count() or not moments.dt.year().is_between(lowest, highest).all():
            return False
    return True
