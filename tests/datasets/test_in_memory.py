"""Rows in memory: each comes once before any comes again."""

import numpy as np
import pytest

from mtl_cli.datasets.dataset import Split
from mtl_cli.datasets.encoder import PlainFeatures
from mtl_cli.datasets.in_memory import RowsDataset, RowsFeed, Shuffled

PICKS = np.array([0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 0], np.int32)


def test_every_row_comes_once_before_any_comes_again() -> None:
    rows = Shuffled(np.arange(100, 117, dtype=np.int32), np.random.default_rng(0))
    taken = np.concatenate([rows.take(n) for n in (5, 1, 30, 15)])
    for epoch in range(3):
        assert sorted(taken[17 * epoch : 17 * (epoch + 1)]) == list(range(100, 117))
    assert taken[:17].tolist() != taken[17:34].tolist()


@pytest.mark.parametrize("counts", [(), (1,), (16, 1), (17,), (17, 1), (5, 13), (34,), (3, 40)])
def test_orders_go_on_where_they_were(counts: tuple[int, ...]) -> None:
    """Within an order, at its end and after several; another generator is put where this one was."""
    rows, again = (Shuffled(np.arange(17, dtype=np.int32), np.random.default_rng(seed)) for seed in (0, 1))
    assert [len(rows.take(count)) for count in counts] == [*counts]
    again.go_to(rows.position())
    assert again.epochs == rows.epochs == sum(counts) / 17
    np.testing.assert_array_equal(again.take(40), rows.take(40))
    assert again.position() == rows.position()


def test_each_task_walks_through_its_own_rows() -> None:
    rows = {"a": np.arange(10, dtype=np.int32), "b": np.arange(50, 56, dtype=np.int32)}
    dataset = RowsDataset(
        tasks={},
        encoder=PlainFeatures(1),
        feed=RowsFeed((("a",), ("b",))),
        train=Split(np.zeros((0, 1)), {}),
        shared=list(rows.values()),
        own=rows,
    )
    drawn = dataset.stream(0, 2).single(PICKS)["rows"]
    for task, own in enumerate(rows.values()):
        of_task = drawn[task == PICKS].ravel()
        assert set(of_task) <= set(own)
        assert sorted(of_task[: len(own)]) == own.tolist()
