"""Sweeps' overrides, and what their jobs leave."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.types import RunMode
from omegaconf import DictConfig

from mtl_cli.composition import hydra_private
from tests.support.configs import CONF, loading

DIGITS = [
    "data=digits", "data.examples={train: 200, val: 40, test: 40}", "batch_size=8", "model.shared_layers=[6]",
    "eval.every=20",
]  # fmt: skip
LINEAR = ["model.activation=linear", "model.output_activation=linear"]
TOGETHER, BESIDE, APART = "sweep.runs_at_once=8", "sweep.runs_at_once=null", "sweep.runs_at_once=1"
BASIC = "hydra/launcher=basic"


def summaries(folder: Path) -> dict[str, dict[str, Any]]:
    """The summary.json of every job, by its folder's name."""
    return {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/summary.json")}


def content(folder: Path) -> dict[str, str]:
    """What is in the files of a sweep's jobs that neither tell time nor the launcher."""
    files = {}
    for path in sorted(folder.glob("*/*.csv")) + sorted(folder.glob("*/.hydra/*.yaml")):
        text = path.read_text().replace(str(folder), "").replace(folder.name, "")
        files[str(path.relative_to(folder))] = text
    return files


def csv_files(folder: Path) -> dict[str, bytes]:
    """What is in losses.csv and metrics.csv of every job."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("*/*.csv")}


def times(sweep: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in sweep.glob("*/losses.csv")}


def training_starts(sweep: Path) -> dict[str, int]:
    """How often each job of a sweep was trained, by its log."""
    return {file.parent.name: file.read_text().count("training into") for file in sweep.glob("*/train.log")}


@contextmanager
def sweep_of(
    *words: str, by: type[hydra_private.Loader] = hydra_private.Loader
) -> Iterator[tuple[hydra_private.Loader, DictConfig]]:
    """Has Hydra ready to compose a sweep's jobs; yields the loader and the sweep's own config."""
    with loading(CONF, by) as loader:
        yield loader, loader.load_configuration("config", list(words), RunMode.MULTIRUN)
