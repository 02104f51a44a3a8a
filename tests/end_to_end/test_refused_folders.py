"""Folders that a run or a sweep can't have: one clear message, and what was there stays."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.command import MtlTrain
from tests.support.refusals import GOOD, PRICE, TABLE, assert_refused


@pytest.mark.parametrize("arguments", [["hydra.run.dir=taken"], ["-m", "seed=0,1", "hydra.sweep.dir=taken"]])
def test_a_taken_folder(mtl_train: MtlTrain, tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "losses.csv").write_text("precious")
    run = mtl_train("steps=5", *arguments)
    assert run.status == 2
    assert "taken exists and isn't empty" in run.err
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["losses.csv"]
    assert (tmp_path / "taken" / "losses.csv").read_text() == "precious"


@pytest.mark.parametrize("subdir", ["null", "configs", ".hydra/mine"])
@pytest.mark.parametrize("sweep", [[], ["-m", "seed=0,1"]])
def test_a_run_is_recorded_where_it_is_resumed_from(
    mtl_train: MtlTrain, tmp_path: Path, subdir: str, sweep: list[str]
) -> None:
    run = mtl_train(*sweep, "steps=2", f"hydra.output_subdir={subdir}")
    message = f"hydra.output_subdir: a run is told of, repeated and resumed by its .hydra, got {subdir}; leave it out"
    assert_refused(run.status, run.err, tmp_path, message.replace("null", "None"))


def test_a_refusal_leaves_the_folders_that_were_there(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "empty" / "here"
    here.mkdir(parents=True)
    (here / "made").mkdir()
    monkeypatch.chdir(here)
    wrong = ["data=table", "data.path=no.csv", PRICE]
    for extra in (
        ["hydra.run.dir=made"],
        ["hydra.run.dir=new/deep"],
        ["hydra.run.dir=new", "hydra.job.name=another"],
        ["-m", "hydra.sweep.dir=new/sweep", "seed=0,1"],
        ["hydra.run.dir=new"],
        ["hydra.run.dir=../here/made/run"],
        ["-m", "hydra.sweep.dir=../here/made", "seed=0,1"],
    ):
        assert mtl_train(*wrong, *extra).status == 2
        assert [path.name for path in here.rglob("*")] == ["made"]


@pytest.mark.parametrize("subdir", ["../runs/${hydra.job.num}", "/runs/${hydra.job.num}", "a/../../${hydra.job.num}"])
def test_jobs_stay_in_the_sweeps_folder(mtl_train: MtlTrain, tmp_path: Path, subdir: str) -> None:
    """Else its tables don't find them."""
    run = mtl_train("-m", "hydra.sweep.dir=sweep", f"hydra.sweep.subdir={subdir}", "seed=0,1", "steps=5")
    assert_refused(run.status, run.err, tmp_path, f"hydra.sweep.subdir: {subdir!r} leaves the sweep's folder")


def test_hydras_values_can_be_part_of_a_path(mtl_train: MtlTrain, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(GOOD)
    words = ["data=table", "data.path=${hydra:runtime.cwd}/t.csv", PRICE, "steps=2", "batch_size=4"]
    for more in ([], ["-m", "seed=0,1"]):
        run = mtl_train(*words, *more)
        assert run.status == 0, run.err


def test_hydras_values_are_recorded_as_what_they_are(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """So the run can be resumed, where Hydra isn't asked any more, and repeated."""
    (tmp_path / "t.csv").write_text(GOOD)
    words = ["data=table", "data.path=${hydra:runtime.cwd}/t.csv", PRICE, "steps=4", "batch_size=4"]
    named = ["name=x_${hydra:job.name}", "hydra.run.dir=run"]
    assert mtl_train(*words, *named).status == 0
    recorded = yaml.safe_load((tmp_path / "run" / ".hydra" / "config.yaml").read_text())
    assert (recorded["data"]["path"], recorded["name"]) == (str(tmp_path / "t.csv"), "x_train")
    for further in (["resume", "run", "steps=8"], ["-cp", "run/.hydra", "-cn", "config"]):
        again = mtl_train(*further)
        assert again.status == 0, again.err
    assert mtl_train("-m", *words, "seed=0,1", "hydra.sweep.dir=s").status == 0
    assert mtl_train("resume", "s/1", "steps=8").status == 0


@pytest.mark.parametrize("key", ["nope.num", "job.num"])
def test_what_hydra_does_not_know_yet_is_no_value(mtl_train: MtlTrain, tmp_path: Path, key: str) -> None:
    run = mtl_train(f"device=${{hydra:{key}}}", "steps=2")
    assert run.status == 2
    assert f"device: ${{hydra:{key}}} isn't known when a config is composed" in run.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["${x}", "a ${y", "${oc.env:HOME}"])
def test_a_working_folder_that_hydra_would_replace(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    run = mtl_train("steps=2")
    assert run.status == 2
    assert "has ${ in its name, which Hydra replaces; work in another" in run.err
    assert list((tmp_path / name).iterdir()) == []


@pytest.mark.parametrize("sweep", [[], ["-m", "seed=0,1"], ["-m", "seed=0,1", "hydra/launcher=basic"]])
def test_a_working_folder_of_its_own_hides_no_data(mtl_train: MtlTrain, tmp_path: Path, sweep: list[str]) -> None:
    (tmp_path / "t.csv").write_text(GOOD)
    run = mtl_train(*sweep, *TABLE, PRICE, "steps=3", "hydra.job.chdir=true")
    assert run.status == 0
    assert len(run.folders) == (2 if sweep else 1)
    assert f"files in {run.folders[0].relative_to(tmp_path)}" in run.out
    assert (run.folders[0] / "model.keras").exists()


@pytest.mark.parametrize("arguments", [["steps=3"], ["-m", "seed=0,1"], ["resume", "run"], ["inspect", "t.csv"]])
def test_a_working_folder_that_is_gone(tmp_path: Path, arguments: list[str]) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    program = f"import sys; sys.argv[1:] = {arguments!r}; from mtl_cli.cli.main import main; main()"
    run = subprocess.run(
        [sys.executable, "-P", "-c", f"import os; os.rmdir({str(gone)!r}); {program}"],
        cwd=gone, env=os.environ | {"PWD": str(gone)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert_refused(run.returncode, run.stderr, tmp_path, f"the working folder {gone} isn't there any more; change")
