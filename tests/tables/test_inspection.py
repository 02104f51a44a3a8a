"""What is found out of how a table is written, before anything is known of it."""

from pathlib import Path

import polars as pl
import pytest

from mtl_cli.tables.delimited import Dialect
from mtl_cli.tables.inspection import inspect


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
