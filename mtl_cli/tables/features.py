"""Feature columns: what the training rows say of each, the numbers the network gets, and the same as layers of Keras.

The network gets one float32 a column. Its own first layers turn them into units (`Columns.units`), so that a category
takes four bytes a row whatever it becomes; the saved model begins one step earlier, with the raw columns
(`Columns.raw`).

| column | encoded as | units |
|---|---|---|
| number | (x - mean) / deviation; missing: 0, or NaN where training rows lack it | itself, and 1 where it is missing |
| date | days since 1970-01-01 | standardised; sine and cosine of year, week, and day if there are times; missing |
| category | 0 missing, 1 unseen, then the values | one-hot, or an embedding |
"""

import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Tensor, keras
from mtl_cli.datasets.encoder import Entry
from mtl_cli.tables.dates import form_of
from mtl_cli.tables.dtypes import NO_INTEGER, Kind, Place, Series, categories, days, numbers, refuse_cell
from mtl_cli.tables.model_inputs import Input
from mtl_cli.tables.reader import Frame

MISSING, UNSEEN, FIRST = 0, 1, 2
"""Codes of a category; FIRST is the first value's."""
_KERAS_NAME: Final = re.compile(
    r"(functional|activation|concatenate|rescaling|\w+_lookup|where|is_?nan|cast)(_\d+)?"
    r"|column \d+|.*_(prediction|original)"
)
"""Names that Keras or the saved model give to other layers."""
SHOWN: Final = 6
"""Columns of a kind that are named."""
WIDEST: Final = 1e37
"""The most that a number's largest and smallest value may be apart."""
MOVED: Final = 2.0**-18
"""Parts of a column's deviation by which rounding to float32 may move its values."""
YEAR, WEEK, DAY = 365.2425, 7.0, 1.0
"""Periods in days."""


@dataclass(frozen=True)
class Number:
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
        values: NDArray[Any] = numbers(series, self.name, place).astype(self.type)
        for mean in self.means:
            values -= values.dtype.type(mean)
        values *= values.dtype.type(self.scale)
        scaled = values.astype(np.float32, copy=False)
        return scaled if self.gaps else np.nan_to_num(scaled, copy=False)


@dataclass(frozen=True)
class Date:
    """A column of dates. `times`: some aren't midnight."""

    name: str
    mean: float
    deviation: float
    gaps: bool
    times: bool
    form: str | None

    def encode(self, series: Series, place: Place) -> NDArray[np.float32]:
        """Returns days since 1970-01-01."""
        found = days(series, self.name, self.form, place)
        return found if self.gaps else np.where(np.isnan(found), np.float32(self.mean), found)

    @property
    def periods(self) -> list[float]:
        """The cycles that the network sees."""
        return [YEAR, WEEK, DAY] if self.times else [YEAR, WEEK]


@dataclass(frozen=True)
class Category:
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
        """Returns the codes."""
        import polars as pl

        texts = categories(series, self.name, place)
        if texts.dtype.is_integer() != self.integers:
            texts = texts.cast(pl.Int64 if self.integers else pl.String, strict=False)
        codes = texts.replace_strict(
            list(self.values), list(range(FIRST, FIRST + len(self.values))), default=UNSEEN, return_dtype=pl.Int32
        )
        return np.where(texts.is_null().to_numpy(), MISSING, codes.to_numpy()).astype(np.float32)


Column = Number | Date | Category


