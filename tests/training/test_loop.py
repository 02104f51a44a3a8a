"""Evaluation, selection, early stopping."""

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import accuracy_score, log_loss

from mtl_cli.backend import keras
from mtl_cli.terminal.run_view import View
from mtl_cli.training import experiment
from mtl_cli.training.dataset_cache import load
from mtl_cli.training.job import Job
from tests.support.command import MtlTrain
from tests.support.configs import composed
from tests.support.runs import SMALL, train

DIGITS = [
    "data=digits", "data.examples={train: 300, val: 100, test: 100}", "batch_size=16", "steps=400", "eval.every=20",
    "optimizer.learning_rate=0.02",
]  # fmt: skip


def trained(folder: Path, *overrides: str) -> tuple[dict[str, Any], pl.DataFrame]:
    """Returns the summary and metrics.csv of a run."""
    config = composed(*DIGITS, *overrides)
    folder.mkdir(exist_ok=True)
    summary = experiment.train(Job(0, config, ()), load(config), folder, View())
    return summary, pl.read_csv(folder / "metrics.csv")


def test_the_best_iteration_is_kept_and_tested(tmp_path: Path) -> None:
    summary, metrics = trained(tmp_path)
    val = metrics.filter(pl.col("split") == "val", pl.col("metric") == "loss")
    means = val.group_by("iteration").agg(pl.col("value").mean()).sort("iteration")
    assert means["iteration"].to_list() == list(range(20, 401, 20))
    best = means.row(int(np.argmin(means["value"])))
    assert (summary["best_iteration"], summary["objective"]) == (best[0], pytest.approx(best[1]))
    assert best[0] < 400  # it overfits, so there was something to choose
    dataset = load(composed(*DIGITS))
    model = keras.saving.load_model(tmp_path / "model.keras")
    test = metrics.filter(pl.col("split") == "test")
    assert set(test["iteration"]) == {best[0]}
    for split, of_split in {"train": dataset.train, **dataset.splits}.items():
        predictions = model.predict(of_split.features, verbose=0)
        for task in ("left", "right"):
            labels, reported = of_split.labels[task].values, summary["metrics"][split][task]
            chosen = predictions[task].argmax(axis=1)
            assert reported["accuracy"] == pytest.approx(accuracy_score(labels, chosen))
            probabilities = predictions[task] / predictions[task].sum(axis=1, keepdims=True, dtype=float)
            expected = log_loss(labels, probabilities, labels=range(10))
            assert reported["log_loss"] == pytest.approx(expected, rel=1e-4)
            assert reported["loss"] == pytest.approx(expected, rel=1e-4)


def test_patience_ends_the_run(tmp_path: Path) -> None:
    summary, _ = trained(tmp_path, "early_stopping.patience=3", "steps=4000")
    assert summary["status"] == "finished"
    assert summary["iterations"] == summary["best_iteration"] + 3 * 20
    assert summary["iterations"] < 4000


def test_selection_by_a_named_metric(tmp_path: Path) -> None:
    summary, metrics = trained(tmp_path, "objective=val/left/accuracy")
    rows = metrics.filter(pl.col("split") == "val", pl.col("task") == "left", pl.col("metric") == "accuracy")
    assert summary["objective"] == rows["value"].max()
    assert summary["best_iteration"] == rows.filter(pl.col("value") == rows["value"].max())["iteration"].min()


def test_the_running_loss_is_the_mean_of_the_last_1000(tmp_path: Path) -> None:
    for mode in ("joint", "alternating"):
        summary, _ = trained(tmp_path / mode, f"mode={mode}", "steps=1300")
        rows = pl.read_csv(tmp_path / mode / "losses.csv").tail(1000)
        for task in ("left", "right"):
            expected = rows[f"{task}_loss"].drop_nulls().mean()
            assert summary["running_loss"][task] == pytest.approx(expected, rel=1e-5)


def test_the_time_of_a_run_that_goes_on_is_that_of_both_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on by a second each time somebody looks at it; the second part is a single iteration."""
    ticks = itertools.count()
    monkeypatch.setattr("mtl_cli.training.run.time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    first = train(composed(*SMALL, "steps=60"), tmp_path)["train_seconds"]
    assert first >= 4
    assert train(composed(*SMALL, "steps=61"), tmp_path)["train_seconds"] > first


def test_an_objective_that_can_not_be_told_ends_the_run(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """All validation rows are of one class, so nothing could ever be chosen by auc."""
    split = ["train"] * 30 + ["val"] * 6 + ["test"] * 6
    pl.DataFrame({"x": range(42), "sold": ["yes", "no"] * 15 + ["yes"] * 12, "s": split}).write_csv("t.csv")
    words = ["data=table", "data.path=t.csv", "data.split_column=s", "+tasks.sold.kind=binary", "steps=5"]
    run = mtl_train(*words, "objective=val/sold/auc", "batch_size=8")
    assert run.status == 1
    assert "objective: val/sold/auc is NaN on the validation rows" in run.err


def test_an_infinite_loss_on_the_validation_rows_is_a_divergence(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """Labels of 1e25, whose squares float32 doesn't hold; the training rows have none of these."""
    labels = [float(i % 7) for i in range(30)] + [1e25] * 6
    pl.DataFrame({"x": range(36), "y": labels, "s": ["train"] * 30 + ["val"] * 6}).write_csv(tmp_path / "t.csv")
    words = ["data=table", "data.path=t.csv", "data.split_column=s", "+tasks.y.kind=regression", "steps=5"]
    run = mtl_train(*words, "batch_size=8")
    assert run.status == 1
    assert "diverged: task y's loss is inf on the validation split after iteration 5" in run.err


@pytest.mark.parametrize("mode", ["joint", "alternating"])
def test_epochs_are_rows_drawn_by_rows_there_are(tmp_path: Path, mode: str) -> None:
    summary = train(composed(*SMALL, f"mode={mode}"), tmp_path)
    of = summary["picks"] or {"left": 90, "right": 90}
    assert sum(of.values()) == (180 if mode == "joint" else 90)
    assert summary["epochs"] == {task: round(count * 8 / 96, 3) for task, count in of.items()}
