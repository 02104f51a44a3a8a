"""Files of a table: which ones paths and globs name, their formats, and where one can't be read."""

import glob
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Final

from mtl_cli.errors import InputError, NotHere, nearest
from mtl_cli.paths import blocked, from_where
from mtl_cli.tables.decompression import UNREADABLE, unpacked_lengths
from mtl_cli.tables.delimited import PLAIN, Dialect
from mtl_cli.tables.locate_errors import first_fault

MOST_UNPACKED: Final = 200
"""Times its own size that a compressed file may unpack to."""
SMALL: Final = 2**28
"""Bytes that any may unpack to."""
FORMATS: Final = ("csv", "tsv", "parquet", "ndjson")
_ENDINGS: Final = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".txt": "csv", ".data": "csv", ".parquet": "parquet",
    ".pq": "parquet", ".ndjson": "ndjson", ".jsonl": "ndjson",
}  # fmt: skip
_COMPRESSED: Final = {".gz", ".zst", ".zstd"}


def files_of(path: str | Sequence[str], key: str) -> list[Path]:
    """Returns the files that a path, a list of paths or a glob names, all of a format that can be read."""
    files: list[Path] = []
    if path in ("", []):
        raise InputError(f"{key}: names no file")
    for name in map(os.path.expanduser, [path] if isinstance(path, str) else path):  # as files of configs have them
        found = [name]
        if glob.has_magic(name) and not _exists(Path(name), key):
            found = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 (of any path, absolute ones too)
        if not found:
            plain = takewhile(lambda part: not glob.has_magic(part), Path(name).parts)
            why = blocked(Path(*plain, "*"))
            raise _not_there(f"{key}: no file matches {name!r}{f': {why}' if why else ''}", name)
        files += [Path(file) for file in found]
    for file in files:
        _check_file(file, key)
    return files


def format_of(path: Path, key: str) -> str:
    """Returns which of FORMATS a file's name stands for; `.gz` and `.zst` may follow."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    form = _ENDINGS.get(suffixes[-1]) if suffixes else None
    if form is None:
        raise InputError(f"{key}: {path} is none of {', '.join(_ENDINGS)} (.gz and .zst may follow)")
    return form


@contextmanager
def explaining(path: Path, key: str, form: str, dialect: Dialect = PLAIN) -> Iterator[None]:
    """Says where a file is wrong when polars can't read it."""
    import polars as pl

    try:
        yield
    except (*UNREADABLE, ValueError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        where = first_fault(path, form, dialect)
        raise InputError(f"{key}: {path} can't be read as {form}: {where or _reason(error)}") from error


def refuse_unpacked(path: Path, key: str, size: float) -> None:
    """Refuses a file of which so many bytes were unpacked."""
    if size > max(SMALL, MOST_UNPACKED * path.stat().st_size):
        raise InputError(
            f"{key}: {path} unpacks to more than {MOST_UNPACKED} times its size, and more than "
            f"{SMALL >> 20} MiB; save it as plain CSV"
        )


def _exists(path: Path, key: str) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise InputError(f"{key}: {str(path)[:60]}... can't be looked up: {error.strerror}") from error


def _not_there(message: str, path: Path | str) -> InputError:
    """Returns the error that says so, and for a relative path from where it counts."""
    return (InputError if Path(path).is_absolute() else NotHere)(f"{message}{from_where(path)}")


def _check_file(path: Path, key: str) -> None:
    if not _exists(path, key):
        why = blocked(path)
        if why:
            raise _not_there(f"{key}: there is no file {path}: {why}", path)
        names = [other.name for other in path.parent.glob("*") if other.suffix.lower() in {*_ENDINGS, *_COMPRESSED}]
        hint = f"; {nearest(path.name, names, 'files')}" if names else ""
        raise _not_there(f"{key}: there is no file {path}{hint}", path)
    if path.is_dir():
        raise InputError(f"{key}: {path} is a directory; name a file, or all of them as '{path}/*.csv'")
    if not path.is_file():
        raise InputError(f"{key}: {path} is not a file")
    format_of(path, key)
    if path.stat().st_size == 0:
        raise InputError(f"{key}: {path} is empty")
    _refuse_bomb(path, key, format_of(path, key))


def _refuse_bomb(path: Path, key: str, form: str) -> None:
    """Refuses a file that unpacks to far more than a table does, or that doesn't say."""
    unpacked = 0
    with explaining(path, key, form):
        for length in unpacked_lengths(path, form):
            unpacked += length
            refuse_unpacked(path, key, unpacked)


def _reason(error: BaseException) -> str:
    first = str(error).strip().partition("\n")[0]
    return re.sub(r"\s*Consider setting .*", "", first) or type(error).__name__
