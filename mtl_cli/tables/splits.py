"""Which rows of a table go to which split: what rows have in common, a class in each training split, a split column."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mtl_cli.errors import InputError
from mtl_cli.tables.dtypes import refuse_cell
from mtl_cli.tables.labels import Found
from mtl_cli.tables.sources import Source

SPLIT_NAMES: Final = {
    "train": "train", "val": "val", "test": "test", "valid": "val", "validation": "val", "dev": "val",
}  # fmt: skip
"""What a split column may say, and the split that it means."""


def strata(of_source: NDArray[np.int64], found: Mapping[str, Found]) -> NDArray[np.int64]:
    """Returns a number for each combination of table, classes and missing labels."""
    strata = of_source
    for labels in found.values():
        classes = labels.values.reshape(len(strata), -1)[:, 0].astype(np.int64) if labels.classes else 0
        codes = np.where(labels.known, classes + 1, 0)
        strata = np.unique(strata * (int(codes.max()) + 1) + codes, return_inverse=True)[1]
    return strata


def with_every_class(dealt: dict[str, NDArray[np.int64]], found: Mapping[str, Found]) -> dict[str, NDArray[np.int64]]:
    """Returns the splits in which a row of each class is a training row: where none is, one changes places.

    The training row that goes has only classes that other training rows have, too.
    """
    named = [labels for labels in found.values() if labels.classes]
    codes = [np.where(of.known, of.values.reshape(len(of.known), -1)[:, 0].astype(np.int64), -1) for of in named]
    counts = [np.bincount(code[dealt["train"]] + 1, minlength=code.max() + 2) for code in codes]
    for code, count in zip(codes, counts, strict=True):
        for new in [value for value in _dealt_classes(code, dealt) if not count[value + 1]]:
            split = next(name for name in ("val", "test") if (code[dealt[name]] == new).any())
            place = int((code[dealt[split]] == new).argmax())
            kept = [
                (c[dealt["train"]] < 0) | (n[c[dealt["train"]] + 1] > 1) for c, n in zip(codes, counts, strict=True)
            ]
            spare = np.logical_and.reduce(kept)
            if not spare.any():
                continue
            at = int(spare.argmax())
            leaving, coming = dealt["train"][at], dealt[split][place]
            dealt["train"][at], dealt[split][place] = coming, leaving
            for c, n in zip(codes, counts, strict=True):
                n[c[leaving] + 1] -= 1
                n[c[coming] + 1] += 1
    return dealt


def _dealt_classes(codes: NDArray[np.int64], dealt: Mapping[str, NDArray[np.int64]]) -> NDArray[np.int64]:
    """Returns the classes of the rows that were dealt."""
    found = np.unique(codes[np.concatenate(list(dealt.values()))])
    return found[found >= 0]


def named_splits(rows: Source, column: str) -> dict[str, NDArray[np.int64]]:
    """Returns the splits that a column names.

    Raises:
        InputError: A cell names none, or none names `train`.
    """
    import polars as pl

    cells = rows.frame[column].cast(pl.String)
    named = cells.str.strip_chars().str.to_lowercase().replace_strict(SPLIT_NAMES, default=None)
    if named.null_count():
        row = int(named.is_null().arg_max() or 0)
        refuse_cell(cells, row, column, rows.place, f"the name of a split ({', '.join(SPLIT_NAMES)})")
    dealt = {split: np.flatnonzero((named == split).to_numpy()) for split in ("train", "val", "test")}
    if not len(dealt["train"]):
        raise InputError(f"data.split_column: no row of {rows.name} is 'train' in {column!r}")
    return dealt
