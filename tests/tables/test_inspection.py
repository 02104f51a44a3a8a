"""What is found out of how a table is written, before anything is known of it."""

from pathlib import Path

import polars as pl
import pytest
import yaml

from mtl_cli.tables.delimited import Dialect
from mtl_cli.tables.inspection import inspect
from tests.support.command import MtlTrain
from tests.support.tables import kinds_of


@pytest.mark.parametrize(
    ("mark", "words", "missing"),
    [
        ("none", ["a", "b"], ("none",)),
        ("none", ["a", "none"], ()),
        ("?", ["a", "?"], ("?",)),
        ("none", ["none", *(f"w{i}" for i in range(20))], ("none",)),
        ("x", ["a", "b"], ()),
    ],
    ids=["nowhere else", "a word elsewhere", "no word at all", "among many words", "hardly a mark"],
)
def test_marks_that_stand_for_a_missing_value(
    tmp_path: Path, mark: str, words: list[str], missing: tuple[str, ...]
) -> None:
    """What is among numbers is one, unless another column has it as one of few words."""
    rows = range(60)
    columns = {
        "number": [mark if i % 9 == 3 else str(i / 4) for i in rows],
        "word": [words[i % len(words)] for i in rows],
        "price": [f"${i}.50" for i in rows],
        "day": [f"{13 + i % 9}.12.2020" for i in rows],
    }
    pl.DataFrame(columns).write_csv(tmp_path / "t.csv")
    found = inspect(str(tmp_path / "t.csv"), Dialect())
    assert found.dialect.missing == missing
    assert found.source.frame["number"].dtype == (pl.Float64 if missing else pl.String)


def test_amounts_with_a_decimal_comma_among_decimal_points(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """They are numbers, not ids; what points mean then where three digits are behind each is asked."""
    rows = range(60)
    columns = {
        "net": [f"€ {i},50" for i in rows],
        "gross": [f"{1 + i}.537,5{i % 10}" for i in rows],
        "weight": [f"{1 + 7 * i % 60}.{100 + i}" for i in rows],
        "size": [f"{i}.5" for i in rows],
        "y": [i % 7 / 2 for i in rows],
    }
    pl.DataFrame(columns).write_csv("t.csv")
    found = inspect("t.csv", Dialect())
    assert found.dialect.decimal == ","
    kinds = {column.name: (column.kind, column.id, [hint.mark for hint in column.hints]) for column in found.columns}
    assert kinds == {
        "net": ("number", False, ["disguised"]),
        "gross": ("number", False, ["disguised"]),
        "weight": ("number", False, ["decimals?"]),
        "size": ("number", False, []),
        "y": ("number", False, []),
    }
    assert found.source.frame["gross"].to_list() == [1000 * (1 + i) + 537.5 + i % 10 / 100 for i in rows]
    assert found.source.frame["size"].to_list() == [i + 0.5 for i in rows]
    seen = mtl_train("inspect", "t.csv", "--target", "y")
    said = " ".join(seen.out.split())
    assert "disguised gross is taken for texts, and these read as numbers ('1.537,50'); the config says so" in said
    assert "three digits behind every point (1.100), as where points group digits, and is read so" in said
    text = (tmp_path / "configs" / "experiment" / "t.yaml").read_text()
    data = yaml.safe_load(text)["data"]
    assert (data["decimal"], data["types"], data["exclude"]) == (",", {"net": "number"}, [])
    assert "\n  #   weight has three digits behind every point (1.100), as where points group digits, and is" in text
    run = mtl_train("--config-dir", "configs", "experiment=t", "steps=2", "hydra.run.dir=run")
    assert run.status == 0, run.err
    assert set(kinds_of(tmp_path / "run").values()) == {"number"}


def test_amounts_in_a_table_with_decimal_commas(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """What training advises where semicolons separate cells isn't what is so already."""
    lines = [f"€ {i},50;{i},25;{i % 7}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["net;size;y", *lines, ""]))
    (net, *_) = inspect("t.csv", Dialect()).columns
    assert (net.kind, [(hint.mark, hint.value) for hint in net.hints]) == ("number", [("disguised", "number")])
    words = ["data=table", "data.path=t.csv", "+tasks.y.kind=regression", "batch_size=8", "steps=2"]
    run = mtl_train(*words)
    assert "column 'net' is taken for texts, and these read as numbers ('€ 0.50')" in run.err
    assert "if they are, say '+data.types.net=number'" in run.err
