"""Rows in memory: each comes once before any comes again."""

import numpy as np

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
