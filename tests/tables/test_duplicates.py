"""Duplicate rows: which row each repeats, and what is said of those in two splits."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_cli.tables.duplicates import duplicates_note, first_occurrences, repeated, with_duplicates
from mtl_cli.tables.labels import TaskLabels
from mtl_cli.tasks import Regression

ROWS = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from(["u", "v", None]), st.sampled_from([0.0, 1.0]), st.booleans()),
    min_size=1,
    max_size=30,
)


def labels_of(values: list[float], known: list[bool]) -> TaskLabels:
    return TaskLabels(Regression(units=1), {}, np.array(values, np.float32)[:, None], np.array(known), [])


@given(rows=ROWS)
def test_the_first_row_with_the_same_features_and_labels(rows: list[tuple[Any, ...]]) -> None:
    """As a search row by row finds it; a column that is no feature makes no difference."""
    numbers, texts, values, known = (list(column) for column in zip(*rows, strict=True))
    frame = pl.DataFrame({"n": numbers, "t": pl.Series(texts, dtype=pl.String), "other": range(len(rows))})
    first = first_occurrences(frame, ["n", "t"], {"y": labels_of(values, known)})
    assert first.tolist() == [rows.index(row) for row in rows]


def test_labels_of_every_task_and_column_count() -> None:
    frame = pl.DataFrame({"x": [1, 1, 1]})
    both = TaskLabels(Regression(units=2), {}, np.array([[1.0, 2], [1, 3], [1, 2]]), np.ones(3, bool), [])
    other = labels_of([5, 5, 6], [True] * 3)
    assert first_occurrences(frame, ["x"], {"y": both}).tolist() == [0, 1, 0]
    assert first_occurrences(frame, ["x"], {"y": both, "z": other}).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("columns", "count"), [({"a": [1, 1, 2, 1], "b": [3, 3, 3, 4]}, 1), ({"a": [7, 7, 7]}, 2), ({"a": []}, 0)]
)
def test_how_many_rows_are_repeated(columns: dict[str, list[int]], count: int) -> None:
    assert repeated(pl.DataFrame(columns)) == count


def test_duplicates_follow_their_first_row() -> None:
    splits = {"train": np.array([4, 0]), "val": np.array([1])}
    first = np.array([0, 1, 0, 1, 4, 0])
    assert {name: rows.tolist() for name, rows in with_duplicates(splits, first).items()} == {
        "train": [4, 0, 2, 5],
        "val": [1, 3],
    }


def test_nothing_is_said_where_no_row_is_repeated() -> None:
    assert duplicates_note({"train": np.array([0, 2]), "val": np.array([1])}, np.arange(3)) == []


def test_duplicates_in_one_split_only() -> None:
    (note,) = duplicates_note({"train": np.array([0, 2]), "val": np.array([1])}, np.array([0, 1, 0]))
    assert note == "1 of 3 rows are the same as an earlier one, features and labels; none is in two splits"


def test_duplicates_across_splits_are_counted() -> None:
    """Rows 3 and 4 of the validation rows repeat training rows, and row 5 of the test rows; row 6 is in no split."""
    splits = {"train": np.array([0, 1, 2]), "val": np.array([3, 4, 7]), "test": np.array([5])}
    (note,) = duplicates_note(splits, np.array([0, 1, 2, 0, 1, 2, 0, 7]))
    assert note.startswith(
        "3 of 7 rows are the same as an earlier one, features and labels; 2 of 3 val and 1 of 1 test rows are training "
        "rows too, which makes a model look better than it is: "
    )
