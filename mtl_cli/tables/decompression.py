"""Decompression of files: their bytes, and how many these are."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, cast

from backports import zstd

from mtl_cli.tables.parquet_footer import unpacked_length

UNREADABLE: Final = (OSError, EOFError, zlib.error, zstd.ZstdError)
"""What a damaged file raises when it is unpacked."""
BLOCK: Final = 2**20
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_ZLIB: Final = (b"x\x01", b"x^", b"x\x9c", b"x\xda")


def unpacked_lengths(path: Path, form: str) -> Iterator[int]:
    """Yields how much the parts of a file unpack to, nothing where it isn't compressed.

    Raises:
        ValueError: It is a Parquet file that doesn't say, or begins as zlib's do.
    """
    if form == "parquet":
        yield unpacked_length(path)
        return
    head = _head(path)
    if head.startswith(_ZLIB):
        start = ascii(head[:2].decode("latin-1"))
        raise ValueError(f"it begins with {start} as zlib's files do; rename its first column, or compress it as .gz")
    if not head.startswith((_GZIP, _ZSTD)):
        return
    with opened(path) as file:
        while block := file.read(BLOCK):
            yield len(block)


def opened(path: Path) -> IO[bytes]:
    """Opens a file for its bytes, decompressed as polars does: by how it begins, whatever its name is."""
    head = _head(path)
    if head.startswith(_GZIP):
        return cast(IO[bytes], gzip.GzipFile(path))
    return cast(IO[bytes], zstd.ZstdFile(path)) if head == _ZSTD else path.open("rb")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(_ZSTD))
