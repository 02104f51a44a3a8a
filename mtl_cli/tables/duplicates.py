"""Duplicate rows: in training and test rows at once, they make a model look better than it is."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mtl_cli.tables.labels import TaskLabels
from mtl_cli.tables.sources import Frame

RowNumbers = NDArray[np.int64]


def first_occurrences(frame: Frame, features: Sequence[str], labels: Mapping[str, TaskLabels]) -> RowNumbers:
    """Returns for each row the number of the first one that has the same features and labels."""
    import polars as pl

    columns = {
        f"{task} {i}": column
        for task, each in labels.items()
        for i, column in enumerate([*each.values.reshape(len(each.values), -1).T, each.known])
    }
    parts = {"features": frame.select(features), "labels": pl.DataFrame(columns)}
    both = pl.DataFrame({name: part.hash_rows() for name, part in parts.items()}).hash_rows()
    _, first, code = np.unique(both.to_numpy(), return_index=True, return_inverse=True)
    numbers: RowNumbers = first[code].astype(np.int64)
    return numbers


def repeated(frame: Frame) -> int:
    """Returns how many rows of a table are the same as an earlier one in all columns."""
    return len(frame) - int(frame.hash_rows().n_unique()) if len(frame) else 0


def with_duplicates(splits: Mapping[str, RowNumbers], first: RowNumbers) -> dict[str, RowNumbers]:
    """Returns the splits, which have first ones only, with those that are equal to them behind."""
    again = np.flatnonzero(first != np.arange(len(first)))
    return {split: np.concatenate([rows, again[np.isin(first[again], rows)]]) for split, rows in splits.items()}


def duplicates_note(splits: Mapping[str, RowNumbers], first: RowNumbers) -> list[str]:
    """Returns a line on rows that occur more than once, and in more than one split."""
    rows = np.concatenate(list(splits.values()))
    again = len(rows) - len(np.unique(first[rows]))
    if not again:
        return []
    text = f"{again:,} of {len(rows):,} rows are the same as an earlier one, features and labels"
    trained = np.unique(first[splits["train"]])
    across = {
        split: int(np.isin(first[part], trained).sum())
        for split, part in splits.items()
        if split != "train" and len(part)
    }
    if not any(across.values()):
        return [f"{text}; none is in two splits"]
    listed = " and ".join(f"{count:,} of {len(splits[split]):,} {split}" for split, count in across.items() if count)
    return [
        f"{text}; {listed} rows are training rows too, which makes a model look better than it is: "
        "data.duplicates=one_split keeps them together, data.duplicates=drop leaves them out"
    ]
