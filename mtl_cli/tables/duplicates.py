"""Rows that occur more than once: in training and test, they make a model look better than it is."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mtl_cli.tables.labels import Found
from mtl_cli.tables.sources import Frame

Numbers = NDArray[np.int64]


def firsts(frame: Frame, features: Sequence[str], found: Mapping[str, Found]) -> Numbers:
    """Returns for each row the number of the first one that has the same features and labels."""
    import polars as pl

    labels = {
        f"{name} {i}": column
        for name, of in found.items()
        for i, column in enumerate([*of.values.reshape(len(of.values), -1).T, of.known])
    }
    parts = {"features": frame.select(features), "labels": pl.DataFrame(labels)}
    both = pl.DataFrame({name: part.hash_rows() for name, part in parts.items()}).hash_rows()
    _, first, code = np.unique(both.to_numpy(), return_index=True, return_inverse=True)
    found_first: Numbers = first[code].astype(np.int64)
    return found_first


def repeated(frame: Frame) -> int:
    """Returns how many rows of a table are the same as an earlier one in all columns."""
    return len(frame) - int(frame.hash_rows().n_unique()) if len(frame) else 0


def with_duplicates(dealt: Mapping[str, Numbers], first: Numbers) -> dict[str, Numbers]:
    """Returns the splits, in which first ones were dealt, with those that are equal to them behind."""
    again = np.flatnonzero(first != np.arange(len(first)))
    return {split: np.concatenate([rows, again[np.isin(first[again], rows)]]) for split, rows in dealt.items()}


def duplicates_note(dealt: Mapping[str, Numbers], first: Numbers) -> list[str]:
    """Returns a line on rows that occur more than once, and in more than one split."""
    rows = np.concatenate(list(dealt.values()))
    again = len(rows) - len(np.unique(first[rows]))
    if not again:
        return []
    text = f"{again:,} of {len(rows):,} rows are the same as an earlier one, features and labels"
    trained = np.unique(first[dealt["train"]])
    across = {
        split: int(np.isin(first[of], trained).sum()) for split, of in dealt.items() if split != "train" and len(of)
    }
    if not any(across.values()):
        return [f"{text}; none is in two splits"]
    listed = " and ".join(f"{count:,} of {len(dealt[split]):,} {split}" for split, count in across.items() if count)
    return [
        f"{text}; {listed} rows are training rows too, which makes a model look better than it is: "
        "data.duplicates=one_split keeps them together, data.duplicates=drop leaves them out"
    ]
