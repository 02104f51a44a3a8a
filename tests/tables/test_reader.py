"""Tables in every format: what is read, and where a file is wrong."""

import gzip
import re
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mtl_cli.data.table import MISSING_TEXTS
from mtl_cli.errors import InputError
from mtl_cli.tables.delimited import Dialect
from mtl_cli.tables.reader import read

PLAIN = pl.DataFrame({"a": [1, 2, None], "b": ["x", 'y,"\n', None], "c": [1.5, None, -2.5e-3]})


ZSTD: dict[str, Any] = {"compression": "zstd", "check_extension": False}


def write(frame: pl.DataFrame, path: Path) -> None:
    """Writes a table in the format that the name stands for."""
    name = path.name.removesuffix(".gz").removesuffix(".zst")
    beside = path.with_name(f"plain_{name}")
    if name.endswith(".parquet"):
        frame.write_parquet(beside)
    elif name.endswith(("ndjson", "jsonl")):
        frame.write_ndjson(beside, **(ZSTD if path.suffix == ".zst" else {}))
    else:
        separator = "\t" if name.endswith(("tsv", "tab")) else ","
        frame.write_csv(beside, separator=separator, **(ZSTD if path.suffix == ".zst" else {}))
    content = beside.read_bytes()
    beside.unlink()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize(
    "name",
    ["t.csv", "t.CSV", "t.tsv", "t.tab", "t.parquet", "t.pq", "t.ndjson", "t.jsonl",
     "t.csv.gz", "t.tsv.zst", "t.ndjson.gz", "t.jsonl.zst"],
)  # fmt: skip
def test_every_format_reads_the_same(tmp_path: Path, name: str) -> None:
    write(PLAIN, tmp_path / name) if not name.endswith("pq") else PLAIN.write_parquet(tmp_path / name)
    assert read(str(tmp_path / name), "data.path", Dialect(tuple(MISSING_TEXTS))).frame.equals(PLAIN)


def test_several_files_and_globs(tmp_path: Path) -> None:
    tmp_path /= "inner"  # a pattern for what is around it would go through other tests' folders
    tmp_path.mkdir()
    PLAIN.write_csv(tmp_path / "1.csv")
    PLAIN.select("c", "a", "b").write_csv(tmp_path / "2.csv")
    both = read(str(tmp_path / "*.csv"), "data.path")
    assert both.frame.equals(pl.concat([PLAIN, PLAIN]))
    assert read(str(tmp_path.parent / "**" / tmp_path.name / "**" / "*.csv"), "data.path").frame.equals(both.frame)
    assert both.place(4) == f"{tmp_path / '2.csv'}, row 2"
    listed = read([str(tmp_path / "2.csv"), str(tmp_path / "1.csv")], "data.path")
    assert listed.place(2) == f"{tmp_path / '2.csv'}, row 3"
    PLAIN.drop("b").write_csv(tmp_path / "3.csv")
    with pytest.raises(InputError, match="different columns: only one of them has 'b'"):
        read(str(tmp_path / "*.csv"), "data.path")
    with pytest.raises(InputError, match="no file matches"):
        read(str(tmp_path / "*.tsv"), "data.path")


def test_a_name_that_is_a_pattern_is_refused_and_one_that_only_begins_or_ends_as_one_is_none(tmp_path: Path) -> None:
    """Polars takes the first for all columns that are like it."""
    (tmp_path / "t.csv").write_text("^a,a$,a*,^,$\n1,2,3,4,5\n")
    assert read(str(tmp_path / "t.csv"), "data.path").frame.row(0, named=True) == {
        "^a": 1, "a$": 2, "a*": 3, "^": 4, "$": 5
    }  # fmt: skip
    for name in ("^a$", "*", "^.*$"):
        (tmp_path / "t.csv").write_text(f"a,{name}\n1,2\n")
        with pytest.raises(InputError, match=re.escape(f"column 2 can't be used by its name {name!r}; rename it")):
            read(str(tmp_path / "t.csv"), "data.path")


FAULTS = [
    (b"a,b,c\n1,2,3\n1,2\n", "line 3 has 2 fields, and the header has 3"),
    (b'a,b\n"x\ny",1\n3,4\n5\n', "line 5 has 1 fields, and the header has 2"),
    (b"a,b\n1,2\n1,2,3\n", "line 3 has 3 fields, and the header has 2"),
    (b"a,b\n1,2\n3,caf\xe9\n", r"byte 13 \(0xe9, in line 3\) is not UTF-8"),
    ("a,b\n1,2\n".encode("utf-16")[:-1], r"byte 16 \(0x0a\) is not utf-16"),
    (b"a,a\n1,2\n", "has the column 'a' more than once"),
    (b"a,,b\n1,2,3\n", "column 2 has no name"),
    (b"a,b\n", "has a header but no rows"),
    (b"", "is empty"),
]


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
@pytest.mark.parametrize(("content", "message"), FAULTS, ids=lambda value: str(value)[:30])
def test_where_a_file_is_wrong(tmp_path: Path, content: bytes, message: str, suffix: str) -> None:
    if suffix == ".csv.gz":
        if not content:
            return
        content = gzip.compress(content)
    (tmp_path / f"t{suffix}").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read(str(tmp_path / f"t{suffix}"), "data.path")


