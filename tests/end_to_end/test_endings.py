"""What is said of how a run ended, by which model, and of what would make it go on."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.support.command import MtlTrain
from tests.support.runs import values

DIGITS = [
    "data=digits", "data.examples={train: 300, val: 100, test: 100}", "batch_size=16", "steps=800", "eval.every=20",
    "optimizer.learning_rate=0.02",
]  # fmt: skip
SMALL = ["data=digits", "data.examples={train: 100, val: 50, test: 50}", "batch_size=10", "eval.every=10"]


def summary_of(folder: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return summary


def test_what_selection_goes_by_and_the_rate_stand_beside_the_metrics(mtl_train: MtlTrain) -> None:
    run = mtl_train(*SMALL, "steps=45", "optimizer/schedule=cosine", "optimizer.learning_rate=0.01")
    rows = pl.read_csv(run.folder / "metrics.csv").filter(pl.col("split") == "val", pl.col("metric") == "loss")
    means = dict(rows.group_by("iteration").agg(pl.col("value").mean()).iter_rows())
    assert values(run.folder, "val_loss") == pytest.approx(means)
    rates = {i: 0.01 * 0.5 * (1 + math.cos(math.pi * (i - 1) / 45)) for i in (10, 20, 30, 40, 45)}
    assert values(run.folder, "learning_rate") == pytest.approx(rates, rel=1e-5)
    assert run.summary()["objective"] == min(means.values())


def test_val_loss_is_of_the_tasks_that_are_trained(mtl_train: MtlTrain) -> None:
    """By their probability where tasks are picked, by their weight where all are trained."""
    for words, of in (
        (["mode=alternating", "tasks.left.prob=0", "tasks.right.weight=0"], "right"),
        (["tasks.left.prob=0", "tasks.right.weight=0"], "left"),
    ):
        run = mtl_train(*SMALL, "steps=20", *words)
        rows = pl.read_csv(run.folder / "metrics.csv").filter(pl.col("split") == "val", pl.col("metric") == "loss")
        losses = dict(rows.filter(pl.col("task") == of).select("iteration", "value").iter_rows())
        assert values(run.folder, "val_loss") == pytest.approx(losses)
        summary = run.summary()
        assert summary["best_val_loss"] == pytest.approx(min(losses.values()))
        assert summary["weights" if of == "left" else "probs"] == {
            task: float(task == of) for task in ("left", "right")
        }
        assert ("probs" in summary) == (of == "right")


def test_early_stopping_is_named(mtl_train: MtlTrain, tmp_path: Path) -> None:
    run = mtl_train(*DIGITS, "early_stopping.patience=3", "hydra.run.dir=run")
    done = run.summary()["iterations"]
    assert 60 < done < 800
    said = f"finished: early stopping after {done} of 800 iterations (no better val_loss in 3 evaluations)"
    assert said in " ".join(run.out.split())
    assert said in (tmp_path / "run" / "train.log").read_text()
    assert run.summary()["ended_by"] == "early_stopping"
    assert said in " ".join(mtl_train("report", "run").out.split())
    before = (tmp_path / "run" / "losses.csv").read_bytes()
    for words in ([], ["steps=900"], ["steps=900", "early_stopping.patience=2"]):
        again = mtl_train("resume", "run", *words)
        assert again.status == 0
        assert f"early stopping ended it after {done} of 800 iterations" in again.out
        assert "early_stopping.patience=null, or more than 3, goes on with it" in again.out
    assert (tmp_path / "run" / "losses.csv").read_bytes() == before
    longer = mtl_train("resume", "run", "early_stopping.patience=null")
    assert "finished: 800 iterations" in longer.out
    straight = mtl_train(*DIGITS, "hydra.run.dir=straight")
    for name in ("losses.csv", "metrics.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes()
    assert summary_of(tmp_path / "run")["ended_by"] == straight.summary()["ended_by"] == "steps"
    assert "note: the best iteration came at" in longer.err
    assert "early_stopping.patience=N" in longer.err


def test_what_asked_for_an_end_is_named(mtl_train: MtlTrain) -> None:
    run = mtl_train(*SMALL, "steps=100000000", "max_time=1s")
    assert run.status == 124
    assert run.summary()["ended_by"] == "max_time"
    assert f"stopped: max_time after {run.summary()['iterations']:,} of 100,000,000 iterations" in run.out


def test_an_error_is_named(mtl_train: MtlTrain) -> None:
    run = mtl_train(*SMALL, "steps=50", "optimizer=sgd", "optimizer.learning_rate=1e30")
    assert run.status == 1
    assert run.summary()["ended_by"] == "error"


def test_a_task_that_makes_most_of_val_loss_is_named(mtl_train: MtlTrain, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=200)
    pl.DataFrame({"x": x, "big": 1e3 * x, "small": 0.5 * x}).write_csv(tmp_path / "t.csv")
    words = ["data=table", "data.path=t.csv", "+tasks.small.kind=regression", "steps=40", "eval.every=20"]
    for standardize in ("true", "false"):
        task = f"+tasks.big={{kind: regression, standardize: {standardize}}}"
        run = mtl_train(*words, task, "hydra.run.dir=" + standardize)
        found = "note: task big makes 100.0 % of val_loss (tasks.big.standardize is false)" in run.err
        assert found == (standardize == "false")
    assert "objective=val/small/rmse" in run.err
    chosen = mtl_train(*words, task, "objective=val/small/rmse")
    assert chosen.status == 0
    assert "of val_loss" not in chosen.err


COSINE = [*SMALL, "optimizer/schedule=cosine", "optimizer.learning_rate=0.01", "steps=40"]


@pytest.mark.parametrize(
    ("words", "at_80"),
    [
        (["optimizer.schedule_steps=80"], 0.01 * 0.5 * (1 + math.cos(math.pi * 79 / 80))),
        (["optimizer.schedule_steps=40"], 0.0),
        (["optimizer.schedule_steps=40", "optimizer.rate_after_schedule=0.003"], 0.003),
    ],
)
def test_a_schedule_is_made_longer_as_one_says(
    mtl_train: MtlTrain, tmp_path: Path, words: list[str], at_80: float
) -> None:
    assert mtl_train(*COSINE, "hydra.run.dir=run").status == 0
    for unsaid in ([], ["optimizer.rate_after_schedule=0.003"]):
        refused = mtl_train("resume", "run", "steps=80", *unsaid)
        assert refused.status == 2
        for choice in ("optimizer.schedule_steps=80 stretches it", "optimizer.schedule_steps=40 leaves it"):
            assert choice in refused.err
        assert "optimizer.rate_after_schedule=N" in refused.err
    longer = mtl_train("resume", "run", "steps=80", *words)
    assert longer.status == 0, longer.err
    assert "the learning rate goes from " in longer.out
    assert values(tmp_path / "run", "learning_rate")[80] == pytest.approx(at_80, rel=1e-5)
    if "optimizer.schedule_steps=80" not in words:  # else its first half was another one
        mtl_train(*COSINE, "steps=80", *words, "hydra.run.dir=straight")
        assert (tmp_path / "run" / "losses.csv").read_bytes() == (tmp_path / "straight" / "losses.csv").read_bytes()


def test_a_schedule_of_its_own_length_goes_on_and_says_how(mtl_train: MtlTrain) -> None:
    assert mtl_train(*COSINE, "optimizer.schedule.decay_steps=40", "hydra.run.dir=run").status == 0
    longer = mtl_train("resume", "run", "steps=60")
    assert longer.status == 0, longer.err
    assert "the learning rate goes from 0 at iteration 41 to 0 at the end" in longer.out


def test_a_sweeps_schedule_is_made_longer_as_one_says(mtl_train: MtlTrain) -> None:
    assert mtl_train("-m", "seed=0,1", *COSINE, "hydra.sweep.dir=s").status == 0
    refused = mtl_train("resume", "s", "steps=80")
    assert refused.status == 2
    assert "optimizer.schedule_steps=80 stretches it" in refused.err
    assert mtl_train("resume", "s", "steps=80", "optimizer.schedule_steps=40").status == 0


def test_no_task_that_is_not_trained_chooses(mtl_train: MtlTrain, tmp_path: Path) -> None:
    refused = mtl_train(*SMALL, "tasks.left.weight=0", "tasks.right.weight=1", "objective=val/left/accuracy")
    assert refused.status == 2
    assert "objective: 'val/left/accuracy' chooses by task left, which isn't trained" in refused.err
    assert "val/right/accuracy" in refused.err
    assert not list(tmp_path.glob("outputs/*/*"))


def test_a_baseline_is_chosen_by_its_own_task(mtl_train: MtlTrain, tmp_path: Path) -> None:
    words = [*SMALL, "steps=40", "seed=0,1", "sweep.baselines=true", "objective=val/left/accuracy"]
    done = mtl_train("-m", *words, "hydra.sweep.dir=s")
    assert done.status == 0, done.err
    table = pl.read_csv(tmp_path / "s" / "sweep.csv")
    for job, task in table.filter(pl.col("baseline").is_not_null()).select("job", "baseline").iter_rows():
        summary = summary_of(tmp_path / "s" / str(job))
        assert summary["config"]["objective"] == f"val/{task}/accuracy"
        assert summary["objective"] == summary["metrics"]["val"][task]["accuracy"]
        assert summary["best_val_loss"] == summary["metrics"]["val"][task]["loss"]
    assert "gain over single-task, %" in (tmp_path / "s" / "sweep.md").read_text()


def test_a_dry_run_of_one_run_trains_nothing(mtl_train: MtlTrain, tmp_path: Path) -> None:
    run = mtl_train(*SMALL, "sweep.dry_run=true")
    assert run.status == 0
    named = [line.split()[:2] for line in run.out.splitlines() if " multiclass " in line]
    assert named == [["left", "multiclass"], ["right", "multiclass"]]
    assert "heads     layers " in run.out
    assert "nothing is trained" in run.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("cells", "metrics"), [("no", "auc, average_precision, f1"), ("yes", "auc")])
def test_what_can_not_be_told_on_a_split_is_named(
    mtl_train: MtlTrain, tmp_path: Path, cells: str, metrics: str
) -> None:
    split = ["train"] * 30 + ["val"] * 6 + ["test"] * 6
    sold = ["yes", "no"] * 18 + [cells] * 6
    pl.DataFrame({"x": range(42), "sold": sold, "s": split}).write_csv(tmp_path / "t.csv")
    words = ["data=table", "data.path=t.csv", "data.split_column=s", "+tasks.sold.kind=binary", "steps=5"]
    run = mtl_train(*words)
    other = {"yes": "no", "no": "yes"}[cells]
    said = f"task sold has no row of the class '{other}' in the test split, so {metrics} can't be told there (nan)"
    assert said in run.err
    assert run.err.count("can't be told") == 1
    assert run.summary()["metrics"]["test"]["sold"]["auc"] is None


@pytest.mark.parametrize("sweep", [False, True])
def test_a_killed_runs_schedule_is_made_longer_as_one_says(mtl_train: MtlTrain, tmp_path: Path, sweep: bool) -> None:
    """Though no summary.json tells how many iterations it has done."""
    words = ["-m", "seed=0,1", "hydra.sweep.dir=s"] if sweep else ["hydra.run.dir=s"]
    assert mtl_train(*words, *COSINE).status == 0
    for file in (tmp_path / "s").rglob("summary.json"):
        file.unlink()
    refused = mtl_train("resume", "s", "steps=80")
    assert refused.status == 2, refused.err
    assert "optimizer.schedule_steps=80 stretches it" in refused.err
