"""Folders that one process at a time writes into, and that go again where nothing came into them."""

import errno
import os
import shlex
import socket
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from mtl_cli.errors import InputError
from mtl_cli.run_folder.atomic_files import CONFIGS, FOLDERS
from mtl_cli.untrusted.escaping import shown

LOCK: Final = ".lock"
"""The file of the lock, in the folder; it holds who has it: the process' number, the host's name."""
_NO_LOCKS: Final = {
    getattr(errno, name) for name in ("ENOLCK", "EOPNOTSUPP", "ENOTSUP", "ENOSYS") if hasattr(errno, name)
}
_TRIES: Final = 20
"""How often a folder is made that another process takes away again."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps other processes out of the folder while the block runs; what one that was killed left doesn't count.

    Where the file system has no locks, as on some networks', that the file is there is the lock. Whether the process
    that left it is gone can then be told on its own host alone.

    Raises:
        InputError: Another process is in there.
    """
    from filelock import FileLock, SoftFileLock, Timeout  # takes a while, and a refused config needs none

    has_locks, file = _has_locks(folder), folder / LOCK
    lock = FileLock(file, timeout=0) if has_locks else SoftFileLock(file, timeout=1)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(f"{folder}: {_who_is_in(file, has_locks=has_locks)}") from None
    try:
        if has_locks:
            _sign(file)
        else:
            _say_without_locks(folder.stat().st_dev, folder)
        yield
    finally:
        with suppress(OSError):  # the folder may be read-only by now; what ended the block is what counts
            if has_locks:
                file.unlink(missing_ok=True)
        with suppress(OSError):
            lock.release()


@contextmanager
def claimed(folder: Path, key: str) -> Iterator[None]:
    """Makes a new folder for this process alone while the block runs; it goes again where it is empty then.

    Args:
        folder: The folder, which may be there if nothing is in it.
        key: The key that names it.

    Raises:
        InputError: Something is in it, another process is, or it can't be a folder.
    """
    made: list[Path] = []
    with ExitStack() as held:
        held.callback(_remove_empty, made)
        for tries_left in reversed(range(_TRIES)):
            refuse_taken(folder, key)
            try:
                _make(folder, made)
                held.enter_context(locked(folder))
                break
            except FileNotFoundError:  # another process, which made it, took it away in between
                if not tries_left:
                    raise
        refuse_taken(folder, key)
        yield


def refuse_taken(folder: Path, key: str) -> None:
    """Refuses a folder that something is in, that is a part of another run's or sweep's, or that can't be one.

    Raises:
        InputError: It is one of these.
    """
    if "\0" in str(folder):
        raise InputError(f"{key}: {shown(folder)} can't be a folder's name: it has a NUL in it")
    above = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if not above.is_dir():
        raise InputError(f"{key}: {folder} can't be a folder: {above} is none")
    whose = _owner(folder)
    if whose is not None:
        raise InputError(
            f"{key}: {shown(folder)} would be a part of {shown(whose)}, the folder of another run or sweep: choose one "
            "outside of it"
        )
    if above == folder and not is_free(folder):
        resumes = any((folder / name).exists() for name in (CONFIGS, "multirun.yaml"))
        choices = f"go on with it by 'mtl-train resume {shlex.quote(shown(folder))}', or " if resumes else ""
        raise InputError(
            f"{key}: {shown(folder)} exists and isn't empty; runs are never overwritten: {choices}choose another folder"
        )


def is_free(folder: Path) -> bool:
    """Tells whether nothing is in a folder, but for what a process leaves that is killed before it writes anything."""
    return all(path.name == LOCK or _is_unwritten(path) for path in folder.iterdir())


def _is_unwritten(path: Path) -> bool:
    """Tells whether it is a file or folder that Hydra made, and hasn't written to."""
    state = path.lstat()
    if path.name == CONFIGS and stat.S_ISDIR(state.st_mode):
        return all(_is_unwritten(inner) for inner in path.iterdir())
    return stat.S_ISREG(state.st_mode) and not state.st_size and path.suffix in (".yaml", ".log")


def _owner(folder: Path) -> Path | None:
    """Returns the folder above in which another run or sweep writes, and would write here."""
    real = folder.resolve()
    for above in real.parents:
        if (above / CONFIGS).is_dir():
            if real.relative_to(above).parts[0] in FOLDERS:
                return above
        elif (above / "multirun.yaml").exists() or _holder(above / LOCK):  # Hydra writes the first after the second
            return above
    return None


def _make(folder: Path, made: list[Path]) -> None:
    for path in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        with suppress(FileExistsError):
            path.mkdir()
            made.append(path)


def _remove_empty(made: Sequence[Path]) -> None:
    for path in dict.fromkeys(reversed(made)):
        with suppress(OSError):
            path.rmdir()


def _has_locks(folder: Path) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows has locks of its own
        return True
    with TemporaryFile(dir=folder) as probe:
        try:
            fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                error.filename = str(folder)
                raise
            return False
    return True


_said: Final[set[int]] = set()
"""The file systems that it was said of in this process."""


def _say_without_locks(system: int, folder: Path) -> None:
    if system not in _said:
        _said.add(system)
        print(
            f"mtl-train: the file system of {folder} has no locks: its file {LOCK} keeps other processes out; one that "
            "is killed leaves it behind",
            file=sys.stderr,
        )


def _sign(file: Path) -> None:
    """Writes who holds the lock, in the form in which a file that is a lock itself has it."""
    with suppress(OSError):
        handle = os.open(file, os.O_WRONLY | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(handle, "w") as opened:
            opened.write(f"{os.getpid()}\n{socket.gethostname()}\n")


def _who_is_in(file: Path, *, has_locks: bool) -> str:
    """Says who holds the lock, as far as its file tells."""
    who, remove = _holder(file), "" if has_locks else f", or remove {file} if it is gone"
    return f"another process is training into this folder{f' ({who})' if who else ''}; wait for its end{remove}"


def _holder(file: Path) -> str | None:
    """Returns who holds the lock, or held it and was killed; None where the file is none, or doesn't say."""
    with suppress(OSError, ValueError):
        if not file.is_file():
            return None
        with file.open() as opened:
            number, host = opened.read(500).splitlines()[:2]
        return f"process {int(number)} on {host}"
    return None