@dataclass(frozen=True)
class Columns(Entry):
    """All features in the order of the encoded matrix: numbers (the ones with gaps last), dates, categories."""

    numbers: tuple[Number, ...]
    dates: tuple[Date, ...]
    categories: tuple[Category, ...]

    def all(self) -> list[Column]:
        """Returns them all, in order."""
        return [*self.numbers, *self.dates, *self.categories]

    def encode(self, frame: Frame, place: Place) -> NDArray[np.float32]:
        """Returns the matrix [rows, columns]."""
        matrix = np.empty((len(frame), self.width), np.float32)
        for i, column in enumerate(self.all()):
            matrix[:, i] = column.encode(frame[column.name], place)
        return matrix

    @property
    def width(self) -> int:
        """How many there are."""
        return len(self.numbers) + len(self.dates) + len(self.categories)

    @property
    def description(self) -> str:
        """What they are, in words."""
        words = []
        for kind, members in (("number", self.numbers), ("date", self.dates), ("category", self.categories)):
            names = [_described(column) for column in members]
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            if names:
                words.append(f"{kind} {', '.join(names[:SHOWN])}{more}")
        return "; ".join(words)

    @property
    def structure(self) -> str:
        """A text that is equal where `units` builds the same network."""
        return repr(
            (
                [number.gaps for number in self.numbers],
                [(date.mean, date.deviation, date.gaps, date.periods) for date in self.dates],
                [(len(category.values), category.seen, category.width) for category in self.categories],
            )
        )

    def units(self, encoded: Tensor, random: np.random.Generator) -> tuple[Tensor, list[Any]]:
        """Returns the network's first units [B, D] from encoded columns [B, C], and the embeddings' layers."""
        if not self.dates and not self.categories and not any(number.gaps for number in self.numbers):
            return encoded, []
        ops, parts = keras.ops, []
        layers: list[Any] = []
        embeddings = iter(self.initial(random))
        whole = sum(not number.gaps for number in self.numbers)
        if whole:
            parts.append(encoded[:, :whole])
        at = len(self.numbers)
        if whole < at:
            parts += _filled(encoded[:, whole:at])
        for date in self.dates:
            parts += _cycles(encoded[:, at : at + 1], date)
            at += 1
        for category in self.categories:
            codes = encoded[:, at]
            at += 1
            if category.width is None:
                kept = np.array(category.seen, np.float32)[None, :]
                parts.append(ops.cast(ops.equal(ops.expand_dims(codes, 1), kept), "float32"))
                continue
            first = next(embeddings)
            layer = keras.layers.Embedding(*first.shape, name=f"embedding_{len(layers)}")
            layer.build()
            layer.embeddings.assign(first)
            parts.append(layer(ops.cast(codes, "int32")))
            layers.append(layer)
        return keras.layers.Concatenate(name="units")(parts) if len(parts) > 1 else parts[0], layers

    def initial(self, random: np.random.Generator) -> list[NDArray[np.float32]]:
        """Returns the embeddings [codes, width]; those of codes that aren't trained are 0."""
        found = []
        for category in self.categories:
            if category.width is not None:
                first = random.uniform(-0.05, 0.05, (FIRST + len(category.values), category.width))
                first[[code for code in (MISSING, UNSEEN) if code not in category.seen]] = 0.0
                found.append(first.astype(np.float32))
        return found

    def raw(self) -> tuple[dict[str, Tensor], Tensor]:
        """Returns the saved model's inputs by column, each [B, 1], and the encoded columns [B, C] made of them."""
        inputs: dict[str, Tensor] = {}
        ops, parts = keras.ops, []

        def take(columns: Sequence[Column], dtype: str) -> list[Tensor]:
            for column in columns:
                plain = column.name and "/" not in column.name and not _KERAS_NAME.fullmatch(column.name)
                name = column.name if plain else f"column {len(inputs)}"
                inputs[column.name] = keras.Input((1,), dtype=dtype, name=name)
            return [inputs[column.name] for column in columns]

        for (gaps, _), group in itertools.groupby(self.numbers, _order):
            alike = list(group)
            block = _joined(take(alike, alike[0].type))
            for means in zip(*(number.means for number in alike), strict=True):
                block = keras.layers.Rescaling(1.0, [-mean for mean in means], dtype=alike[0].type)(block)
            block = keras.layers.Rescaling([number.scale for number in alike], dtype=alike[0].type)(block)
            block = ops.cast(block, "float32") if alike[0].precise else block
            parts.append(block if gaps else ops.where(ops.isnan(block), 0.0, block))
        for date in self.dates:
            (day,) = take([date], "float32")
            parts.append(day if date.gaps else ops.where(ops.isnan(day), float(np.float32(date.mean)), day))
        for category in self.categories:
            (value,) = take([category], "int64" if category.integers else "string")
            lookup: Any = (
                keras.layers.IntegerLookup(vocabulary=list(category.values), mask_token=NO_INTEGER)
                if category.integers
                else keras.layers.StringLookup(vocabulary=list(category.values), mask_token="")
            )
            parts.append(ops.cast(lookup(value), "float32"))
        return inputs, _joined(parts)

    def inputs(self) -> list[Input]:
        """Returns what the saved model takes, in the order of its inputs."""
        numbers = [Input(number.name, "number") for number in self.numbers]
        dates = [Input(date.name, "date") for date in self.dates]
        return [*numbers, *dates, *(Input(c.name, "integer" if c.integers else "text") for c in self.categories)]


def fit(
    frame: Frame,
    kinds: Mapping[str, Kind],
    train: NDArray[np.int64],
    place: Place,
    *,
    date_format: str | Mapping[str, str] | None,
    min_count: int,
    embed_above: int,
) -> Columns:
    """Returns the columns as the training rows describe them.

    Args:
        frame: The rows, of which `train` are the training rows.
        kinds: What each feature is.
        train: The training rows' numbers.
        place: Says where a row stands.
        date_format: How text is to be read as a date, in all columns or by column.
        min_count: A category's value that fewer training rows have counts as unseen.
        embed_above: A category with more values than this becomes an embedding of min(50, 1.6 values^0.56) units
            (the rule of thumb of fastai: Howard and Gugger, Information 11, 2020), one with fewer is one-hot.
    """
    fitters: dict[Kind, Callable[[str], Column]] = {
        "number": lambda name: _number(frame[name], name, train, place),
        "date": lambda name: _date(frame[name], name, train, place, form_of(date_format, name)),
        "category": lambda name: _category(frame[name], name, train, place, min_count, embed_above),
    }
    found = [fitters[kind](name) for name, kind in kinds.items()]
    ordered = sorted((c for c in found if isinstance(c, Number)), key=_order)
    dates, categories = (tuple(c for c in found if isinstance(c, of)) for of in (Date, Category))
    return Columns(tuple(ordered), cast(tuple[Date, ...], dates), cast(tuple[Category, ...], categories))


