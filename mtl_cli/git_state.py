"""The commit of the working folder, and whether it was changed since, with nothing run that a file in there names.

`git status` runs what a repository's config names: a file system monitor, filters, hooks. So the commit is read from
the repository's files here. Whether there are changes is asked of git, which is given a repository's folder of our own
making: the commit, and of the config what names no program; objects, index and working tree are those that are there.
"""

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

SECONDS: Final = 5.0
"""How long git may take to look for changes."""
MOST_BYTES: Final = 2**20
"""Of a file that is read; of `packed-refs`, which has a line for each branch and tag, 64 times that."""
MOST_LEVELS: Final = 5
"""Of references to each other."""
MOST_PARTS: Final = 100
"""Of an index; git itself removes those that it doesn't need any more."""
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REFERENCE: Final = re.compile(r"ref:\s*(refs(?:/[^\s/.:\\][^\s/:\\]*)+)")
_PLAIN: Final = re.compile(r"\w*")
_COPIED: Final = {
    "core.autocrlf", "core.checkstat", "core.eol", "core.filemode", "core.ignorecase", "core.precomposeunicode",
    "core.sparsecheckout", "core.sparsecheckoutcone", "core.symlinks", "core.trustctime", "status.showuntrackedfiles",
}  # fmt: skip
"""Settings that decide what counts as a change, and whose values are a word."""
_OURS: Final = {"core.fsmonitor": "", "core.hookspath": os.devnull}
"""Programs that git would run otherwise, where the user's own config has them for all repositories."""
_NO_DRIVERS: Final = "\n* !filter !diff !merge\n"
"""Stands above all other attributes: `.gitattributes` can't choose among the programs of the user's own config."""


class GitState(NamedTuple):
    """What git knows of a folder."""

    commit: str
    dirty: bool | None
    """Whether there are uncommitted changes; None where that can't be told."""


@dataclass(frozen=True)
class _Repository:
    top: Path
    """The folder that has `.git` in it."""
    own: Path
    """What is this working tree's: HEAD, index."""
    common: Path
    """What is all its working trees': references, objects, config."""

    @property
    def is_main(self) -> bool:
        """Tells whether `.git` is the repository itself, rather than a file that leads to it."""
        return self.own == self.top / ".git"


def git_state() -> GitState | None:
    """Returns the working folder's commit, and whether there are uncommitted changes; None where there is no commit."""
    try:
        folder = Path.cwd()
        repository = _repository(folder)
        commit = None if repository is None else _commit(repository)
        if repository is None or commit is None:
            return None
    except (OSError, ValueError):
        return None
    try:
        return GitState(commit, _dirty(repository, commit, folder))
    except (OSError, ValueError, subprocess.SubprocessError):
        return GitState(commit, None)


def _repository(folder: Path) -> _Repository | None:
    """Returns the repository that a folder is in; as git does, looks no further than the file system."""
    device = folder.stat().st_dev
    for top in (folder, *folder.parents):
        if top.stat().st_dev != device:
            return None
        own = top / ".git"
        if own.is_file():
            key, _, path = (_read(own) or "").rstrip().partition(": ")
            if key != "gitdir":
                return None
            own = top / path
        if (own / "HEAD").exists():
            return _Repository(top, own, own / (_read(own / "commondir") or "").rstrip("\n"))
    return None


def _commit(repository: _Repository) -> str | None:
    """Returns the commit that is checked out; None where there is none yet, or it isn't in a file of text."""
    text = _read(repository.own / "HEAD")
    for _ in range(MOST_LEVELS):
        text = (text or "").rstrip()
        if _COMMIT.fullmatch(text):
            return text
        reference = _REFERENCE.fullmatch(text)
        if reference is None:
            return None
        text = _read(repository.common / reference[1]) or _packed(repository, reference[1])
    return None


def _packed(repository: _Repository, reference: str) -> str | None:
    packed = _read(repository.common / "packed-refs", 64 * MOST_BYTES) or ""
    found = re.search(rf"^(\w+) {re.escape(reference)}$", packed, re.MULTILINE)
    return None if found is None else found[1]


