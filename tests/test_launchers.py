"""Sweepers that ask for batches, and launchers that train jobs elsewhere than in this process."""

from pathlib import Path

from tests.conftest import MtlTrain
from tests.test_sweeps import LINEAR, summaries


def training_starts(sweep: Path) -> dict[str, int]:
    """How often each job of a sweep was trained, by its log."""
    return {file.parent.name: file.read_text().count("training into") for file in sweep.glob("*/train.log")}


def test_each_batch_trains_its_own_jobs(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """The baselines, which no sweeper asks for, go with the last ones."""
    grid = ["seed=0,1,2", "tasks.y1.weight=0.3", "steps=20", "hydra.sweeper.max_batch_size=2"]
    done = mtl_train("-m", *grid, "sweep.baselines=true", "hydra.sweep.dir=s")
    assert done.status == 0, done.err
    assert "2 runs finished" in done.out
    assert "7 runs finished" in done.out
    assert [of["seed"] for _, of in sorted(summaries(tmp_path / "s").items())] == [0, 1, 2, 0, 0, 1, 1, 2, 2]
    assert set(training_starts(tmp_path / "s").values()) == {1}


def test_no_batch_follows_a_failure_that_is_to_end_the_sweep(mtl_train: MtlTrain, tmp_path: Path) -> None:
    grid = ["optimizer=sgd", "optimizer.learning_rate=1e30,1e-9,2e-9,3e-9", "steps=100", *LINEAR]
    done = mtl_train("-m", *grid, "sweep.fail_fast=true", "hydra.sweeper.max_batch_size=2", "hydra.sweep.dir=s")
    assert done.status == 1
    assert "sweep.fail_fast" in done.err
    assert list(summaries(tmp_path / "s")) == ["0"]