NESTED = "[" * 2000 + "]" * 2000
NDJSON = [
    ('{"a": 1}\n{"a": \n', "line 2 is not JSON"),
    ('{"a": 1}\n[1]\n', "line 2 is not a JSON object"),
    ('{"a": 1, "b": 2}\n\n{"a": 1, "b": 2, "a": 3}\n', "line 3, key 'a' is there 2 times"),
    ('{"a": 1, "b": 2}\n{"a" : 1, "b": {"c": 1, "c": 2}}\n', "line 2, key 'c' is there 2 times"),
    ('{"a": 1}\n{"a": NaN}\n', "line 2, key 'a' is NaN, which is no number in JSON; null stands for a missing one"),
    ('{"a": 1}\n{"a": -Infinity}\n', "line 2, key 'a' is -Infinity, which is no number in JSON"),
    ('{"a": 1}\n{"a": [1, 2]}\n', "line 2, key 'a' has a list, and in line 1 a number"),
    ('{"a": null}\n{"a": [1]}\n{"a": 1}\n', "line 3, key 'a' has a number, and in line 2 a list"),
    ('{"a": {"b": 1}}\n{"a": 1}\n', "line 2, key 'a' has a number, and in line 1 an object"),
    ('{"a": 1.5}\n{"a": true}\n', "line 2, key 'a' has true or false, and in line 1 a number"),
    (f'{{"a": {NESTED}}}\n', "line 1 has more levels of lists and objects than can be read"),
]


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(("content", "message"), NDJSON, ids=lambda value: str(value)[:30])
def test_where_ndjson_is_wrong(tmp_path: Path, content: str, message: str, suffix: str) -> None:
    file = tmp_path / f"t.ndjson{suffix}"
    file.write_bytes(gzip.compress(content.encode()) if suffix else content.encode())
    with pytest.raises(InputError, match=re.escape(message)):
        read(str(file), "data.path")


@pytest.mark.parametrize("cells", ['"x", 1', '1, "x"'])
def test_texts_and_numbers_are_texts_in_ndjson(tmp_path: Path, cells: str) -> None:
    rows = [f'{{"a": {cell}, "b": {{"a": 1}}}}\n' for cell in cells.split(", ")]
    (tmp_path / "t.ndjson").write_text("".join(rows))
    assert set(read(str(tmp_path / "t.ndjson"), "data.path").frame["a"].to_list()) == {"x", "1"}


def test_types_that_only_late_rows_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtl_cli.tables.reader.LOOKED_AT", 3)
    (tmp_path / "t.csv").write_text("i,f,t,n\n1,1,1,\n2,2,2,\n3,3,3,\n4,4.5,x,7\n")
    frame = read(str(tmp_path / "t.csv"), "data.path").frame
    assert frame.to_dict(as_series=False) == {
        "i": [1, 2, 3, 4], "f": [1, 2, 3, 4.5], "t": ["1", "2", "3", "x"], "n": [None, None, None, 7]
    }  # fmt: skip
    (tmp_path / "t.csv").write_text("i,n\n1,\n2,\n3,\n4,7\n")
    assert read(str(tmp_path / "t.csv"), "data.path").frame["n"].to_list() == [None, None, None, 7]


def test_text_in_one_file_is_text_in_all(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("code,z,y\n01,1.5,1\n02,2.5,2\n" * 1)
    (tmp_path / "2.csv").write_text("code,z,y\nA1,,3\n01,,4\n")
    found = read(str(tmp_path / "?.csv"), "data.path").frame
    assert found["code"].to_list() == ["01", "02", "A1", "01"]
    assert found["z"].to_list() == [1.5, 2.5, None, None]
    pl.DataFrame({"code": [1], "z": [date(2020, 1, 1)], "y": [1]}).write_parquet(tmp_path / "3.parquet")
    with pytest.raises(InputError, match=r"'code' is number in .*3.parquet and text in .*1.csv"):
        read([str(tmp_path / "1.csv"), str(tmp_path / "2.csv"), str(tmp_path / "3.parquet")], "data.path")
