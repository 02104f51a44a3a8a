"""Disks that are full, writes that fail, folders that vanish, bits that flip: nothing on disk is lost."""

import errno
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mtl_cli.errors import RunFailed
from mtl_cli.terminal.run_view import View
from mtl_cli.training import experiment
from mtl_cli.training.dataset_cache import load
from mtl_cli.training.job import Job
from tests.support.command import MtlTrain
from tests.support.configs import composed
from tests.support.faults import LONG, all_left, done
from tests.support.runs import SMALL, Fate, Killed, left, train

Write = Callable[[int, Any], int]
TINY = [*SMALL, "steps=24", "eval.every=8", "checkpoint.every_steps=8", "diagnostics.every=8"]


def writes_of(monkeypatch: pytest.MonkeyPatch, fault: Callable[[int, Write, int, Any], int]) -> list[int]:
    """Has every write of a run go through `fault(number, write, file, content)`; counts them."""
    counted: list[int] = []
    write = os.write

    def faulty(file: int, content: Any) -> int:
        counted.append(len(content))
        return fault(len(counted), write, file, content)

    monkeypatch.setattr("mtl_cli.run_folder.atomic_files.os.write", faulty)
    return counted


def test_a_failing_write_at_every_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the content is written, then the disk is full: for each write of the run once."""
    config = composed(*TINY)
    with monkeypatch.context() as patch:
        counted = writes_of(patch, lambda _, write, file, content: write(file, content))
        train(config, tmp_path / "whole")
    assert len(counted) > 15
    for place in range(1, len(counted) + 1):
        folder = tmp_path / str(place)

        def full(number: int, write: Write, file: int, content: Any, place: int = place) -> int:
            if number < place:
                return write(file, content)
            if number == place and len(content) > 1:
                return write(file, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        failure = ""
        with monkeypatch.context() as patch:
            tried = writes_of(patch, full)
            try:
                train(config, folder)
            except RunFailed as error:
                failure = str(error)
        assert len(tried) > place or place > len(counted) - 3  # a faster run has fewer chunks, thus fewer writes
        if len(tried) > place:
            assert str(folder) in failure
            assert "No space left on device" in failure
        assert not list(folder.rglob("*.partial"))
        for path in folder.glob("*.csv"):  # whole lines, which are those of the run that had room
            content = path.read_bytes()
            assert content == b"" or content.endswith(b"\n")
            assert (tmp_path / "whole" / path.name).read_bytes().startswith(content)
        train(config, folder)
        assert left(folder) == left(tmp_path / "whole")


def test_short_writes_are_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = composed(*TINY)
    train(config, tmp_path / "whole")
    with monkeypatch.context() as patch:
        writes_of(patch, lambda _, write, file, content: write(file, content[: max(1, len(content) // 3)]))
        train(config, tmp_path / "short")
    assert left(tmp_path / "short") == left(tmp_path / "whole")


def test_a_model_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    config = composed(*TINY)
    with monkeypatch.context() as patch:
        patch.setattr("zipfile.ZipFile.writestr", full)
        patch.setattr("zipfile.ZipFile.open", full)
        with pytest.raises(RunFailed, match=r"model\.keras can't be written: No space left on device"):
            train(config, tmp_path / "run")
    assert not list((tmp_path / "run").glob("*.partial*"))
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["status"] == "failed"
    train(config, tmp_path / "run")
    train(config, tmp_path / "whole")
    assert left(tmp_path / "run") == left(tmp_path / "whole")


def test_a_folder_that_vanishes(tmp_path: Path) -> None:
    class Vanishing(Fate):
        def __call__(self) -> bool:
            if self.left == 0:
                shutil.rmtree(tmp_path / "run")
            self.left -= 1
            return False

    config = composed(*TINY)
    (tmp_path / "run").mkdir()
    with pytest.raises(RunFailed, match=f"{tmp_path / 'run'}.* can't be written: No such file or directory"):
        experiment.train(Job(0, config, ()), load(config), tmp_path / "run", View(), Vanishing(1, kills=False))


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs Linux namespaces")
def test_a_small_disk(tmp_path: Path) -> None:
    """A real file system fills; what is on it stays readable, and with more room the run goes on."""
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    disk.mkdir()
    command = f"{sys.executable} -m mtl_cli steps=60000 hydra.run.dir={disk}/run {' '.join(LONG)}"
    script = (
        f"mount -t tmpfs -o size=1m tmpfs {disk} || exit 77; {command}; echo status $?; "
        f"cp -r {disk}/run {copy}; mount -o remount,size=99m {disk}; {sys.executable} -m mtl_cli resume {disk}/run; "
        f"echo status $?; cp -r {disk}/run {tmp_path}/run; mount -o remount,ro {disk}; "
        f"{sys.executable} -m mtl_cli resume {disk}/run steps=70000; echo read-only $?; "
        f"{sys.executable} -m mtl_cli steps=10 hydra.run.dir={disk}/new; echo read-only $?"
    )
    ended = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script], capture_output=True, text=True, cwd=tmp_path
    )
    if ended.returncode == 77 or "unshare" in ended.stderr:
        pytest.skip("may not mount here")
    assert ended.stdout.count("status 1") == 1
    assert ended.stdout.count("status 0") == 1
    assert ended.stdout.count("read-only 2") == 2, ended.stdout
    assert re.search(rf"mtl-train: {disk}/run/\S+: Read-only file system", ended.stderr)
    assert f"mtl-train: {disk}/new: Read-only file system" in ended.stderr
    assert f"{disk}/run/" in ended.stderr
    assert "can't be written: No space left on device" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert (copy / "losses.csv").read_bytes().endswith(b"\n")
    assert done(tmp_path, "steps=60000", "hydra.run.dir=whole")[0] == 0
    assert all_left(tmp_path / "run") == all_left(tmp_path / "whole")


def test_flipped_bytes_in_every_file(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """A damaged file is refused by its name, or what it held is made anew; nothing else happens."""
    words = [*TINY, "steps=40", "hydra.run.dir=whole"]
    assert mtl_train(*words).status == 0
    config, original = composed(*TINY, "steps=40"), tmp_path / "original"
    shutil.copytree(tmp_path / "whole" / ".hydra", original / ".hydra")
    with pytest.raises(Killed):
        train(config, original, Fate(4, kills=True))
    (original / "summary.json").unlink()
    files = sorted(path.relative_to(original) for path in original.rglob("*") if path.is_file())
    assert len(files) >= 8
    random_, outcomes = random.Random(0), set()
    for name in files:
        for _ in range(2):
            shutil.rmtree(tmp_path / "run", ignore_errors=True)
            shutil.copytree(original, tmp_path / "run")
            content = bytearray((original / name).read_bytes())
            content[random_.randrange(len(content))] ^= 1 << random_.randrange(8)
            (tmp_path / "run" / name).write_bytes(content)
            resumed = mtl_train("resume", "run")
            assert resumed.status in (0, 1, 2)
            assert "Traceback" not in resumed.err
            outcomes.add(resumed.status)
            if resumed.status == 0:
                assert all_left(tmp_path / "run") == all_left(tmp_path / "whole"), name
            else:
                assert name.parent.name == ".hydra", resumed.err
    assert 0 in outcomes
