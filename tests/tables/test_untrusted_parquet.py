"""Parquet files that say what isn't so, or are damaged: bounded, or refused by name."""

import base64
import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_cli.errors import InputError
from mtl_cli.tables.files import files_of
from mtl_cli.tables.parquet_footer import CELL, unpacked_length
from mtl_cli.tables.reader import read
from tests.support.parquet import (
    DELTA_BYTE_ARRAY,
    FEW,
    FIXED,
    MANY,
    NUMBER,
    PAGE,
    PRICE,
    WORD,
    File,
    Struct,
    arrow_schema,
    branch,
    closed,
    data_page,
    i32,
    i64,
    leaf,
    made,
    many,
    numbers,
    of,
    sized,
    text,
    written,
    zigzag,
)

ROWS = 1000
SMALL_CELLS = pl.DataFrame(
    {"flag": [True, False] * (ROWS // 2), "none": [None] * ROWS, "three": [[1, 2, 3]] * ROWS, "text": ["a"] * ROWS},
    schema={"flag": pl.Boolean, "none": pl.Float64, "three": pl.List(pl.Int8), "text": pl.String},
)
COMPRESSIONS: list[Any] = ["zstd", "snappy", "uncompressed", "gzip", "lz4", "brotli"]


def constant(schema: Struct, values: int, entry: bytes, entries: int = 1) -> bytes:
    """Returns a file with a column that has the same entry of a dictionary in each row."""
    file = File()
    file.constant(schema, values, entry, entries)
    file.constant(PRICE, values, struct.pack("<d", 1.5))
    return file.whole(values)


def arrow(schema: bytes) -> Struct:
    """Returns the part of a footer that has an Arrow schema."""
    return {5: many(12, [{1: text(b"ARROW:schema"), 2: text(schema)}])}


def test_what_is_made_by_hand_is_read(tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    for content in (made(), made(footer=arrow(arrow_schema(1, 1)))):
        file.write_bytes(content)
        assert unpacked_length(file) == pytest.approx(2 * FEW * CELL, rel=0.2)
        assert read(str(file), "data.path").frame["a"].to_list() == [0, 1] * (FEW // 2)
    file.write_bytes(constant(WORD, FEW, sized(b"hello")))
    assert read(str(file), "data.path").frame["a"].to_list() == [b"hello"] * FEW


def patched_array(width: int) -> bytes:
    """Returns what polars writes for missing arrays, which its Arrow schema says to be so wide."""
    file, usual = io.BytesIO(), 1000
    frame = pl.DataFrame({"a": pl.Series([None] * FEW, dtype=pl.Array(pl.Int64, usual)), "price": [1.0] * FEW})
    frame.write_parquet(file)
    content = file.getvalue()
    start = content.index(b"/////")  # of base64, as all of them begin
    end = start + content[start:].index(b"\x00")
    schema = base64.b64decode(content[start:end])
    assert schema.count(struct.pack("<i", usual)) == 1
    changed = base64.b64encode(schema.replace(struct.pack("<i", usual), struct.pack("<i", width)))
    return content[:start] + changed + content[end:]


def deep(levels: int) -> bytes:
    """Returns a file whose column is nested so deep."""
    names = [b"a"] * (levels + 1)
    schema = [{4: text(b"root"), 5: i32(2)}, *[branch(b"a", 1)] * levels, NUMBER, PRICE]
    return made(said={3: many(8, names)}, footer={2: many(12, schema)})


def repeated_prefix(length: int, count: int) -> bytes:
    """Returns so many times the same text, in an encoding where each is as much of the one before as it says."""
    head = bytes([128, 1, 4])

    def deltas(first: int, then: int) -> bytes:
        least = min(then - first, 0)
        block = b"".join(struct.pack("<I", (then - first if i == 0 else 0) - least) for i in range(32))
        return head + bytes([count]) + zigzag(first) + zigzag(least) + bytes([32, 0, 0, 0]) + block

    return deltas(0, length) + deltas(length, 0) + b"x" * length


FIRST = len(b"PAR1")
ENCRYPTED: Struct = {1: many(12, [{2: i64(0)}] * 2), 3: i64(FEW)}
WRONG: dict[str, tuple[Callable[[], bytes], str]] = {
    "smaller in the footer": (lambda: constant(WORD, FEW, sized(b"x" * 300_000)), "unpacks to more than 200 times"),
    "a page too large": (lambda: made(data_page(numbers(FEW), FEW, head={2: i32(2**31 - 1)})), "unpacks to more"),
    "a page of less than nothing": (lambda: made(data_page(numbers(FEW), FEW, head={2: i32(-5)})), "counts -5"),
    "a page that ends elsewhere": (lambda: made(data_page(numbers(FEW), FEW, head={3: i32(5)})), "can't be read"),
    "a column that ends in a page": (lambda: made(said={7: i64(len(PAGE) - 1)}), "elsewhere than its pages are"),
    "a page of another kind": (lambda: made(data_page(numbers(FEW), FEW, head={1: i32(9)})), "a page of kind 9"),
    "more values in a page": (lambda: made(data_page(numbers(FEW), MANY)), "its pages 1,000,000,000"),
    "less values in the footer": (lambda: made(said={5: i64(3)}), "its footer counts 3 values, for 10 rows"),
    "less than no values": (lambda: made(said={5: i64(-3)}), "its footer counts -3"),
    "pages that nobody counts": (lambda: made(PAGE * 1000), "and its pages 10,000"),
    "many rows": (lambda: made(rows=MANY, group=FEW), "counts 1,000,000,000 rows, and 10 in its groups"),
    "many rows in a group": (lambda: made(rows=MANY), "10 values, for 1,000,000,000 rows"),
    "the same group often": (lambda: made(rows=FEW * 100, group=FEW, groups=100), "the same bytes twice"),
    "a column before the file": (lambda: made(said={9: i64(-5)}), "has column 'a' at bytes -5"),
    "a column after the file": (lambda: made(said={9: i64(MANY)}), "has column 'a' at bytes 1,000,000,000"),
    "a column without end": (lambda: made(said={7: i64(MANY)}), "where there is none"),
    "a column of nothing": (lambda: made(said={7: i64(0)}), "where there is none"),
    "a dictionary after the file": (lambda: made(said={11: i64(MANY)}), "where there is none"),
    "a dictionary after its values": (lambda: made(said={11: i64(FIRST + 9)}), "where there is none"),
    "values before their page": (
        lambda: made(PAGE, dictionary=data_page(b"", 0), said={9: i64(FIRST + 1)}), "elsewhere than its pages are"
    ),
    "another type than in the schema": (lambda: made(said={1: i32(FIXED)}), "isn't 'a', as in its schema"),
    "another name than in the schema": (lambda: made(said={3: many(8, [b"b"])}), "isn't 'a', as in its schema"),
    "more columns in the schema": (
        lambda: made(footer={2: many(12, [{4: text(b"root"), 5: i32(3)}, NUMBER, PRICE, WORD])}), "3 columns"
    ),
    "less of the schema than it says": (
        lambda: made(footer={2: many(12, [{4: text(b"root"), 5: i32(3)}, NUMBER, PRICE])}), "its schema is cut off"
    ),
    "a column of columns without end": (lambda: deep(300), "nested more than 32 deep"),
    "a dictionary of many": (lambda: constant(WORD, FEW, sized(b"x"), MANY), "unpacks to more than 200 times"),
    "a dictionary of less than none": (lambda: constant(WORD, FEW, sized(b"x"), -5), "counts -5"),
    "long cells of a fixed length": (
        lambda: constant(leaf(b"a", FIXED, 10_000), 100, bytes(10_000)), "unpacks to more than 200 times"
    ),
    "a length below nothing": (lambda: constant(leaf(b"a", FIXED, -1), FEW, b"x"), "its schema counts -1"),
    "cells that go on as the one before": (
        lambda: made(data_page(repeated_prefix(30_000, FEW), FEW, DELTA_BYTE_ARRAY), schema=WORD), "unpacks to more"
    ),
    "wide arrays of nothing": (lambda: patched_array(100_000), "unpacks to more than 200 times"),
    "arrays less wide than nothing": (lambda: patched_array(-1), "arrays of -1 values"),
    "a deep Arrow schema": (lambda: made(footer=arrow(arrow_schema(1000, 1))), "fields, or 32 levels"),
    "an Arrow schema that multiplies": (lambda: made(footer=arrow(arrow_schema(22, 2))), "more than 100,000 fields"),
    "an Arrow schema that is none": (lambda: made(footer=arrow(b"AAAA")), "its Arrow schema is damaged"),
    "an Arrow schema that is no base64": (lambda: made(footer=arrow(b"-")), "its Arrow schema is damaged"),
    "a number that is too large": (lambda: made(said={4: i64(2**32 + 6)}), "the number 4,294,967,302"),
    "a field of another kind": (lambda: made(said={5: (1, None)}), "its field 5 is there twice, or of kind 1"),
    "a list of another kind": (lambda: made(said={2: many(8, [b""])}), "a list with values of kind 8"),
    "an encrypted column": (lambda: made(footer={4: many(12, [ENCRYPTED])}), "'a' is encrypted"),
    "an encrypted footer": (lambda: made()[:-4] + b"PARE", "it is encrypted"),
    "a footer without end": (lambda: closed(b"PAR1" + bytes(2**25), bytes(2**25 + 1)), "33,554,432 are the most"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_a_file_says_wrong_of_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """It is refused before polars opens it."""
    monkeypatch.setattr("mtl_cli.tables.files.SMALL", 100_000)
    make, message = WRONG[name]
    file = tmp_path / "t.parquet"
    file.write_bytes(make())
    with pytest.raises(InputError) as refused:
        files_of(str(file), "data.path")
    assert str(refused.value).startswith(f"data.path: {file} ")
    assert message in str(refused.value)


def test_pages_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.parquet").write_bytes(made())
    for most, wrong in ((3, False), (2, True)):
        monkeypatch.setattr("mtl_cli.tables.parquet_footer.MOST_PAGES", most)
        if wrong:
            with pytest.raises(ValueError, match="or too many pages"):
                unpacked_length(tmp_path / "t.parquet")
        else:
            unpacked_length(tmp_path / "t.parquet")


def test_a_field_that_is_there_twice(tmp_path: Path) -> None:
    """One reader takes the first, another one the last."""
    content = made()
    footer = content[-8 - int.from_bytes(content[-8:-4], "little") : -8]
    assert footer.count(written(PRICE)) == 1
    again = written(PRICE)[:-1] + bytes([0x05, 2]) + zigzag(FIXED) + b"\0"  # field 1, whose number is written out
    (tmp_path / "t.parquet").write_bytes(closed(content[: -8 - len(footer)], footer.replace(written(PRICE), again)))
    with pytest.raises(ValueError, match="its field 1 is there twice"):
        unpacked_length(tmp_path / "t.parquet")


def test_fields_that_nobody_knows(tmp_path: Path) -> None:
    """Of every kind; what comes after them is found."""
    more: Struct = {
        20: (1, None), 21: i32(5), 22: text(b"x" * 300), 23: many(5, [1, 2]), 24: many(12, [{1: i32(1), 20: i32(3)}]),
        25: of({1: (2, None), 30: text(b"")}), 26: many(8, [b"y"] * 20),
    }  # fmt: skip
    (tmp_path / "t.parquet").write_bytes(made(data_page(numbers(FEW), FEW, head=more), said=more, footer=more))
    assert unpacked_length(tmp_path / "t.parquet") < 500
    assert read(str(tmp_path / "t.parquet"), "data.path").frame.height == FEW


@pytest.mark.parametrize("known", [True, False])
def test_a_long_text_in_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool) -> None:
    """In the file it is one; polars keeps it as one, but who goes on with it may not."""
    monkeypatch.setattr("mtl_cli.tables.files.SMALL", 2**20)
    schema = WORD | {6: i32(0)} if known else WORD  # text, or bytes
    (tmp_path / "t.parquet").write_bytes(constant(schema, 10_000, sized(b"x" * 1000)))
    assert unpacked_length(tmp_path / "t.parquet") < 2**19
    with pytest.raises(InputError, match="unpacks to more than 200 times"):
        read(str(tmp_path / "t.parquet"), "data.path")


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_page_unpacks_to_no_more_than_it_says(tmp_path: Path, compression: Any) -> None:
    """What `unpacked_length` rests on: polars refuses, or gives, no more bytes than the page's head counts."""
    frame = pl.DataFrame({"a": ["x" * 10_000], "price": [1.0]})
    frame.write_parquet(tmp_path / "t.parquet", compression=compression, statistics=False)
    content = bytearray((tmp_path / "t.parquet").read_bytes())
    size = zigzag(10_004)
    assert content.count(size) in (1, 2)  # packed, too, where nothing is
    at = content.index(size)
    content[at : at + len(size)] = zigzag(9_004)
    (tmp_path / "t.parquet").write_bytes(content)
    assert unpacked_length(tmp_path / "t.parquet") < 10_000
    if compression != "uncompressed":
        with pytest.raises(pl.exceptions.PolarsError):
            pl.read_parquet(tmp_path / "t.parquet")


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
        assert unpacked_length(path) >= 0
    except ValueError as error:
        assert str(error).startswith(("it ", "its ", "a page "))


LONG = b"\x16" + b"\xff" * 1_000_000 + (1_000_001).to_bytes(4, "little") + b"PAR1"  # an integer without end
NONE = [b"", b"PAR1", b"\0\0\0\0PAR1", b"\xff\xff\xff\x7fPAR1", b"\x19" * 50 + b"\x32\0\0\0PAR1", LONG]


@pytest.mark.parametrize("bytes_", NONE, ids=range(len(NONE)))
def test_no_footer(tmp_path: Path, bytes_: bytes) -> None:
    (tmp_path / "t.parquet").write_bytes(bytes_)
    with pytest.raises(ValueError, match=r"footer|field"):
        unpacked_length(tmp_path / "t.parquet")
