"""A run's data, checked against its config; that of a sweep's runs is loaded once for those that load the same."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from mtl_cli.config import Config
from mtl_cli.datasets.dataset import Dataset
from mtl_cli.errors import InputError
from mtl_cli.identity import data_key
from mtl_cli.settings import Balance, marked

KEPT: Final = 16


def load(config: Config) -> Dataset:
    """Returns the run's data, and refuses what doesn't fit it. Imports no TensorFlow.

    Raises:
        InputError: The data can't be used, or the config asks for a validation split that there isn't.
    """
    dataset = config.data.load(config.tasks, config.seed, config.batch_size)
    if "val" not in dataset.splits:
        if config.objective != "val_loss":
            raise InputError(f"objective: {config.objective!r} needs a validation split, and the data has none")
        if config.early_stopping.patience is not None:
            raise InputError("early_stopping.patience: it needs a validation split, and the data has none")
    if config.weighting.compares_rows and not dataset.feed.shares_rows:
        raise InputError(
            "weighting.on: 'representation' compares the tasks on the same rows, and tasks with a file of their own "
            "have different ones; use weighting.on=parameters"
        )
    if config.sampling.uses_rows and not dataset.labelled:
        raise InputError(
            f"sampling: {config.sampling.name!r} goes by the numbers of the tasks' training rows, and "
            f"data={config.data.name} has no end; choose sampling=fixed"
        )
    return replace(dataset, notes=[*dataset.notes, *_undefined(dataset)])


def _undefined(dataset: Dataset) -> Iterator[str]:
    """Says which metrics can't be told on which split."""
    for split, rows in {"train": dataset.train, **dataset.splits}.items():
        for name, task in dataset.tasks.items():
            metrics, why = task.undefined(rows.labels[name].values, dataset.classes.get(name, ()))
            if metrics:
                yield f"task {name} has {why} in the {split} split, so {', '.join(metrics)} can't be told there (nan)"


class Datasets:
    """The last ones that were loaded."""

    def __init__(self) -> None:
        self._loaded: OrderedDict[str, Dataset] = OrderedDict()

    def load(self, config: Config) -> Dataset:
        """Returns the run's data.

        Raises:
            InputError: It can't be used.
        """
        key = data_key(config)
        if key not in self._loaded:
            self._loaded[key] = load(config)
        self._loaded.move_to_end(key)
        if len(self._loaded) > KEPT:
            self._loaded.popitem(last=False)
        known = self._loaded[key]
        tasks = {
            name: known.tasks[name].model_copy(update=marked(task, Balance)) for name, task in config.tasks.items()
        }
        return replace(known, tasks=tasks)
