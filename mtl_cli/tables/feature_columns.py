"""Feature columns: each is fitted to its training rows, and encodes cells as float32."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mtl_cli.tables.dates import EPOCH
from mtl_cli.tables.dtypes import Place, Series, refuse_cell, to_categories, to_date_texts, to_days, to_float64

MISSING, UNSEEN, FIRST = 0, 1, 2
"""Codes of a category; FIRST is the first value's."""
WIDEST: Final = 1e37
"""The most that a number's largest and smallest value may be apart."""
MOVED: Final = 2.0**-18
"""Parts of a column's deviation by which rounding to float32 may move its values."""
YEAR, WEEK, DAY = 365.2425, 7.0, 1.0
"""Periods in days."""


@dataclass(frozen=True)
class NumericColumn:
    """A column of numbers.

    Attributes:
        gaps: It has missing values in the training rows.
        constant: Its values don't differ in them.
        precise: Its values are large beside how far they are apart, so float32 would lose that: seconds since 1970.
    """

    name: str
    mean: float
    deviation: float
    gaps: bool
    constant: bool = False
    precise: bool = False

    @property
    def type(self) -> str:
        """What it is standardised in, here and in the saved model."""
        return "float64" if self.precise else "float32"

    @property
    def means(self) -> list[float]:
        """The mean as numbers that Keras' layers, which round to float32, leave as they are: it, or it and the rest."""
        first = float(np.float32(self.mean))
        return [first, float(np.float32(self.mean - first))] if self.precise else [first]

    @property
    def scale(self) -> float:
        """What differences from the mean are multiplied by."""
        return float(np.float32(1 / self.deviation))

    def encode(self, series: Series, place: Place) -> NDArray[np.float32]:
        """Returns the column standardised."""
        values: NDArray[Any] = to_float64(series, self.name, place).astype(self.type)
        for mean in self.means:
            values -= values.dtype.type(mean)
        values *= values.dtype.type(self.scale)
        scaled = values.astype(np.float32, copy=False)
        return scaled if self.gaps else np.nan_to_num(scaled, copy=False)


@dataclass(frozen=True)
class DateColumn:
    """A column of dates.

    Attributes:
        times: Whether some aren't midnight.
        form: As `read_dates` takes it.
        as_text: Whether the saved model takes them as texts in this form.
    """

    name: str
    mean: float
    deviation: float
    gaps: bool
    times: bool
    form: str | None
    as_text: bool = False

    def encode(self, series: Series, place: Place) -> NDArray[np.float32]:
        """Returns days since 1970-01-01."""
        found = to_days(series, self.name, self.form, place)
        return found if self.gaps else np.where(np.isnan(found), np.float32(self.mean), found)

    @property
    def periods(self) -> list[float]:
        """The cycles that the network sees."""
        return [YEAR, WEEK, DAY] if self.times else [YEAR, WEEK]


@dataclass(frozen=True)
class CategoryColumn:
    """A column of texts, integers or booleans.

    Attributes:
        values: The ones that the training rows have often enough, sorted.
        seen: The codes that occur in the training rows.
        width: Units of its embedding; None: one-hot.
    """

    name: str
    values: tuple[str, ...] | tuple[int, ...]
    integers: bool
    seen: tuple[int, ...]
    width: int | None

    def encode(self, series: Series, place: Place) -> NDArray[np.float32]:
        """Returns the codes of the column that it was fitted to."""
        import polars as pl

        texts = to_categories(series, self.name, place)
        codes = texts.replace_strict(
            list(self.values), list(range(FIRST, FIRST + len(self.values))), default=UNSEEN, return_dtype=pl.Int32
        )
        return np.where(texts.is_null().to_numpy(), MISSING, codes.to_numpy()).astype(np.float32)


FeatureColumn = NumericColumn | DateColumn | CategoryColumn


