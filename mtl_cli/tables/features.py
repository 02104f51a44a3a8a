"""Feature encoder of a table: fitted to training rows, in NumPy for the network's inputs and as layers of Keras.

The network gets one float32 a column. Its own first layers turn them into units (`FeatureColumns.units`), so that a
category takes four bytes a row whatever it becomes; the saved model begins one step earlier, with the raw columns
(`FeatureColumns.raw`).

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
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Tensor, keras
from mtl_cli.datasets.encoder import FeatureEncoder
from mtl_cli.tables.dates import day_texts, form_of
from mtl_cli.tables.dtypes import NO_INTEGER, Kind, Place
from mtl_cli.tables.feature_columns import (
    FIRST,
    MISSING,
    UNSEEN,
    CategoryColumn,
    DateColumn,
    FeatureColumn,
    NumericColumn,
    fit_category,
    fit_date,
    fit_numeric,
)
from mtl_cli.tables.model_inputs import Input
from mtl_cli.tables.sources import Frame

_KERAS_NAME: Final = re.compile(
    r"(functional|activation|concatenate|rescaling|\w+_lookup|where|is_?nan|cast)(_\d+)?"
    r"|column \d+|date_\d+_\w*|.*_(prediction|original)"
)
"""Names that Keras or the saved model give to other layers."""
SHOWN: Final = 6
"""Columns of a kind that are named."""


@dataclass(frozen=True)
class FeatureColumns(FeatureEncoder):
    """All features in the order of the encoded matrix: numbers (the ones with gaps last), dates, categories."""

    numbers: tuple[NumericColumn, ...]
    dates: tuple[DateColumn, ...]
    categories: tuple[CategoryColumn, ...]

    def all(self) -> list[FeatureColumn]:
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

        def take(columns: Sequence[FeatureColumn], dtype: str) -> list[Tensor]:
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
        for i, date in enumerate(self.dates):
            (day,) = take([date], "string" if date.as_text else "float32")
            day = _day_of(day, date, f"date_{i}_{re.sub('[^A-Za-z0-9]', '_', date.name)}") if date.as_text else day
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
        dates = [Input(date.name, "date_text" if date.as_text else "date") for date in self.dates]
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
    text_dates: bool = False,
) -> FeatureColumns:
    """Returns the columns as the training rows describe them.

    Args:
        frame: The rows, of which `train` are the training rows.
        kinds: What each feature is.
        train: The training rows' numbers.
        place: Says where a row stands.
        date_format: How text is to be read as a date, in all columns or by column.
        min_count: As `fit_category` takes it.
        embed_above: As `fit_category` takes it.
        text_dates: Whether the saved model is to take dates as texts.

    Raises:
        InputError: Cells can't be read as what their column is, or a date not as a text.
    """
    fitters: dict[Kind, Callable[[str], FeatureColumn]] = {
        "number": lambda name: fit_numeric(frame[name], train, place),
        "date": lambda name: fit_date(frame[name], train, place, form_of(date_format, name), as_text=text_dates),
        "category": lambda name: fit_category(frame[name], train, place, min_count, embed_above),
    }
    fitted = [fitters[kind](name) for name, kind in kinds.items()]
    numbers = sorted((column for column in fitted if isinstance(column, NumericColumn)), key=_order)
    dates = tuple(column for column in fitted if isinstance(column, DateColumn))
    categories = tuple(column for column in fitted if isinstance(column, CategoryColumn))
    return FeatureColumns(tuple(numbers), dates, categories)


def _order(number: NumericColumn) -> tuple[bool, bool]:
    """Returns what numbers are sorted by: they come to the network in blocks of the same kind."""
    return number.gaps, number.precise


def _described(column: FeatureColumn) -> str:
    if not isinstance(column, CategoryColumn):
        return column.name
    how = "one-hot" if column.width is None else f"embedding of {column.width}"
    return f"{column.name} ({len(column.values)} values, {how})"


def _filled(block: Tensor) -> list[Tensor]:
    """Returns a block with 0 in its gaps, and where they were."""
    gaps = keras.ops.isnan(block)
    return [keras.ops.where(gaps, 0.0, block), keras.ops.cast(gaps, "float32")]


def _cycles(day: Tensor, date: DateColumn) -> list[Tensor]:
    """Returns a date's units: the standardised day, the sines and cosines of its cycles, whether it is missing."""
    ops = keras.ops
    gap = ops.isnan(day)
    known = ops.where(gap, date.mean, day)
    parts = [(known - date.mean) * (1 / date.deviation)]
    for period in date.periods:
        angle = ops.mod(known, period) * (2 * math.pi / period)
        parts += [ops.sin(angle), ops.cos(angle)]
    return [*parts, ops.cast(gap, "float32")] if date.gaps else parts


def _day_of(text: Tensor, date: DateColumn, name: str) -> Tensor:
    """Returns the days [B, 1] that texts stand for, NaN for an empty one; another text is an error with this name."""
    first, texts = day_texts(date.form)
    lookup: Any = keras.layers.StringLookup(vocabulary=list(texts), mask_token="", num_oov_indices=0, name=name)
    code = lookup(text)  # 0 is no text, 1 the first day
    return keras.ops.where(keras.ops.equal(code, 0), math.nan, keras.ops.cast(code, "float32") + (first - 1.0))


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return keras.layers.Concatenate()(list(parts)) if len(parts) > 1 else parts[0]
