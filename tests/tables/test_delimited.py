"""Tables as people have them: other separators, encodings and marks in numbers, no header."""

import gzip
import shlex
from pathlib import Path

import polars as pl
import pytest

from mtl_cli.errors import InputError
from mtl_cli.tables.delimited import PLAIN, Dialect, delimited
from mtl_cli.tables.reader import read
from tests.support.command import MtlTrain
from tests.support.tables import kinds_of


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_european_tables_are_read_as_they_are(mtl_train: MtlTrain, tmp_path: Path, separator: str) -> None:
    """Cells apart by another mark, and a comma in numbers; the same as in the usual form."""
    rows = [(i / 8, 1000.5 + i, f"k{i % 3}", i % 7 + 0.5) for i in range(60)]

    def european(number: float) -> str:
        whole, _, rest = f"{number:,}".replace(",", ".").rpartition(".")
        return f"{whole},{rest}"

    theirs = [[european(a), european(b), c, european(y)] for a, b, c, y in rows]
    lines = [["a", "b", "c", "y"], *theirs]
    (tmp_path / "e.csv").write_text("".join(separator.join(line) + "\n" for line in lines))
    pl.DataFrame(rows, schema=["a", "b", "c", "y"], orient="row").write_csv(tmp_path / "u.csv")
    found = []
    for name in ("e", "u"):
        words = ["data=table", f"data.path={name}.csv", "+tasks.y.kind=regression", "batch_size=8", "steps=20"]
        run = mtl_train(*words, f"hydra.run.dir={name}")
        assert run.status == 0, run.err
        assert kinds_of(tmp_path / name) == {"a": "number", "b": "number", "c": "text"}
        assert ("separates cells, numbers have a decimal comma" in run.err) == (name == "e")
        for table in ("e", "u"):
            predicted = mtl_train("predict", name, f"{table}.csv", "--out", f"{name}{table}.csv")
            assert predicted.status == 0, predicted.err
            found.append(pl.read_csv(tmp_path / f"{name}{table}.csv")["y"].to_list())
    assert all(one == pytest.approx(found[0]) for one in found)
    assert mtl_train("inspect", "e.csv", "--target", "y", "--out", "c").status == 0
    assert mtl_train("--config-dir", "c", "experiment=e", "steps=2", "hydra.run.dir=i").status == 0
    assert kinds_of(tmp_path / "i") == {"a": "number", "b": "number", "c": "text"}


