"""What holds for rows in memory and for endless streams."""

from copy import deepcopy
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.configs import loaded

PICKS = np.array([0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 0], np.int32)
DIGITS = ["data=digits", "data.examples={train: 300, val: 60, test: 60}"]


@pytest.mark.parametrize("data", [["data=seed"], DIGITS])
@given(cuts=st.sets(st.integers(1, 11)))
def test_draws_dont_depend_on_chunks(data: list[str], cuts: set[int]) -> None:
    dataset = loaded(*data)
    whole, parts = dataset.stream(7, 150), dataset.stream(7, 150)
    bounds = [0, *sorted(cuts), 12]
    pieces = [deepcopy(parts.joint(end - start)) for start, end in pairwise(bounds)]
    for key, array in whole.joint(12).items():
        np.testing.assert_array_equal(np.concatenate([piece[key] for piece in pieces]), array)
    pieces = [deepcopy(parts.single(PICKS[start:end])) for start, end in pairwise(bounds)]
    for key, array in whole.single(PICKS).items():
        np.testing.assert_array_equal(np.concatenate([piece[key] for piece in pieces]), array)
