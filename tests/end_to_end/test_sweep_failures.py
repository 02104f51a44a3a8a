"""Sweeps that jobs fail in, or that are ended: what becomes of the others."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from filelock import FileLock

from mtl_cli.backend import start
from mtl_cli.training.job import Job
from mtl_cli.training.run import Run
from tests.support.command import MtlTrain
from tests.support.sweeps import APART, BESIDE, LINEAR, TOGETHER, summaries, times


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
    assert "0 jobs finished, 2 not trained" in ended.out
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

    def begun(job: Job, *arguments: Any) -> Run:
        if not sweep.joinpath("2").exists():
            for number in (1, 2, 5):
                (sweep / str(number)).mkdir()
            (sweep / "1" / "losses.csv").write_text("of another program")
            (sweep / "3").write_text("of another program")
            (sweep / "5" / "model.keras").write_text("of another program")
            lock.acquire()
        return Run(job, *arguments)

    monkeypatch.setattr("mtl_cli.sweeps.launcher.Run", begun)
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
