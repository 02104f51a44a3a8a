"""Sweeps: each job as if it had run alone, whatever becomes of the others."""

import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from filelock import FileLock

from mtl_cli.backend import start
from mtl_cli.comparison.sweeper_objective import compared
from mtl_cli.data.seed import UniformStream
from mtl_cli.run_folder.locks import locked
from mtl_cli.sweeps.plan import plan
from mtl_cli.sweeps.resume import Found as Before
from mtl_cli.sweeps.resume import before_of
from mtl_cli.training import scheduler
from mtl_cli.training.active_run import Lane
from mtl_cli.training.job import Job
from mtl_cli.training.vectorized import Way, cores, shards_for
from tests.support.command import MtlTrain, as_usual
from tests.support.configs import composed
from tests.support.sweeps import APART, BASIC, BESIDE, DIGITS, LINEAR, TOGETHER, content, csv_files, summaries, times


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


@pytest.mark.parametrize("way", [TOGETHER, BESIDE, APART])
def test_a_run_that_fails_fails_alone(mtl_train: MtlTrain, tmp_path: Path, way: str) -> None:
    rates = "optimizer.learning_rate=1e-9,1e30,2e-9"
    done = mtl_train("-m", rates, "optimizer=sgd,adam", "steps=50", way, "hydra.sweep.dir=s", *LINEAR)
    assert done.status == 1
    of = summaries(tmp_path / "s")
    assert len(of) == 6
    for number, summary in of.items():
        learning_rate = summary["overrides"][0]
        failed = summary["status"] == "failed"
        assert failed <= (learning_rate == "optimizer.learning_rate=1e+30"), number
        rows = pl.read_csv(tmp_path / "s" / number / "losses.csv")
        assert rows["iteration"][-1] == summary["iterations"]
        if failed:
            assert "diverged" in summary["error"]
            assert f"(job {number}: " in done.err
            assert "Diverged" in (tmp_path / "s" / number / "train.log").read_text()
        else:
            assert summary["iterations"] == 50
    assert sum(summary["status"] == "failed" for summary in of.values()) >= 1


def test_fail_fast_ends_with_the_first_failure(mtl_train: MtlTrain, tmp_path: Path) -> None:
    grid = ["optimizer=sgd", "optimizer.learning_rate=1e30,1e-9,2e-9", "steps=100", *LINEAR]
    done = mtl_train("-m", *grid, APART, "sweep.fail_fast=true", "hydra.sweep.dir=s")
    assert done.status == 1
    assert [summary["status"] for summary in summaries(tmp_path / "s").values()] == ["failed"]
    assert "2 not trained" in done.out


def test_a_job_that_is_there_twice_is_trained_once(mtl_train: MtlTrain, tmp_path: Path) -> None:
    done = mtl_train("-m", "tasks.y1.weight=0.5,null", "seed=3,3", "steps=20", "hydra.sweep.dir=s")
    assert done.status == 0
    assert "4 jobs, 1 program, 20 iterations; 3 duplicates trained once" in done.out
    files = {number: (tmp_path / "s" / number / "losses.csv").read_bytes() for number in "0123"}
    assert len(set(files.values())) == 1
    assert summaries(tmp_path / "s")["2"]["overrides"][0] == "tasks.y1.weight=null"


@pytest.mark.parametrize(("lost", "left"), [("1", 4), ("12", 4), ("0", 4), ("01", 4), ("02", 2)])
def test_a_job_that_is_there_twice_is_made_again(mtl_train: MtlTrain, tmp_path: Path, lost: str, left: int) -> None:
    """Where the sweep ended before it got the files of the other one."""
    assert mtl_train("-m", "tasks.y1.weight=0.5,null", "seed=3,4", "steps=20", "hydra.sweep.dir=s").status == 0
    whole, of = csv_files(tmp_path / "s"), summaries(tmp_path / "s")
    assert of["0"]["config_hash"] == of["2"]["config_hash"]
    for number in lost:
        shutil.rmtree(tmp_path / "s" / number)
    done = mtl_train("resume", "s")
    assert done.status == 0, done.err
    assert f"{left} of 4 jobs are done" in done.out
    assert csv_files(tmp_path / "s") == whole
    again = summaries(tmp_path / "s")
    assert [again[number]["overrides"] for number in "0123"] == [of[number]["overrides"] for number in "0123"]
    for number in "0123":
        assert (tmp_path / "s" / number / "model.keras").exists()
        assert (tmp_path / "s" / number / ".hydra" / "config.yaml").exists()


