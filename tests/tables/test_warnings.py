"""What is said of odd columns."""

from pathlib import Path

import polars as pl

from mtl_cli.training.experiment import load
from tests.support.configs import composed
from tests.support.tables import MIXED, mixed


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
