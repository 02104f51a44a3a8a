"""What is said of a run in the end."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mtl_cli.terminal.run_text import ending, run_header
from tests.support.configs import composed, loaded


@pytest.mark.parametrize(
    ("data", "status", "said"), [("seed", "finished", 1), ("seed", "stopped", 0), ("digits", "finished", 0)]
)
def test_random_labels_are_told_of_where_a_run_has_finished(data: str, status: str, said: int) -> None:
    summary: dict[str, Any] = dict.fromkeys(("best_iteration", "iterations_per_second", "picks"), None)
    summary |= {"status": status, "iterations": 9, "train_seconds": 1.0, "metrics": {}, "epochs": {}}
    notes = ending(composed(f"data={data}"), summary, Path("x")).notes
    assert len(notes) == said
    for note in notes:
        assert "the naive value is the floor" in note
        assert "mtl-train experiment=digits" in note
        assert "mtl-train inspect TABLE" in note


@pytest.mark.parametrize(
    ("best", "patience", "said"),
    [
        (
            25,
            "null",
            "the first evaluation, at iteration 25, was the best of 900 iterations; a lower optimizer.learning_rate",
        ),
        (25, "3", "the first evaluation, at iteration 25, was the best of 900 iterations"),
        (50, "null", "the best iteration came at 50 of 900, and early stopping is off"),
        (50, "3", None),
        (900, "null", None),
    ],
)
def test_a_best_iteration_that_came_early_is_told_of(best: int, patience: str, said: str | None) -> None:
    summary: dict[str, Any] = dict.fromkeys(("iterations_per_second", "picks"), None)
    summary |= {"status": "finished", "iterations": 900, "train_seconds": 1.0, "metrics": {}, "epochs": {}}
    summary |= {"best_iteration": best, "objective": 0.25}
    config = composed("data=digits", "eval.every=25", f"early_stopping.patience={patience}")
    notes = ending(config, summary, Path("x")).notes
    assert len(notes) == (said is not None)
    assert not notes or notes[0].startswith(said or "")


def test_labelled_rows_are_counted_where_some_are_missing(tmp_path: Path) -> None:
    known = [[1.0, None, 3.0, None, 5.0, 6.0] * 5, [None, 2.0, 3.0, 4.0, 5.0, 6.0] * 5]
    pl.DataFrame({"x": range(30), "a": known[0], "b": known[1]}).write_csv(tmp_path / "t.csv")
    words = ["data=table", f"data.path={tmp_path / 't.csv'}", "data.split={train: 1, val: 0, test: 0}"]
    words += ["+tasks.a.kind=regression", "+tasks.b.kind=regression"]
    assert run_header(composed(*words), loaded(*words), tmp_path).facts["labels"] == "a 20, b 25, of 30 train rows"
    assert "labels" not in run_header(composed("data=digits"), loaded("data=digits"), tmp_path).facts
    assert "labels" not in run_header(composed(), loaded(), tmp_path).facts


def test_the_closing_line_says_what_losses_are_means_of() -> None:
    """Those that an older version has of its training rows were other ones: it wrote no running loss."""
    summary: dict[str, Any] = dict.fromkeys(("iterations_per_second", "picks"), None)
    metrics = {"val": {task: {"loss": 0.25, "rmse": 0.5} for task in ("y1", "y2")}}
    summary |= {"status": "finished", "iterations": 9, "train_seconds": 1.0, "metrics": metrics, "epochs": {}}
    summary |= {"best_iteration": 9, "objective": 0.25}
    said = ending(composed(), summary, Path("x")).text
    assert said.endswith("; best iteration 9, val_loss 0.25 (mean over the tasks)")
    said = ending(composed(), summary | {"running_loss": {}}, Path("x")).text
    assert said.endswith("(mean over the tasks); each loss is a mean over its split's rows")
    by_rmse = composed("data=digits", "objective=val/left/accuracy")
    assert "(mean" not in ending(by_rmse, summary | {"metrics": {}}, Path("x")).text


def test_the_closing_line_counts_picks_and_stays_short() -> None:
    summary: dict[str, Any] = dict.fromkeys(("best_iteration", "iterations_per_second"), None)
    summary |= {"status": "finished", "iterations": 9, "train_seconds": 1.0, "metrics": {}, "epochs": {}, "picks": None}
    assert "picks" not in ending(composed(), summary, Path("x")).text
    summary["picks"] = {"y1": 12345, "y2": 0}
    assert ending(composed(), summary, Path("x")).text.endswith("; picks y1 12,345, y2 0")
    for key in ("picks", "epochs"):
        summary[key] = {f"t{i}": i for i in range(50)}
        assert ending(composed(), summary, Path("x")).text.count(" and 42 more") == (1 if key == "picks" else 2)
