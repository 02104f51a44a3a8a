"""What is said of the working folder's repository: the same as git says, and nothing in there is run for it."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mtl_cli.run_folder.git_state import git_state
from tests.support.command import MtlTrain
from tests.support.git import GIT, git, repository, says, touched

pytestmark = [pytest.mark.skipif(not GIT, reason="needs git"), pytest.mark.usefixtures("home")]


def _renamed() -> None:
    git("mv", "a", "z")


def _changed() -> None:
    Path("a").write_text("changed")


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
    lambda: None, _renamed, _changed, touched, _executable, _executable_which_does_not_count, _staged,
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
    touched()

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
