"""Runs in this process, also interrupted ones, and what they leave."""

import json
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import polars as pl

from mtl_cli.config import Config
from mtl_cli.signals import Interrupt
from mtl_cli.terminal.run_view import View
from mtl_cli.training import experiment
from mtl_cli.training.dataset_cache import load
from mtl_cli.training.job import Job

SMALL = ["data=digits", "data.examples={train: 96, val: 40, test: 40}", "batch_size=8", "steps=90", "eval.every=20"]
TIMES = {"seconds", "train_seconds", "iterations_per_second"}


class Killed(BaseException):
    """Ends a run at once, as SIGKILL does."""


class Fate(Interrupt):
    """Kills a run, or asks it to stop, after some chunks."""

    def __init__(self, chunks: int, *, kills: bool) -> None:
        super().__init__()
        self.left = chunks
        self.kills = kills

    def __call__(self) -> bool:
        self.left -= 1
        if self.left < 0 and self.kills:
            raise Killed
        return self.left < 0

    def deliver(self) -> None:
        pass


def train(config: Config, folder: Path, fate: Interrupt | None = None) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    return experiment.train(Job(0, config, ()), load(config), folder, View(), fate)


def left(folder: Path) -> dict[str, Any]:
    """Returns what a run left that must not depend on interruptions."""
    found: dict[str, Any] = {path.name: path.read_bytes() for path in folder.glob("*.csv")}
    summary = json.loads((folder / "summary.json").read_text())
    return found | {"summary": {key: value for key, value in summary.items() if key not in TIMES}}


def losses(config: Config, folder: Path) -> bytes:
    """Trains in a new folder inside this one, and returns what is in losses.csv."""
    folder.mkdir(exist_ok=True)
    folder = Path(mkdtemp(dir=folder))
    experiment.train(Job(0, config, ()), load(config), folder, View())
    return (folder / "losses.csv").read_bytes()


def values(folder: Path, metric: str) -> dict[int, float]:
    """Returns what metrics.csv has of a metric that is about no single task, by iteration."""
    rows = pl.read_csv(folder / "metrics.csv").filter(pl.col("metric") == metric)
    assert rows["task"].is_null().all()
    return dict(rows.select("iteration", "value").iter_rows())