def _order(number: Number) -> tuple[bool, bool]:
    """Returns what numbers are sorted by: they come to the network in blocks of the same kind."""
    return number.gaps, number.precise


def _number(series: Series, name: str, train: NDArray[np.int64], place: Place) -> Number:
    values = numbers(series, name, place)
    _refuse_wide(values, series, name, place)
    known, gaps = _known(values[train])
    rounded = known.astype(np.float32).astype(np.float64)
    mean, deviation = _moments(known)
    precise = deviation is not None and bool(np.abs(known - rounded).max() > MOVED * deviation)
    if not precise:
        mean, deviation = _moments(rounded)
    constant = not len(known) or (deviation is None and not gaps)
    return Number(name, mean, deviation or 1.0, gaps, constant, precise)


def _refuse_wide(values: NDArray[np.float64], series: Series, name: str, place: Place) -> None:
    """Refuses numbers so far apart that float32 can't hold how far they are from their mean, or 1 / deviation."""
    if np.isnan(values).all():
        return
    lowest, highest = float(np.nanmin(values)), float(np.nanmax(values))
    if highest - lowest > WIDEST:
        row = int(np.nanargmax(np.abs(values)))
        rule = f"a number within {WIDEST:g} of the others; the column goes from {lowest:.4g} to {highest:.4g}"
        refuse_cell(series, row, name, place, rule)


def _date(series: Series, name: str, train: NDArray[np.int64], place: Place, form: str | None) -> Date:
    known, gaps = _known(days(series, name, form, place)[train])
    mean, deviation = _moments(known)
    return Date(name, mean, deviation or 1.0, gaps, bool((known != np.floor(known)).any()), form)


def _known(values: NDArray[Any]) -> tuple[NDArray[np.float64], bool]:
    """Returns the values that aren't missing, and whether some are."""
    missing = np.isnan(values)
    return values[~missing].astype(np.float64), bool(missing.any())


def _moments(known: NDArray[np.float64]) -> tuple[float, float | None]:
    """Returns mean and deviation; None where the values don't differ."""
    mean, deviation = (float(known.mean()), float(known.std())) if len(known) else (0.0, 0.0)
    return mean, deviation if deviation > 1e-30 else None


def _category(
    series: Series, name: str, train: NDArray[np.int64], place: Place, min_count: int, embed_above: int
) -> Category:
    texts = categories(series, name, place)[train]
    counts = texts.drop_nulls().value_counts(name="rows")
    frequent = counts.filter(counts["rows"] >= min_count)[texts.name].sort().to_list()
    if not frequent:  # Keras' lookups want a value
        frequent = counts[texts.name].sort().head(1).to_list() or [0 if texts.dtype.is_integer() else "?"]
    rare = len(frequent) < len(counts)
    seen = [MISSING] * bool(texts.null_count()) + [UNSEEN] * rare + [*range(FIRST, FIRST + len(frequent))]
    width = min(50, round(1.6 * len(frequent) ** 0.56)) if len(frequent) > embed_above else None
    return Category(name, tuple(frequent), texts.dtype.is_integer(), tuple(seen), width)


def _described(column: Column) -> str:
    if not isinstance(column, Category):
        return column.name
    how = "one-hot" if column.width is None else f"embedding of {column.width}"
    return f"{column.name} ({len(column.values)} values, {how})"


def _filled(block: Tensor) -> list[Tensor]:
    """Returns a block with 0 in its gaps, and where they were."""
    gaps = keras.ops.isnan(block)
    return [keras.ops.where(gaps, 0.0, block), keras.ops.cast(gaps, "float32")]


def _cycles(day: Tensor, date: Date) -> list[Tensor]:
    """Returns a date's units: the standardised day, the sines and cosines of its cycles, whether it is missing."""
    ops = keras.ops
    gap = ops.isnan(day)
    known = ops.where(gap, date.mean, day)
    parts = [(known - date.mean) * (1 / date.deviation)]
    for period in date.periods:
        angle = ops.mod(known, period) * (2 * math.pi / period)
        parts += [ops.sin(angle), ops.cos(angle)]
    return [*parts, ops.cast(gap, "float32")] if date.gaps else parts


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return keras.layers.Concatenate()(list(parts)) if len(parts) > 1 else parts[0]
