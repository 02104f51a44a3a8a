"""Cells of a column as float64, days, texts and integers; the first that is no such thing is named."""

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mtl_cli.errors import InputError
from mtl_cli.tables.delimited import Dialect
from mtl_cli.tables.dtypes import (
    NO_INTEGER,
    Notation,
    as_numbers,
    kind_of,
    plain,
    read_as,
    refuse_cell,
    stripped,
    to_categories,
    to_days,
    to_float32,
    to_float64,
    without,
    without_marks,
)
from mtl_cli.tables.hints import hints_on
from mtl_cli.tables.reader import read
from tests.support.command import MtlTrain
from tests.support.tables import kinds_of, place


def test_texts_without_their_own_dictionary_and_empty_cells_are_missing() -> None:
    for dtype in (pl.Categorical, pl.Enum(["a", "b"])):
        assert plain(pl.Series(["a", "b"], dtype=dtype)).dtype == pl.String
    assert plain(pl.Series(["a", ""])).to_list() == ["a", None]
    assert plain(pl.Series([None, None], dtype=pl.Float64)).dtype == pl.Null


def test_times_are_in_utc() -> None:
    tokyo = timezone(timedelta(hours=9))
    (moment,) = plain(pl.Series([datetime(2026, 1, 1, 3, tzinfo=tokyo)], dtype=pl.Datetime("us", "Asia/Tokyo")))
    assert moment == datetime(2026, 1, 1, 3, tzinfo=tokyo).astimezone(UTC).replace(tzinfo=None)


def test_blanks_around_texts_are_no_part_of_them() -> None:
    assert stripped(pl.Series([" a ", "\u00a0b", "c c", "  ", " NA"]), ["NA"]).to_list() == [
        "a",
        "b",
        "c c",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("cells", "missing", "left"),
    [
        ([-9, 1], ["-9"], [None, 1]),
        ([-9, 1], ["-9.0"], [None, 1]),
        ([-9, 1], ["?"], [-9, 1]),
        ([-9.0, 1.5], ["-9", "1.5"], [None, None]),
        ([1.0, float("nan")], ["nan"], [1.0, pytest.approx(float("nan"), nan_ok=True)]),
        (["?", "a"], ["?"], [None, "a"]),
        ([True, False], ["true"], [None, False]),
    ],
)
def test_values_that_stand_for_none(cells: list[Any], missing: list[str], left: list[Any]) -> None:
    assert without(pl.Series(cells), missing).to_list() == left


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["$1,234.50", "(3)", "5-", ""], [1234.5, -3.0, -5.0, np.nan]),
        ([1, None, -3], [1.0, np.nan, -3.0]),
        ([True, False], [1.0, 0.0]),
        ([None, None], [np.nan, np.nan]),
        ([2**53 + 2, 1], [2.0**53 + 2, 1.0]),
    ],
)
def test_numbers(cells: list[Any], expected: list[float]) -> None:
    np.testing.assert_array_equal(to_float64(pl.Series(cells), "x", place), expected)
    assert to_float32(pl.Series(cells), "x", place).dtype == np.float32


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["1", "2", "two"], "row 3, column 'x' holds 'two', not a number"),
        ([1.0, float("-inf")], "row 2, column 'x' holds -inf, not a finite number (float32)"),
        ([1.0, 3.5e38], "row 2, column 'x' holds 3.5e+38, not a finite number (float32)"),
        ([date(2026, 1, 1)], "row 1, column 'x' holds Date, not numbers"),
        (["a" * 61], f"row 1, column 'x' holds '{'a' * 60}...', not a number"),
    ],
)
def test_what_is_no_number(cells: list[Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        to_float64(pl.Series(cells), "x", place)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("cells", "form", "expected"),
    [
        ([date(1970, 1, 2), None], None, [1.0, np.nan]),
        ([datetime(1969, 12, 31, 12)], None, [-0.5]),
        (["1970-01-11", "1970-01-01T06:00:00"], None, [10.0, 0.25]),
        (["3.1.70"], "%d.%m.%y", [2.0]),
        ([86_400, 43_200], "seconds", [1.0, 0.5]),
        ([86_400], "milliseconds", [0.001]),
        ([19700103], "%Y%m%d", [2.0]),
        ([1011970, 31011970], "%d%m%Y", [0.0, 30.0]),
        ([1011970, 31011970], "%-d%m%Y", [0.0, 30.0]),
    ],
)
def test_days_since_1970(cells: list[Any], form: str | None, expected: list[float]) -> None:
    np.testing.assert_allclose(to_days(pl.Series(cells), "x", form, place), expected)


@pytest.mark.parametrize(
    ("cells", "form", "message"),
    [
        (["1970-01-01", "soon"], None, "row 2, column 'x' holds 'soon', not a date like 2026-11-22"),
        (["1/2/70"], "%d.%m.%y", "row 1, column 'x' holds '1/2/70', not a date in the form '%d.%m.%y'"),
        ([1.5], None, "row 1, column 'x' holds Float64, not dates"),
    ],
)
def test_what_is_no_date(cells: list[Any], form: str | None, message: str) -> None:
    with pytest.raises(InputError) as refused:
        to_days(pl.Series(cells), "x", form, place)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("cells", "dtype", "expected"),
    [
        ([1.0, float("nan"), None], pl.Float64, [1, None, None]),
        ([True, False], pl.Boolean, [1, 0]),
        (["a", "", None], pl.String, ["a", None, None]),
        ([2**63, 1], pl.UInt64, [str(2**63), "1"]),
        ([NO_INTEGER, 1], pl.Int64, [str(NO_INTEGER), "1"]),
    ],
)
def test_categories(cells: list[Any], dtype: Any, expected: list[Any]) -> None:
    assert to_categories(pl.Series(cells, dtype=dtype), "x", place).to_list() == expected


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([1.0, 1.5], "row 2, column 'x' holds 1.5, not a whole number or text, as a category is"),
        ([1.0, 2.0**63], "row 2, column 'x' holds 9.223372036854776e+18, not a whole number or text"),
        (["a", "b\0"], "row 2, column 'x' holds 'b\\x00', not text without NUL characters"),
        ([[1]], "row 1, column 'x' holds List(Int64), which can't be a category"),
    ],
)
def test_what_is_no_category(cells: list[Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        to_categories(pl.Series(cells), "x", place)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([date(2026, 1, 1)], "date"), ([datetime(2026, 1, 1)], "date"), (["a"], "category"), ([True], "category"),
        ([1], "number"), ([1.5], "number"), ([None], "number"),
    ],
)  # fmt: skip
def test_what_a_column_is_by_its_type(cells: list[Any], kind: str) -> None:
    assert kind_of(pl.Series(cells), "x", place) == kind