def test_quoted_nothing_is_missing(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """For `inspect`, training and predictions alike, whatever the column holds."""
    empty = '""'
    rows = [(i if i % 4 else empty, f"k{i % 2}" if i % 5 else empty, i % 7 if i % 6 else empty) for i in range(60)]
    lines = [",".join(map(str, row)) for row in rows]
    (tmp_path / "t.csv").write_text("\n".join(["x,k,y", *lines]) + "\n")
    out = " ".join(mtl_train("inspect", "t.csv", "--target", "y", "--out", "c").out.split())
    assert "k text 20% 2 k1 category" in out
    assert "x whole numbers 25% 45 1" in out
    words = ["data=table", "data.path=t.csv", "batch_size=4", "steps=2", "hydra.run.dir=run"]
    run = mtl_train(*words, "+tasks.y.kind=regression")
    assert run.status == 0, run.err
    assert kinds_of(tmp_path / "run") == {"x": "number", "k": "text"}
    (tmp_path / "plain.csv").write_text((tmp_path / "t.csv").read_text().replace('""', ""))
    for name in ("t", "plain"):
        predicted = mtl_train("predict", "run", f"{name}.csv", "--out", f"p_{name}.csv")
        assert predicted.status == 0, predicted.err
    assert (tmp_path / "p_t.csv").read_bytes() == (tmp_path / "p_plain.csv").read_bytes()


FORMS: list[tuple[str, bytes, Dialect]] = [
    ("t.csv", b"a;b\n1,5;caf\xe9\n2,5;x\n", Dialect(encoding="latin-1")),
    ("t.csv", "a;b\n1,5;café\n2,5;x\n".encode("utf-16"), Dialect()),
    ("t.csv", "a;b\n1,5;café\n2,5;x\n".encode("utf-16-le"), Dialect(encoding="utf-16-le")),
    ("t.csv", "a,b\n1.5,café\n2.5,x\n".encode("utf-8-sig"), Dialect()),
    ("t.csv", "\"a;b\"\n\"1,5;café\"\n\"2,5;x\"\n".encode(), Dialect()),
    ("t.csv", '"a,""b"""\n"1.5,""café"""\n"2.5,""x"""\n'.encode(), Dialect()),
    ("t.csv", "a;b;;\n1,5;café;;\n2,5;x;;\n".encode(), Dialect()),
    ("t.csv", 'a, "b"\n1.5, "café"\n2.5, "x"\n'.encode(), Dialect()),
    ("t.csv", ' a , b\n1.5, café\n2.5, x\n'.encode(), Dialect()),
    ("t.csv", "a,b\n1.5,café\n2.5,x\n\n,\n\n".encode(), Dialect()),
    ("t.data", "1.5   café\n2.5\tx\n".encode(), Dialect(header=("a", "b"))),
    ("t.csv", "a/b\n1.5/café\n2.5/x\n".encode(), Dialect(separator="/")),
    ("t.csv", "a\tb\n1.5\tcafé\n2.5\tx\n".encode(), Dialect(separator="tab")),
    ("t.data", "1.5,café\n2.5,x\n".encode(), Dialect(header=("a", "b"))),
    ("t.data.gz", gzip.compress("  1.5    café\n  2.5 \t x\n\n".encode(), mtime=0), Dialect(header=("a", "b"))),
    ("t.txt", 'a  "b"\n1.5 "café"\n2.5 x\n'.encode(), Dialect()),
    ("t.csv", 'a b\n1.5 café\n2.5 x\n'.encode(), Dialect(separator="whitespace")),
    ("t.csv", "a, b\n1.5, café\n2.5, x\n".encode().replace(b"a, b", b"a,b"), Dialect()),
    ("t.csv", "a,b\n1'001.5,café\n2,x\n".encode(), Dialect(thousands="'")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "dialect"), FORMS, ids=lambda value: str(value)[:40])
def test_one_table_in_many_forms(tmp_path: Path, name: str, content: bytes, dialect: Dialect) -> None:
    (tmp_path / name).write_bytes(content)
    found = read(str(tmp_path / name), "data.path", dialect).frame.to_dict(as_series=False)
    first = 1001.5 if dialect.thousands else 1.5
    assert found == {"a": [first, 2.0 if dialect.thousands else 2.5], "b": ["café", "x"]}


WRONG: list[tuple[str, bytes, Dialect, str]] = [
    ("t.csv", b"a,b\n1,2\n", Dialect(separator=";"), "has no ';', data.separator, in its first line, 'a,b'"),
    ("t.csv", b"1,2\n3,4\n", Dialect(header=("a",)), "has 2 columns, and data.header 1 names"),
    ("t.csv", b"1,2\n3,4\n", Dialect(header=("a", "a")), "has the column 'a' more than once$"),
    ("t.csv", b"a,b\n1,\x9d\n", Dialect(encoding="cp1252"), r"byte 6 \(0x9d\) is not cp1252; data.encoding says"),
    ("t.csv", b"a,b\n1,caf\xe9\n", Dialect(), "is not UTF-8; save the file as UTF-8, or say what it is, such as data."),
    ("t.csv", b'"a;b"\n"1;2"\n3;"4"\n', Dialect(), "line 3 isn't in quotes as a whole, and the header is"),
    ("t.data", b"0,0,1.5\n1,0,2.5\n", Dialect(), "the column '0' more than once; where the first row has values"),
    ("t.csv", "a;b\n1;2;3\n".encode("utf-16"), Dialect(), "line 2 has 3 fields, and the header has 2"),
    ("t.data", b"low,high\nlow,low\n", Dialect(), "no column 'column_2'; "),
    ("t.csv", b"a;b;;\n1;2;;\n1;2;3;\n", Dialect(), "column 3 has no name"),
    ("t.csv", b"a,,b\n1,,2\n", Dialect(), "column 2 has no name"),
    ("t.csv", b"a\x00,\x00b\x00\n\x001\x00,\x002\x00\n\x00", Dialect(), "say data.encoding=utf-16-le"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "dialect", "message"), WRONG, ids=lambda value: str(value)[:30])
def test_a_form_that_does_not_fit_is_named(
    tmp_path: Path, name: str, content: bytes, dialect: Dialect, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read(str(tmp_path / name), "data.path", dialect).need(["column_2"], "tasks.y.column")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.encoding=latin9x", "data.encoding: an encoding is like utf-8, utf-16, latin-1 or windows-1252, got"),
        ("data.encoding=rot13", "data.encoding: an encoding is like"),
        ("data.separator=ab", "data.separator: one character, tab or whitespace, got 'ab'"),
        ("data.separator=a", "data.separator: one character, tab or whitespace, got 'a'"),
        ("data.thousands=x", "data.thousands: 'x' is not valid"),
        ("data={thousands:'.',decimal:'.'}", "thousands: '.' is the decimal mark as well"),
        ("data.header=5", "data.header: "),
    ],
)  # fmt: skip
def test_keys_of_a_form_are_checked(mtl_train: MtlTrain, tmp_path: Path, override: str, message: str) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    run = mtl_train("data=table", "data.path=t.csv", "+tasks.b.kind=regression", override)
    assert run.status == 2
    assert message in run.err
    assert len(run.err.splitlines()) == 1


