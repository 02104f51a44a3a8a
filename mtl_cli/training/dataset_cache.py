"""The data of a sweep's runs, loaded once for those that load the same, and what tells draws of it apart."""

import json
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from mtl_cli.config import Config
from mtl_cli.datasets.dataset import Dataset
from mtl_cli.errors import InputError

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
            name: known.tasks[name].model_copy(update={"weight": task.weight, "prob": task.prob})
            for name, task in config.tasks.items()
        }
        return replace(known, tasks=tasks)


def data_key(config: Config) -> str:
    """Returns a text that is equal for runs that load the same data, and can use it alike."""
    tasks = {name: task.model_dump(mode="json", exclude={"weight", "prob"}) for name, task in config.tasks.items()}
    seed = getattr(config.data, "split_seed", None)
    uses = [config.objective, config.early_stopping.patience is None]
    uses += [config.weighting.compares_rows, config.sampling.uses_rows]
    data = config.data.model_dump(mode="json")
    return json.dumps([data, tasks, config.seed if seed is None else seed, config.batch_size, *uses])


def draws_key(config: Config) -> str:
    """Returns a text that is equal for runs of one program that draw the same for all iterations but learning rates."""
    without: Any = dict.fromkeys(("name", "sweep", "log", "device", "eval", "optimizer"), True)
    return config.model_dump_json(exclude={**without, "tasks": {"__all__": {"weight"}}})
