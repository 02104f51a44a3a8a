"""Numbers with marks in them: what is read as a number, and what is named with what helps."""

from pathlib import Path

import polars as pl
import pytest

from mtl_cli.tables.delimited import Dialect
from mtl_cli.tables.dtypes import Notation, as_numbers, without_marks
from mtl_cli.tables.hints import hints_on
from mtl_cli.tables.reader import read
from tests.support.command import MtlTrain
from tests.support.tables import kinds_of


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
