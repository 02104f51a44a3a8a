"""What sources have in common whose rows are drawn at random and whose labels a known function gives."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from mtl_cli.datasets.dataset import Dataset, Labels, Split
from mtl_cli.datasets.encoder import PlainFeatures
from mtl_cli.datasets.in_memory import dataset
from mtl_cli.datasets.splits import SPLITS
from mtl_cli.errors import InputError
from mtl_cli.randomness import SPLIT, generator
from mtl_cli.settings import Settings
from mtl_cli.tasks import Count, Regression, Tasks

Draw = Callable[[np.random.Generator, int], tuple[NDArray[np.float32], Sequence[NDArray[np.float64]]]]
"""Draws n rows: features [n, F], and for each task labels [n, U]."""


class Examples(Settings):
    """How many rows each split has."""

    train: Count = 10000
    val: Count = 1000
    test: Count = 1000


def regressions(tasks: Tasks, source: str, units: int) -> Tasks:
    """Returns the tasks with their units filled in: regressions on labels that stay in their own unit.

    Raises:
        InputError: A task isn't a regression, has other units, or asks for standardised labels.
    """
    for name, task in tasks.items():
        if not isinstance(task, Regression):
            raise InputError(f"tasks.{name}.kind: data={source} has regression tasks only, got {task.kind!r}")
        if task.units not in (None, units):
            raise InputError(f"tasks.{name}.units: a label of data={source} is {units} wide, got {task.units}")
        if task.standardize and "standardize" in task.model_fields_set:
            raise InputError(f"tasks.{name}.standardize: data={source} leaves labels in their own unit; drop the key")
    return {name: task.model_copy(update={"units": units}) for name, task in tasks.items()}


def truth_generator(seed: int) -> np.random.Generator:
    """Returns the generator of what the labels' function is made of; the rows have others."""
    return generator(seed, SPLIT, 0)


def drawn(tasks: Tasks, examples: Examples, seed: int, batch_size: int, draw: Draw) -> Dataset:
    """Returns the dataset of rows from `draw`, each split by a generator of its own: their sizes don't disturb others.

    Raises:
        InputError: A batch has more rows than the training split.
    """
    splits = {}
    for i, name in enumerate(SPLITS):
        features, labels = draw(generator(seed, SPLIT, 1 + i), getattr(examples, name))
        of_task = {task: Labels(y.astype(np.float32)) for task, y in zip(tasks, labels, strict=True)}
        splits[name] = Split(features, of_task)
    return dataset(tasks, PlainFeatures(splits["train"].features.shape[1]), splits, batch_size)