def test_what_nothing_can_be_learned_from() -> None:
    with pytest.raises(
        InputError, match=r"row 1, column 'x' holds List\(Int64\).*leave it out with 'data.exclude=\[x\]"
    ):
        kind_of(pl.Series([[1]]), "x", place)


def test_a_long_cell_is_cut() -> None:
    with pytest.raises(InputError) as refused:
        refuse_cell(pl.Series(["b", "c" * 61]), 1, "x", place, "short")
    assert str(refused.value) == f"row 2, column 'x' holds '{'c' * 60}...', not short"


def test_numbers_in_disguise_are_named_with_what_helps(mtl_train: MtlTrain, tmp_path: Path) -> None:
    texts = {
        "comma": [f'"{i / 8}"'.replace(".", ",") for i in range(40)],
        "part": [f"{i / 4}%" for i in range(40)],
        "price": [f"${i * 1.5}" for i in range(40)],
        "many": [f'"{1000 + 37 * i:,}.5"' for i in range(40)],
        "y": [str(i % 9) for i in range(40)],
    }
    lines = [",".join(texts), *map(",".join, zip(*texts.values(), strict=True))]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    words = ["data=table", "data.path=t.csv", "+tasks.y.kind=regression", "batch_size=4", "steps=2"]
    run = mtl_train(*words, "hydra.run.dir=asis")
    assert set(kinds_of(tmp_path / "asis").values()) == {"text"}
    for name in ("part", "price", "many"):
        assert f"column '{name}' is taken for texts, and these read as numbers" in run.err
        assert f"'+data.types.{name}=number'" in run.err
    assert (
        "column 'comma' is taken for texts, and these read as numbers ('0,0'); if they are, say 'data.decimal=\",\"'"
        in run.err
    )
    types = [f"+data.types.{name}=number" for name in ("part", "price", "many")]
    meant = mtl_train(*words, *types, "data.decimal=','", "hydra.run.dir=meant")
    assert meant.status == 0, meant.err
    assert set(kinds_of(tmp_path / "meant").values()) == {"number"}
    assert "taken for texts" not in meant.err
    assert mtl_train("predict", "meant", "t.csv", "--out", "p.csv").status == 0
    assert mtl_train("inspect", "t.csv", "--target", "y", "--out", "c").status == 0
    assert mtl_train("--config-dir", "c", "experiment=t", "steps=2", "hydra.run.dir=i").status == 0
    assert set(kinds_of(tmp_path / "i").values()) == {"number"}


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["1,234", "1,234,567.5", "12"], [1234, 1234567.5, 12]),
        (["0,512", "1,25"], None),
        (["1,234", "0,512"], None),
        (["50.9%", " 40 ", "-3 %"], [50.9, 40, -3]),
        (["$190.67", "1.000 €"], [190.67, 1.0]),
        (["a1", "2"], None),
        (["($191.76)", "$(2.50)", "(1,234.5)", "7"], [-191.76, -2.5, -1234.5, 7]),
        (["2,868.15-", "-3"], [-2868.15, -3]),
        (["CHF 12.50", "CHF -3"], [12.5, -3]),
        (["12.5 EUR", "3EUR"], [12.5, 3]),
        (["85 kg", "7.5 kg"], [85, 7.5]),
        (["85 kg", "7.5 g"], None),
        (["CHF 1", "USD 2"], None),
        (["SKU12", "SKU13"], None),
        (["12A", "13A"], None),
    ],
)
def test_what_marks_may_be_left_out_of_numbers(cells: list[str], numbers: list[float] | None) -> None:
    series = pl.Series(cells)
    found = without_marks(series).cast(pl.Float64, strict=False)
    assert (found.to_list() == numbers) if numbers is not None else found.null_count() > 0


