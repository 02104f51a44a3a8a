"""Repositories that others made: reading them ends, and nothing in there is run."""

import os
import shutil
import subprocess
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from mtl_cli.run_folder import git_state as module
from mtl_cli.run_folder.git_state import git_state
from tests.support.git import GIT, git, says, touched

HEADS = {
    "nothing": b"",
    "too long": b"0" * 41,
    "two": b"0" * 40 + b"\n" + b"0" * 40,
    "a file elsewhere": b"ref: ../../secret",
    "a file elsewhere, by a reference": b"ref: refs/../../../secret",
    "a whole path": b"ref: //secret",
    "itself": b"ref: refs/heads/loop",
    "a folder": b"ref: refs/heads",
    "a table": b"ref: refs/heads/.invalid",
    "no text": bytes(range(256)),
    "a null in it": b"ref: refs/heads/\0",
}

pytestmark = [pytest.mark.skipif(not GIT, reason="needs git"), pytest.mark.usefixtures("home")]


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_that_is_none(repo: Path, kind: str) -> None:
    (repo.parent / "secret").write_text("1" * 40)
    (repo / ".git" / "refs" / "heads" / "loop").write_text("ref: refs/heads/loop")
    (repo / ".git" / "HEAD").write_bytes(HEADS[kind])
    assert git_state() is None


@pytest.mark.parametrize("name", [".git", ".git/HEAD", ".git/commondir", ".git/packed-refs", ".git/refs/heads/main"])
def test_reading_ends(repo: Path, name: str) -> None:
    commit = git("rev-parse", "HEAD")
    git("pack-refs", "--all")
    (repo / ".git" / "HEAD").write_text("ref: refs/heads/main")
    path = repo / name
    path.rename(repo / "before") if path.exists() else None
    os.mkfifo(path)
    state = git_state()
    assert state is None or state.commit == commit
    path.unlink()
    with path.open("wb") as file:
        file.truncate(2**40)
    state = git_state()
    assert state is None or state.commit == commit


