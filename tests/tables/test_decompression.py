"""Compressed tables: bounded, and read whole or not at all."""

import gzip
import zlib
from pathlib import Path

import polars as pl
import pytest
from backports import zstd

from mtl_cli.errors import InputError
from mtl_cli.tables.reader import read


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_a_table_that_unpacks_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    monkeypatch.setattr("mtl_cli.tables.files.SMALL", 2**20)
    file = tmp_path / f"t.csv.{suffix}"
    rows = pl.DataFrame({"a": ["0" * 1000] * 4000, "y": [1] * 4000}).lazy()
    rows.sink_csv(file, compression="gzip" if suffix == "gz" else "zstd")
    with pytest.raises(InputError, match="unpacks to more than 200 times its size, and more than 1 MiB;"):
        read(str(file), "data.path")
    monkeypatch.setattr("mtl_cli.tables.files.SMALL", 2**28)
    assert len(read(str(file), "data.path").frame) == 4000


ROWS = b"a,price\n" + b"1,2\n" * 500_000
MANY_ROWS = {"gzip": gzip.compress(ROWS), "zstd": zstd.compress(ROWS), "zlib": zlib.compress(ROWS)}


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.csv.zst", "t.tsv", "t.ndjson"])
@pytest.mark.parametrize("packed", MANY_ROWS)
def test_a_compressed_table_by_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, packed: str
) -> None:
    """Polars goes by how a file begins, and so does what bounds it."""
    monkeypatch.setattr("mtl_cli.tables.files.SMALL", 2**20)
    (tmp_path / name).write_bytes(MANY_ROWS[packed])
    message = "can't be read as" if packed == "zlib" else "unpacks to more than 200 times its size"
    with pytest.raises(InputError, match=message) as refused:
        read(str(tmp_path / name), "data.path")
    assert str(refused.value).startswith(f"data.path: {tmp_path / name} ")


def test_a_header_that_begins_as_zlibs_does(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x^2,price\n1,2\n")
    with pytest.raises(InputError, match=r"it begins with 'x\^' as zlib's files do; rename its first column"):
        read(str(tmp_path / "t.csv"), "data.path")


def flipped(content: bytes, place: int) -> bytes:
    """Returns bytes of which one is another one."""
    found = bytearray(content)
    found[place] ^= 1
    return bytes(found)


SMALL_TABLE = b"a,price\n1,2\n"
GZIP, ZSTD = gzip.compress(SMALL_TABLE), zstd.compress(SMALL_TABLE)
DAMAGED_TABLES = {
    "a checksum.csv.gz": flipped(GZIP, -8),
    "a length.csv.gz": flipped(GZIP, -1),
    "no end.csv.gz": GZIP[:-5],
    "no end.csv.zst": ZSTD[:-2],
    "more behind it.csv.gz": GZIP + b"more",
    "more behind it.csv.zst": ZSTD + b"more",
    "a second one.csv.gz": flipped(GZIP, -8) + GZIP,
}


@pytest.mark.parametrize("name", DAMAGED_TABLES)
def test_what_can_not_be_unpacked_is_left_to_no_other_reader(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(DAMAGED_TABLES[name])
    with pytest.raises(InputError, match="can't be read as csv") as refused:
        read(str(tmp_path / name), "data.path")
    assert str(refused.value).startswith(f"data.path: {tmp_path / name} ")


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.csv.zst"])
@pytest.mark.parametrize("content", [SMALL_TABLE, GZIP, ZSTD, GZIP + gzip.compress(b"3,4\n")], ids=range(4))
def test_a_sound_table_of_any_packing_is_read(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert read(str(tmp_path / name), "data.path").frame.row(0) == (1, 2)