def _dirty(repository: _Repository, commit: str, folder: Path) -> bool | None:
    """Tells whether there are uncommitted changes.

    Raises:
        OSError, ValueError, SubprocessError: That can't be told.
    """
    config = _config(repository)
    git = _git(folder)
    index = repository.own / "index"
    if git is None or (index.exists() and not index.is_file()):
        return None
    if repository.is_main and (config.get("core.bare", "false") != "false" or "core.worktree" in config):
        return None  # the working tree is elsewhere
    with TemporaryDirectory(prefix="mtl-", ignore_cleanup_errors=True) as scratch:
        place = Path(scratch)
        attributes = _write_repository(place, repository, commit, config)
        environment = _environment(repository, place)

        def ask(*words: str, text: str = "") -> list[str]:
            done = subprocess.run(
                [git, *words], input=os.fsencode(text), capture_output=True, check=True, timeout=SECONDS,
                env=environment, cwd=repository.top,
            )  # fmt: skip
            return os.fsdecode(done.stdout).split("\0")[:-1]

        changes = ask("status", "--porcelain", "-z", "--no-renames", "--ignore-submodules=dirty")
        if not changes:
            return None if (repository.top / ".gitmodules").exists() else False
        if not all(change.startswith(" M ") for change in changes):
            return True
        (place / "info" / "attributes").write_bytes(os.fsencode(attributes))
        answers = ask("check-attr", "-z", "--stdin", "filter", text="".join(f"{change[3:]}\0" for change in changes))
        filtered = [value not in ("unspecified", "unset", "set") for value in answers[2::3]]
        return None if all(filtered) else True  # a filter may make of the file what was committed


def _config(repository: _Repository) -> dict[str, str]:
    """Returns the repository's settings by lower-case name; a value that goes on in the next line is cut."""
    settings = _settings(_read(repository.common / "config") or "")
    if settings.get("extensions.worktreeconfig") == "true":
        settings |= _settings(_read(repository.own / "config.worktree") or "")
    return settings


def _settings(text: str) -> dict[str, str]:
    settings, section = dict[str, str](), ""
    for line in text.split("\n"):
        rest = line.strip()
        if rest.startswith("["):
            section, _, rest = rest[1:].partition("]")
        name, equals, value = rest.partition("=")
        plain = re.split("[#;]", value, maxsplit=1)[0].strip().strip('"')
        settings[f"{section.strip()}.{name.strip()}".lower()] = plain if equals else "true"
    return settings


def _write_repository(place: Path, repository: _Repository, commit: str, config: dict[str, str]) -> str:
    """Writes a repository's folder that names no program, and returns the attributes that it would have."""
    for name in ("refs", "info"):
        (place / name).mkdir()
    (place / "HEAD").write_text(f"{commit}\n")
    settings = {"core.repositoryformatversion": "1", "core.bare": "false", **_OURS}
    settings |= {name: value for name, value in config.items() if name in _COPIED and _PLAIN.fullmatch(value)}
    if len(commit) == 64:
        settings["extensions.objectformat"] = "sha256"
    lines = ("[{}]\n{} = {}\n".format(*name.split("."), value) for name, value in settings.items())
    (place / "config").write_text("".join(lines))
    for of, name in ((repository.common, "exclude"), (repository.own, "sparse-checkout")):
        (place / "info" / name).write_bytes(os.fsencode(_read(of / "info" / name) or ""))
    attributes = _read(repository.common / "info" / "attributes") or ""
    (place / "info" / "attributes").write_bytes(os.fsencode(attributes + _NO_DRIVERS))
    for part in islice(repository.own.glob("sharedindex.*"), MOST_PARTS):
        if part.is_file():
            (place / part.name).symlink_to(part.absolute())
    return attributes


def _environment(repository: _Repository, place: Path) -> dict[str, str]:
    """Returns the environment for git: where things are, that it is to write, fetch and ask nothing."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | {
        "PATH": os.pathsep.join(_absolute(os.get_exec_path())),
        "GIT_DIR": str(place),
        "GIT_WORK_TREE": str(repository.top),
        "GIT_INDEX_FILE": str(repository.own.absolute() / "index"),
        "GIT_OBJECT_DIRECTORY": str(repository.common.absolute() / "objects"),
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_TERMINAL_PROMPT": "0",
    }


def _git(folder: Path) -> str | None:
    """Returns the path of the user's git, never one in the working folder, where a link may be put as well."""
    name, here = "git.exe" if os.name == "nt" else "git", folder.resolve()
    for entry in _absolute(os.get_exec_path()):
        found = shutil.which(str(Path(entry, name)))
        inside = (path.resolve().is_relative_to(here) for path in (Path(entry), Path(entry, name)))
        if found is not None and not any(inside):
            return found
    return None


def _absolute(entries: Iterable[str]) -> list[str]:
    return [entry for entry in entries if Path(entry).is_absolute()]


def _read(file: Path, most: int = MOST_BYTES) -> str | None:
    """Returns what a plain file holds; None where it is none, can't be read or is too large."""
    with suppress(OSError):
        if not stat.S_ISREG(file.stat().st_mode):
            return None
        handle = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(handle, "rb") as opened:
            content = opened.read(most + 1)
        return os.fsdecode(content) if len(content) <= most else None
    return None