def test_a_dry_run_says_what_would_be_trained(mtl_train: MtlTrain, tmp_path: Path) -> None:
    done = mtl_train("-m", "seed=0,1", "model.shared_layers=[3],[4]", "steps=10", "sweep.dry_run=true")
    assert done.status == 0
    assert "4 jobs, 2 programs, 40 iterations" in done.out
    assert done.out.count("program 1") == done.out.count("program 2") == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("grid", "count"),
    [
        (["seed=range(0,2000)", "tasks.y1.weight=0.1,0.2"], "at least 2,002"),
        (["seed=range(0,600)", "tasks.y1.weight=0.1,0.2"], "1,200"),
        (["seed=range(0,1000000000)", "steps=range(1,1000000000)"], "at least 1,002,001"),
    ],
)
def test_a_grid_that_is_too_large_is_refused(mtl_train: MtlTrain, tmp_path: Path, grid: list[str], count: str) -> None:
    done = mtl_train("-m", *grid)
    assert done.status == 2
    assert f"sweep.max_jobs: these are {count} jobs, more than 1,000" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("weighting", "way"), [("mgda", TOGETHER), ("nash_mtl", BESIDE)])
def test_what_can_not_be_mapped_trains_alone(mtl_train: MtlTrain, tmp_path: Path, weighting: str, way: str) -> None:
    """Their inner loops run as long as each run needs."""
    for launcher, name in ((BASIC, "basic"), ("hydra/launcher=mtl", "mtl")):
        options = [f"weighting={weighting}", "steps=60", way, launcher, f"hydra.sweep.dir={name}"]
        assert mtl_train("-m", "seed=range(0,3)", *options).status == 0
    assert csv_files(tmp_path / "mtl") == csv_files(tmp_path / "basic")


@pytest.mark.parametrize(("way", "most"), [(BESIDE, 2), (APART, 1)])
def test_jobs_train_beside_each_other(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, most: int
) -> None:
    """As many as there are cores: each first chunk waits for another run's, and is there when it ends."""
    both, alone = threading.Barrier(most, timeout=60), Lane.alone

    def meeting(lane: Lane, length: int) -> int:
        assert threading.current_thread() is not threading.main_thread()
        if lane.progress.iterations == 0:
            both.wait()
        length = alone(lane, length)
        if lane.progress.iterations == length:
            both.wait()
        return length

    monkeypatch.setattr(Lane, "alone", meeting)
    monkeypatch.setattr(scheduler, "cores", lambda: 2)
    assert mtl_train("-m", "seed=range(0,4)", "steps=300", way, "hydra.sweep.dir=mtl").status == 0
    assert not both.broken
    assert mtl_train("-m", "seed=range(0,4)", "steps=300", BASIC, "hydra.sweep.dir=basic").status == 0
    assert csv_files(tmp_path / "mtl") == csv_files(tmp_path / "basic")


