"""How a table's rows are dealt: by columns, files, groups, and with every class in training."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mtl_cli.errors import InputError
from mtl_cli.tables.splits import strata, with_every_class
from mtl_cli.training.experiment import load
from tests.support.configs import composed
from tests.support.tables import MIXED, found_of, mixed


def test_splits_by_column_and_by_file(tmp_path: Path) -> None:
    frame = mixed(120).with_columns(s=pl.Series(["train", "Validation", "test"] * 40))
    frame.write_csv(tmp_path / "t.csv")
    dataset = load(composed("data=table", f"data.path={tmp_path / 't.csv'}", *MIXED, "data.split_column=s"))
    assert np.asarray(dataset.splits["val"].rows).tolist() == list(range(1, 120, 3))
    assert np.asarray(dataset.splits["test"].rows).tolist() == list(range(2, 120, 3))
    frame.drop("s")[:30].write_csv(tmp_path / "test.csv")
    files = [f"data.path={tmp_path / 't.csv'}", f"data.test_path={tmp_path / 'test.csv'}"]
    dataset = load(composed("data=table", *files, "data.exclude=[s]", *MIXED))
    assert np.asarray(dataset.splits["test"].rows).tolist() == list(range(120, 150))
    assert dataset.rows == {"train": 99, "val": 21, "test": 30}


@pytest.mark.parametrize(
    ("word", "split"),
    [("dev", "val"), ("valid", "val"), ("VALIDATION", "val"), (" val ", "val"), ("Test", "test"), ("train", "train")],
)
def test_the_words_of_a_split_column(tmp_path: Path, word: str, split: str) -> None:
    others = [name for name in ("train", "val", "test") if name != split]
    parts = [*[word] * 5, *[others[0]] * 9, *[others[1]] * 9]
    pl.DataFrame({"x": range(23), "y": range(23), "s": parts}).write_csv(tmp_path / "t.csv")
    words = ["data=table", f"data.path={tmp_path / 't.csv'}", "+tasks.y.kind=regression", "data.split_column=s"]
    dataset = load(composed(*words, "batch_size=2"))
    assert dataset.rows == {split: 5, others[0]: 9, others[1]: 9}


def test_rows_without_a_label_are_a_stratum_of_their_own() -> None:
    kinds = strata(np.zeros(4, np.int64), {"y": found_of([0, 1, 0, 1], [True, True, False, True])})
    assert len(set(kinds.tolist())) == 3
    assert kinds[1] == kinds[3]


@pytest.mark.parametrize("tasks", [["y"], ["y", "same"]])
def test_no_class_is_lost_for_another_one(tasks: list[str]) -> None:
    """Row 2 is the only training row of its class; the row that goes for row 3 has another one. One row may do for two
    tasks."""
    dealt = {"train": np.array([2, 0, 1]), "val": np.array([3]), "test": np.array([], np.int64)}
    found = with_every_class(dealt, {task: found_of([0, 0, 1, 2], [True] * 4) for task in tasks})
    assert found["val"][0] in (0, 1)
    assert {2, 3} < set(found["train"].tolist())


def test_a_group_that_is_in_a_splits_own_file_too_is_refused(tmp_path: Path) -> None:
    for name, of in (("t", ["a", "b", "c", "d"]), ("v", ["e", "c", "f", "g"])):
        pl.DataFrame({"x": range(12), "y": range(12), "g": of * 3}).write_csv(tmp_path / f"{name}.csv")
    words = [f"data.path={tmp_path / 't.csv'}", f"data.test_path={tmp_path / 'v.csv'}", "data.group_column=g"]
    with pytest.raises(InputError, match="has the group 'c', which is in another file, too"):
        load(composed("data=table", *words, "+tasks.y.kind=regression", "batch_size=2"))


def test_no_group_is_parted_for_the_sake_of_a_class(tmp_path: Path) -> None:
    """Six groups of six, the one that isn't dealt to training having a class of its own."""
    groups = np.repeat(np.arange(6), 6)
    common = np.tile(["a", "b", "a"], 12)
    pl.DataFrame({"x": range(36), "y": common, "g": groups}).write_csv(tmp_path / "t.csv")
    words = ["data=table", f"data.path={tmp_path / 't.csv'}", "+tasks.y.kind=multiclass", "data.group_column=g"]
    val = load(composed(*words, "batch_size=2")).splits["val"].rows
    assert val is not None
    labels = np.where(groups == groups[val[0]], "c", common)
    pl.DataFrame({"x": range(36), "y": labels, "g": groups}).write_csv(tmp_path / "t.csv")
    with pytest.raises(InputError, match="a val row, has the class 'c', which no training row has"):
        load(composed(*words, "batch_size=2"))
