"""Sweeps that are gone on with: what is trained, and what is never overwritten."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from mtl_cli.run_folder.locks import locked
from mtl_cli.training import scheduler
from mtl_cli.training.run import Run
from mtl_cli.training.vectorized import Way, shards_for
from tests.support.command import MtlTrain
from tests.support.sweeps import APART, TOGETHER, csv_files, summaries, times


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


def test_a_resumed_sweep_has_as_many_places(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is left: the bytes are those of a sweep that wasn't interrupted."""
    ways: list[Way] = []

    def noted(first: Run, way: Way, *, own_rows: bool) -> Any:
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


def test_resuming_other_values_also_trains_what_was_left(mtl_train: MtlTrain, tmp_path: Path) -> None:
    assert mtl_train("-m", "seed=range(0,3)", "steps=20", "hydra.sweep.dir=s").status == 0
    (tmp_path / "s" / "2" / "summary.json").write_text("torn")
    done = mtl_train("resume", "s", "seed=7")
    assert done.status == 0, done.err
    assert {of["seed"] for of in summaries(tmp_path / "s").values()} == {0, 1, 2, 7}


def test_no_job_is_gone_on_with_while_its_sweep_trains(mtl_train: MtlTrain, tmp_path: Path) -> None:
    assert mtl_train("-m", "seed=0,1", "steps=5", "hydra.sweep.dir=s").status == 0
    with locked(tmp_path / "s"):
        refused = mtl_train("resume", "s/0", "steps=9")
    assert refused.status == 2
    assert "another process is training into this folder" in refused.err
    assert mtl_train("resume", "s/0", "steps=9").status == 0


def test_a_job_that_is_made_longer_alone_is_no_longer_compared_like_the_others(
    mtl_train: MtlTrain, tmp_path: Path
) -> None:
    """The copy that is offered leaves the sweep as it was, and comes to the same."""
    assert mtl_train("-m", "seed=0,1", "steps=20", "hydra.sweep.dir=s").status == 0
    assert "note:" not in mtl_train("resume", "s/1").err
    shutil.copytree(tmp_path / "s" / "1", tmp_path / "longer")
    copied = mtl_train("resume", "longer", "steps=30")
    assert copied.status == 0, copied.err
    assert "comparison" not in copied.err
    alone = mtl_train("resume", "s/1", "steps=30")
    assert alone.status == 0
    assert "note: this is a job of s, whose comparison will have 30 iterations of it beside 20 of others" in alone.err
    assert "a copy leaves it as it is: cp -r s/1 longer && mtl-train resume longer steps=30" in alone.err
    assert (tmp_path / "longer" / "losses.csv").read_bytes() == (tmp_path / "s" / "1" / "losses.csv").read_bytes()
