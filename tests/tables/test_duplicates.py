"""Rows of a table that occur more than once."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mtl_cli.tables.duplicates import firsts
from mtl_cli.tables.labels import Found
from mtl_cli.tasks import Regression
from mtl_cli.training.experiment import load
from tests.support.command import MtlTrain
from tests.support.configs import composed


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
    found = Found(Regression(units=1), np.zeros((3, 1), np.float32), np.array([True, False, True]), [])
    assert firsts(pl.DataFrame({"x": [1, 1, 1]}), ["x"], {"y": found}).tolist() == [0, 1, 0]
