"""The contract of a data source: a config under `data`, and the dataset that it loads."""

from abc import ABC, abstractmethod

from mtl_cli.datasets.dataset import Dataset
from mtl_cli.settings import Settings
from mtl_cli.tasks import Tasks


class Data(Settings, ABC):
    """A data source, as the user describes it under `data`."""

    name: str

    @property
    def advice(self) -> str:
        """Returns what results on it mean, and what to try next; nothing where they speak for themselves."""
        return ""

    @abstractmethod
    def load(self, tasks: Tasks, seed: int, batch_size: int) -> Dataset:
        """Returns the data for these tasks.

        Raises:
            InputError: The tasks don't fit the data, or the data can't be read or used.
        """
