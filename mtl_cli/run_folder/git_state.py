"""The commit of the working folder, and whether it was changed since, with nothing run that a file in there names.

`git status` runs what a repository's config names: a file system monitor, filters, hooks. So the commit is read from
the repository's files here. Whether there are changes is asked of git, which is given a repository's folder of our own
making, with a config that names no program; objects, index and working tree are those that are there. What is rare
(submodules, a sparse checkout, attributes in `.git`) isn't looked into: there `dirty` is null.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

SECONDS: Final = 5.0
"""How long git may take to look for changes."""
MOST_BYTES: Final = 2**26
"""Of a file that is read; `packed-refs` has a line for each branch and tag."""
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SETTING: Final = re.compile(
    r"\s*(autocrlf|eol|filemode|ignorecase|precomposeunicode|symlinks|showuntrackedfiles)\s*=\s*(\w+)\s*", re.IGNORECASE
)
"""Decides what counts as a change; stands in the section `core`, the last one in `status`."""
_CONFIG: Final = f"[core]\nrepositoryformatversion = 0\nbare = false\nfsmonitor =\nhookspath = {os.devnull}\n"
"""Leaves out the programs that the user's own config may have for all repositories."""
_ATTRIBUTES: Final = "* !filter\n"
"""Stands above all other attributes: `.gitattributes` can't choose among the filters of the user's own config."""


class GitState(NamedTuple):
    """What git knows of a folder."""

    commit: str
    dirty: bool | None
    """Whether there are uncommitted changes; None where that can't be told."""


class _Repository(NamedTuple):
    top: Path
    """The folder that has `.git` in it."""
    own: Path
    """What is this working tree's: HEAD, index."""
    common: Path
    """What is all its working trees': references, objects, config."""


def git_state() -> GitState | None:
    """Returns the working folder's commit, and whether there are uncommitted changes; None where there is no commit."""
    try:
        repository = _repository(Path.cwd())
        commit = None if repository is None else _commit(repository)
    except (OSError, ValueError):
        return None
    if repository is None or commit is None:
        return None
    try:
        return GitState(commit, _dirty(repository, commit))
    except (OSError, ValueError, subprocess.SubprocessError):
        return GitState(commit, None)


def _repository(folder: Path) -> _Repository | None:
    for top in (folder, *folder.parents):
        own = top / ".git"
        if own.is_file():  # a second working tree, or a submodule
            own = top / _read(own).removeprefix("gitdir:").strip()
        if (own / "HEAD").exists():
            return _Repository(top, own, own / _read(own / "commondir").strip())
    return None


def _commit(repository: _Repository) -> str | None:
    """Returns the commit that is checked out; None where there is none yet, or it isn't in a file of text."""
    commit = _read(repository.own / "HEAD").strip()
    reference = re.fullmatch(r"ref:\s*(refs/\S+)", commit)
    if reference and ".." not in reference[1]:
        commit = _read(repository.common / reference[1]).strip()
        if not commit:
            packed = _read(repository.common / "packed-refs")
            found = re.search(rf"^(\w+) {re.escape(reference[1])}$", packed, re.MULTILINE)
            commit = found[1] if found else ""
    return commit if _COMMIT.fullmatch(commit) else None


def _dirty(repository: _Repository, commit: str) -> bool | None:
    """Tells whether there are uncommitted changes.

    Raises:
        OSError, ValueError, SubprocessError: That can't be told.
    """
    top, own, common = repository
    config = _read(common / "config")
    rare = [top / ".gitmodules", own / "config.worktree", own / "info/sparse-checkout", common / "info/attributes"]
    elsewhere = own == top / ".git" and re.search(r"(?i)\bworktree\s*=", config)
    if elsewhere or len(commit) > 40 or any(path.exists() for path in (*rare, *own.glob("sharedindex.*"))):
        return None
    found = filter(None, map(_SETTING.fullmatch, config.splitlines()))
    settings = "".join(f"{setting[1]} = {setting[2]}\n" for setting in found)
    with TemporaryDirectory(prefix="mtl-", ignore_cleanup_errors=True) as folder:
        ours = Path(folder)
        for name in ("refs", "info"):
            (ours / name).mkdir()
        (ours / "HEAD").write_text(f"{commit}\n")
        (ours / "config").write_text(f"{_CONFIG}{settings}[status]\n{settings}")
        (ours / "info" / "exclude").write_bytes(os.fsencode(_read(common / "info/exclude")))
        attributes = ours / "info" / "attributes"
        attributes.write_text(_ATTRIBUTES)
        changes = _ask(repository, ours, "status", "--porcelain", "-z", "--no-renames", "--ignore-submodules=all")
        if {change[:3] for change in changes} != {" M "}:
            return bool(changes)
        attributes.unlink()
        words = ("check-attr", "-z", "--stdin", "filter")
        answers = _ask(repository, ours, *words, text="".join(f"{change[3:]}\0" for change in changes))
        filtered = [value not in ("unspecified", "unset", "set") for value in answers[2::3]]
        return None if all(filtered) else True  # a filter may make of the file what was committed


def _ask(repository: _Repository, ours: Path, *words: str, text: str = "") -> list[str]:
    """Returns git's answer; begun in a folder of ours, as there are gits that choose their version by the folder."""
    entries = [entry for entry in os.get_exec_path() if _is_users(Path(entry), repository.top)]
    git = shutil.which("git", path=os.pathsep.join(entries))
    if git is None or not Path(git).is_absolute():
        raise FileNotFoundError("git")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | {
        "PATH": os.pathsep.join(entries),
        "GIT_ALLOC_LIMIT": "1g",  # of what an object says that it unpacks to
        "GIT_DIR": str(ours),
        "GIT_WORK_TREE": str(repository.top),
        "GIT_INDEX_FILE": str(repository.own.absolute() / "index"),
        "GIT_OBJECT_DIRECTORY": str(repository.common.absolute() / "objects"),
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
    }
    done = subprocess.run(
        [git, "-C", str(repository.top), *words], input=os.fsencode(text), capture_output=True, check=True,
        timeout=SECONDS, env=environment, cwd=ours,
    )  # fmt: skip
    return os.fsdecode(done.stdout).split("\0")[:-1]


def _is_users(entry: Path, top: Path) -> bool:
    """Tells whether programs in a folder of the search path are the user's, not of a working tree."""
    return entry.is_absolute() and not entry.resolve().is_relative_to(top.resolve())


def _read(file: Path) -> str:
    """Returns what a file holds; nothing where there is none.

    Raises:
        OSError, ValueError: It can't be read, may never end, or is too large.
    """
    if not file.exists() or file.is_dir():
        return ""
    if file.is_file():
        with os.fdopen(os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as opened:
            content = opened.read(MOST_BYTES + 1)
        if len(content) <= MOST_BYTES:
            return os.fsdecode(content)
    raise ValueError(f"{file} is no plain file, or too large")