def fit_numeric(series: Series, train: NDArray[np.int64], place: Place) -> NumericColumn:
    """Returns a column of numbers as its training rows describe it.

    Raises:
        InputError: A cell is no number, or too far from the others for float32.
    """
    values = to_float64(series, series.name, place)
    _refuse_wide(values, series, place)
    known, gaps = _known(values[train])
    rounded = known.astype(np.float32).astype(np.float64)
    mean, deviation = _moments(known)
    precise = deviation is not None and bool(np.abs(known - rounded).max() > MOVED * deviation)
    if not precise:
        mean, deviation = _moments(rounded)
    constant = not len(known) or (deviation is None and not gaps)
    return NumericColumn(series.name, mean, deviation or 1.0, gaps, constant, precise)


def fit_date(
    series: Series, train: NDArray[np.int64], place: Place, form: str | None, *, as_text: bool = False
) -> DateColumn:
    """Returns a column of dates, in a form as `read_dates` takes it, as its training rows describe it.

    Raises:
        InputError: A cell is no date in this form, or, with `as_text`, no day that the saved model can take as text.
    """
    as_text = as_text and form not in EPOCH
    if as_text:
        to_date_texts(series, series.name, form, place)
    known, gaps = _known(to_days(series, series.name, form, place)[train])
    mean, deviation = _moments(known)
    times = bool((known != np.floor(known)).any())
    return DateColumn(series.name, mean, deviation or 1.0, gaps, times, form, as_text)


def fit_category(
    series: Series, train: NDArray[np.int64], place: Place, min_count: int, embed_above: int
) -> CategoryColumn:
    """Returns a column of categories as its training rows describe it.

    Args:
        series: The column.
        train: The training rows' numbers.
        place: Says where a row stands.
        min_count: A value that fewer training rows have counts as unseen.
        embed_above: With more values than this it becomes an embedding of min(50, 1.6 values^0.56) units (the rule of
            thumb of fastai: Howard and Gugger, Information 11, 2020), with fewer it is one-hot.

    Raises:
        InputError: A cell can't be a category.
    """
    texts = to_categories(series, series.name, place)[train]
    counts = texts.drop_nulls().value_counts(name="rows")
    frequent = counts.filter(counts["rows"] >= min_count)[texts.name].sort().to_list()
    if not frequent:  # Keras' lookups want a value
        frequent = counts[texts.name].sort().head(1).to_list() or [0 if texts.dtype.is_integer() else "?"]
    rare = len(frequent) < len(counts)
    seen = [MISSING] * bool(texts.null_count()) + [UNSEEN] * rare + [*range(FIRST, FIRST + len(frequent))]
    width = min(50, round(1.6 * len(frequent) ** 0.56)) if len(frequent) > embed_above else None
    return CategoryColumn(series.name, tuple(frequent), texts.dtype.is_integer(), tuple(seen), width)


def _refuse_wide(values: NDArray[np.float64], series: Series, place: Place) -> None:
    """Refuses numbers so far apart that float32 can't hold how far they are from their mean, or 1 / deviation."""
    if np.isnan(values).all():
        return
    lowest, highest = float(np.nanmin(values)), float(np.nanmax(values))
    if highest - lowest > WIDEST:
        row = int(np.nanargmax(np.abs(values)))
        rule = f"a number within {WIDEST:g} of the others; the column goes from {lowest:.4g} to {highest:.4g}"
        refuse_cell(series, row, series.name, place, rule)


def _known(values: NDArray[Any]) -> tuple[NDArray[np.float64], bool]:
    """Returns the values that aren't missing, and whether some are."""
    missing = np.isnan(values)
    return values[~missing].astype(np.float64), bool(missing.any())


def _moments(known: NDArray[np.float64]) -> tuple[float, float | None]:
    """Returns mean and deviation; None where the values don't differ."""
    mean, deviation = (float(known.mean()), float(known.std())) if len(known) else (0.0, 0.0)
    return mean, deviation if deviation > 1e-30 else None
