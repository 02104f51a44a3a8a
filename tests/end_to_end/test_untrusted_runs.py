"""Run folders that others made, or that something happened to: gone on with as they are, or refused and left alone."""

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtl_cli.run_folder.checkpoints import Checkpoints, Snapshot, snapshots
from mtl_cli.untrusted.files import check_model
from tests.support.command import MtlTrain, Outcome
from tests.support.runs import SMALL, left


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def resumed(mtl_train: MtlTrain, *words: str) -> Outcome:
    """Goes on with a finished run, made longer, and checks that it was refused and left as it was."""
    before = content(Path("run"))
    outcome = mtl_train("resume", "run", "steps=120", *words)
    assert outcome.status == 2, outcome.err
    assert len(outcome.err.splitlines()) <= 2
    after = content(Path("run"))
    before.pop("train.log", None), after.pop("train.log", None)
    assert after == before
    return outcome


@pytest.fixture
def run(mtl_train: MtlTrain, tmp_path: Path) -> Path:
    assert mtl_train(*SMALL, "hydra.run.dir=run").status == 0
    return tmp_path / "run"


@pytest.mark.parametrize("name", ["losses.csv", "metrics.csv", "train.log", "summary.json", "checkpoints", ".hydra"])
def test_a_link_in_a_folder_is_refused(mtl_train: MtlTrain, run: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    (run / name).rename(outside)
    (run / name).symlink_to(outside)
    before = content(outside) if outside.is_dir() else outside.read_bytes()
    assert f"{name} is no plain" in resumed(mtl_train).err
    assert (content(outside) if outside.is_dir() else outside.read_bytes()) == before


LINKS = ["losses.csv", "train.log", ".hydra/config.yaml", "notes.txt", "checkpoints"]
"""What may be a link in the folder of a job, the folder itself apart."""


@pytest.mark.parametrize("launcher", ["mtl", "basic"])
@pytest.mark.parametrize("twin", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_no_link_in_a_sweep_is_followed(
    mtl_train: MtlTrain, tmp_path: Path, known: bool, twin: bool, launcher: str
) -> None:
    """Whether or not the job's overrides can be read, and where it gets the files of another one."""
    grid = ["checkpoint.keep=2,3"] if twin else ["seed=0,1"]
    assert mtl_train("-m", *grid, "steps=3", "hydra.sweep.dir=s", f"hydra/launcher={launcher}").status == 0
    job, outside = tmp_path / "s" / "1", tmp_path / "outside"
    shutil.copytree(job, tmp_path / "job")
    (tmp_path / "s" / "0" / "notes.txt").write_text("theirs")
    for name in ["", *LINKS]:
        shutil.rmtree(job)
        shutil.copytree(tmp_path / "job", job)
        (job / "summary.json").unlink()
        if not known:
            (job / ".hydra" / "overrides.yaml").unlink()
        shutil.rmtree(outside, ignore_errors=True)
        outside.mkdir()
        (outside / "file").write_text("mine")
        (job / name).unlink(missing_ok=True) if Path(name).suffix else shutil.rmtree(job / name)
        (job / name).symlink_to(outside / "file" if Path(name).suffix else outside)
        ended = mtl_train("resume", "s")
        assert (ended.status, "is no plain" in ended.err) == ((2, True) if name != "notes.txt" else (0, False))
        assert content(outside) == {"file": b"mine"}
        job.unlink() if job.is_symlink() else None
        job.mkdir(exist_ok=True)


def test_a_link_beside_a_file_is_not_followed(mtl_train: MtlTrain, run: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("mine")
    for name in ("summary.json", ".hydra/config.yaml"):
        (run / f"{name}.partial").symlink_to(tmp_path / "outside")
    assert mtl_train("resume", "run", "steps=120").status in (0, 2)
    assert (tmp_path / "outside").read_text() == "mine"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.parametrize("name", ["losses.csv", "summary.json", ".hydra/overrides.yaml", "checkpoints/0000000090-0.x"])
def test_a_pipe_in_a_folder_is_refused(mtl_train: MtlTrain, run: Path, name: str) -> None:
    (run / name).unlink(missing_ok=True)
    os.mkfifo(run / name)
    outcome = mtl_train("resume", "run", "steps=120")
    assert outcome.status == 2
    assert f"{name} is no plain file" in outcome.err


def test_what_is_refused_later_leaves_the_run_as_it_was(mtl_train: MtlTrain, run: Path) -> None:
    assert "device: 'gpu'" in resumed(mtl_train, "device=gpu").err
    assert "is finished after 90" in mtl_train("resume", "run").out


@pytest.mark.parametrize("word", ["hydra.mode=MULTIRUN", "+hydra.run.dir=x", "hydra/launcher=basic"])
def test_a_run_goes_on_where_it_began(mtl_train: MtlTrain, run: Path, word: str) -> None:
    assert "a run goes on where and as it began" in resumed(mtl_train, word).err


def test_junk_with_a_checkpoints_name_is_passed_over(mtl_train: MtlTrain, run: Path) -> None:
    (run / "checkpoints" / f"{'9' * 18}-0123456789abcdef.safetensors").touch()
    done = mtl_train("resume", "run", "steps=120")
    assert done.status == 0, done.err
    assert "is damaged" in done.err
    assert left(run)["summary"]["iterations"] == 120


def _rest(**changes: Any) -> Callable[[Snapshot], Snapshot]:
    return lambda snapshot: snapshot._replace(rest=snapshot.rest | changes)


def _generator(**changes: Any) -> Callable[[Snapshot], Snapshot]:
    def change(snapshot: Snapshot) -> Snapshot:
        generators = [of | changes for of in snapshot.rest["draws"]["generators"]]
        return _rest(draws=snapshot.rest["draws"] | {"generators": generators})(snapshot)

    return change


def _tensor(name: str, tensor: np.ndarray | None) -> Callable[[Snapshot], Snapshot]:
    def change(snapshot: Snapshot) -> Snapshot:
        tensors = {key: value for key, value in snapshot.tensors.items() if key != name}
        return snapshot._replace(tensors=tensors | ({} if tensor is None else {name: tensor}))

    return change


def _nested(depth: int) -> Any:
    nest: Any = {}
    for _ in range(depth):
        nest = {"a": nest}
    return nest


@pytest.mark.parametrize(
    "forge",
    [
        _rest(seconds="abc"), _rest(rate="x"), _rest(rate=-1.0), _rest(val=_nested(500)), _rest(val="zzz"),
        _rest(files={}), _rest(files={"losses.csv": [0.0, 0], "metrics.csv": [0, 0]}), _rest(picks={"left": "x"}),
        _rest(files={"losses.csv": [-1, 0], "metrics.csv": [0, 0]}), _rest(restored=5), _rest(waited={}),
        _rest(files={"../losses.csv": [0, 0], "metrics.csv": [0, 0]}), _rest(best_iteration=10**400), _rest(draws={}),
        _generator(state={"state": 10**60, "inc": 1}), _generator(uinteger=10**30), _generator(bit_generator="MT19937"),
        _tensor("state.0", None), _tensor("state.0", np.zeros(3, np.float32)),
        _tensor("state.0", np.zeros((100, 512), np.float64)), _tensor("recent.losses", np.zeros((5, 99), np.float32)),
        _tensor("recent.losses", np.zeros((), np.float32)), _tensor("recent.picks", np.zeros(2, np.int32)),
    ],
)  # fmt: skip
def test_a_forged_checkpoint_is_refused(mtl_train: MtlTrain, run: Path, forge: Callable[[Snapshot], Snapshot]) -> None:
    """Its digest is right; what it says isn't."""
    (snapshot,) = snapshots(run, [])
    shutil.rmtree(run / "checkpoints")
    forged = forge(snapshot)
    about = forged.rest.pop("about")
    Checkpoints(run, about, every=None, every_steps=None, keep=1).write(forged)
    assert "is of no run like this" in resumed(mtl_train).err


@pytest.mark.parametrize("lost", ["hydra.yaml", "overrides.yaml"])
def test_a_run_whose_other_records_are_lost_goes_on(mtl_train: MtlTrain, tmp_path: Path, lost: str) -> None:
    assert mtl_train("steps=20", "hydra.run.dir=run").status == 0
    (tmp_path / "run" / ".hydra" / lost).unlink()
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert mtl_train("resume", "run", "steps=30").status == 0
    assert {path.name for path in (tmp_path / "run").iterdir()} == names
    assert {path.name for path in tmp_path.iterdir()} == {"run"}
    assert "going on from iteration 20" in (tmp_path / "run" / "train.log").read_text()


def test_a_checkpoint_of_another_config_is_left_as_it_is(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """As after two runs into one folder: what one of them came to isn't the other's to remove."""
    assert mtl_train("steps=20", "hydra.run.dir=run").status == 0
    assert mtl_train("steps=20", "batch_size=7", "hydra.run.dir=other").status == 0
    shutil.rmtree(tmp_path / "run" / ".hydra")
    shutil.copytree(tmp_path / "other" / ".hydra", tmp_path / "run" / ".hydra")
    (tmp_path / "run" / "summary.json").unlink()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    done = mtl_train("resume", "run", "steps=30")
    assert done.status == 2
    assert "run: its checkpoint of iteration 20 is of a run with another config" in done.err
    assert "batch_size: it was 10 and is 7" in done.err
    before = {path: content for path, content in before.items() if path.name != "train.log"}
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "train.log"}
    assert after == before


@pytest.mark.parametrize(
    ("units", "refused"), [((100_000, 100_000), True), ((100, 100_000), False), ((2**29, 1), True)]
)
def test_a_models_largest_matrix_is_bounded(tmp_path: Path, units: tuple[int, int], refused: bool) -> None:
    """A few bytes that say two layers of 100,000 units would take 40 GB."""
    layers = [{"module": "keras.layers", "class_name": "Dense", "config": {"units": count}} for count in units]
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"layers": layers}))
    with pytest.raises(ValueError, match="its layers are of") if refused else nullcontext():
        check_model(tmp_path / "model.keras")
