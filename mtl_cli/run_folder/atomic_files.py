"""Files that are whole whatever happens: moved into place when they are complete, or cut back to their last whole part.

A run's own files are written here (model.keras is a library's), so that a full disk is met in one place.
"""

import hashlib
import json
import math
import os
import stat
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from mtl_cli.errors import InputError, RunFailed

_NO_LINKS: Final = getattr(os, "O_NOFOLLOW", 0)
RUN_FILES: Final = (
    "losses.csv", "metrics.csv", "diagnostics.csv", "summary.json", "model.keras", "columns.json", "train.log"
)  # fmt: skip
"""What a run leaves in its folder, beside Hydra's."""
CONFIGS: Final = ".hydra"
"""The folder with what Hydra records of a run."""
FOLDERS: Final = (CONFIGS, "checkpoints")
"""The folders that a run's folder has in it."""


def refuse_odd(folder: Path, names: Iterable[str] = RUN_FILES) -> None:
    """Refuses a folder in which something isn't what it should be: a link leads elsewhere, reading a pipe never ends.

    Args:
        folder: A run's, or a sweep's.
        names: The files that it may have; besides there are those in FOLDERS.

    Raises:
        InputError: One of them is a link, a folder, a pipe or the like.
    """
    inside = [folder / name for name in FOLDERS]
    listed = [path for inner in inside if inner.is_dir() and not inner.is_symlink() for path in inner.iterdir()]
    for path in [*inside, *listed, *(folder / name for name in names)]:
        with suppress(FileNotFoundError):
            mode = path.lstat().st_mode
            if not (stat.S_ISDIR if path in inside else stat.S_ISREG)(mode):
                raise InputError(
                    f"{path} is no plain {'folder' if path in inside else 'file'}, as it is in a run's folder"
                )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what the system says against a write in the block into a message that names the path.

    Raises:
        RunFailed: A write failed.
    """
    try:
        yield
    except OSError as error:
        raise RunFailed(f"{path} can't be written: {error.strerror or error}") from error


def replace(path: Path, content: bytes, *, synced: bool = False, suffix: str = "partial") -> None:
    """Writes a file whole or not at all.

    Args:
        path: The file.
        content: What it is to hold.
        synced: Whether it must be there also after the machine went down.
        suffix: Of the file's name until it is complete; one for each process where several write it at once.

    Raises:
        RunFailed: It can't be written; what was there is still there.
    """
    beside = path.with_name(f"{path.name}.{suffix}")
    with writing(path):
        try:
            beside.unlink(missing_ok=True)
            file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            try:
                _write(file, content)
                if synced:
                    os.fsync(file)
            finally:
                os.close(file)
            beside.replace(path)
        except BaseException:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
            raise
        if synced:
            sync(path.parent)


def sync(path: Path) -> None:
    """Makes sure that a file's content, or the names in a folder, are there also after the machine went down."""
    with suppress(PermissionError, IsADirectoryError):  # not every system lets a folder be opened
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_json(path: Path, content: dict[str, Any], *, synced: bool = False) -> None:
    """Writes a file like `summary.json` whole or not at all; what is not finite becomes null.

    Raises:
        RunFailed: It can't be written.
    """
    text = json.dumps(_finite(content), indent=2, allow_nan=False, ensure_ascii=False)
    replace(path, f"{text}\n".encode(errors="backslashreplace"), synced=synced)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


class Mark(NamedTuple):
    """How far a growing file was whole."""

    size: int
    crc32: int
    """Of the bytes up to there."""


class Growing:
    """A file that only grows, by whole parts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mark = Mark(0, 0)

    def open(self, mark: Mark | None = None) -> None:
        """Opens the file, empty, or as it was at a mark that `holds` agrees to."""
        self.mark = mark or Mark(0, 0)
        with writing(self.path):
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _NO_LINKS, 0o666)
            os.ftruncate(self._file, self.mark.size)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)

    def append(self, part: bytes) -> None:
        """Adds a part.

        Raises:
            RunFailed: It can't be written; the file ends before it.
        """
        with writing(self.path):
            try:
                _write(self._file, part)
            except BaseException:
                with suppress(OSError):
                    os.ftruncate(self._file, self.mark.size)
                raise
        self.mark = Mark(self.mark.size + len(part), zlib.crc32(part, self.mark.crc32))

    def cut(self, mark: Mark) -> None:
        """Goes back to an earlier mark."""
        with writing(self.path):
            os.ftruncate(self._file, mark.size)
        self.mark = mark

    def sync(self) -> None:
        """Makes sure that all of it is there also after the machine went down."""
        with writing(self.path):
            os.fsync(self._file)


def holds(path: Path, mark: Mark) -> bool:
    """Tells whether a file begins with the bytes that it had at a mark."""
    left, crc = mark.size, 0
    try:
        with path.open("rb") as file:
            while left and (part := file.read(min(left, 2**20))):
                left, crc = left - len(part), zlib.crc32(part, crc)
    except OSError:
        return False
    return left == 0 and crc == mark.crc32


def fingerprint(path: Path) -> str:
    """Returns what tells a file's content from any other."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"


def _write(file: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(file, rest) :]
