"""What is said of the working folder's repository: the same as git says, and nothing in there is run for it."""

import json
import os
import shutil
import subprocess
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from mtl_cli.run_folder import git_state as module
from mtl_cli.run_folder.git_state import GitState, git_state
from tests.support.command import MtlTrain

GIT = shutil.which("git") or ""
pytestmark = pytest.mark.skipif(not GIT, reason="needs git")


def git(*words: str, folder: Path | None = None) -> str:
    done = subprocess.run([GIT, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a config of the user's own."""
    home = tmp_path_factory.mktemp("home")
    for name in [name for name in os.environ if name.startswith(("GIT_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    for name, value in {"user.name": "a", "user.email": "a", "protocol.file.allow": "always"}.items():
        git("config", "--global", name, value)
    return home


def repository(folder: Path, *words: str) -> None:
    """Makes one with two commits."""
    git("init", "-q", *words, str(folder))
    (folder / "sub").mkdir()
    (folder / "other").mkdir()
    for content in ("1", "2"):
        for name in ("a", "sub/b", "other/c"):
            (folder / name).write_text(f"{name} {content}\n")
        git("add", ".", folder=folder)
        git("commit", "-qm", content, folder=folder)


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    repository(tmp_path / "repo")
    monkeypatch.chdir(tmp_path / "repo")
    return tmp_path / "repo"


def says() -> GitState:
    """What git itself says of the working folder."""
    return GitState(git("rev-parse", "HEAD"), bool(git("status", "--porcelain")))


def _renamed() -> None:
    git("mv", "a", "z")


def _changed() -> None:
    Path("a").write_text("changed")


def _touched() -> None:
    os.utime("a", (1, 1))


def _executable() -> None:
    Path("a").chmod(0o755)


def _executable_which_does_not_count() -> None:
    git("config", "core.fileMode", "false")
    _executable()


def _staged() -> None:
    Path("a").write_text("staged")
    git("add", "a")


def _staged_and_taken_back() -> None:
    _staged()
    git("show", "HEAD:a")
    Path("a").write_text("a 2\n")


def _deleted() -> None:
    Path("a").unlink()


def _untracked() -> None:
    Path("new").touch()


def _untracked_which_do_not_count() -> None:
    git("config", "status.showUntrackedFiles", "no")
    _untracked()


def _ignored() -> None:
    Path(".gitignore").write_text("new\n")
    git("add", ".gitignore")
    git("commit", "-qm", "3")
    _untracked()


def _excluded() -> None:
    Path(".git/info/exclude").write_text("new\n")
    _untracked()


def _excluded_everywhere() -> None:
    git("config", "--global", "core.excludesFile", "~/ignored")
    (Path.home() / "ignored").write_text("new\n")
    _untracked()


def _lines_that_end_otherwise() -> None:
    git("config", "core.autocrlf", "true")
    Path("a").write_bytes(b"a 2\r\n")


def _lines_that_end_otherwise_by_attributes() -> None:
    Path(".gitattributes").write_text("a text eol=crlf")
    git("add", ".gitattributes")
    git("commit", "-qm", "3")
    Path("a").write_bytes(b"a 2\r\n")


def _attributes_in_git() -> None:
    Path(".git/info/attributes").write_text("a text eol=crlf")


def _with_a_submodule() -> None:
    _in_a_submodule()
    git("commit", "-qm", "3", folder=Path(".."))
    os.chdir("..")


def _a_working_tree_elsewhere() -> None:
    git("config", "core.worktree", str(Path.cwd()))


def _in_a_folder_below() -> None:
    os.chdir("sub")


def _detached() -> None:
    git("checkout", "-q", "HEAD~1")


def _packed() -> None:
    git("tag", "-am", "t", "t")
    git("pack-refs", "--all")
    git("gc", "-q")
    assert not Path(".git/refs/heads").exists() or not list(Path(".git/refs/heads").iterdir())


def _a_branch_with_slashes() -> None:
    git("checkout", "-qb", "a/b/c-d_e.f")


def _an_index_in_two_files() -> None:
    git("update-index", "--split-index")
    _staged()
    assert list(Path(".git").glob("sharedindex.*"))


def _sparse() -> None:
    git("sparse-checkout", "set", "--cone", "--sparse-index", "sub")
    assert not Path("other").exists()


def _a_second_working_tree() -> None:
    git("worktree", "add", "-q", "../second")
    os.chdir("../second")
    Path("a").write_text("changed")
    git("commit", "-qam", "3")


def _a_working_tree_of_a_bare_repository() -> None:
    git("clone", "-q", "--bare", ".", "../bare")
    git("worktree", "add", "-q", "../second", folder=Path("../bare"))
    os.chdir("../second")


def _objects_of_another() -> None:
    git("clone", "-qs", ".", "../second")
    os.chdir("../second")


def _shallow() -> None:
    git("clone", "-q", "--depth=1", f"file://{Path.cwd()}", "../second")
    os.chdir("../second")


def _in_a_submodule() -> None:
    git("submodule", "--quiet", "add", str(Path.cwd()), "module")
    os.chdir("module")


def _of_long_digests() -> None:
    repository(Path("../second"), "--object-format=sha256")
    os.chdir("../second")


STATES: list[Callable[[], None]] = [
    lambda: None, _renamed, _changed, _touched, _executable, _executable_which_does_not_count, _staged,
    _staged_and_taken_back, _deleted, _untracked, _untracked_which_do_not_count, _ignored, _excluded,
    _excluded_everywhere, _lines_that_end_otherwise, _lines_that_end_otherwise_by_attributes, _in_a_folder_below,
    _detached, _packed, _a_branch_with_slashes, _a_second_working_tree, _a_working_tree_of_a_bare_repository,
    _objects_of_another, _shallow, _in_a_submodule,
]  # fmt: skip
RARE: list[Callable[[], None]] = [
    _an_index_in_two_files, _sparse, _of_long_digests, _attributes_in_git, _with_a_submodule, _a_working_tree_elsewhere,
]  # fmt: skip


@pytest.mark.parametrize("change", STATES, ids=lambda change: change.__name__.strip("_<>"))
def test_it_is_what_git_says(repo: Path, change: Callable[[], None]) -> None:
    change()
    assert git_state() == says()


@pytest.mark.parametrize("change", RARE, ids=lambda change: change.__name__.strip("_"))
def test_what_is_rare_is_not_looked_into(repo: Path, change: Callable[[], None]) -> None:
    change()
    assert git_state() == (git("rev-parse", "HEAD"), None)


def test_git_is_changed_in_nothing(repo: Path) -> None:
    _touched()

    def content() -> dict[Path, tuple[bytes, int]]:
        files = [path for path in repo.rglob("*") if path.is_file()]
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}

    before = content()
    assert git_state() is not None
    assert {path: of[0] for path, of in content().items()} == {path: of[0] for path, of in before.items()}
    index = repo / ".git" / "index"
    assert content()[index] == before[index]


def test_the_working_folder_counts(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = says()
    repository(repo.parent / "second", "--object-format=sha256")
    monkeypatch.setenv("GIT_DIR", str(repo.parent / "second" / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", "nowhere")
    assert git_state() == expected


def test_outside_git_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert git_state() is None
    git("init", "-q")
    assert git_state() is None  # no commit yet


def test_without_git_there_is_the_commit(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = git("rev-parse", "HEAD")
    assert git_state() == (commit, False)
    with monkeypatch.context() as without:
        without.setenv("PATH", "/nowhere")
        assert git_state() == (commit, None)


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
        _touched()

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
    git("update-index", "--refresh")
    Path("../ran").unlink()
    _touched()


def _hooks_elsewhere(program: str) -> None:
    Path("hooks").mkdir()
    shutil.copy(program, "hooks/post-index-change")
    git("config", "core.hooksPath", "hooks")
    _touched()


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


@pytest.mark.parametrize("words", [[], ["-m", "seed=0,1"]], ids=["a run", "a sweep"])
def test_a_summary_has_what_was_before(mtl_train: MtlTrain, tmp_path: Path, words: list[str]) -> None:
    """The run's own folder is no change, nor what happens while it trains."""
    repository(tmp_path)
    done = mtl_train(*words, "steps=20")
    assert done.status == 0, done.err
    commit = git("rev-parse", "HEAD")
    summaries = [json.loads(path.read_text()) for path in tmp_path.rglob("summary.json")]
    assert [of["git"] for of in summaries] == [{"commit": commit, "dirty": False}] * (2 if words else 1)
    assert mtl_train("steps=20").summary()["git"] == {"commit": commit, "dirty": True}
