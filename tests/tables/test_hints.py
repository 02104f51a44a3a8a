"""What a column may hold other than it seems: said in training, and written by inspect."""

import json
import math
import re
import shlex
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from mtl_cli.tables.hints import hints_on, is_like_id
from tests.support.command import MtlTrain
from tests.support.tables import kinds_of

SECONDS = [1_700_000_000 + 3600 * i for i in range(30)]
HINTS: list[tuple[str, Any, bool, list[tuple[str, str, bool]]]] = [
    ("created_at", SECONDS, False, [("date_format", "seconds", True)]),
    ("createdAt", [1000 * second for second in SECONDS], False, [("date_format", "milliseconds", True)]),
    ("phone", SECONDS, False, []),
    ("day", [20200101 + i for i in range(20)], False, [("date_format", "%Y%m%d", True)]),
    ("when", ["1/2/2020", "3/4/2020", "2/1/2020"], False, [("date_format", "%m/%d/%Y", True)]),
    ("zip", [*range(1000, 1030)], True, [("types", "category", False)]),
    ("zip_code", [*range(1000, 1030)], False, [("types", "category", False)]),
    ("valid", [*range(1000, 1030)], False, []),
    ("rooms", [1, 2, 3] * 10, False, [("types", "category", False)]),
    ("flag", [0, 1] * 10, False, []),
    ("size", [1.5, 2.5, 3.5] * 10, False, []),
    ("age", [*range(30), 9999, 9999], False, [("missing", "9999", False)]),
    ("age", [*range(30), 9999], False, []),
    ("age", [*range(90), 99, 99], False, []),
    ("depth", [0.5, 1.5, 2.5, -1.0, -1.0], False, [("missing", "-1", False)]),
    ("dose", [0.5, 1.5, 2.5, -8.0, -8.0], False, [("missing", "-8", False)]),
    ("co", [*(i / 4 for i in range(40)), *([-200] * 5)], False, [("missing", "-200", False)]),
    ("co", [*(i / 4 for i in range(40)), *([-200] * 4)], False, []),
    ("gain", [*range(40), *([50_000] * 5)], False, [("missing", "50000", False)]),
    ("huge", [*range(40), *([12_345_678] * 5)], False, [("missing", "12345678", False)]),
    ("side", [-1, 1] * 10, False, []),
    ("mood", [-2, -1, 0, 1, 2] * 5, False, [("types", "category", False)]),
    ("work", ["a", "b", "?", "?", "none"], False, [("missing", "?", False), ("missing", "none", False)]),
    ("text", ["a", "b", "a"], False, []),
    ("near", ["1", "2", "3", "?"], False, [("missing", "?", True)]),
    ("near", ["1", "2", "3", "x"], False, [("missing", "x", False)]),
    ("near", [*map(str, range(20)), "C1", "C2", "C3", "C4"], False, [("types", "category", False)]),
    ("gain", ["($1.50)", "$2.50", "$3.50"], False, [("types", "number", True)]),
    ("swiss", ["10'570.94", "7'001", "3"], False, [("thousands", "'", True)]),
    ("sign", ["+", "-", "+"], False, []),
    ("sign", ["+", "-", "0"], False, [("missing", "-", False)]),
    ("life", [*range(11), 77, 88, 99, 77, 88, 99], False, [("missing", str(v), False) for v in (77, 88, 99)]),
    ("size", [*range(40, 90), 998, 999, 998, 999], False, [("missing", str(v), False) for v in (998, 999)]),
    ("car", [1, 2, -9, -9], False, [("missing", "-9", False), ("types", "category", False)][:1]),
    ("zip", [501, 601, 701, *([60601] * 5)], True, [("types", "category", False)]),
    ("sex", [1, 2, -999, -999], False, [("missing", "-999", False)]),
    ("air", [400.5, 1200.5, 2000.5, *([-200] * 5)], False, [("missing", "-200", False)]),
    ("co", [*(Decimal(i) / 4 for i in range(40)), *([Decimal(-200)] * 5)], False, [("missing", "-200", False)]),
    ("wild", [math.inf, -math.inf, math.nan, 1.5] * 5, False, []),
    ("tiny", pl.Series([-128, 127, 5] * 9, dtype=pl.Int8), False, [("types", "category", False)]),
    ("big", pl.Series([2**64 - 1, 0, 5] * 9, dtype=pl.UInt64), False, [("types", "category", False)]),
    ("Postcode", [3073.0, 3000.0, 3001.0] * 5, False, [("types", "category", False)]),
    ("chest", [1.0, 2.0, 3.0] * 5, False, [("types", "category", False)]),
]