@pytest.mark.parametrize(
    ("numbers", "found"),
    [
        (["7%", "1 000.5"], ("types", "number")),
        (["0,5", "1,25"], ("decimal", ",")),
        (["€ 73,50", "€ 1.273,50"], ("decimal", ",")),
        (["2.537,50", "-12.345.678,25"], ("decimal", ",")),
        (["9,5 %", "10 %"], ("decimal", ",")),
        (["1'000", "12'345.5"], ("thousands", "'")),
    ],
)
def test_nineteen_of_twenty_texts_that_read_as_numbers_are_enough(numbers: list[str], found: tuple[str, str]) -> None:
    assert read_as(pl.Series([*(numbers * 19), "a", "b"])) == found
    assert read_as(pl.Series([*(numbers * 19), "a", "b", "c"])) is None


@pytest.mark.parametrize("text", ["192.168.100.200", "1.234.567", "1.23,50", "1,2,3", "0.234,5", "€ 1.234,5 x"])
def test_what_only_looks_like_points_that_group_digits(text: str) -> None:
    assert read_as(pl.Series([text] * 30)) is None


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["0,512", "-1,25", "3"], [0.512, -1.25, 3]),
        (["1.234,5", "12.345.678", "0,5"], [1234.5, 12345678, 0.5]),
        (["1.5", "0,5"], None),
        (["a,b"], None),
        (["1,2,3"], None),
    ],
)
def test_a_comma_as_the_decimal_mark(cells: list[str], numbers: list[float] | None) -> None:
    assert as_numbers(Notation(",", ".").plain(pl.Series(cells))).to_list() == (cells if numbers is None else numbers)


def test_points_group_digits_where_commas_are_decimal_marks(tmp_path: Path) -> None:
    """A column that has no comma is no fraction then: 1.234 people, not one and a quarter."""
    (tmp_path / "t.csv").write_text("people;area;part\n1.234;1,5;0.5\n12.500;2,5;1.500\n950;3;0.25\n\n;;\n")
    frame = read(str(tmp_path / "t.csv"), "data.path").frame
    assert frame.to_dict(as_series=False) == {
        "people": [1234, 12500, 950], "area": [1.5, 2.5, 3], "part": [0.5, 1.5, 0.25]
    }  # fmt: skip
    (tmp_path / "t.csv").write_text("people;area\n1.234;1.5\n12.500;2.5\n")
    found = read(str(tmp_path / "t.csv"), "data.path")
    assert found.frame["people"].to_list() == [1.234, 12.5]
    assert found.grouped == {"people"}  # nobody knows, so it is asked
    (hint, *_) = hints_on(found.frame["people"], grouped=True)
    assert hint.remedy([], {}) == "if they are, say 'data.decimal=\",\"'"
    assert read(str(tmp_path / "t.csv"), "data.path", Dialect(decimal=",")).frame["people"].to_list() == [1234, 12500]
    grouped = read(str(tmp_path / "t.csv"), "data.path", Dialect(thousands=".")).frame
    assert grouped["people"].to_list() == [1234, 12500]
    assert grouped["area"].to_list() == [1.5, 2.5]


def test_a_declared_number_in_another_notation(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """A feature and a label with a decimal comma, groups and a currency's sign."""
    lines = [f"{i // 4},{25 * (i % 4)} €;1.{i:03d},5 %" for i in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["price;y", *lines, ""]))
    words = ["data=table", "data.path=t.csv", "+data.types.price=number", "+tasks.y.kind=regression"]
    run = mtl_train(*words, "batch_size=8", "steps=2", "hydra.run.dir=run", "data.duplicates=drop")
    assert run.status == 0, run.err
    assert kinds_of(tmp_path / "run") == {"price": "number"}
    assert "column 'price' equals the label of task y (correlation 1)" in run.err
    predicted = mtl_train("predict", "run", "t.csv", "--out", "p.csv")
    assert predicted.status == 0, predicted.err
    assert pl.read_csv(tmp_path / "p.csv")["y"].is_between(900, 1200).all()
