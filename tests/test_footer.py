"""How large a Parquet file is unpacked, as its footer says."""

import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_cli.tables.footer import CELL, unpacked_length

ROWS = 1000
SMALL_CELLS = pl.DataFrame(
    {"flag": [True, False] * (ROWS // 2), "none": [None] * ROWS, "three": [[1, 2, 3]] * ROWS},
    schema={"flag": pl.Boolean, "none": pl.Float64, "three": pl.List(pl.Int8)},
)


@pytest.mark.parametrize("compression", ["zstd", "snappy", "uncompressed", "gzip"])
def test_every_value_counts(tmp_path: Path, compression: str) -> None:
    """Also where it takes a bit in the file, or nothing; in however many groups of rows."""
    SMALL_CELLS.write_parquet(tmp_path / "t.parquet", compression=compression, row_group_size=300)  # type: ignore[arg-type]
    assert unpacked_length(tmp_path / "t.parquet") == CELL * (ROWS + ROWS + 3 * ROWS)


def test_long_texts_count_as_long_as_they_are(tmp_path: Path) -> None:
    texts = pl.DataFrame({"text": ["x" * 1_000_000, "y" * 2_000_000]})
    texts.write_parquet(tmp_path / "t.parquet", compression="zstd")
    assert (tmp_path / "t.parquet").stat().st_size < 10_000
    assert unpacked_length(tmp_path / "t.parquet") == pytest.approx(3_000_000, rel=0.001)


def test_what_nobody_needs_hides_nothing(tmp_path: Path) -> None:
    """A map and a UUID in fields that no reader knows, and a column that counts less than nothing."""
    chunk = bytes([0x3C, 0x56, 10, 0x16, 4, 0, 0])  # field 3, a struct: of 5 values, 2 bytes
    less = bytes([0x3C, 0x56, 9, 0x16, 1, 0, 0])  # of -5, -1
    group = bytes([0x19, 0x2C]) + chunk + less + b"\0"  # field 1, a list of two structs
    unknown = bytes([0x1B, 1, 0x55, 2, 2]) + b"\x1d" + bytes(16)  # fields 1 and 2
    footer = unknown + bytes([0x29, 0x1C]) + group + b"\0"  # field 4, a list of one struct
    (tmp_path / "t.parquet").write_bytes(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    assert unpacked_length(tmp_path / "t.parquet") == 5 * CELL


def content() -> bytes:
    file = io.BytesIO()
    SMALL_CELLS.write_parquet(file)
    return file.getvalue()


WHOLE = content()


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=20), st.integers(0, 12))
def test_damaged_files(tmp_path_factory: pytest.TempPathFactory, bytes_: list[tuple[int, int]], cut: int) -> None:
    damaged = bytearray(WHOLE[: len(WHOLE) - cut])
    for place, byte in bytes_:
        damaged[place % len(damaged)] = byte
    path = tmp_path_factory.getbasetemp() / "damaged.parquet"
    path.write_bytes(damaged)
    try:
        assert isinstance(unpacked_length(path), int)
    except ValueError as error:
        assert "footer" in str(error)


LONG = b"\x16" + b"\xff" * 1_000_000 + (1_000_001).to_bytes(4, "little") + b"PAR1"  # an integer without end
NONE = [b"", b"PAR1", b"\0\0\0\0PAR1", b"\xff\xff\xff\x7fPAR1", b"\x19" * 50 + b"\x32\0\0\0PAR1", LONG]


@pytest.mark.parametrize("bytes_", NONE, ids=range(len(NONE)))
def test_no_footer(tmp_path: Path, bytes_: bytes) -> None:
    (tmp_path / "t.parquet").write_bytes(bytes_)
    with pytest.raises(ValueError, match="footer"):
        unpacked_length(tmp_path / "t.parquet")
