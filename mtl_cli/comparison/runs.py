"""Ordinary runs compared, by experiment: those in a folder that is no sweep's own. Imports no TensorFlow."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from rich.console import Console

from mtl_cli.comparison.comparison import Comparison
from mtl_cli.comparison.files import csv_text, write_text
from mtl_cli.comparison.results import Result, Results
from mtl_cli.comparison.text import rendered
from mtl_cli.run_folder.atomic_files import CONFIGS
from mtl_cli.terminal.markdown import Block, Heading, markdown, show
from mtl_cli.untrusted.files import read_yaml

FILES: Final = ("runs.csv", "runs.md")
"""What is written of them, where that is asked for."""


class RunsFolder:
    """A folder with runs in it, or in folders of it."""

    def __init__(self, folder: Path) -> None:
        """Reads what is in it.

        Raises:
            InputError: A run's file can't be read.
        """
        self._folder = folder
        self._results = [replace(result, as_configured=True) for result in Results(folder).read()]
        self.experiments: Mapping[str, Sequence[Block]] = {
            name: rendered(Comparison(results, is_sweep=False), folder) for name, results in self._by_experiment()
        }
        """What is told of each, by the config's `name`."""

    def _by_experiment(self) -> list[tuple[str, list[Result]]]:
        found: defaultdict[str, list[Result]] = defaultdict(list)
        for result in self._results:
            found[self._experiment(result)].append(result)
        return sorted(found.items())

    def _experiment(self, result: Result) -> str:
        if "name" in result.config:
            return str(result.config["name"])
        with suppress(OSError, ValueError, TypeError, KeyError):  # it hasn't ended, or its files are damaged
            return str(read_yaml(self._folder / result.name / CONFIGS / "config.yaml")["name"])
        return "unknown"

    def show(self, console: Console, file: str = "") -> None:
        """Prints it; `file` has the rows that are left out."""
        for name, blocks in self.experiments.items():
            show([Heading(f"Experiment {name}"), *blocks], console, file)

    def write(self) -> None:
        """Writes runs.csv, a row for each run, and runs.md beside them.

        Raises:
            InputError: They can't be written.
        """
        table, text = (self._folder / name for name in FILES)
        write_text(table, csv_text(Comparison(self._results, is_sweep=False)))
        parts = [markdown([Heading(name)])[1:] + "\n" + markdown(blocks) for name, blocks in self.experiments.items()]
        write_text(text, "\n".join(parts))