@pytest.mark.parametrize("way", [BESIDE, TOGETHER])
def test_jobs_end_beside_each_other(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Most of it is waiting for the disk: each waits here for another one to end at the same time."""
    both, end = threading.Barrier(2, timeout=60), Lane.end

    def meeting(lane: Lane) -> None:
        if not lane.summary:
            assert threading.current_thread() is not threading.main_thread()
            both.wait()
        end(lane)

    monkeypatch.setattr(Lane, "end", meeting)
    monkeypatch.setattr(scheduler, "cores", lambda: 2)
    assert mtl_train("-m", "seed=range(0,4)", "steps=300", way, "hydra.sweep.dir=s").status == 0
    assert not both.broken
    assert all(summary["status"] == "finished" for summary in summaries(tmp_path / "s").values())


def test_what_raises_beside_others_fails_alone(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = Lane.draw

    def failing(lane: Lane, iterations: Any) -> Any:
        if lane.job.config.seed == 1:
            raise OSError("no such rows")
        return draw(lane, iterations)

    monkeypatch.setattr(Lane, "draw", failing)
    done = mtl_train("-m", "seed=range(0,4)", "steps=50", BESIDE, "hydra.sweep.dir=s")
    assert done.status == 1
    assert "no such rows" in done.err
    of = summaries(tmp_path / "s")
    assert {number: of[number]["status"] for number in of} == dict.fromkeys("023", "finished") | {"1": "failed"}


def test_a_signal_ends_the_jobs_beside_each_other_in_order(tmp_path: Path) -> None:
    grid = ["seed=range(0,7)", "steps=100000000", "log.every=1000", "hydra.sweep.dir=s"]
    command = [sys.executable, "-m", "mtl_cli", "-m", *grid]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, preexec_fn=as_usual)
    deadline = time.monotonic() + 90
    while not any(path.stat().st_size > 100 for path in tmp_path.glob("s/*/losses.csv")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert time.monotonic() - asked < 5
    of = summaries(tmp_path / "s")
    assert len(of) == min(cores(), 7)
    for number, summary in of.items():
        assert summary["status"] == "stopped"
        (checkpoint,) = (tmp_path / "s" / number / "checkpoints").iterdir()
        assert int(checkpoint.name.partition("-")[0]) == summary["iterations"]


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

    def noted(first: Lane, way: Way, *, own_rows: bool) -> Any:
        found.add(way.calls * way.places)
        return shards_for(first, way, own_rows=own_rows)

    monkeypatch.setattr(scheduler, "shards_for", noted)
    monkeypatch.setattr(scheduler, "FEWEST_ITERATIONS", 800 if seeds == 8 else 1)
    grid = [f"seed=range(0,{seeds})", f"steps={steps}", *network, "hydra.sweep.dir=s"]
    assert mtl_train("-m", *grid).status == 0
    assert max(found) == places
    assert all(summary["iterations"] == steps for summary in summaries(tmp_path / "s").values())


def test_a_resumed_sweep_has_as_many_places(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is left: the bytes are those of a sweep that wasn't interrupted."""
    ways: list[Way] = []

    def noted(first: Lane, way: Way, *, own_rows: bool) -> Any:
        ways.append(way)
        return shards_for(first, way, own_rows=own_rows)

    monkeypatch.setattr(scheduler, "shards_for", noted)
    grid = ["mode=alternating", "seed=range(0,6)", "steps=300"]
    assert mtl_train("-m", *grid, TOGETHER, "hydra.sweep.dir=s").status == 0
    whole = csv_files(tmp_path / "s")
    for number in "14":
        (tmp_path / "s" / number / "summary.json").unlink()
        (tmp_path / "s" / number / "losses.csv").write_text("torn")
    assert "4 of 6 jobs are done" in mtl_train("resume", "s").out
    assert csv_files(tmp_path / "s") == whole
    assert len(ways) == 2
    assert ways[0] == ways[1]
    assert ways[0].calls * ways[0].places == 6


@pytest.mark.parametrize(
    ("mode", "grid", "settings"),
    [
        ("joint", ["tasks.y1.weight=0.3,0.6", "seed=0,1", "optimizer.learning_rate=0.001,0.002"], 4),
        ("joint", ["weighting=upgrad,cagrad", "weighting.on=parameters,representation", "seed=4"], 1),
        ("alternating", ["tasks.y1.prob=0.3,0.6", "seed=0,1"], 2),
    ],
)
def test_baselines_train_each_task_alone(
    mtl_train: MtlTrain, tmp_path: Path, mode: str, grid: list[str], settings: int
) -> None:
    """For every setting of what isn't a share or the weighting, in the same program where there is no weighting."""
    done = mtl_train("-m", f"mode={mode}", *grid, "steps=30", "sweep.baselines=true", "hydra.sweep.dir=s")
    assert done.status == 0, done.err
    share = "weight" if mode == "joint" else "prob"
    of = {int(number): summary for number, summary in summaries(tmp_path / "s").items()}
    asked = 1
    for values in grid:
        asked *= len(values.split(","))
    assert len(of) == asked + 2 * settings
    assert len({summary["config_hash"] for summary in of.values()}) == len(of)
    for number in range(asked, len(of)):
        (tmp_path / "s" / str(number) / "model.keras").stat()
        shares = [line for line in of[number]["overrides"] if line.startswith("++")]
        assert sorted(line.rpartition("=")[2] for line in shares) == ["0.0", "1.0"]
        assert all(f".{share}=" in line for line in shares)
        assert not any(line.startswith(("tasks.", "weighting.on")) for line in of[number]["overrides"])


def test_one_task_has_no_baselines(mtl_train: MtlTrain) -> None:
    done = mtl_train("-m", "~tasks.y2", "seed=0,1", "steps=5", "sweep.baselines=true", "sweep.dry_run=true")
    assert done.status == 0, done.err
    assert "sweep.baselines: there is one task" in done.out
    assert "2 jobs" in done.out


def test_resuming_trains_what_is_missing_and_what_is_new(mtl_train: MtlTrain, tmp_path: Path) -> None:
    sweep = tmp_path / "s"
    grid = ["tasks.y1.weight=0.2,0.6", "seed=0,1", "steps=40", "hydra.sweep.dir=s"]
    assert mtl_train("-m", *grid).status == 0
    whole = {number: (sweep / number / "losses.csv").read_bytes() for number in "0123"}
    (sweep / "1" / "summary.json").unlink()  # as after a kill
    (sweep / "2" / "losses.csv").write_text("torn")
    (sweep / "2" / "summary.json").write_text("{")
    before = times(sweep)
    done = mtl_train("resume", "s")
    assert done.status == 0, done.err
    assert "2 of 4 jobs are done" in done.out
    assert {number for number, time in times(sweep).items() if time != before[number]} == {"1", "2"}
    assert {number: (sweep / number / "losses.csv").read_bytes() for number in "0123"} == whole
    before = times(sweep)
    assert "4 of 4 jobs are done" in mtl_train("resume", "s").out
    more = mtl_train("resume", "s", "tasks.y1.weight=0.2,0.4,0.6")
    assert more.status == 0, more.err
    after = times(sweep)
    assert {number: after[number] for number in before} == before
    assert sorted(after) == ["0", "1", "2", "3", "4", "5"]
    new = summaries(sweep)["4"]["overrides"]
    assert new[:2] == ["tasks.y1.weight=0.4", "seed=0"]


@pytest.mark.parametrize("ended", ["finished", "stopped", "killed"])
def test_what_another_config_came_to_is_never_overwritten(mtl_train: MtlTrain, tmp_path: Path, ended: str) -> None:
    folder, sweep = tmp_path / "my" / "experiment", tmp_path / "s"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("# @package _global_\nsteps: 20\n")
    command = ["--config-dir", "my", "experiment=mine", "seed=0,1", "hydra.sweep.dir=s"]
    assert mtl_train("-m", *command).status == 0
    summary = sweep / "1" / "summary.json"
    if ended == "stopped":
        summary.write_text(summary.read_text().replace('"finished"', '"stopped"'))
    elif ended == "killed":
        summary.unlink()
    before = {path: path.read_bytes() for path in sweep.rglob("*") if path.is_file()}
    (folder / "mine.yaml").write_text("# @package _global_\nsteps: 30\nbatch_size: 5\n")
    refused = mtl_train("resume", "s")
    assert refused.status == 2
    assert (
        f"{Path('s', '0')}: batch_size: it was 10 and is 5; jobs go on with the config they began with" in refused.err
    )
    (folder / "mine.yaml").write_text("# @package _global_\nsteps: 10\n")
    refused = mtl_train("resume", "s")
    assert refused.status == 2
    assert f"{Path('s', '0')}: steps: 10 is less than the 20 iterations that there are" in refused.err
    assert {path: path.read_bytes() for path in sweep.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("way", [TOGETHER, APART])
def test_a_longer_sweep_goes_on_in_its_folders(mtl_train: MtlTrain, tmp_path: Path, way: str) -> None:
    grid = ["seed=range(0,3)", "optimizer.learning_rate=1e-3,1e-2", way]
    assert mtl_train("-m", *grid, "steps=80", "hydra.sweep.dir=whole").status == 0
    assert mtl_train("-m", *grid, "steps=30", "hydra.sweep.dir=s").status == 0
    (tmp_path / "s" / "4" / "summary.json").unlink()
    longer = mtl_train("resume", "s", "steps=80")
    assert longer.status == 0, longer.err
    assert set(times(tmp_path / "s")) == set("012345")
    for number in "012345":
        assert "going on from iteration 30" in (tmp_path / "s" / number / "train.log").read_text()
        one, other = ((tmp_path / sweep / number / "losses.csv").read_bytes() for sweep in ("s", "whole"))
        assert one == other
        assert "steps=80" in (tmp_path / "s" / number / ".hydra" / "overrides.yaml").read_text()
    assert "6 of 6 jobs are done" in mtl_train("resume", "s").out


def test_what_can_not_be_resumed(mtl_train: MtlTrain, tmp_path: Path) -> None:
    for words in (["nowhere"], ["."], []):
        refused = mtl_train("resume", *words)
        assert refused.status == 2
        assert refused.err.startswith("mtl-train: ")
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_that_ends_before_its_first_job_leaves_nothing(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it say that one can go on with it."""

    def start_late(device: str) -> str:
        os.kill(os.getpid(), signal.SIGTERM)
        return start(device)

    monkeypatch.setattr("mtl_cli.sweeps.launcher.start", start_late)
    ended = mtl_train("-m", "seed=0,1", "steps=20", "hydra.sweep.dir=s")
    assert ended.status == 128 + signal.SIGTERM
    assert "0 runs finished, 2 not trained" in ended.out
    assert "resume" not in ended.out + ended.err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_another_process_uses_is_refused(mtl_train: MtlTrain, tmp_path: Path) -> None:
    assert mtl_train("-m", "seed=0,1", "steps=20", "hydra.sweep.dir=s").status == 0
    for inner in ("s", "s/1"):  # a job can outlive the process that began it
        with FileLock(tmp_path / inner / ".lock"):
            refused = mtl_train("resume", "s", "seed=range(0,4)")
        assert refused.status == 2
        assert refused.err.startswith(f"mtl-train: {tmp_path}/{inner}: another process is training into this folder")
        assert len(refused.err.splitlines()) == 1
    assert len(times(tmp_path / "s")) == 2


@pytest.mark.parametrize("way", [TOGETHER, BESIDE, APART])
def test_a_job_whose_folder_is_taken_fails_alone(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Also one that has the files of another."""
    sweep, lock = tmp_path / "s", FileLock(tmp_path / "s" / "2" / ".lock")

    def lane(job: Job, *arguments: Any) -> Lane:
        if not sweep.joinpath("2").exists():
            for number in (1, 2, 5):
                (sweep / str(number)).mkdir()
            (sweep / "1" / "losses.csv").write_text("of another program")
            (sweep / "3").write_text("of another program")
            (sweep / "5" / "model.keras").write_text("of another program")
            lock.acquire()
        return Lane(job, *arguments)

    monkeypatch.setattr("mtl_cli.sweeps.launcher.Lane", lane)
    grid = ["-m", "seed=0,1,2,3,4,4", "steps=20", "hydra.sweep.dir=s", way]
    ended = mtl_train(*grid)
    assert ended.status == 1
    again = "move it away, and go on with 'mtl-train resume s'"
    for number, why in {
        1: f"it isn't the job's, and isn't empty: {again}",
        2: "another process is training into this folder; wait for its end",
        3: f"it isn't the job's, and no folder: {again}",
        5: f"it isn't the job's, and isn't empty: {again}",
    }.items():
        assert f"s/{number}: {why} (job {number}: seed={min(number, 4)} steps=20" in ended.err
    assert len(ended.err.splitlines()) == 4
    assert sorted(summaries(sweep)) == ["0", "4"]
    assert [path.name for path in sorted(sweep.glob("[1235]/*"))] == ["losses.csv", ".lock", "model.keras"]
    lock.release()
    assert len(mtl_train("resume", "s").err.splitlines()) == 3
    for name in ("1", "3", "5"):
        (sweep / name).rename(tmp_path / name)
    assert mtl_train("resume", "s").status == 0
    assert sorted(summaries(sweep)) == ["0", "1", "2", "3", "4", "5"]
    assert not list(sweep.glob("*/.lock"))


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


def test_a_sweep_that_is_killed_leaves_what_it_had_and_goes_on(tmp_path: Path) -> None:
    grid = ["seed=range(0,4)", "steps=60000", "hydra.sweep.dir=s", APART]
    process = subprocess.Popen([sys.executable, "-m", "mtl_cli", "-m", *grid], cwd=tmp_path, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 90
    while not (tmp_path / "s" / "sweep.csv").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    before = {number: (tmp_path / "s" / number / "losses.csv").read_bytes() for number in summaries(tmp_path / "s")}
    resumed = subprocess.run(
        [sys.executable, "-m", "mtl_cli", "resume", "s"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert f"{len(before)} of 4 jobs are done" in resumed.stdout
    assert len(before) < 4
    assert all(summary["iterations"] == 60000 for summary in summaries(tmp_path / "s").values())
    assert len(summaries(tmp_path / "s")) == 4
    for number, losses in before.items():
        assert (tmp_path / "s" / number / "losses.csv").read_bytes() == losses
    assert pl.read_csv(tmp_path / "s" / "sweep.csv")["status"].to_list() == ["finished"] * 4


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


def test_resuming_other_values_also_trains_what_was_left(mtl_train: MtlTrain, tmp_path: Path) -> None:
    assert mtl_train("-m", "seed=range(0,3)", "steps=20", "hydra.sweep.dir=s").status == 0
    (tmp_path / "s" / "2" / "summary.json").write_text("torn")
    done = mtl_train("resume", "s", "seed=7")
    assert done.status == 0, done.err
    assert {of["seed"] for of in summaries(tmp_path / "s").values()} == {0, 1, 2, 7}


def test_jobs_that_write_other_files_are_trained_each() -> None:
    """Though what they come to is the same."""
    jobs = [Job(i, composed(*words), ()) for i, words in enumerate(([], ["log.every=2"], ["checkpoint.keep=3"], []))]
    planned = plan(jobs)
    assert planned.trained == 3
    assert {first: [job.number for job in twins] for first, twins in planned.twice.items()} == {0: [3]}
    assert len({job.config.hash() for job in jobs}) == 1


@pytest.mark.parametrize(
    ("objective", "worst"), [("val_loss", math.inf), ("val/y1/r2", -math.inf), ("val/y1/rmse", math.inf)]
)
def test_a_failed_run_is_the_worst_for_a_sweeper_whatever_it_had_come_to(objective: str, worst: float) -> None:
    config = composed().model_copy(update={"objective": objective})
    summary = {"objective": 0.5, "metrics": {"train": {"y1": {"loss": 0.25}, "y2": {"loss": 0.75}}}, "error": None}
    assert compared(config, summary) == 0.5
    assert compared(config, summary | {"objective": None}) == 0.5
    assert compared(config, summary | {"error": "diverged"}) == worst
    assert compared(config, summary | {"objective": math.nan}) == worst


def test_no_job_is_gone_on_with_while_its_sweep_trains(mtl_train: MtlTrain, tmp_path: Path) -> None:
    assert mtl_train("-m", "seed=0,1", "steps=5", "hydra.sweep.dir=s").status == 0
    with locked(tmp_path / "s"):
        refused = mtl_train("resume", "s/0", "steps=9")
    assert refused.status == 2
    assert "another process is training into this folder" in refused.err
    assert mtl_train("resume", "s/0", "steps=9").status == 0


def test_two_seeds_train_on_rows_of_their_own(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """Mapped together, each has its own split of the table, as alone."""
    pl.DataFrame({"x": [i / 8 for i in range(80)], "y": [i * 7 % 11 for i in range(80)]}).write_csv(tmp_path / "t.csv")
    words = ["data=table", "data.path=t.csv", "+tasks.y.kind=regression", "batch_size=8", "steps=20"]
    assert mtl_train("-m", *words, "seed=0,1", "sweep.runs_at_once=2", "hydra.sweep.dir=s").status == 0
    for seed in (0, 1):
        assert mtl_train(*words, f"seed={seed}", f"hydra.run.dir=alone{seed}").status == 0
        one, other = (pl.read_csv(tmp_path / path / "losses.csv")["y_loss"] for path in (f"s/{seed}", f"alone{seed}"))
        np.testing.assert_allclose(one, other, rtol=1e-3)


def test_a_job_goes_on_in_no_folder_that_might_be_another_ones() -> None:
    """Of two that differ in their steps alone, neither is what a third number of steps makes longer."""
    config = composed("steps=30")
    found = [Before(0, ("seed=1", "steps=10"), None), Before(1, ("seed=1", "steps=20"), None)]
    assert before_of([Job(5, config, ("seed=1", "steps=30"))], found) == [None]
    assert before_of([Job(5, config, ("seed=1", "steps=30"))], found[:1]) == found[:1]
