"""Rows drawn at random: the splits', and what the labels' function is made of, from generators of their own."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mtl_cli.datasets.regressions import Examples, drawn, truth_generator
from mtl_cli.tasks import Regression


def test_splits_and_truth_have_nothing_random_in_common() -> None:
    """Else the training rows would depend on the function that they are to teach."""
    firsts = [truth_generator(seed=3).random()]

    def draw(random: np.random.Generator, rows: int) -> tuple[Any, Sequence[Any]]:
        firsts.append(random.random())
        return np.zeros((rows, 1), np.float32), [np.zeros((rows, 1))]

    dataset = drawn({"y": Regression(units=1)}, Examples(train=5, val=4, test=3), seed=3, batch_size=2, draw=draw)
    assert dataset.rows == {"train": 5, "val": 4, "test": 3}
    assert len(set(firsts)) == 4
