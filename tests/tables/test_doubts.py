"""What somebody should look at: skewed numbers."""

import math

import numpy as np
import polars as pl
import pytest
import scipy.stats

from mtl_cli.tables.doubts import numbers_of, skewed

DRAW = np.random.default_rng(5)
NORMAL = DRAW.normal(size=300)


def test_skewness_is_that_of_scipy() -> None:
    x = np.exp(1.2 * NORMAL)
    said = skewed(pl.Series(x))
    assert said is not None
    assert f"(skewness {scipy.stats.skew(x):.1f}, of its logarithm {scipy.stats.skew(np.log(x)):.1f})" in said
    zero = np.append(x, 0.0)
    said = skewed(pl.Series(zero))
    assert said is not None
    assert f"of log(1 + it) {scipy.stats.skew(np.log1p(zero)):.1f})" in said


def test_a_skewness_of_nothing_has_no_sign() -> None:
    logarithms = np.append(np.append(NORMAL, -NORMAL), -2.5)
    assert -0.05 < scipy.stats.skew(logarithms) < 0
    assert "of its logarithm 0.0)" in (skewed(pl.Series(np.exp(logarithms))) or "")


@pytest.mark.parametrize(
    "values",
    [
        NORMAL + 10,
        np.exp(1.2 * NORMAL) - 0.5,
        np.exp(0.3 * NORMAL),
        np.append(NORMAL / 100 + 10, 30.0),
        np.exp(1.2 * NORMAL[:15]),
        np.round(np.exp(0.9 * NORMAL)),
        np.full(40, 1e308),
        np.append(np.arange(1.0, 40.0), 1e308),
    ],
    ids=[
        "normal",
        "negative",
        "short tail",
        "one far away",
        "few",
        "few different",
        "one value",
        "too large to square",
    ],
)
def test_what_a_logarithm_does_not_help_is_not_called_skewed(values: np.typing.NDArray[np.float64]) -> None:
    assert skewed(pl.Series(values)) is None


def test_numbers_are_those_that_texts_read_as() -> None:
    assert numbers_of(pl.Series(["$1,200.50", None, "$3.00"])).to_list() == [1200.5, None, 3.0]
    assert numbers_of(pl.Series([1.0, math.nan])).to_list() == [1.0, None]