def test_a_table_without_a_header_in_another_encoding(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """Inspected, trained and predicted, with and without names given."""
    rows = [f"{i / 8:.3f}; {'Málaga' if i % 2 else 'Köln'}; {i % 5}" for i in range(80)]
    (tmp_path / "t.data").write_bytes("\n".join([*rows, ""]).encode("cp1252"))
    seen = mtl_train("inspect", "t.data", "--target", "column_3", "--out", "c")
    assert seen.status == 0, seen.err
    config = (tmp_path / "c" / "experiment" / "t.yaml").read_text()
    assert "  encoding: windows-1252 " in config
    assert "  header: false " in config
    run = mtl_train("--config-dir", "c", "experiment=t", "steps=2", "hydra.run.dir=run")
    assert run.status == 0, run.err
    assert kinds_of(tmp_path / "run") == {"column_1": "number", "column_2": "text"}
    named = mtl_train(
        "data=table", "data.path=t.data", "data.encoding=cp1252", "data.header=[x,town,y]", "+tasks.y.kind=regression",
        "batch_size=8", "steps=2", "hydra.run.dir=named",
    )  # fmt: skip
    assert named.status == 0, named.err
    for name in ("run", "named"):
        predicted = mtl_train("predict", name, "t.data", "--out", f"{name}.csv")
        assert predicted.status == 0, predicted.err
        assert pl.read_csv(tmp_path / f"{name}.csv").height == 80
    whole = pl.read_csv(tmp_path / "named.csv")["y"].to_list()
    (tmp_path / "part.data").write_bytes("\n".join([*rows[:3], ""]).encode("cp1252"))
    assert mtl_train("predict", "named", "part.data", "--out", "part.csv").status == 0
    assert pl.read_csv(tmp_path / "part.csv")["y"].to_list() == pytest.approx(whole[:3])


@pytest.mark.parametrize(
    ("first", "nameless"),
    [("39,State-gov,13", True), ("country,1990,1991,1992", False), ("country,1990,1991", False),
     ("0,1,2", False), ("a,b,x1", False), ("1,a,b,c", False)],
)  # fmt: skip
def test_values_in_place_of_names_are_noticed(tmp_path: Path, first: str, nameless: bool) -> None:
    (tmp_path / "t.csv").write_text(f"{first}\n{first}\n")
    (form,) = read(str(tmp_path / "t.csv"), "data.path").forms
    assert form.nameless == nameless


def test_columns_without_a_name_are_called_by_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(",b,,\n1,2,,\n")
    form = delimited(tmp_path / "t.csv", "csv", PLAIN)
    assert (form.names, form.trailing) == (("column_1", "b", "column_3", "column_4"), ("column_3", "column_4"))


def test_empty_lines_at_the_end_are_no_rows(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """Nor predictions; one in between is a row without anything, whose number counts."""
    lines = ["a;b;y", *(f"{i / 4};k{i % 3};{i % 5}" for i in range(60))]
    lines[30] = ""
    (tmp_path / "t.csv").write_text("\n".join([*lines, "", ";;", "", ""]))
    run = mtl_train("data=table", "data.path=t.csv", "+tasks.y.kind=regression", "batch_size=8", "steps=2")
    assert run.status == 0, run.err
    assert "training rows too" not in run.err
    assert mtl_train("predict", str(run.folder), "t.csv", "--out", "p.csv").status == 0
    assert pl.read_csv(tmp_path / "p.csv").height == 60
    assert "t.csv: 60 rows" in mtl_train("inspect", "t.csv").out


def test_a_file_that_is_like_auto_mpg(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """Blanks between numbers, a tab before a name in quotes, no header: found, or said by hand."""
    rows = [f'{18 + i % 9}.0   {4 + 2 * (i % 3)}   {100 + 7 * i}.0  {90 + i}.\t"car {i % 9} x"' for i in range(60)]
    (tmp_path / "auto-mpg.data").write_text("\n".join([*rows, ""]))
    assert mtl_train("inspect", "auto-mpg.data", "--target", "column_1").status == 0
    by_hand = ["data.separator=whitespace", "data.header=[mpg,cylinders,size,power,name]"]
    seen = mtl_train("inspect", "auto-mpg.data", *by_hand, "--target", "mpg", "--out", "named")
    assert seen.status == 0, seen.err
    for folder, names in (("configs", ["column_3", "column_4"]), ("named", ["size", "power"])):
        run = mtl_train("--config-dir", folder, "experiment=auto_mpg", "steps=2", f"hydra.run.dir=run{folder}")
        assert run.status == 0, run.err
        assert [name for name, kind in kinds_of(tmp_path / f"run{folder}").items() if kind == "number"][-2:] == names


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.seperator=x", "data.seperator: inspect takes how the file is written; did you mean 'data.separator'?"),
        ("data.separator=xx", "data.separator: one character, tab or whitespace, got 'xx'"),
        ("data.header=[", "data.header: '[' can't be read as YAML"),
    ],
)
def test_what_inspect_is_told_is_checked(mtl_train: MtlTrain, tmp_path: Path, override: str, message: str) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    run = mtl_train("inspect", "t.csv", override)
    assert (run.status, run.err) == (2, f"mtl-train: {message}\n")
    assert not (tmp_path / "configs").exists()


@pytest.mark.parametrize(
    ("third", "message"),
    [
        ("?", "if '?' is no label, 'tasks.y.missing=[\"?\"]'"),
        (9, "not 0 or 1; if that is no label, 'tasks.y.missing=[9]'"),
    ],
)
def test_a_third_value_that_may_be_no_label_is_named(
    mtl_train: MtlTrain, tmp_path: Path, third: str | int, message: str
) -> None:
    cells = [(0, 1, third)[i % 3] for i in range(60)]
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{i},{cell}\n" for i, cell in enumerate(cells)))
    words = ["data=table", "data.path=t.csv", "+tasks.y.kind=binary", "batch_size=8", "steps=2"]
    refused = mtl_train(*words)
    assert refused.status == 2
    assert message in refused.err
    meant = mtl_train(*words, shlex.split(message.rpartition(", ")[2])[0])
    assert meant.status == 0, meant.err
