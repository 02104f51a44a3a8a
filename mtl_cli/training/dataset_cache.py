"""The data of a sweep's runs, loaded once for those that load the same, and what tells draws of it apart."""

import json
from collections import OrderedDict
from dataclasses import replace
from typing import Any, Final

from mtl_cli.config import Config
from mtl_cli.datasets.dataset import Dataset

KEPT: Final = 16


class Datasets:
    """The last ones that were loaded."""

    def __init__(self) -> None:
        self._loaded: OrderedDict[str, Dataset] = OrderedDict()

    def load(self, config: Config) -> Dataset:
        """Returns the run's data.

        Raises:
            InputError: It can't be used.
        """
        from mtl_cli.training.experiment import load  # not needed to refuse a config

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
