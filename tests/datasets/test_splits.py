"""Which rows go to training, validation and test: parts, strata, groups."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_cli.datasets.splits import Fractions, split_groups, split_rows, split_strata
from mtl_cli.errors import InputError


@given(data=st.data())
def test_strata_are_dealt_evenly(data: st.DataObject) -> None:
    strata = np.array(data.draw(st.lists(st.integers(0, 5), min_size=20, max_size=300)))
    parts = data.draw(st.sampled_from([(0.7, 0.15, 0.15), (0.5, 0.5, 0.0), (0.6, 0.0, 0.4), (1.0, 0.0, 0.0)]))
    wanted = Fractions(train=parts[0], val=parts[1], test=parts[2])
    dealt = split_strata(strata, wanted, seed=data.draw(st.integers(0, 5)))
    assert sorted(np.concatenate(list(dealt.values()))) == list(range(len(strata)))
    for stratum in np.unique(strata):
        size = (strata == stratum).sum()
        for rows, part in zip(dealt.values(), parts, strict=True):
            assert abs((strata[rows] == stratum).sum() - part * size) <= 2.01


@given(groups=st.lists(st.integers(0, 12), min_size=30, max_size=200), seed=st.integers(0, 3))
def test_groups_stay_together(groups: list[int], seed: int) -> None:
    codes = np.array(groups)
    try:
        dealt = split_groups(codes, Fractions(), seed)
    except InputError:
        assert len(set(groups)) < 3
        return
    assert sorted(np.concatenate(list(dealt.values()))) == list(range(len(groups)))
    kept = [set(codes[rows].tolist()) for rows in dealt.values()]
    assert not (kept[0] & kept[1] or kept[0] & kept[2] or kept[1] & kept[2])


@pytest.mark.parametrize("seed", range(5))
def test_groups_fill_each_split_up_to_its_part(seed: int) -> None:
    """The largest ones first, to the split that lacks most: none is off by more than a small group."""
    sizes = np.random.default_rng(seed).integers(1, 30, 60)
    codes = np.repeat(np.arange(60), sizes)
    dealt = split_groups(codes, Fractions(), seed)
    for name, share in (("train", 0.7), ("val", 0.15), ("test", 0.15)):
        assert abs(len(dealt[name]) - share * len(codes)) <= 5


def test_a_split_without_a_part_gets_no_row() -> None:
    """Though half of 5, rounded to 2, is twice 4."""
    dealt = split_rows(5, Fractions(train=0.5, val=0.5, test=0.0), seed=0)
    assert {name: len(rows) for name, rows in dealt.items()} == {"train": 2, "val": 3, "test": 0}


@pytest.mark.parametrize("seed", range(5))
def test_three_groups_are_enough_for_three_splits(seed: int) -> None:
    dealt = split_groups(np.repeat([0, 1, 2], 10), Fractions(), seed)
    assert {name: len(rows) for name, rows in dealt.items()} == {"train": 10, "val": 10, "test": 10}


def test_every_row_has_the_same_chance_whatever_its_stratum() -> None:
    """Where each row is a stratum, whose order says nothing of which one is held out."""
    trained = np.zeros(20)
    for seed in range(400):
        trained[split_strata(np.arange(20), Fractions(), seed)["train"]] += 1
    assert np.abs(trained / 400 - 0.7).max() < 5 * (0.7 * 0.3 / 400) ** 0.5


@given(
    rows=st.integers(3, 500),
    fractions=st.sampled_from([(0.7, 0.15, 0.15), (1.0, 0.0, 0.0), (0.5, 0.5, 0.0), (0.34, 0.33, 0.33), (0.9, 0, 0.1)]),
)
def test_splits_part_the_rows(rows: int, fractions: tuple[float, float, float]) -> None:
    wanted = Fractions(**dict(zip(("train", "val", "test"), map(float, fractions), strict=True)))
    try:
        dealt = split_rows(rows, wanted, seed=1)
    except InputError:
        assert rows * min(f for f in fractions if f) < 1.5
        return
    assert sorted(np.concatenate(list(dealt.values()))) == list(range(rows))
    for name, fraction in zip(("train", "val", "test"), fractions, strict=True):
        assert abs(len(dealt[name]) - fraction * rows) <= 1