def test_looking_for_changes_ends(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = git("rev-parse", "HEAD")
    monkeypatch.setattr(module, "SECONDS", 0.5)
    for name in (".gitignore", ".git/config", ".git/info/exclude", ".git/index"):
        (repo / name).unlink(missing_ok=True)
        os.mkfifo(repo / name)
        state = git_state()
        assert state is not None
        assert state.commit == commit
        (repo / name).unlink()
    (repo / ".git" / "config").write_text("a = " + " " * 1_000_000 + "x\n[" + "[" * 10_000)
    assert git_state() is not None


def test_what_others_objects_lead_to_ends(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of objects elsewhere, with a pipe in it; a commit of a few bytes which says that it is 8 TiB."""
    monkeypatch.setattr(module, "SECONDS", 0.5)
    commit = git("rev-parse", "HEAD")
    (repo / "pack").mkdir()
    for name in ("pack/a.pack", "pack/a.idx"):
        os.mkfifo(repo / name)
    (repo / ".git" / "objects" / "info" / "alternates").write_text(f"{repo}\n")
    assert git_state() == (commit, False)
    (repo / ".git" / "HEAD").write_text("1" * 40)
    assert git_state() == ("1" * 40, None)
    large = repo / ".git" / "objects" / "11" / ("1" * 38)
    large.parent.mkdir()
    large.write_bytes(zlib.compress(b"commit %d\0" % 2**43 + bytes(1000)))
    assert git_state() == ("1" * 40, None)


def test_a_commit_that_is_not_there(repo: Path) -> None:
    (repo / ".git" / "HEAD").write_text("1" * 40)
    assert git_state() == ("1" * 40, None)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that leaves a file `ran` beside itself, and lets through what it gets."""
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexec cat\n")
    program.chmod(0o755)
    return program


def _filtered(key: str) -> Callable[[str], None]:
    def plant(program: str) -> None:
        Path(".gitattributes").write_text("* filter=x\n")
        git("config", f"filter.x.{key}", program)
        touched()

    return plant


def _monitor(program: str) -> None:
    git("config", "core.fsmonitor", program)


def _included_monitor(program: str) -> None:
    Path("included").write_text(f"[core]\nfsmonitor = {program}\n")
    git("config", "include.path", "../included")


def _monitor_of_a_working_tree(program: str) -> None:
    git("config", "extensions.worktreeConfig", "true")
    git("config", "--worktree", "core.fsmonitor", program)


def _hook(program: str) -> None:
    shutil.copy(program, ".git/hooks/post-index-change")
    touched()


def _hooks_elsewhere(program: str) -> None:
    Path("hooks").mkdir()
    shutil.copy(program, "hooks/post-index-change")
    git("config", "core.hooksPath", "hooks")
    touched()


def _monitor_of_a_submodule(program: str) -> None:
    git("submodule", "--quiet", "add", str(Path.cwd()), "module")
    git("commit", "-qm", "3")
    git("config", "core.fsmonitor", program, folder=Path("module"))


def _way_to_missing_objects(program: str) -> None:
    for name, value in {
        "core.repositoryFormatVersion": "1", "extensions.partialClone": "x", "remote.x.url": "ssh://host/x",
        "remote.x.promisor": "true", "core.sshCommand": program,
    }.items():  # fmt: skip
        git("config", name, value)
    tree = git("rev-parse", "HEAD^{tree}")
    Path(".git/objects", tree[:2], tree[2:]).unlink()
    Path(".git/index").unlink()


PROGRAMS = [
    _filtered("clean"), _filtered("process"), _monitor, _included_monitor, _monitor_of_a_working_tree,
    _monitor_of_a_submodule, _hook, _hooks_elsewhere, _way_to_missing_objects,
]  # fmt: skip


@pytest.mark.parametrize("plant", PROGRAMS, ids=lambda plant: plant.__name__.strip("_"))
def test_no_program_of_the_folder_is_run(repo: Path, program: Path, plant: Callable[[str], None]) -> None:
    plant(str(program))
    program.with_name("ran").unlink(missing_ok=True)
    state = git_state()
    assert not program.with_name("ran").exists()
    assert state is not None
    with suppress(subprocess.TimeoutExpired):  # some programs are waited for
        subprocess.run([GIT, "status"], check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=5)
    assert program.with_name("ran").exists(), "git itself would have run it"


def test_a_folder_does_not_choose_among_the_users_programs(repo: Path, program: Path) -> None:
    """Git's large files, for example, whose program reads more of the folder."""
    commit = git("rev-parse", "HEAD")
    git("config", "--global", "filter.large.clean", str(program))
    os.utime("sub/b", (1, 1))
    Path(".gitattributes").write_text("* filter=large\n")
    Path(".git/info/exclude").write_text(".gitattributes\n")
    assert git_state() == (commit, False)
    Path("a").write_text("what the filter makes of it isn't known")
    assert git_state() == (commit, None)
    Path("new").touch()
    assert git_state() == (commit, True)
    assert not program.with_name("ran").exists()
    git("status")
    assert program.with_name("ran").exists()


def test_the_users_monitor_is_not_asked(repo: Path, program: Path) -> None:
    """It would be told of a repository that isn't there any more."""
    expected = says()
    git("config", "--global", "core.fsmonitor", str(program))
    assert git_state() == expected
    assert not program.with_name("ran").exists()
    git("status")
    assert program.with_name("ran").exists()


@pytest.mark.parametrize("place", ["", ".", "bin", "here", "here/bin"])
def test_git_is_the_users_own(repo: Path, program: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    (repo / "bin").mkdir()
    expected = says()
    for folder in (repo, repo / "bin"):
        (folder / "git").symlink_to("/bin/sh" if folder == repo else program)
    (repo / "status").write_text(program.read_text())
    monkeypatch.setenv("PATH", os.pathsep.join([place.replace("here", str(repo)), os.environ["PATH"]]))
    assert git_state() == (expected.commit, True)
    assert not program.with_name("ran").exists()


def test_git_does_not_begin_in_the_folder(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version managers put a program of git's name first, which looks there for what to run."""
    expected = says()
    manager = repo.parent / "bin" / "git"
    manager.parent.mkdir()
    manager.write_text(f'#!/bin/sh\ntest -e .tool-versions || exec {GIT} "$@"\n')
    manager.chmod(0o755)
    monkeypatch.setenv("PATH", f"{manager.parent}{os.pathsep}{os.environ['PATH']}")
    (repo / ".tool-versions").touch()
    assert git_state() == (expected.commit, True)
