"""Splits of a table's rows: strata, a split column, groups, files, and what is refused as nothing to learn from."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_cli.datasets.splits import Fractions
from mtl_cli.errors import InputError
from mtl_cli.tables.labels import TaskLabels
from mtl_cli.tables.sources import Source
from mtl_cli.tables.splits import (
    Duplicates,
    SplitRows,
    assign_splits,
    check_learnable,
    group_codes,
    named_splits,
    strata,
    with_every_class,
)
from mtl_cli.tasks import Binary, Multiclass, Regression
from mtl_cli.training.dataset_cache import load
from tests.support.configs import composed
from tests.support.table_rows import labelled, source
from tests.support.tables import MIXED, found_of, mixed

HALVES = Fractions(train=0.5, val=0.5, test=0.0)
FIFTHS = Fractions(train=0.6, val=0.2, test=0.2)


def classes_of(codes: list[int | None]) -> TaskLabels:
    """Returns the labels of a task whose classes these are, None where a row has none."""
    values = np.array([code or 0 for code in codes], np.int32)
    return TaskLabels(Multiclass(units=4), {}, values, np.array([code is not None for code in codes]), ["a", "b", "c"])


def lists(split: SplitRows) -> dict[str, list[int]]:
    return {name: rows.tolist() for name, rows in split.numbers.items()}


CODES = st.lists(st.tuples(st.integers(0, 1), st.sampled_from([None, 0, 1, 2]), st.sampled_from([None, 0, 1])))


@given(rows=CODES.filter(bool))
def test_a_stratum_is_a_table_and_its_classes(rows: list[tuple[int, int | None, int | None]]) -> None:
    tables, one, two = (list(column) for column in zip(*rows, strict=True))
    found = strata(np.array(tables), {"y": classes_of(one), "z": classes_of(two)}).tolist()
    assert len(set(zip(found, rows, strict=True))) == len(set(rows)) == len(set(found))


def test_values_of_a_regression_are_no_strata() -> None:
    values = np.arange(3, dtype=np.float32)[:, None]
    labels = TaskLabels(Regression(units=1), {}, values, np.array([True, True, False]), [])
    first, second, missing = strata(np.zeros(3, np.int64), {"y": labels})
    assert first == second != missing


def test_a_class_without_a_training_row_gets_one() -> None:
    numbers = {"train": np.array([0, 1]), "val": np.array([2]), "test": np.array([3])}
    found = with_every_class(numbers, {"y": classes_of([0, 0, 0, 1])})
    assert {name: rows.tolist() for name, rows in found.items()} == {"train": [3, 1], "val": [2], "test": [0]}


def test_no_row_goes_that_is_the_last_of_its_class() -> None:
    numbers = {"train": np.array([0, 1]), "val": np.array([2]), "test": np.array([], np.int64)}
    found = with_every_class(numbers, {"y": classes_of([0, 1, 2])})
    assert {name: rows.tolist() for name, rows in found.items()} == {"train": [0, 1], "val": [2], "test": []}


def test_a_row_without_a_label_may_go() -> None:
    numbers = {"train": np.array([0, 1]), "val": np.array([2]), "test": np.array([], np.int64)}
    assert with_every_class(numbers, {"y": classes_of([0, None, 1])})["train"].tolist() == [0, 2]


def test_a_split_column() -> None:
    names = ["train", " VAL", "dev", "Validation", "valid", "test ", "train"]
    numbers = named_splits(source("t.csv", s=names), "s")
    assert {name: rows.tolist() for name, rows in numbers.items()} == {
        "train": [0, 6],
        "val": [1, 2, 3, 4],
        "test": [5],
    }


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train", "tset"], "t.csv, row 2, column 's' holds 'tset', not the name of a split (train, val, test, "),
        (["train", None], "t.csv, row 2, column 's' holds None, not the name of a split (train, val, test, "),
        (["val", "test"], "data.split_column: no row of t.csv is 'train' in 's'"),
    ],
)
def test_what_a_split_column_can_not_say(names: list[str | None], message: str) -> None:
    with pytest.raises(InputError) as refused:
        named_splits(source("t.csv", s=names), "s")
    assert str(refused.value).startswith(message)


def test_rows_of_a_group_have_the_same_number() -> None:
    codes = group_codes(source("t.csv", g=["u", "v", "u", "w"]), "g", np.arange(4))
    assert codes[0] == codes[2]
    assert len(set(codes.tolist())) == 3


@pytest.mark.parametrize(
    ("groups", "free", "message"),
    [
        (["u", None, "v"], [0, 1, 2], "t.csv, row 2, column 'g' holds None, not a group"),
        (["u", "v", "u"], [0, 1], "data.group_column: t.csv, row 3, has the group 'u', which is in another file, too"),
    ],
)
def test_groups_that_can_not_stay_whole(groups: list[str | None], free: list[int], message: str) -> None:
    with pytest.raises(InputError) as refused:
        group_codes(source("t.csv", g=groups), "g", np.array(free))
    assert str(refused.value).startswith(message)


def test_a_row_without_a_group_may_be_in_a_file_of_its_own() -> None:
    assert group_codes(source("t.csv", g=["u", "v", None]), "g", np.array([0, 1]))[2] == 0


TASKS = {"y": Binary(), "z": Regression()}


def table(name: str, rows: int, **columns: Any) -> Source:
    y = [None if i % 5 == 4 else i % 2 for i in range(rows)]
    return source(name, x=[*range(rows)], y=y, z=[i / 2 for i in range(rows)], **columns)


@pytest.mark.parametrize("seed", range(3))
def test_a_split_by_fractions_keeps_classes_and_gaps_even(seed: int) -> None:
    rows = labelled(TASKS, (table("t.csv", 50), None))
    split = assign_splits(rows, FIFTHS, "keep", seed)
    assert {name: len(part) for name, part in split.numbers.items()} == {"train": 30, "val": 10, "test": 10}
    assert sorted(np.concatenate(list(split.numbers.values())).tolist()) == [*range(50)]
    for part in split.numbers.values():
        kinds = [4 if i % 5 == 4 else i % 2 for i in part.tolist()]
        assert [kinds.count(kind) for kind in (0, 1, 4)] == pytest.approx(np.array([0.4, 0.4, 0.2]) * len(part), abs=2)
    for name, part in split.numbers.items():
        assert split.examples["y"][name].tolist() == [i for i in part.tolist() if i % 5 != 4]
        assert split.examples["z"][name].tolist() == part.tolist()


def test_rows_of_no_weight_are_no_examples() -> None:
    rows = labelled(TASKS, (table("t.csv", 20, w=[i % 3 for i in range(20)]), None), weight="w")
    split = assign_splits(rows, HALVES, "keep", 0)
    for name, part in split.numbers.items():
        assert split.examples["z"][name].tolist() == [i for i in part.tolist() if i % 3]


def test_rows_of_files_are_in_the_splits_of_these() -> None:
    tables = [(table("t.csv", 10), None), (table("v.csv", 3), "val"), (table("s.csv", 2), "test")]
    split = assign_splits(labelled(TASKS, *tables), FIFTHS, "keep", 0)
    assert sorted(lists(split)["train"]) == [*range(10)]
    assert {name: rows for name, rows in lists(split).items() if name != "train"} == {
        "val": [10, 11, 12],
        "test": [13, 14],
    }


def test_what_a_file_leaves_is_shared_by_the_others() -> None:
    """Of 0.6 and 0.2 the training rows get three quarters."""
    split = assign_splits(labelled(TASKS, (table("t.csv", 40), None), (table("s.csv", 2), "test")), FIFTHS, "keep", 0)
    assert {name: len(part) for name, part in split.numbers.items()} == {"train": 30, "val": 10, "test": 2}


def test_groups_stay_in_one_split() -> None:
    rows = labelled(TASKS, (table("t.csv", 30, g=[i % 6 for i in range(30)]), None), group="g")
    split = assign_splits(rows, FIFTHS, "keep", 0)
    groups = [{i % 6 for i in part} for part in lists(split).values()]
    assert [len(each) for each in groups] == [4, 1, 1]
    assert set.union(*groups) == {*range(6)}


def repeated(name: str) -> Source:
    """Returns a table of 40 rows, the last 20 of which repeat the first ones."""
    cells = [*range(20), *range(20)]
    return source(name, x=cells, y=[i % 2 for i in cells], z=[i / 2 for i in cells])


@pytest.mark.parametrize(("duplicates", "count"), [("one_split", 40), ("drop", 20), ("keep", 40)])
def test_what_becomes_of_duplicates(duplicates: Duplicates, count: int) -> None:
    split = assign_splits(labelled(TASKS, (repeated("t.csv"), None)), HALVES, duplicates, 0)
    assert split.first.tolist() == [*range(20), *range(20)]
    assert sum(len(part) for part in split.numbers.values()) == count
    first = [{i % 20 for i in part} for part in lists(split).values()]
    assert bool(first[0] & first[1]) == (duplicates == "keep")


@pytest.mark.parametrize(
    ("roles", "held_out", "message"),
    [
        ({"split": "s"}, [], "data.duplicates: 'drop' needs a split by fractions, and data.split_column gives one"),
        ({"group": "g"}, [], "data.duplicates: 'drop' needs a split by fractions, and data.group_column gives one"),
        ({}, ["test"], "data.duplicates: 'drop' needs a split by fractions, and data.test_path gives one"),
    ],
)
def test_duplicates_stay_where_something_else_says_the_split(
    roles: dict[str, str], held_out: list[str], message: str
) -> None:
    more = {"s": ["train"] * 10, "g": [*range(10)]}
    tables = [(table(f"{split}.csv", 10, **more), split) for split in (None, *held_out)]
    with pytest.raises(InputError) as refused:
        assign_splits(labelled(TASKS, *tables, **roles), FIFTHS, "drop", 0)
    assert str(refused.value) == message


@pytest.mark.parametrize(("roles", "held_out"), [({"group": "g"}, []), ({}, ["val"])])
def test_a_split_column_goes_with_nothing_else(roles: dict[str, str], held_out: list[str]) -> None:
    more = {"s": ["train"] * 10, "g": [*range(10)]}
    tables = [(table(f"{split}.csv", 10, **more), split) for split in (None, *held_out)]
    with pytest.raises(InputError, match="the split comes either from a column, from files or from groups"):
        assign_splits(labelled(TASKS, *tables, split="s", **roles), FIFTHS, "keep", 0)


def named(y: list[Any], z: list[Any], splits: str) -> SplitRows:
    """Returns rows whose splits' names begin with these letters."""
    names = [{"t": "train", "v": "val", "s": "test"}[letter] for letter in splits]
    rows = source("t.csv", x=[*range(len(y))], y=y, z=z, s=names)
    return assign_splits(labelled({"y": Multiclass(), "z": Regression()}, (rows, None), split="s"), FIFTHS, "keep", 0)