@pytest.mark.parametrize(("name", "cells", "zeros", "expected"), HINTS, ids=lambda value: str(value)[:30])
def test_what_a_column_may_hold(
    name: str, cells: list[Any], zeros: bool, expected: list[tuple[str, str, bool]]
) -> None:
    found = hints_on(pl.Series(name, cells), zeros=zeros)
    assert [(hint.key, hint.value, hint.likely) for hint in found] == expected


def messy(rows: int = 120) -> pl.DataFrame:
    """A table as people have them; `seen` is the same moment in each form, to the day or the second."""
    moments = [datetime(2020, 1, 3) + timedelta(hours=31 * i) for i in range(rows)]
    return pl.DataFrame(
        {
            "us": [moment.strftime("%m/%d/%Y") for moment in moments],
            "de": [moment.strftime("%d.%m.%Y %H:%M") for moment in moments],
            "stamp": [int((moment - datetime(1970, 1, 1)).total_seconds()) for moment in moments],
            "compact": [int(moment.strftime("%Y%m%d")) for moment in moments],
            "iso": [moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in moments],
            "zip": [f"{7 * i % 100:05d}" for i in range(rows)],
            "temp": [-999 if i % 20 == 0 else i % 37 for i in range(rows)],
            "work": [("private", "state", "?")[i % 3] for i in range(rows)],
            "area": ["?" if i % 30 == 1 else str(i / 8) for i in range(rows)],
            "mark": [(-1, 0, 1, 2, 3)[i % 5] for i in range(rows)],
            "price": [i % 11 + 0.5 for i in range(rows)],
        }
    )


def test_training_names_what_columns_may_hold(mtl_train: MtlTrain, tmp_path: Path) -> None:
    messy().write_csv(tmp_path / "t.csv")
    words = ["data=table", "data.path=t.csv", "batch_size=8", "steps=2"]
    run = mtl_train(*words, "+tasks.mark.kind=multiclass", "+tasks.price.kind=regression")
    assert run.status == 0, run.err
    for text in (
        "column 'us' is taken for texts, and these read as dates ('01/03/2020'); if they are, say "
        '\'data.date_format={stamp: "seconds", compact: "%Y%m%d", us: "%m/%d/%Y", de: "%d.%m.%Y %H:%M"}\'',
        "column 'iso' is taken for texts, and these read as dates ('2020-01-03T00:00:00Z'); if they are, say "
        "'+data.types.iso=date'",
        "column 'zip' has numbers with leading zeros, as codes have; if they are, say '+data.types.zip=category'",
        "column 'temp' has -999 in 6 of 120 rows, and others are between 0 and 36; if that stands for a missing",
        "column 'work' has '?' in 40 of 120 rows; if that stands for a missing value, in all columns, say "
        '\'data.missing=[NA,"N/A","NaN","nan","null","NULL","?"]\'',
        "column 'area' is text because of cells like '?', though most are numbers",
        "column 'mark' has -1 in 24 of 120 rows, and others are between 0 and 3; if that stands for no label, say "
        "'tasks.mark.missing=[-1]'",
    ):
        assert text in run.err
    assert "id" not in [word for line in run.err.splitlines() if "'iso'" in line for word in line.split()]


