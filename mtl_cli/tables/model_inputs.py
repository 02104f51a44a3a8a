"""Inputs of the saved model: numbers, days since 1970-01-01, dates as texts, integers and texts."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtl_cli.tables.dates import form_of
from mtl_cli.tables.dtypes import (
    NO_INTEGER,
    Place,
    Series,
    plain,
    refuse_cell,
    to_categories,
    to_date_texts,
    to_days,
    to_float64,
)

Frame = Any
"""A polars.DataFrame."""
_TEXTS: Final = ("text", "date_text")
_TRUTHS: Final = {"true": 1, "false": 0}
"""Booleans are learned from as integers."""


InputKind = Literal["number", "date", "date_text", "integer", "text"]


class Input(NamedTuple):
    """A raw column that the saved model takes."""

    name: str
    kind: InputKind

    def type(self) -> Any:
        """Returns the type to read it as from a text file; None: as it looks."""
        import polars as pl

        return {"text": pl.String}.get(self.kind)

    def tensor_types(self) -> tuple[str, ...]:
        """Returns the types that a saved model may take it as."""
        types = {"integer": ("int64",), "number": ("float32", "float64")} | dict.fromkeys(_TEXTS, ("string",))
        return types.get(self.kind, ("float32",))


def arrays(
    frame: Frame, inputs: Sequence[Input], date_format: str | Mapping[str, str] | None, place: Place
) -> dict[str, NDArray[Any]]:
    """Returns rows as the saved model takes them.

    Raises:
        InputError: A cell is no such thing.
    """
    readers: dict[str, Callable[[Series, str], NDArray[Any]]] = {
        "number": lambda series, name: to_float64(series, name, place),
        "date": lambda series, name: to_days(series, name, form_of(date_format, name), place),
        "date_text": lambda series, name: to_date_texts(series, name, form_of(date_format, name), place),
        "integer": lambda series, name: _integers(series, name, place),
        "text": lambda series, name: _texts(series, name, place),
    }
    return {name: readers[kind](plain(frame[name]), name) for name, kind in inputs}


@contextmanager
def allowing_any_column() -> Iterator[None]:
    """Keeps Keras from warning of columns whose names can't be a layer's."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "When providing `inputs` as a dict")
        yield


def _texts(series: Series, name: str, place: Place) -> NDArray[Any]:
    import polars as pl

    texts: NDArray[Any] = to_categories(series, name, place).cast(pl.String).fill_null("").to_numpy().astype(object)
    return texts


def _integers(series: Series, name: str, place: Place) -> NDArray[np.int64]:
    import polars as pl

    cells = to_categories(series, name, place)
    whole = cells.cast(pl.Int64, strict=False)
    if cells.dtype == pl.String:  # true and false as well, where another cell made the column text
        truths = cells.str.to_lowercase().replace_strict(_TRUTHS, default=None, return_dtype=pl.Int64)
        whole = pl.select(pl.coalesce(whole, truths)).to_series()
    lost = whole.is_null() & cells.is_not_null()
    if lost.any():
        refuse_cell(series, int(lost.arg_max() or 0), name, place, "a whole number, true or false, as in training")
    numbers: NDArray[np.int64] = whole.fill_null(NO_INTEGER).to_numpy()
    return numbers
