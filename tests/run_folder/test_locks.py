"""Folders that one process at a time writes into: who gets in, and what is left behind."""

import errno
import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mtl_cli.errors import InputError
from mtl_cli.run_folder import locks
from mtl_cli.run_folder.locks import claimed, is_free, locked


@pytest.fixture(params=[None, errno.ENOLCK, errno.EOPNOTSUPP])
def flock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int | None:
    """What the file system answers to one who wants a lock, where it has none."""
    number: int | None = request.param
    if number is not None:

        def refuse(*arguments: Any) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(locks, "_said", set())
    return number


def dead() -> int:
    """Returns the number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


def test_one_at_a_time(tmp_path: Path, flock: int | None, capsys: pytest.CaptureFixture[str]) -> None:
    who = f"{tmp_path}: another process is training into this folder (process {os.getpid()} on "
    with locked(tmp_path):
        with pytest.raises(InputError) as refused, locked(tmp_path):
            raise AssertionError("two are in there")
        assert str(refused.value).startswith(who)
        assert (f"or remove {tmp_path / '.lock'} if it is gone" in str(refused.value)) is (flock is not None)
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path):
        pass
    said = f"the file system of {tmp_path} has no locks"
    assert capsys.readouterr().err.count(said) == (0 if flock is None else 1)


def test_what_a_killed_process_left_does_not_count(tmp_path: Path, flock: int | None) -> None:
    (tmp_path / ".lock").write_text(f"{dead()}\n{socket.gethostname()}\n")
    with locked(tmp_path):
        assert (tmp_path / ".lock").read_text().startswith(f"{os.getpid()}\n")
    assert list(tmp_path.iterdir()) == []


def test_another_host_is_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether its process is gone can't be told from here."""

    def refuse(*arguments: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    (tmp_path / ".lock").write_text("17\nelsewhere\n")
    with pytest.raises(InputError, match=r"\(process 17 on elsewhere\); .* or remove \S+\.lock if it is gone"):
        locked(tmp_path).__enter__()
    assert (tmp_path / ".lock").read_text() == "17\nelsewhere\n"


def test_what_locks_answer_otherwise_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="Input/output"), locked(tmp_path):
        raise AssertionError
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_stays_empty_goes_again(tmp_path: Path, flock: int | None) -> None:
    with claimed(tmp_path / "a" / "b", "key"):
        assert (tmp_path / "a" / "b").is_dir()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a").mkdir()
    with claimed(tmp_path / "a" / "b" / "c", "key"):
        (tmp_path / "a" / "b" / "of_another").touch()
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "a", tmp_path / "a" / "b", tmp_path / "a" / "b" / "of_another"]
    (tmp_path / "given").mkdir()
    with claimed(tmp_path / "given", "key"):
        pass
    assert (tmp_path / "given").is_dir()


def test_a_folder_is_free_or_not(tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "x").touch()
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    before = sorted(tmp_path.rglob("*"))
    for folder, message in {
        "used": r"key: \S*used exists and isn't empty; runs are never overwritten: choose another folder",
        "file/a/b": r"key: \S*file/a/b can't be a folder: \S*file is none",
        "nowhere": r"key: \S*nowhere can't be a folder: \S*nowhere is none",
        "round/a": r"key: \S*round/a can't be a folder: \S*round is none",
    }.items():
        with pytest.raises(InputError, match=message):
            claimed(tmp_path / folder, "key").__enter__()
    assert sorted(tmp_path.rglob("*")) == before
    (tmp_path / "left").mkdir()
    (tmp_path / "left" / ".lock").touch()  # by a process that was killed before it wrote anything
    with claimed(tmp_path / "left", "key"):
        pass


def test_what_hydra_made_and_did_not_write_to_is_nothing(tmp_path: Path) -> None:
    """A process may be killed in between: then the same command begins again."""
    (tmp_path / "run" / ".hydra").mkdir(parents=True)
    for name in (".hydra/config.yaml", "train.log", "multirun.yaml", ".lock"):
        (tmp_path / "run" / name).touch()
    assert is_free(tmp_path / "run")
    for name in (".hydra/config.yaml", "train.log", "multirun.yaml"):
        (tmp_path / "run" / name).write_text("x")
        assert not is_free(tmp_path / "run")
        (tmp_path / "run" / name).write_text("")
    for name in ("losses.csv", "summary.json", ".hydra/x", "checkpoints"):
        (tmp_path / "run" / name).touch()
        assert not is_free(tmp_path / "run")
        (tmp_path / "run" / name).unlink()
    (tmp_path / "run" / "another.log").symlink_to(tmp_path / "run" / "train.log")
    assert not is_free(tmp_path / "run")


def test_a_folder_within_that_of_another_run_or_sweep(tmp_path: Path) -> None:
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "multirun.yaml").touch()
    (tmp_path / "run" / ".hydra").mkdir(parents=True)
    (tmp_path / "run" / ".lock").write_text("1\nhere\n")
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / ".lock").write_text("1\nhere\n")  # by a sweep of which Hydra hasn't written anything yet
    (tmp_path / "link").symlink_to("sweep")
    before = sorted(tmp_path.rglob("*"))
    for folder in ("sweep/1", "sweep/runs/of/mine", "link/1", "run/checkpoints", "run/.hydra/mine", "begun/0"):
        with pytest.raises(InputError, match=r"key: \S* would be a part of \S*, the folder of another run or sweep"):
            claimed(tmp_path / folder, "key").__enter__()
    assert sorted(tmp_path.rglob("*")) == before
    (tmp_path / ".lock").write_text("of another program\n")
    os.mkfifo(tmp_path / "run" / "outputs.lock")
    (tmp_path / "piped").mkdir()
    os.mkfifo(tmp_path / "piped" / ".lock")
    for folder in ("run/outputs", "piped/outputs", "new"):
        with claimed(tmp_path / folder, "key"):
            pass


def test_what_ended_a_run_is_told_where_its_lock_can_not_be_removed(
    tmp_path: Path, flock: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with pytest.raises(RuntimeError, match="what ended it"), locked(tmp_path):
        monkeypatch.setattr(Path, "unlink", refuse)
        raise RuntimeError("what ended it")
    monkeypatch.undo()
    with locked(tmp_path):
        pass


def test_a_folder_that_another_process_takes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that made it, and has refused its input, while this one is about to lock it."""
    has_locks, times = locks._has_locks, []

    def takes_away(folder: Path) -> bool:
        times.append(1)
        if len(times) < 4:
            folder.rmdir()
        return has_locks(folder)

    monkeypatch.setattr(locks, "_has_locks", takes_away)
    with claimed(tmp_path / "a", "key"):
        assert (tmp_path / "a").is_dir()
    assert len(times) == 4
    assert list(tmp_path.iterdir()) == []
