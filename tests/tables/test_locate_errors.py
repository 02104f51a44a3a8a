"""Where a text file is wrong: the byte, line or key that polars stumbled over."""

import gzip
from pathlib import Path

import pytest

from mtl_cli.tables.decompression import BLOCK
from mtl_cli.tables.delimited import Dialect
from mtl_cli.tables.locate_errors import TITLES, first_fault, key_twice, not_utf_8

PLAIN = Dialect()


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"a,b\n1,2\n", None),
        (b"a,b\n1,2,3\n", "line 2 has 3 fields, and the header has 2; if the table begins there, remove the lines"),
        (b"a,b\n" + b"1,2\n" * TITLES + b"1,2,3\n", f"line {TITLES + 2} has 3 fields, and the header has 2"),
        (b'a,b\n"1\n2",3\n4,5,6\n', "line 4 has 3 fields, and the header has 2"),
        (b"a,b\n1\n", None),
        (b"a,b\n1,\xe4\n", "byte 6 (0xe4, in line 2) is not UTF-8"),
        (b"a,b\r1,2\r", "line 1 has rows that end with CR alone"),
    ],
)
def test_rows_of_cells(tmp_path: Path, content: bytes, fault: str | None, suffix: str) -> None:
    found = first_fault(written(tmp_path, f"t.csv{suffix}", content), "csv", PLAIN)
    assert found is None if fault is None else found is not None and found.startswith(fault)


def test_what_encoding_else_it_may_be_is_said(tmp_path: Path) -> None:
    found = first_fault(written(tmp_path, "t.csv", b"\xe4\n"), "csv", PLAIN)
    assert found is not None
    assert found.endswith("save the file as UTF-8, or say what it is, such as data.encoding=windows-1252")


@pytest.mark.parametrize("cut", [-1, 0, 1])
def test_a_letter_across_two_blocks_is_no_fault(tmp_path: Path, cut: int) -> None:
    """The letter has two bytes; the byte behind it that is wrong is found where it is."""
    start = BLOCK + cut - 1
    content = b"x" * (start - 2) + b"\n\n" + "ä".encode()
    assert first_fault(written(tmp_path, "t.ndjson", content), "ndjson", PLAIN) == (
        "line 1 is not JSON: Expecting value: line 1 column 1 (char 0)"
    )
    found = first_fault(written(tmp_path, "t.ndjson", content + b"\xff"), "ndjson", PLAIN)
    assert found == f"byte {start + 2} (0xff, in line 3) is not UTF-8; save the file as UTF-8"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('{"a": 1}\n\n{"a": null}\n', None),
        ('{"a": 1}\n{"a": "one"}\n', None),
        ('{"a": 1}\n{"a": 1.5}\n', None),
        ('{"a": true}\n{"a": 1}\n', "line 2, key 'a' has a number, and in line 1 true or false"),
        ('{"a": [1]}\n{"b": 1}\n{"a": {}}\n', "line 3, key 'a' has an object, and in line 1 a list"),
        ('{"a": 1}\n\n7\n', "line 3 is not a JSON object"),
        ('{"a": 1}\n{"a"}\n', "line 2 is not JSON: Expecting ':' delimiter"),
        ('{"a": 1, "a": 2, "a": 3}\n', "line 1, key 'a' is there 3 times"),
        ('{"a": {"b": -Infinity}}\n', "line 1, key 'b' is -Infinity, which is no number in JSON"),
        ("[" * 100_000, "line 1 has more levels of lists and objects than can be read"),
    ],
)
def test_lines_of_json(tmp_path: Path, content: str, fault: str | None) -> None:
    found = first_fault(written(tmp_path, "t.ndjson", content.encode()), "ndjson", PLAIN)
    assert found is None if fault is None else found is not None and found.startswith(fault)


def test_a_long_key_is_cut(tmp_path: Path) -> None:
    found = first_fault(
        written(tmp_path, "t.ndjson", b'{"%s": 1, "%s": 2}\n' % (b"k" * 99, b"k" * 99)), "ndjson", PLAIN
    )
    assert found == f"line 1, key {'k' * 60!r} is there 2 times"


def test_of_a_parquet_file_nothing_is_said(tmp_path: Path) -> None:
    assert first_fault(written(tmp_path, "t.parquet", b"PAR1"), "parquet", PLAIN) is None


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('{"a": 1}\n{"a": 2, "b": {"a": 3}}\n', None),
        ('{"a": "\\"b\\": \\"b\\": "}\n', None),
        ('{"a": 1}\n{"b": 1, "b" : 2}\n', "line 2, key 'b' is there 2 times"),
        ('{"a": 1}\n{"b": {"c": 1, "c": 2}}\n', "line 2, key 'c' is there 2 times"),
        ('{"a": 1, "a": }\n', "line 1 is not JSON: Expecting value: line 1 column 15 (char 14)"),
    ],
)
def test_keys_that_are_there_twice(tmp_path: Path, content: str, fault: str | None) -> None:
    assert key_twice(written(tmp_path, "t.ndjson", content.encode())) == fault


