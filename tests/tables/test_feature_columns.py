"""Columns of numbers on their own, also ones that float32 can't tell apart."""

import numpy as np
import polars as pl
import pytest

from mtl_cli.tables.feature_columns import fit_numeric
from tests.support.tables import place


@pytest.mark.parametrize(
    ("values", "means"),
    [(np.array([0.1, 0.7, 2.3, 5.9]), 1), (1_790_000_000.0 + np.arange(8) ** 2, 2)],
    ids=["usual", "seconds since 1970"],
)
def test_numbers_are_as_far_apart_as_float64_has_them(values: np.typing.NDArray[np.float64], means: int) -> None:
    """Beside how far they are apart the second are so large that float32 would have two of them as one."""
    series = pl.Series("x", values)
    column = fit_numeric(series, np.arange(len(values)), place)
    np.testing.assert_allclose(column.encode(series, place), (values - values.mean()) / values.std(), rtol=1e-6)
    assert len(column.means) == means
    assert all(mean == np.float32(mean) for mean in column.means)
    assert sum(column.means) == pytest.approx(values.mean(), rel=2.0 ** (-24 * means))
