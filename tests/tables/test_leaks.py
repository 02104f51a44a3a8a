"""Features that nearly determine a label are found, and others aren't."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.stats

from mtl_cli.tables.leaks import leak

N = 200
DRAW = np.random.default_rng(3)
Y = DRAW.normal(size=N)
NOISE = DRAW.normal(size=N)
CLASS = [("a", "b", "c")[i % 3] for i in range(N)]
CODE = {"a": "7", "b": "9", "c": "4"}


def found(x: Sequence[Any], y: Sequence[Any], *, numbers: bool = True, classes: bool = False) -> str | None:
    return leak(pl.Series(x, strict=False), pl.Series(y, strict=False), numbers=numbers, classes=classes)


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.13, 0.16, 0.3])
@pytest.mark.parametrize("sign", [1, -1])
def test_numbers_by_their_correlation(noise: float, sign: int) -> None:
    x = sign * Y + noise * NOISE
    r, rank = scipy.stats.pearsonr(x, Y).statistic, scipy.stats.spearmanr(x, Y).statistic
    assert (found(x.tolist(), Y.tolist()) is not None) == (max(abs(r), abs(rank)) > 0.99)


def test_numbers_by_the_order_they_are_in() -> None:
    x = np.exp(4 * Y)
    assert abs(scipy.stats.pearsonr(x, Y).statistic) < 0.9
    assert found(x.tolist(), Y.tolist()) == "Spearman's correlation 1.0000"


def test_rows_that_lack_either_cell_take_no_part() -> None:
    x: list[float | None] = Y.tolist()
    y: list[float | None] = Y.tolist()
    x[::3], y[1::3] = [None] * len(x[::3]), [None] * len(y[1::3])
    assert found(x, y) is not None
    assert found([*x[:20], *([None] * (N - 20))], y) is None


def test_categories_that_stand_for_classes() -> None:
    x = [CODE[each] for each in CLASS]
    assert found(x, CLASS, numbers=False, classes=True) == "its values stand for the classes, one by one"
    assert found(list(map(int, x)), CLASS, classes=True) == "its values stand for the classes, one by one"
    x[0] = "9"
    assert found(x, CLASS, numbers=False, classes=True) == "its values tell the class in 199 of 200 rows"
    x[1] = x[2] = "7"
    assert found(x, CLASS, numbers=False, classes=True) is None


def test_a_rare_class_is_told_by_more_than_saying_the_frequent_one() -> None:
    y = ["rare" if i == 0 else "usual" for i in range(N)]
    assert found(["u", "v"] * (N // 2), y, numbers=False, classes=True) is None


def test_categories_of_few_rows_each_tell_nothing() -> None:
    assert found([f"n{i // 4}" for i in range(N)], [i // 4 % 2 for i in range(N)], numbers=False, classes=True) is None
    assert found([f"n{i // 4}" for i in range(N)], [i // 4 for i in range(N)], numbers=False) is None


def test_numbers_in_ranges_of_their_own() -> None:
    y = [int(each > 0.5) for each in Y]
    assert found(Y.tolist(), y, classes=True) == "no two classes have numbers in the same range"
    touching = np.where(Y > 0.5, Y, np.where(np.isclose(Y, Y[Y <= 0.5].max()), Y[Y > 0.5].min(), Y))
    assert found(touching.tolist(), y, classes=True) is None
    y[int(np.argmax(Y))] = 0
    assert found(Y.tolist(), y, classes=True) is None
    rare = [int(each >= np.sort(Y)[-4]) for each in Y]
    assert found(Y.tolist(), rare, classes=True) is None


def test_categories_that_numbers_go_with() -> None:
    level = {"a": 1.0, "b": 2.0, "c": 4.0}
    y = np.array([level[each] for each in CLASS])
    for noise in (0.05, 0.5):
        label = y + noise * NOISE
        groups = [label[np.array(CLASS) == each] for each in level]
        between = sum(len(group) * (group.mean() - label.mean()) ** 2 for group in groups) / (N * label.var())
        assert (found(CLASS, label.tolist(), numbers=False) is not None) == (between > 0.99)