@pytest.mark.parametrize(
    ("y", "z", "splits", "message"),
    [
        ("uvu", [1, 2, None], "ttv", "tasks.z: none of the val rows has a label in ['z'] (2 rows have one in all)"),
        ("uuv", [1, 2, 3], "ttv", "tasks.y: the label 'y' is 'u' in all 2 training rows; nothing to learn"),
        ("uvu", [3, 3, 4], "ttv", "tasks.z: the label 'z' is 3 in all 2 training rows; nothing to learn"),
        ("uvuw", [1, 2, 3, 4], "ttvv", "tasks.y: t.csv, row 4, a val row, has the class 'w', which no training row"),
        ("uvu", [1, None, 3], "ttv", "batch_size: 3 is more than the 2 rows of the training split with a label of y"),
    ],
)
def test_rows_that_nothing_can_be_learned_from(y: str, z: list[Any], splits: str, message: str) -> None:
    split = named([*y], z, splits)
    with pytest.raises(InputError) as refused:
        check_learnable(split, 3)
    assert str(refused.value).startswith(message)


def test_rows_that_something_can_be_learned_from() -> None:
    check_learnable(named([*"uvwu"], [1, 2, None, 4], "tttv"), 3)
    check_learnable(named([*"uu"], [1, 2], "tv"), 1)  # one training row says nothing of others


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
