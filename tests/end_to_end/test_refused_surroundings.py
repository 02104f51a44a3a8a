"""A machine that lacks something: a GPU, memory, room, an output that takes what is said."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import MtlTrain
from tests.support.refusals import GOOD, PRICE, TABLE, assert_refused


def test_a_gpu_where_there_is_none(mtl_train: MtlTrain, tmp_path: Path) -> None:
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU")
    run = mtl_train("device=gpu", "steps=5")
    assert_refused(run.status, run.err, tmp_path, "device: 'gpu' was asked for")


def test_a_network_that_no_memory_holds(mtl_train: MtlTrain) -> None:
    run = mtl_train("data.features=1000000000", "model.shared_layers=[1000000000]", "steps=5")
    assert run.status == 1
    assert "out of memory: an array of" in run.err
    assert run.summary()["status"] == "failed"


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="no device is always full here")
@pytest.mark.parametrize(
    "arguments",
    [
        ["steps=x"],
        ["stepss=3"],
        ["resume", "nothing"],
        ["-m", "steps=x,0"],
        ["data=table", "data.path=no.csv", PRICE],
    ],
)
def test_a_refusal_that_nobody_can_read(tmp_path: Path, arguments: list[str]) -> None:
    command = [sys.executable, "-P", "-m", "mtl_cli", *arguments]
    with FULL.open("w") as full:
        run = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=full, check=False)
    assert (run.returncode, run.stdout) == (2, b"")
    assert not list(tmp_path.rglob("*.*"))


@pytest.mark.skipif(not FULL.exists(), reason="no device is always full here")
@pytest.mark.parametrize(
    "arguments", [["steps=3"], ["-m", "seed=0,1", "steps=3"], ["--version"], ["--cfg", "job"], ["report", "--help"]]
)
def test_an_output_that_is_full(tmp_path: Path, arguments: list[str]) -> None:
    command = [sys.executable, "-P", "-m", "mtl_cli", *arguments]
    with FULL.open("w") as full:
        run = subprocess.run(command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert run.returncode == 1
    said, *notes = run.stderr.splitlines()
    assert said == "mtl-train: standard output can't be written: No space left on device"
    assert all(note.startswith("note: ") for note in notes)
    trained = {"steps=3": 1, "-m": 2}.get(arguments[0], 0)
    assert len(list(tmp_path.rglob("model.keras"))) == trained


@pytest.mark.parametrize("arguments", [["steps=3"], ["-m", "seed=0,1"], [*TABLE, PRICE], ["predict", "r", "t.csv"]])
def test_too_little_memory_for_tensorflow(tmp_path: Path, arguments: list[str]) -> None:
    resource = pytest.importorskip("resource")
    (tmp_path / "t.csv").write_text(GOOD)
    arguments += ["--out", "o.csv"] if arguments[0] == "predict" else []
    run = subprocess.run(
        [sys.executable, "-P", "-m", "mtl_cli", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31)),
    )  # fmt: skip
    message = "too little memory to load TensorFlow: 'ulimit -v' allows 2 GiB, and it needs 3 GiB or more; raise"
    assert_refused(run.returncode, run.stderr, tmp_path, message, 1)


@pytest.mark.parametrize("sweep", [[], ["-m", "seed=0,1"]])
def test_no_room_for_what_hydra_writes(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sweep: list[str]
) -> None:
    def full(config: object, name: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("the first of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("hydra.core.utils._save_config", full)
    run = mtl_train(*sweep, "steps=3", "hydra.run.dir=run", "hydra.sweep.dir=run")
    assert run.status == 1
    assert run.err == f"mtl-train: {tmp_path}/run: No space left on device\n"
    assert sweep or not list(tmp_path.iterdir())


def test_an_output_that_lacks_a_letter(mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.csv").write_text("a,price\n" + "".join(f"{i % 3}.5,{i}.25\n" for i in range(9)))
    with (tmp_path / "out").open("w", encoding="ascii") as narrow:
        monkeypatch.setattr(sys, "stdout", narrow)
        assert mtl_train("inspect", "t.csv", "--target", "price", "--out", "caf\xe9").status == 0
    assert "--config-dir 'caf\\xe9'" in (tmp_path / "out").read_text()
