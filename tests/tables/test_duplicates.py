"""Duplicate rows: which row each repeats, and what is said of those in two splits."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_cli.tables.duplicates import duplicates_note, first_occurrences, repeated, with_duplicates
from mtl_cli.tables.labels import TaskLabels
from mtl_cli.tasks import Regression
from mtl_cli.training.dataset_cache import load
from tests.support.command import MtlTrain
from tests.support.configs import composed

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


@pytest.mark.parametrize("duplicates", ["keep", "one_split", "drop"])
def test_rows_that_occur_twice_are_counted_and_dealt_as_one_says(
    mtl_train: MtlTrain, tmp_path: Path, duplicates: str
) -> None:
    random = np.random.default_rng(3)
    noise = pl.DataFrame({f"x{i}": random.normal(size=300) for i in range(4)})
    noise = noise.with_columns(y=pl.Series(random.choice(["no", "yes"], 300)))
    frame = pl.concat([noise, noise, noise[:20].with_columns(y=pl.lit("no"))])
    frame.write_csv(tmp_path / "t.csv")
    words = ["data=table", "data.path=t.csv", "+tasks.y.kind=binary", f"data.duplicates={duplicates}"]
    dataset = load(composed(*words[:1], f"data.path={tmp_path / 't.csv'}", *words[2:]))
    splits = {"train": dataset.train, **dataset.splits}
    dealt = {split: [frame.row(int(i)) for i in of.rows] for split, of in splits.items() if of.rows is not None}
    trained = set(dealt["train"])
    counts = {split: sum(row in trained for row in dealt[split]) for split in ("val", "test")}
    whole = set(frame.rows())
    assert sum(map(len, dealt.values())) == (len(whole) if duplicates == "drop" else 620)
    assert set().union(*map(set, dealt.values())) == whole
    for share, split in ((0.7, "train"), (0.15, "val"), (0.15, "test")):
        assert len(dealt[split]) / sum(map(len, dealt.values())) == pytest.approx(share, abs=0.03)
    assert (min(counts.values()) > 20) == (duplicates == "keep")
    assert sum(counts.values()) == 0 or duplicates == "keep"
    run = mtl_train(*words, "steps=2", "batch_size=8")
    again = 620 - len(whole)
    said = f"{again} of 620 rows are the same as an earlier one"
    assert (said in run.err) == (duplicates != "drop")
    both = f"{counts['val']} of 93 val and {counts['test']} of 93 test rows are training rows too"
    assert (both in run.err) == (duplicates == "keep")
    assert f"note: {again} rows are the same as an earlier one" in mtl_train("inspect", "t.csv", "--out", "c").out


def test_duplicates_are_not_dealt_where_the_split_is_given(mtl_train: MtlTrain, tmp_path: Path) -> None:
    rows = pl.DataFrame({"x": [1, 2, 3] * 8, "y": [1.0, 2.0, 3.0] * 8, "s": ["train", "val", "test"] * 8})
    rows.write_csv(tmp_path / "t.csv")
    words = ["data=table", "data.path=t.csv", "+tasks.y.kind=regression", "steps=2", "batch_size=2"]
    for key in ("split_column", "group_column"):
        refused = mtl_train(*words, f"data.{key}=s", "data.duplicates=drop")
        assert refused.status == 2
        assert f"data.duplicates: 'drop' needs a split by fractions, and data.{key} gives one" in refused.err


def test_a_row_without_a_label_is_no_duplicate_of_one_with_label_0() -> None:
    found = TaskLabels(Regression(units=1), {}, np.zeros((3, 1), np.float32), np.array([True, False, True]), [])
    assert first_occurrences(pl.DataFrame({"x": [1, 1, 1]}), ["x"], {"y": found}).tolist() == [0, 1, 0]
