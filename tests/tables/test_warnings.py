"""Warnings of what looks odd in a table: each in its place, with what to do, and none without a cause."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mtl_cli.datasets.splits import Fractions
from mtl_cli.tables.delimited import PLAIN, Dialect
from mtl_cli.tables.features import fit
from mtl_cli.tables.reader import read
from mtl_cli.tables.sources import Source
from mtl_cli.tables.splits import assign_splits
from mtl_cli.tables.warnings import notes_on
from mtl_cli.tasks import Binary, Regression, Task
from mtl_cli.training.dataset_cache import load
from tests.support.configs import composed
from tests.support.table_rows import labelled, source
from tests.support.tables import MIXED, mixed

ROWS = 40
RANDOM = np.random.default_rng(0)
Y = RANDOM.normal(size=ROWS)
X = RANDOM.normal(size=ROWS)


def notes(table: Source, tasks: dict[str, Task] | None = None, dialect: Dialect = PLAIN, **roles: Any) -> list[str]:
    rows = labelled(tasks or {"y": Regression()}, (table, None), **roles)
    split = assign_splits(rows, Fractions(train=1.0, val=0.0, test=0.0), "keep", 0)
    features = fit(
        rows.source.frame, rows.kinds, split.numbers["train"], rows.source.place,
        date_format=None, min_count=2, embed_above=16,
    )  # fmt: skip
    return notes_on(split, features, dialect)


def table(**columns: Any) -> Source:
    return source("t.csv", x=X, y=Y, **columns)


def test_nothing_is_said_of_a_plain_table() -> None:
    assert notes(table(town=["Bern", "Genf"] * (ROWS // 2))) == []


@pytest.mark.parametrize("cells", [[5] * ROWS, ["u"] * ROWS, [None] * ROWS])
def test_a_constant_column(cells: list[Any]) -> None:
    say = "leave it out with 'data.exclude=[c]'"
    assert notes(table(c=cells)) == [f"column 'c' is the same in all training rows; {say}"]


def test_a_column_with_gaps_is_not_constant() -> None:
    assert notes(table(c=[5.5, None] * (ROWS // 2))) == []


def test_an_id() -> None:
    say = "leave it out with 'data.exclude=[c,nr]'"
    assert notes(table(nr=[*range(ROWS)], c=[1] * ROWS)) == [
        f"column 'c' is the same in all training rows; {say}",
        f"column 'nr' looks like an id (40 different values in 40 rows); {say}",
    ]


@pytest.mark.parametrize(("far", "said"), [(0.0, True), (1e-5, True), (0.01, False)])
def test_a_number_that_is_the_label(far: float, said: bool) -> None:
    """Its correlation is 1 - far^2 / 2, about; below 0 counts as well."""
    expected = "column 'c' equals the label of task y (correlation 1); leave it out with 'data.exclude=[c]'"
    assert notes(table(c=7 - 3 * (Y + far * X))) == [expected] * said


def test_a_category_that_is_the_label() -> None:
    sold = ["n", "y", "y", "n"] * (ROWS // 4)
    given = table(sold=sold, mark=["0-", "1+", "1+", "0-"] * (ROWS // 4), like=["u", "v", "v", "v"] * (ROWS // 4))
    assert notes(given, {"sold": Binary()}, exclude=("y",)) == [
        "column 'mark' equals the label of task sold (its values are the classes); "
        "leave it out with 'data.exclude=[mark]'"
    ]


def test_a_value_that_may_be_no_label() -> None:
    given = source("t.csv", x=X, y=[-9 if i % 4 == 3 else i % 7 for i in range(ROWS)])
    (note,) = notes(given)
    assert note.startswith("column 'y' has -9 in 10 of 40 rows")
    assert note.endswith("if that stands for no label, say 'tasks.y.missing=[-9]'")


def test_a_value_that_may_be_missing() -> None:
    (note,) = notes(
        table(c=[-999.5 + 0.5 if i % 4 == 3 else i % 7 + 0.5 for i in range(ROWS)]), dialect=Dialect(("NA",))
    )
    assert note.endswith("if that stands for a missing value, in all columns, say 'data.missing=[NA,-999]'")


def test_columns_with_the_same_mark_have_one_line() -> None:
    towns = ["?" if i % 9 == 0 else "uvw"[i % 3] for i in range(ROWS)]
    (note,) = notes(table(a=towns, b=towns[::-1]))
    assert note.startswith("columns 'a', 'b' have '?', as a mark; if that stands for a missing value")


def test_columns_of_codes_have_one_line() -> None:
    codes = [i % 4 for i in range(ROWS)]
    given = table(**{name: np.roll(codes, i) for i, name in enumerate("abcdefg")})
    (note,) = notes(given)
    assert note == (
        "columns 'a', 'b', 'c', 'd', 'e' and 2 more hold few different whole numbers; where these are codes, say "
        "'+data.types.a=category'"
    )


def test_what_the_config_says_is_not_asked() -> None:
    codes = table(a=[i % 4 for i in range(ROWS)])
    assert len(notes(codes)) == 1
    assert notes(codes, types={"a": "number"}) == []


def test_the_label_of_a_task_that_is_left_out() -> None:
    assert notes(table(z=X[::-1]), dropped_labels=["z"])[0].startswith(
        "column 'z' is the label of a task that is left out, so it is no feature of the others"
    )
    assert notes(table(z=X[::-1]), dropped_labels=["z"], features=["x", "z"]) == []
    assert notes(table(), dropped_labels=["y"]) == []


def written(folder: Path, text: str, encoding: str = "utf-8") -> Source:
    (folder / "t.csv").write_text(text, encoding=encoding)
    return read(str(folder / "t.csv"), "data.path")


def test_how_a_file_was_found_to_be_written(tmp_path: Path) -> None:
    text = "x;y\n" + "".join(f"{x:.3f};{y:.3f}\n" for x, y in zip(X, Y, strict=True)).replace(".", ",")
    given = written(tmp_path, text, "utf-16")
    assert notes(given) == ["t.csv: it is in UTF-16, ';' separates cells, numbers have a decimal comma"]
    assert notes(given, dialect=Dialect(encoding="utf-16", separator=";")) == ["t.csv: numbers have a decimal comma"]
    assert notes(given, dialect=Dialect(encoding="utf-16", separator=";", decimal=",")) == []


def test_an_index_without_a_name(tmp_path: Path) -> None:
    given = written(tmp_path, ",x,y\n" + "".join(f"{i},{X[i]},{Y[i]}\n" for i in range(ROWS)))
    assert notes(given) == [
        f"{tmp_path / 't.csv'}: its first column has no name, as an index has that pandas writes; it is left out "
        "(data.features can list it, as column_1)"
    ]
    assert notes(given, features=["x"]) == []


def test_a_first_row_that_looks_like_values(tmp_path: Path) -> None:
    given = written(tmp_path, "".join(f"{X[i]},{Y[i]}\n" for i in range(ROWS)))
    name = given.frame.columns[1]
    (note,) = notes(given, {"y": Regression(column=name)})
    assert note.startswith(f"{tmp_path / 't.csv'}: the first row, taken for names, looks like values ({X[0]}, ")


def test_the_order_of_the_lines() -> None:
    """Left-out labels, duplicates, labels, features, leaks."""
    y = [-9 if i % 4 == 3 else i % 7 for i in range(ROWS)]
    cells: dict[str, Any] = {"x": X, "y": y, "z": X[::-1], "c": [1] * ROWS, "copy": y}
    given = source("t.csv", **{name: [*column, column[0]] for name, column in cells.items()})
    found = [note.split(";")[0][:44] for note in notes(given, dropped_labels=["z"])]
    assert found[:3] == [
        "column 'z' is the label of a task that is le", "1 of 41 rows are the same as an earlier one,",
        "column 'y' has -9 in 10 of 41 rows, and othe",
    ]  # fmt: skip
    assert found[3].startswith("column 'c' is the same in all training rows")
    assert found[-1].startswith("column 'copy' equals the label of task y")


def test_what_looks_odd_is_said(tmp_path: Path) -> None:
    frame = mixed(200).with_row_index("nr")
    frame = frame.with_columns(
        same=pl.lit(1), copy=pl.col("price") * 2 + 1, mark=pl.col("sold").replace({"n": "0-", "y": "1+"}),
        nearly=pl.Series(["1", "2", "3", "?"] * 50),
    )  # fmt: skip
    frame.write_csv(tmp_path / "t.csv")
    notes = "\n".join(load(composed("data=table", f"data.path={tmp_path / 't.csv'}", *MIXED)).notes)
    assert "column 'nr' looks like an id" in notes
    assert "column 'same' is the same in all training rows" in notes
    assert "column 'copy' equals the label of task price (correlation 1)" in notes
    assert "column 'mark' equals the label of task sold" in notes
    assert "column 'nearly' is text because of cells like '?'" in notes
    assert "street" not in notes
