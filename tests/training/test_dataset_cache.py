"""Data as runs get it: what can't be told on a split is said."""

from pathlib import Path

import polars as pl

from tests.support.configs import loaded


def test_metrics_that_a_split_leaves_undefined_are_named(tmp_path: Path) -> None:
    """One class among the test rows: no ranking of rows by it can be right or wrong."""
    rows = [
        {"x": i, "part": ["train", "val", "test"][i // 10], "y": "no" if i >= 20 else ["no", "yes"][i % 2]}
        for i in range(30)
    ]
    pl.DataFrame(rows).write_csv(tmp_path / "t.csv")
    words = ["data=table", f"data.path={tmp_path / 't.csv'}", "data.split_column=part", "+tasks.y.kind=binary"]
    said = [note for note in loaded(*words).notes if "can't be told" in note]
    assert len(said) == 1
    assert said[0].startswith("task y has ")
    assert " in the test split, so " in said[0]
    assert "auc" in said[0]
