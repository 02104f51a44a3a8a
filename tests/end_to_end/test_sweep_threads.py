"""Jobs that train in threads beside each other."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from mtl_cli.training import scheduler
from mtl_cli.training.run import Run
from mtl_cli.training.vectorized import cores
from mtl_cli.training.workers import Sequential
from tests.support.command import MtlTrain, as_usual
from tests.support.sweeps import APART, BASIC, BESIDE, TOGETHER, csv_files, summaries


@pytest.mark.parametrize(("way", "most"), [(BESIDE, 2), (APART, 1)])
def test_jobs_train_beside_each_other(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, most: int
) -> None:
    """As many as there are cores: each first chunk waits for another run's, and is there when it ends."""
    both, train = threading.Barrier(most, timeout=60), Sequential.train

    def meeting(worker: Sequential) -> int:
        assert (threading.current_thread() is threading.main_thread()) == (most == 1)
        (run,) = worker.runs.values()
        if run.progress.iterations == 0:
            both.wait()
        length = train(worker)
        if run.progress.iterations == length:
            both.wait()
        return length

    with monkeypatch.context() as patched:
        patched.setattr(Sequential, "train", meeting)
        patched.setattr(scheduler, "cores", lambda: 2)
        assert mtl_train("-m", "seed=range(0,4)", "steps=300", way, "hydra.sweep.dir=mtl").status == 0
    assert not both.broken
    assert mtl_train("-m", "seed=range(0,4)", "steps=300", BASIC, "hydra.sweep.dir=basic").status == 0
    assert csv_files(tmp_path / "mtl") == csv_files(tmp_path / "basic")


@pytest.mark.parametrize("way", [BESIDE, TOGETHER])
def test_jobs_end_beside_each_other(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Most of it is waiting for the disk: each waits here for another one to end at the same time."""
    both, finish = threading.Barrier(2, timeout=60), Run.finish

    def meeting(run: Run) -> None:
        if not run.summary:
            assert threading.current_thread() is not threading.main_thread()
            both.wait()
        finish(run)

    monkeypatch.setattr(Run, "finish", meeting)
    monkeypatch.setattr(scheduler, "cores", lambda: 2)
    assert mtl_train("-m", "seed=range(0,4)", "steps=300", way, "hydra.sweep.dir=s").status == 0
    assert not both.broken
    assert all(summary["status"] == "finished" for summary in summaries(tmp_path / "s").values())


def test_what_raises_beside_others_fails_alone(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunk = Run.chunk

    def failing(run: Run, iterations: Any) -> Any:
        if run.job.config.seed == 1:
            raise OSError("no such rows")
        return chunk(run, iterations)

    monkeypatch.setattr(Run, "chunk", failing)
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
