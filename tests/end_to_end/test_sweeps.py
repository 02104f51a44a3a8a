"""Sweeps: each job as if it had run alone, whatever becomes of the others."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mtl_cli.data.seed import UniformStream
from mtl_cli.training import scheduler
from mtl_cli.training.run import Run
from mtl_cli.training.vectorized import Way, shards_for
from tests.support.command import MtlTrain
from tests.support.sweeps import APART, BASIC, BESIDE, DIGITS, LINEAR, TOGETHER, content, csv_files, summaries


@pytest.mark.parametrize(
    ("grid", "way"),
    [
        (["seed=range(0,3)", "tasks.y1.weight=0.2,0.7"], TOGETHER),
        (["seed=range(0,3)", "tasks.y1.weight=0.2,0.7"], APART),
        (["mode=alternating,joint", "seed=1,2"], APART),
        (["mode=alternating,joint", "seed=range(0,3)"], BESIDE),
    ],
)
def test_every_job_has_the_files_of_a_run_alone(mtl_train: MtlTrain, tmp_path: Path, grid: list[str], way: str) -> None:
    """Byte for byte, its configs too: at this size the losses of joint runs that train together are the same."""
    for launcher, name in ((BASIC, "basic"), ("hydra/launcher=mtl", "mtl")):
        done = mtl_train("-m", *grid, "steps=300", way, launcher, f"hydra.sweep.dir=by_{name}")
        assert done.status == 0, done.err
    basic, ours = content(tmp_path / "by_basic"), content(tmp_path / "by_mtl")
    assert ours.keys() == basic.keys()
    assert len([name for name in basic if name.endswith("losses.csv")]) in (4, 6)
    for name, text in basic.items():
        if name.endswith("hydra.yaml"):
            text = text.replace("hydra._internal.core_plugins.basic_launcher.Basic", "hydra_plugins.mtl_launcher.Sweep")
            text = text.replace("hydra/launcher=basic", "hydra/launcher=mtl").replace(
                "launcher: basic", "launcher: mtl"
            )
        assert ours[name] == text, name
    for number, summary in summaries(tmp_path / "by_mtl").items():
        other = summaries(tmp_path / "by_basic")[number]
        same = {"status", "iterations", "metrics", "objective", "seed", "config_hash", "picks", "versions"}
        assert {key: summary[key] for key in same} == {key: other[key] for key in same}
        assert (tmp_path / "by_mtl" / number / "model.keras").exists()


@pytest.mark.parametrize("grid", ["tasks.y1.weight=0.1,0.2,0.4", "optimizer.learning_rate=0.001,0.002,0.003"])
def test_runs_with_the_same_draws_draw_once(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grid: str
) -> None:
    """As long as they are in step: of two seeds with three jobs each in four places, what is left draws anew."""
    drawn: list[int] = []
    joint = UniformStream.joint

    def counted(self: UniformStream, n: int) -> dict[str, Any]:
        drawn.append(n)
        return joint(self, n)

    monkeypatch.setattr(UniformStream, "joint", counted)
    for places, streams in ((6, 2), (4, 3)):
        drawn.clear()
        command = ["seed=0,1", grid, "steps=300", f"sweep.runs_at_once={places}", f"hydra.sweep.dir={places}"]
        assert mtl_train("-m", *command).status == 0
        assert sum(drawn) == 300 * streams + 6
    assert mtl_train("-m", "seed=0,1", grid, "steps=300", BASIC, "hydra.sweep.dir=basic").status == 0
    for file in (tmp_path / "basic").glob("*/losses.csv"):
        for sweep in ("6", "4"):
            assert (tmp_path / sweep / file.parent.name / "losses.csv").read_bytes() == file.read_bytes()


def test_evaluation_and_early_stopping_are_each_runs_own(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """Runs that end early give their places to those that wait: nine runs in four places."""
    grid = ["seed=range(0,3)", "optimizer.learning_rate=0.003,0.03,0.3", "early_stopping.patience=2", "steps=400"]
    for way, launcher in (("basic", BASIC), ("mtl", "hydra/launcher=mtl")):
        options = [launcher, "sweep.runs_at_once=4", f"hydra.sweep.dir={way}"]
        assert mtl_train("-m", *DIGITS, *grid, *options).status == 0
    basic, ours = summaries(tmp_path / "basic"), summaries(tmp_path / "mtl")
    assert len(ours) == 9
    assert len({summary["iterations"] for summary in ours.values()}) > 2
    for number, summary in ours.items():
        for key in ("iterations", "best_iteration", "epochs"):
            assert summary[key] == basic[number][key], (number, key)
        assert summary["objective"] == pytest.approx(basic[number]["objective"], rel=1e-4)
        metrics = [pl.read_csv(tmp_path / way / number / "metrics.csv") for way in ("mtl", "basic")]
        assert metrics[0].drop("value").equals(metrics[1].drop("value"))


def test_what_should_be_known_of_the_jobs_configs_is_said_once(mtl_train: MtlTrain, tmp_path: Path) -> None:
    done = mtl_train("-m", *DIGITS, "seed=0,1", "steps=10", "tasks.left.prob=0.3", "hydra.sweep.dir=s")
    assert done.status == 0
    said = " ".join(done.out.split())
    for note in ("tasks.*.prob has no use in mode=joint", "eval.every=20 is beyond steps=10"):
        assert said.count(f"note: {note}") == 1
        assert all(note in (tmp_path / "s" / number / "train.log").read_text() for number in "01")
    assert said.count("(job 0, maybe others)") == 2


def test_a_dry_run_says_what_would_be_trained(mtl_train: MtlTrain, tmp_path: Path) -> None:
    done = mtl_train("-m", "seed=0,1", "model.shared_layers=[3],[4]", "steps=10", "sweep.dry_run=true")
    assert done.status == 0
    assert "4 jobs, 2 programs, 40 iterations" in done.out
    assert done.out.count("program 1") == done.out.count("program 2") == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("weighting", "way"), [("mgda", TOGETHER), ("nash_mtl", BESIDE)])
def test_what_can_not_be_mapped_trains_alone(mtl_train: MtlTrain, tmp_path: Path, weighting: str, way: str) -> None:
    """Their inner loops run as long as each run needs."""
    for launcher, name in ((BASIC, "basic"), ("hydra/launcher=mtl", "mtl")):
        options = [f"weighting={weighting}", "steps=60", way, launcher, f"hydra.sweep.dir={name}"]
        assert mtl_train("-m", "seed=range(0,3)", *options).status == 0
    assert csv_files(tmp_path / "mtl") == csv_files(tmp_path / "basic")


@pytest.mark.parametrize(
    ("seeds", "steps", "network", "places"),
    [(8, 100, [], 8), (7, 100, [], 0), (8, 99, [], 0), (8, 100, ["model.shared_layers=[100,100]"], 0)],
)
def test_many_small_runs_are_mapped(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    seeds: int, steps: int, network: list[str], places: int,
) -> None:  # fmt: skip
    """From their sizes alone, so that no run's numbers depend on how long anything took."""
    found = {0}

    def noted(first: Run, way: Way, *, own_rows: bool) -> Any:
        found.add(way.calls * way.places)
        return shards_for(first, way, own_rows=own_rows)

    monkeypatch.setattr(scheduler, "shards_for", noted)
    monkeypatch.setattr(scheduler, "FEWEST_ITERATIONS", 800 if seeds == 8 else 1)
    grid = [f"seed=range(0,{seeds})", f"steps={steps}", *network, "hydra.sweep.dir=s"]
    assert mtl_train("-m", *grid).status == 0
    assert max(found) == places
    assert all(summary["iterations"] == steps for summary in summaries(tmp_path / "s").values())