@pytest.mark.parametrize(
    ("content", "dialect", "found"),
    [
        ("ä".encode(), PLAIN, False),
        ("ä".encode("latin-1"), PLAIN, True),
        ("ä".encode("utf-16"), PLAIN, False),
        ("ä".encode("latin-1"), Dialect(encoding="iso8859-1"), False),
    ],
)
def test_whether_bytes_are_utf_8(tmp_path: Path, content: bytes, dialect: Dialect, found: bool) -> None:
    assert not_utf_8(written(tmp_path, "t.csv", content), dialect) is found


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"a,b\n1,2\n3,4\n", None),
        (b"a,b\n1,2\n3\n", None),
        (b"a,b\n1,2,3\n", "line 2 has 3 fields, and the header has 2; if the table begins there, remove the lines"),
        (b"a,b\n" + b"1,2\n" * 9 + b"1,2,3\n", "line 11 has 3 fields, and the header has 2"),
        (b'a,b\n"1\n1",2\n1,2,3\n', "line 4 has 3 fields"),
        (b"a,b\n1,\xff\n", "byte 6 (0xff, in line 2) is not UTF-8"),
        (b"a,b\n1,\xc3", "byte 6 (0xc3, in line 2) is not UTF-8"),
        (b"x" * (BLOCK - 1) + "é".encode() + b"\n\xff", f"byte {BLOCK + 2} (0xff, in line 2) is not UTF-8"),
    ],
)
def test_a_delimited_file(tmp_path: Path, content: bytes, fault: str | None) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    found = first_fault(tmp_path / "t.csv", "csv", Dialect())
    assert found is None if fault is None else str(found).startswith(fault), found


def test_titles_stand_in_the_first_ten_lines(tmp_path: Path) -> None:
    for before, hint in ((8, True), (9, False)):
        (tmp_path / "t.csv").write_text("a,b\n" + "1,2\n" * before + "1,2,3\n")
        fault = str(first_fault(tmp_path / "t.csv", "csv", Dialect()))
        assert fault.endswith("; if the table begins there, remove the lines before it") is hint


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('{"a": 1}\n\n{"a": null}\n{"a": 2.5}\n', None),
        ('{"a": 1}\n[1]\n', "line 2 is not a JSON object"),
        ('{"a": 1}\n\n{"a": \n', "line 3 is not JSON: "),
        ('{"a": 1, "b": 2, "a": 3}\n', "line 1, key 'a' is there 2 times"),
        ('{"a": {"b": 1, "b": 2}}\n', "line 1, key 'b' is there 2 times"),
        ('{"a": NaN}\n', "line 1, key 'a' is NaN, which is no number in JSON; null stands for a missing one"),
        ('{"a": 1}\n{"a": null}\n{"a": [1]}\n', "line 3, key 'a' has a list, and in line 1 a number"),
        ('{"a": true}\n{"a": 1}\n', "line 2, key 'a' has a number, and in line 1 true or false"),
        ('{"a": "x"}\n{"a": 1}\n', None),
        ('{"a": ' + "[" * 10**5 + "\n", "line 1 has more levels of lists and objects than can be read"),
    ],
)
def test_an_ndjson_file(tmp_path: Path, content: str, fault: str | None) -> None:
    (tmp_path / "t.ndjson").write_text(content)
    found = first_fault(tmp_path / "t.ndjson", "ndjson", Dialect())
    assert found is None if fault is None else str(found).startswith(fault), found


def test_a_key_that_is_there_twice(tmp_path: Path) -> None:
    """In the object itself or inside; one that a text has, or two objects in a list, is none."""
    file = tmp_path / "t.ndjson"
    file.write_text('{"a": 1}\n{"a": {"a": 2}, "b": [{"c": 1}, {"c": 2}], "d": "a\\": 1"}\n')
    assert key_twice(file) is None
    file.write_text('{"a": {"a": 1}}\n{"b": 0, "a": 1, "b": 2}\n')
    assert key_twice(file) == "line 2, key 'b' is there 2 times"


def test_which_files_are_no_utf_8(tmp_path: Path) -> None:
    for content, expected in (("é".encode(), False), ("é".encode("latin-1"), True), ("é".encode("utf-16"), False)):
        (tmp_path / "t.csv").write_bytes(content + b"\n\0"[: 1 + (b"\xff\xfe" in content)])
        assert not_utf_8(tmp_path / "t.csv", Dialect()) is expected
