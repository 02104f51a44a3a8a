"""What a call of the command comes to, in this process or in another one."""

import json
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl


@dataclass(frozen=True)
class Outcome:
    """What a call of the command came to."""

    status: int
    out: str
    err: str
    folders: list[Path]
    """The run folders it made, in the order of their names."""

    @property
    def folder(self) -> Path:
        """The only run folder."""
        (folder,) = self.folders
        return folder

    def losses(self) -> pl.DataFrame:
        """The rows of losses.csv."""
        return pl.read_csv(self.folder / "losses.csv")

    def summary(self) -> dict[str, Any]:
        """The content of summary.json."""
        summary: dict[str, Any] = json.loads((self.folder / "summary.json").read_text())
        return summary


def as_usual() -> None:
    """Undoes, in a new process, that pytest's workers ignore Ctrl-C, and `nohup` the terminal's end."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


MtlTrain = Callable[..., Outcome]
"""Runs `mtl-train` with its arguments: the type of the fixture of that name."""