def test_what_inspect_finds_it_writes(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """Its config trains on dates as dates and numbers as numbers, and comments say what else there may be."""
    messy().write_csv(tmp_path / "t.csv")
    seen = mtl_train("inspect", "t.csv", "--target", "price", "--target", "mark", "--out", "c")
    assert seen.status == 0, seen.err
    assert re.findall(r"^  (?:codes|missing)\? +(\w+) ", seen.out, re.MULTILINE) == ["zip", "temp", "mark"]
    assert "wrote c/experiment/t.yaml, with comments on what to check" in seen.out
    text = (tmp_path / "c" / "experiment" / "t.yaml").read_text()
    config = yaml.safe_load(text)
    assert config["data"]["date_format"] == {
        "us": "%m/%d/%Y", "de": "%d.%m.%Y %H:%M", "stamp": "seconds", "compact": "%Y%m%d"
    }  # fmt: skip
    assert config["data"]["types"] == {"iso": "date"}
    assert config["data"]["missing"][-1] == "?"
    assert "  #   zip: category   # has numbers with leading zeros" in text
    assert '"?", "-999"]   # in all columns, instead of the line above:\n  #   temp has -999 in 6 of 120 rows' in text
    assert '    # missing: ["-1"]   # where that is no label:\n    #   it has -1 in 24 of 120 rows' in text
    run = mtl_train("--config-dir", "c", "experiment=t", "steps=2", "hydra.run.dir=run")
    assert run.status == 0, run.err
    assert kinds_of(tmp_path / "run") == {
        "zip": "number", "temp": "number", "area": "number", "us": "date", "de": "date", "stamp": "date",
        "compact": "date", "iso": "date", "work": "text",
    }  # fmt: skip
    meant = text.replace("  #   zip: category", "    zip: category")
    (tmp_path / "c" / "experiment" / "meant.yaml").write_text(meant)
    run = mtl_train("--config-dir", "c", "experiment=meant", "steps=2", "hydra.run.dir=meant")
    assert run.status == 0, run.err
    assert kinds_of(tmp_path / "meant")["zip"] == "integer"


@pytest.mark.parametrize(
    ("cells", "missing", "kind", "known"),
    [
        (["-1", "0", "1", "2"], "[-1]", "multiclass", 3),
        (["-1", "0.5", "1.5", "2.5"], "[-1]", "regression", 3),
        (["?", "a", "b", "a"], "['?']", "binary", 3),
        (["?", "0", "1", "-9"], "['?',-9]", "binary", 2),
        (["no", "1", "2", "3"], "[no]", "regression", 3),
        (["-9", "1", "2", "3"], "['-9.0',7]", "regression", 3),
    ],
)
def test_labels_that_stand_for_none_are_masked(
    mtl_train: MtlTrain, tmp_path: Path, cells: list[str], missing: str, kind: str, known: int
) -> None:
    """As rows with an empty label are: the same bytes."""
    rows = [(i / 8, cells[i % 4]) for i in range(80)]
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{x},{y}\n" for x, y in rows))
    gone = [cell for i, cell in enumerate(cells) if i not in range(4 - known, 4)] if known == 3 else ["?", "-9"]
    (tmp_path / "empty.csv").write_text("x,y\n" + "".join(f"{x},{'' if y in gone else y}\n" for x, y in rows))
    words = ["data=table", f"+tasks.y.kind={kind}", "batch_size=8", "steps=20"]
    masked = mtl_train(*words, "data.path=t.csv", f"tasks.y.missing={missing}", "hydra.run.dir=masked")
    assert masked.status == 0, masked.err
    assert mtl_train(*words, "data.path=empty.csv", "hydra.run.dir=empty").status == 0
    assert (tmp_path / "masked" / "losses.csv").read_bytes() == (tmp_path / "empty" / "losses.csv").read_bytes()


@pytest.mark.parametrize("form", ["csv", "parquet", "ndjson"])
def test_a_number_that_stands_for_nothing_does_however_it_is_written(
    mtl_train: MtlTrain, tmp_path: Path, form: str
) -> None:
    """-999 is -999.0 too, in training and predictions, in files with types of their own as well."""
    values = [None if i % 7 == 3 else i / 4 for i in range(60)]
    for name, gap in (("given", -999.0), ("empty", None)):
        frame = pl.DataFrame({"x": [gap if each is None else each for each in values], "y": [i % 5 for i in range(60)]})
        getattr(frame, f"write_{form}")(tmp_path / f"{name}.{form}")
        words = ["data=table", f"data.path={name}.{form}", "+tasks.y.kind=regression", "batch_size=8", "steps=20"]
        run = mtl_train(*words, "data.missing=[-999]" if gap else "name=empty", f"hydra.run.dir={name}")
        assert run.status == 0, run.err
        assert mtl_train("predict", name, f"{name}.{form}", "--out", f"{name}.p.csv").status == 0
    assert (tmp_path / "given" / "losses.csv").read_bytes() == (tmp_path / "empty" / "losses.csv").read_bytes()
    assert (tmp_path / "given.p.csv").read_bytes() == (tmp_path / "empty.p.csv").read_bytes()


@pytest.mark.parametrize(
    ("name", "cells", "like"),
    [
        ("lot_area", [100 + 997 * i % 4001 for i in range(60)], False),
        ("user_id", [100 + 37 * i % 4001 for i in range(60)], True),
        ("row", [*range(60)], True),
        ("x", [*range(60)], True),
        ("x", [*range(59), 3], False),
        ("x", [i / 2 for i in range(60)], False),
        ("name", [f"n{i}" for i in range(60)], True),
        ("name", [f"n{i % 50}" for i in range(60)], False),
        ("profit", [f"(${i}.50)" for i in range(60)], False),
        ("amount", [f"{i + 1}.{537 + i},50" for i in range(60)], False),
        ("net", [f"€ {i},50" for i in range(60)], False),
        ("typo", [*map(str, range(59)), "2.2x"], False),
        ("seen", [f"{1 + i % 28}.{1 + i // 28}.2024" for i in range(60)], False),
        ("seen_at", [1_700_000_000 + i for i in range(60)], False),
        ("few", [f"n{i}" for i in range(20)], False),
    ],
)
def test_what_looks_like_an_id(mtl_train: MtlTrain, tmp_path: Path, name: str, cells: list[Any], like: bool) -> None:
    """To training and inspect alike."""
    assert is_like_id(pl.Series(name, cells)) == like
    pl.DataFrame(
        {name: cells, "other": [i % 7 + 0.5 for i in range(len(cells))], "y": [i % 5 for i in range(len(cells))]}
    ).write_csv(tmp_path / "t.csv")
    run = mtl_train("data=table", "data.path=t.csv", "+tasks.y.kind=regression", "batch_size=4", "steps=1")
    assert run.status == 0, run.err
    assert (f"column {name!r} looks like an id" in run.err) == like
    assert mtl_train("inspect", "t.csv", "--target", "y").status == 0
    config = yaml.safe_load((tmp_path / "configs" / "experiment" / "t.yaml").read_text())
    assert (name in config["data"]["exclude"]) == like


@pytest.mark.parametrize("name", ["zip", "Zip Code", "Größe", "Rooms #", "x=y", "Unit price, net", "it's 100%", "a.b"])
def test_remedies_work_as_they_are_typed(mtl_train: MtlTrain, tmp_path: Path, name: str) -> None:
    """In a shell, or where the command line can't say it in a config file."""
    texts = {name: [f"${i}.50" for i in range(60)], "when": [f"{1 + i % 28}.{1 + i // 28}.2024" for i in range(60)]}
    labels = [("?", "0", "1", "2")[i % 4] for i in range(60)]
    pl.DataFrame(texts | {f"id {name}": [f"n{i}" for i in range(60)], "y": labels}).write_csv(tmp_path / "t.csv")
    words = ["data=table", "data.path=t.csv", "+tasks.y.kind=multiclass", "batch_size=4", "steps=1"]
    run = mtl_train(*words)
    assert run.status == 0, run.err
    notes = [line for line in run.err.splitlines() if "; " in line]
    typed = [part for line in notes for part in re.findall(r"(?:say|out with) ('.*'|\".*\")(?:, or| *$)", line)]
    in_config = re.findall(r"say (data: .*) in a config file", run.err)
    assert len(typed) + len(in_config) == 4
    said = {key: value for line in in_config for key, value in yaml.safe_load(line)["data"].items()}
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "it.yaml").write_text(f"# @package _global_\n{yaml.safe_dump({'data': said})}")
    meant = mtl_train("--config-dir", ".", "experiment=it", *words, *(shlex.split(each)[0] for each in typed))
    assert meant.status == 0, meant.err
    assert kinds_of(meant.folder) == {name: "number", "when": "date"}
    assert json.loads((meant.folder / "columns.json").read_text())["tasks"]["y"]["classes"] == [0, 1, 2]
