"""Dataset of split rows: one encoded matrix, and by task the targets and the weights of its examples.

Shapes: N rows, F features, n rows of a split, U units of a task.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Array
from mtl_cli.datasets.dataset import Labels, Scale, Split
from mtl_cli.datasets.in_memory import RowsDataset, RowsFeed
from mtl_cli.datasets.splits import SPLITS
from mtl_cli.tables.features import FeatureColumns
from mtl_cli.tables.labels import TaskLabels, balance, scale_of
from mtl_cli.tables.splits import SplitRows
from mtl_cli.tasks import Regression


def rows_dataset(split: SplitRows, features: FeatureColumns) -> RowsDataset:
    """Returns the dataset. Training rows, and the others, are row numbers of one matrix [N, F]."""
    rows = split.rows
    matrix = features.encode(rows.source.frame, rows.source.place)
    groups = tuple(table.tasks for table in rows.tables if table.split is None)
    train = {task: examples["train"] for task, examples in split.examples.items()}
    shared = [np.unique(np.concatenate([train[task] for task in group])).astype(np.int32) for group in groups]
    targets, scales = _targets(rows.labels, train)
    counts = {task: _counts(labels, train[task], rows.weights) for task, labels in rows.labels.items()}
    weighted = [task for task, count in counts.items() if count is not None]
    masked = [
        task for group, numbers in zip(groups, shared, strict=True) for task in group if len(train[task]) < len(numbers)
    ]
    weights = {}
    for task in dict.fromkeys([*weighted, *masked]):
        count = counts[task]
        weights[task] = np.zeros(len(matrix), np.float32)
        weights[task][train[task]] = 1.0 if count is None else count
    splits = {name: _split(name, split, matrix, targets) for name in split.numbers}
    return RowsDataset(
        tasks={task: labels.task for task, labels in rows.labels.items()},
        encoder=features,
        feed=RowsFeed(groups, tuple(weighted), tuple(masked)),
        device_data={"features": matrix, "labels": targets, "weights": weights},
        train=splits.pop("train"),
        splits=splits,
        rows={name: len(split.numbers[name]) for name in SPLITS if name in split.numbers},
        scales=scales,
        classes={task: labels.classes for task, labels in rows.labels.items() if labels.classes},
        columns=features.description,
        shared=shared,
        own={task: numbers.astype(np.int32) for task, numbers in train.items()},
    )


def _targets(
    labels: Mapping[str, TaskLabels], train: Mapping[str, NDArray[np.int64]]
) -> tuple[dict[str, Array], dict[str, Scale]]:
    """Returns the labels as the losses take them, and the scales of those that are standardised."""
    targets: dict[str, Array] = {}
    scales: dict[str, Scale] = {}
    for name, each in labels.items():
        values: Any = each.values
        if isinstance(each.task, Regression) and each.task.standardize:
            scale = scales[name] = scale_of(values[train[name]])
            values = (values - scale.mean) / scale.deviation
        targets[name] = values.astype(each.task.label_type)
    return targets, scales


def _counts(
    labels: TaskLabels, train: NDArray[np.int64], row_weights: NDArray[np.float32]
) -> NDArray[np.float32] | None:
    """Returns how much each labelled training row counts, on average 1; None where all count alike."""
    counts = row_weights[train]
    balanced = getattr(labels.task, "class_weight", None) is not None
    if balanced and labels.classes:
        counts = counts * balance(labels.values[train], len(labels.classes))
    if not balanced and (counts == counts[0]).all():
        return None
    mean: NDArray[np.float32] = counts / counts.mean(dtype=np.float64)
    return mean.astype(np.float32)


def _split(name: str, split: SplitRows, matrix: NDArray[np.float32], targets: Mapping[str, Array]) -> Split:
    """Returns a split to evaluate on."""
    numbers, labels = split.numbers[name], {}
    for task, examples in split.examples.items():
        labelled = examples[name]
        counts = split.rows.weights[labelled]
        alike = (counts == counts[0]).all()
        inside = None if len(labelled) == len(numbers) else np.flatnonzero(np.isin(numbers, labelled))
        shares = counts / counts.mean(dtype=np.float64)
        labels[task] = Labels(targets[task][labelled], inside, None if alike else shares.astype(np.float32))
    return Split(matrix, labels, numbers)