@pytest.mark.parametrize("extra", ["mode=joint", "mode=alternating"])
def test_runs_that_are_diagnosed(mtl_train: MtlTrain, tmp_path: Path, extra: str) -> None:
    """Whether or not looking into an iteration can be mapped."""
    for way, launcher in (("basic", BASIC), ("mtl", "hydra/launcher=mtl")):
        options = [extra, "diagnostics.every=10", "steps=40", TOGETHER, launcher, f"hydra.sweep.dir=by_{way}"]
        assert mtl_train("-m", "seed=range(0,3)", *options).status == 0
    for number in "012":
        tables = [pl.read_csv(tmp_path / f"by_{way}" / number / "diagnostics.csv") for way in ("basic", "mtl")]
        assert tables[0].drop("value").equals(tables[1].drop("value"))
        difference = (tables[0]["value"] - tables[1]["value"]).abs() / (tables[0]["value"].abs() + 1)
        assert max(difference.to_list()) < 1e-5


def test_jobs_whose_data_come_out_differently_train_as_well(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """Categories that a split's training rows don't have change the network's width, and thus the program."""
    rows = pl.DataFrame({"x": range(60), "kind": [f"k{i % 25}" for i in range(60)], "y": [i % 7 for i in range(60)]})
    rows.write_csv(tmp_path / "t.csv")
    table = ["data=table", "data.path=t.csv", "+tasks.y.kind=regression", "batch_size=4", "steps=30"]
    assert mtl_train("-m", *table, "seed=range(0,6)", TOGETHER, "hydra.sweep.dir=by_mtl").status == 0
    assert mtl_train("-m", *table, "seed=range(0,6)", BASIC, "hydra.sweep.dir=by_basic").status == 0
    ours, basic = summaries(tmp_path / "by_mtl"), summaries(tmp_path / "by_basic")
    assert len(ours) == 6
    for number, summary in ours.items():
        assert summary["objective"] == pytest.approx(basic[number]["objective"], rel=1e-4)


def test_the_tables_are_there_from_the_first_job_on(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """Also of a sweep that ends with a failure; the answer is printed, and can be had again."""
    grid = ["optimizer=sgd", "optimizer.learning_rate=1e-9,1e30", "seed=0,1", "steps=30", *LINEAR]
    done = mtl_train("-m", *grid, "hydra.sweep.dir=s")
    assert done.status == 1
    table = pl.read_csv(tmp_path / "s" / "sweep.csv")
    assert table["status"].to_list() == ["finished", "finished", "failed", "failed"]
    assert table["optimizer.learning_rate"].to_list() == [1e-9, 1e-9, 1e30, 1e30]
    for number, value in table.filter(pl.col("status") == "finished").select("job", "train_y1_loss").iter_rows():
        assert value == summaries(tmp_path / "s")[str(number)]["metrics"]["train"]["y1"]["loss"]
    assert "Best setting" in done.out
    assert "## Best setting" in (tmp_path / "s" / "sweep.md").read_text()
    again = mtl_train("report", "s").out
    assert done.out[done.out.index("Best setting") :] == again[again.index("Best setting") :]


def test_jobs_with_a_working_folder_of_their_own_are_hydras(mtl_train: MtlTrain, tmp_path: Path) -> None:
    pl.DataFrame({"x": [0.0, 1.0] * 20, "y": [1.0, 2.0] * 20}).write_csv(tmp_path / "t.csv")
    table = ["data=table", f"data.path={tmp_path / 't.csv'}", "+tasks.y.kind=regression"]
    grid = ["batch_size=4", "steps=5", "seed=0,1", "hydra.sweep.dir=s"]
    done = mtl_train("-m", *table, *grid, "hydra.job.chdir=true")
    assert done.status == 0, done.err
    assert len(summaries(tmp_path / "s")) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["hydra.sweep.subdir=s${seed}", "seed=0,1", "steps=5,6"], "jobs 0 and 1 would share the folder s/s0"),
        (["seed=0,1", "sweep.fail_fast=true,false"], "sweep: its keys hold for all jobs"),
        (["seed=range(0,400)", "sweep.baselines=true"], "sweep.max_jobs: these are 1,200 jobs with the baselines"),
        (["optimizer.learning_rate=-1,0,1e-3,nan"], "optimizer.learning_rate: should be greater than 0, got 0"),
    ],
)
def test_what_a_sweep_can_not_be(mtl_train: MtlTrain, tmp_path: Path, words: list[str], message: str) -> None:
    refused = mtl_train("-m", *words, "hydra.sweep.dir=s")
    assert refused.status == 2
    assert message in refused.err
    assert list(tmp_path.iterdir()) == []


