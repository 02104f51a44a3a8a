"""Dataset of split rows: targets, weights of examples, and the rows of each task."""

from typing import Any

import numpy as np
import pytest

from mtl_cli.datasets.in_memory import RowsDataset
from mtl_cli.datasets.splits import Fractions
from mtl_cli.tables.dataset import rows_dataset
from mtl_cli.tables.features import fit
from mtl_cli.tables.splits import assign_splits
from mtl_cli.tasks import Binary, Regression, Task
from tests.support.table_rows import labelled, source

X = [0.0, 2.0, 4.0, 6.0, 9.0, 8.0]
Y: list[float | None] = [1.0, 3.0, None, 8.0, 5.0, None]
K = ["n", "y", "n", "n", "y", "n"]
SPLITS = ["train", "train", "train", "train", "val", "val"]


def made(tasks: dict[str, Task], w: list[float] | None = None) -> RowsDataset:
    """Returns the dataset of six rows, two of which are validation rows; `w` are the rows' weights."""
    given = source("t.csv", x=X, y=Y, k=K, s=SPLITS, w=w or [1.0] * 6)
    roles: dict[str, Any] = {"features": ["x"], "split": "s", "weight": "w"}
    split = assign_splits(labelled(tasks, (given, None), **roles), Fractions(), "keep", 0)
    rows = split.rows.source
    features = fit(
        rows.frame, split.rows.kinds, split.numbers["train"], rows.place, date_format=None, min_count=1, embed_above=9
    )
    return rows_dataset(split, features)


def test_labels_are_standardised_by_the_labelled_training_rows() -> None:
    dataset = made({"y": Regression(), "k": Binary()})
    known = np.array([1.0, 3.0, 8.0])
    assert dataset.scales["y"].mean == pytest.approx(4.0)
    assert dataset.scales["y"].deviation == pytest.approx(known.std())
    np.testing.assert_allclose(
        dataset.device_data["labels"]["y"][[0, 1, 3, 4], 0], (np.array([1, 3, 8, 5]) - 4) / known.std()
    )
    np.testing.assert_allclose(dataset.device_data["features"][:, 0], (np.array(X) - 3) / np.std(X[:4]), rtol=1e-6)
    assert list(dataset.scales) == ["y"]


def test_labels_that_stay_in_their_unit() -> None:
    dataset = made({"y": Regression(standardize=False)})
    assert (dataset.scales, dataset.device_data["labels"]["y"][:2, 0].tolist()) == ({}, [1.0, 3.0])


def test_rows_of_each_task() -> None:
    dataset = made({"y": Regression(), "k": Binary()})
    assert {task: rows.tolist() for task, rows in dataset.own.items()} == {"y": [0, 1, 3], "k": [0, 1, 2, 3]}
    assert [rows.tolist() for rows in dataset.shared] == [[0, 1, 2, 3]]
    assert (dataset.rows, dataset.classes) == ({"train": 4, "val": 2}, {"k": ["n", "y"]})
    assert (dataset.feed.weighted, dataset.feed.masked) == ((), ("y",))
    assert dataset.device_data["weights"]["y"].tolist() == [1, 1, 0, 1, 0, 0]
    val = dataset.splits["val"].labels
    assert val["k"].rows is None
    assert val["y"].rows is not None
    assert (val["y"].rows.tolist(), val["y"].weights) == ([0], None)


def test_weights_of_rows_have_mean_1_over_the_labelled_training_rows() -> None:
    dataset = made({"y": Regression(), "k": Binary()}, [1.0, 2.0, 5.0, 3.0, 1.0, 3.0])
    assert dataset.feed.weighted == ("y", "k")
    np.testing.assert_allclose(dataset.device_data["weights"]["y"], [0.5, 1, 0, 1.5, 0, 0])
    np.testing.assert_allclose(dataset.device_data["weights"]["k"], np.array([1, 2, 5, 3, 0, 0]) / 2.75, rtol=1e-6)
    val = dataset.splits["val"].labels["k"].weights
    assert val is not None
    assert val.tolist() == [0.5, 1.5]


def test_a_row_of_no_weight_is_as_good_as_none() -> None:
    dataset = made({"k": Binary()}, [1.0, 1.0, 0.0, 1.0, 1.0, 1.0])
    assert (dataset.own["k"].tolist(), dataset.shared[0].tolist()) == ([0, 1, 3], [0, 1, 3])
    assert (dataset.feed.weighted, dataset.feed.masked, dataset.rows["train"]) == ((), (), 4)


def test_balanced_classes() -> None:
    """Of four training rows three are n and one is y: 4 / (2 3) and 4 / (2 1), whose mean is 1."""
    dataset = made({"k": Binary(class_weight="balanced")})
    np.testing.assert_allclose(dataset.device_data["weights"]["k"], [2 / 3, 2, 2 / 3, 2 / 3, 0, 0], rtol=1e-6)
    assert dataset.splits["val"].labels["k"].weights is None
