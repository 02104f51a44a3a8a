"""Rows with labels: numbers as they are written in their table, and weights."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mtl_cli.errors import InputError
from mtl_cli.tables.dtypes import Notation
from mtl_cli.tasks import Multiclass, Regression
from tests.support.table_rows import labelled, source

TASKS = {"y": Regression(), "k": Multiclass()}


def test_numbers_are_read_in_the_tables_notation_and_texts_kept() -> None:
    written = ["1.234,5", "0,25", "7"]
    given = source("t.csv", x=written, code=written, y=written, k=written)
    types: Any = {"x": "number", "code": "category"}
    rows = labelled(TASKS, (replace(given, notation=Notation(",", ".")), None), types=types)
    assert rows.source.frame.to_dict(as_series=False) == {"x": ["1234.5", "0.25", "7"], "code": written}
    assert rows.labels["y"].values[:, 0].tolist() == [1234.5, 0.25, 7]
    assert rows.labels["k"].classes == sorted(written)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, -0.5, 2.0], "t.csv, row 2, column 'w' holds -0.5, not a weight, 0 or more"),
        ([0.0, 1.0, None], "row 3, column 'w' holds None, not a weight, 0 or more"),
        ([0.0, 0.0, 0.0], "data.weight_column: all weights in 'w' are 0"),
    ],
)
def test_what_is_no_weight(weights: list[Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        labelled(TASKS, (source("t.csv", x=[1, 2, 3], y=[1, 2, 3], k=[0, 1, 2], w=weights), None), weight="w")
    assert message in str(refused.value)


def test_weights_are_the_columns() -> None:
    given = source("t.csv", x=[1, 2, 3], y=[1, 2, 3], k=[0, 1, 2], w=["$0", "0.5", "1,000"])
    np.testing.assert_array_equal(labelled(TASKS, (given, None), weight="w").weights, [0, 0.5, 1000])