def test_all_jobs_are_in_one_folder_whatever_their_names(mtl_train: MtlTrain, tmp_path: Path) -> None:
    done = mtl_train("-m", "experiment=seed_joint,seed_alternating", "steps=5")
    assert done.status == 0, done.err
    (sweep,) = (tmp_path / "outputs").glob("*/sweep_*")
    assert sorted(summaries(sweep)) == ["0", "1"]
    assert "Best setting" in done.out


def test_two_seeds_train_on_rows_of_their_own(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """Mapped together, each has its own split of the table, as alone."""
    pl.DataFrame({"x": [i / 8 for i in range(80)], "y": [i * 7 % 11 for i in range(80)]}).write_csv(tmp_path / "t.csv")
    words = ["data=table", "data.path=t.csv", "+tasks.y.kind=regression", "batch_size=8", "steps=20"]
    assert mtl_train("-m", *words, "seed=0,1", "sweep.runs_at_once=2", "hydra.sweep.dir=s").status == 0
    for seed in (0, 1):
        assert mtl_train(*words, f"seed={seed}", f"hydra.run.dir=alone{seed}").status == 0
        one, other = (pl.read_csv(tmp_path / path / "losses.csv")["y_loss"] for path in (f"s/{seed}", f"alone{seed}"))
        np.testing.assert_allclose(one, other, rtol=1e-3)


def test_overrides_are_recorded_as_they_were_typed(mtl_train: MtlTrain) -> None:
    run = mtl_train("steps=2", "batch_size=${steps}", "tasks.y1.weight=${.prob}", "tasks.y1.prob=0.25")
    assert run.status == 0, run.err
    typed = ["steps=2", "batch_size=${steps}", "tasks.y1.weight=${.prob}", "tasks.y1.prob=0.25"]
    assert run.summary()["overrides"] == typed
    sweep = mtl_train("-m", "mode=joint,alternating", "name='${mode.name}_x'", "steps=2", "sweep.baselines=true")
    assert sweep.status == 0, sweep.err
    assert len(sweep.folders) == 6
