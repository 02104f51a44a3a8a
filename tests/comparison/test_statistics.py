"""What a sweep's numbers say, against brute force and SciPy."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from mtl_cli.comparison.statistics import (
    Numbers,
    gain,
    hypervolume,
    mean_of,
    mean_ranks,
    paired,
    pareto_set,
    reference_point,
)

FINITE = st.floats(-1e3, 1e3, width=32)


@st.composite
def settings_and_directions(draw: st.DrawFn, values: st.SearchStrategy[float]) -> tuple[Numbers, list[bool]]:
    """Draws means [S, T] of up to 6 settings and 4 tasks, some equal, and which of the tasks want more."""
    tasks = draw(st.integers(1, 4))
    rows = draw(st.lists(st.lists(values, min_size=tasks, max_size=tasks), min_size=1, max_size=6))
    return np.array(rows, float), draw(st.lists(st.booleans(), min_size=tasks, max_size=tasks))


COARSE = settings_and_directions(st.one_of(st.integers(-3, 3).map(float), st.just(math.nan)))


@given(values=st.lists(FINITE, min_size=2, max_size=30))
def test_the_interval_is_students(values: list[float]) -> None:
    found = mean_of([*values, math.nan, math.inf])
    error = scipy.stats.sem(values)
    expected = scipy.stats.t.ppf(0.975, len(values) - 1) * error
    assert found.n == len(values)
    assert found.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert found.half == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_few_values_have_no_interval() -> None:
    assert mean_of([]).n == 0
    assert math.isnan(mean_of([math.nan]).mean)
    assert mean_of([3.0]).mean == 3.0
    assert math.isnan(mean_of([3.0]).half)
    assert mean_of([3.0]).contains_0, "unknown, so it may"


@given(
    first=st.dictionaries(st.integers(0, 9), FINITE, max_size=8),
    second=st.dictionaries(st.integers(0, 9), FINITE, max_size=8),
)
def test_differences_are_paired(first: dict[int, float], second: dict[int, float]) -> None:
    common = sorted(first.keys() & second.keys())
    found = paired(first, second)
    assert found.n == len(common)
    if len(common) > 1:
        a, b = [first[key] for key in common], [second[key] for key in common]
        if np.ptp(np.subtract(a, b)) > 1e-3:
            low, high = (float(end) for end in scipy.stats.ttest_rel(a, b).confidence_interval())
            assert (found.mean - found.half, found.mean + found.half) == pytest.approx((low, high), rel=1e-6, abs=1e-6)
            if min(abs(low), abs(high)) > 1e-3:
                assert found.contains_0 == (low < 0 < high)


def test_the_gain_has_the_published_sign_and_size() -> None:
    """Accuracy 0.80 to 0.84 is +5 %, an error from 0.50 to 0.45 is +10 %."""
    assert gain([0.84, 0.45], [0.80, 0.50], [True, False]) == pytest.approx(7.5)
    assert gain([0.84, 0.45], [0.80, 0.50], [False, True]) == pytest.approx(-7.5)
    assert gain([-0.1], [-0.2], [True]) == pytest.approx(50.0), "an R2 below 0 that rises"
    for nothing in (0.0, 1e-13, math.nan, math.inf):
        assert math.isnan(gain([0.84, 0.45], [0.80, nothing], [True, False]))
    assert math.isnan(gain([math.nan, 0.45], [0.80, 0.5], [True, False]))


@given(case=COARSE)
def test_ranks_are_scipys(case: tuple[Numbers, list[bool]]) -> None:
    means, higher = case
    complete = ~np.isnan(means).any(axis=1)
    expected = np.full(len(means), np.nan)
    if complete.any():
        signed = np.where(higher, -means, means)[complete]
        expected[complete] = scipy.stats.rankdata(signed, axis=0).mean(axis=1)
    np.testing.assert_allclose(mean_ranks(means, higher), expected)


@given(case=COARSE)
def test_the_pareto_set_by_brute_force(case: tuple[Numbers, list[bool]]) -> None:
    means, higher = case
    signed = np.where(higher, means, -means)

    def dominated(point: Numbers) -> bool:
        return any((other >= point).all() and (other > point).any() for other in signed if not np.isnan(other).any())

    expected = [not np.isnan(point).any() and not dominated(point) for point in signed]
    assert pareto_set(means, higher).tolist() == expected


@given(case=settings_and_directions(st.integers(-3, 3).map(float)))
def test_the_hypervolume_by_inclusion_and_exclusion(case: tuple[Numbers, list[bool]]) -> None:
    """The volume of a union of boxes from the sums over all their intersections, which are boxes as well."""
    means, higher = case
    reference = reference_point(means, higher)
    sides = np.where(higher, means - reference, reference - means)
    assert (sides > 0).all()
    expected = 0.0
    for count in range(1, len(sides) + 1):
        for chosen in itertools.combinations(sides, count):
            expected -= (-1) ** count * np.prod(np.min(chosen, axis=0))
    assert hypervolume(means, higher, reference) == pytest.approx(expected, rel=1e-9)


def test_the_reference_point_is_beyond_the_worst_by_a_tenth_of_the_range() -> None:
    means = np.array([[0.9, 2.0, 0.0, 4.0], [0.7, 4.0, 0.0, 4.0], [np.nan, 99.0, 9.0, 9.0]])
    found = reference_point(means, [True, False, False, True])
    np.testing.assert_allclose(found, [0.7 - 0.02, 4.2, 0.1, 4.0 - 0.4])


def test_what_has_no_complete_setting_has_no_volume() -> None:
    means = np.array([[np.nan, 1.0]])
    assert np.isnan(reference_point(means, [True, True])).all()
    assert math.isnan(hypervolume(means, [True, True], np.zeros(2)))
    assert math.isnan(hypervolume(np.ones((1, 7)), [True] * 7, np.zeros(7))), "too many tasks"


def test_six_tasks_have_a_volume() -> None:
    assert hypervolume(np.full((1, 6), 2.0), [True] * 6, np.zeros(6)) == pytest.approx(2.0**6)


def test_settings_that_are_the_same_can_not_be_told_apart() -> None:
    assert paired({0: 1.0, 1: 2.0}, {0: 1.0, 1: 2.0}).contains_0
