"""Folders of sweeps that nobody trained, with the numbers one wants, and what is told of them."""

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats
import yaml
from rich.console import Console

from mtl_cli.comparison.files import Report, print_report
from mtl_cli.terminal.markdown import CodeBlock, Grid

METRIC = {"left": "accuracy", "right": "rmse"}
"""Two tasks: of one more is better, of the other less."""
Json = dict[str, Any]


def config_of(
    seed: int, shares: Mapping[str, float], metric: Mapping[str, str], objective_name: str = "val_loss", **changed: Any
) -> Json:
    tasks = {task: {"metric": metric[task], "weight": share, "prob": 0.5} for task, share in shares.items()}
    config = {"name": "mtl", "seed": seed, "tasks": tasks, "data": {"name": "digits", "split_seed": None}}
    groups = {"mode": {"name": "joint"}, "weighting": {"name": "fixed"}, "optimizer": {"learning_rate": 0.001}}
    return config | groups | {"objective": objective_name} | changed


def job(
    folder: Path,
    number: int | str,
    overrides: Sequence[str],
    shares: Mapping[str, float],
    values: Mapping[str, Mapping[str, float | None]] | None = None,
    *,
    metric: Mapping[str, str] = METRIC,
    status: str = "finished",
    **changed: Any,
) -> Path:
    """Makes the folder of a job; `values` are {split: {task: main metric}}, without them the job is unfinished."""
    inner = folder / str(number)
    (inner / ".hydra").mkdir(parents=True)
    (inner / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(list(overrides)))
    if values is not None:
        seed = int(next((word[5:] for word in overrides if word.startswith("seed=")), "0"))
        objective, error = changed.pop("objective", None), changed.pop("error", None)
        naive = changed.pop("naive", {})
        config = config_of(seed, shares, metric, **changed)
        metrics, of_naive = (
            {
                split: {task: {"loss": value, metric[task]: value} for task, value in of.items()}
                for split, of in given.items()
            }
            for given in (values, naive)
        )
        content = {
            "status": status, "error": error, "seconds": 1.5, "seed": seed, "shares": shares,
            "objective": objective, "metrics": metrics, "naive": of_naive, "overrides": list(overrides),
            "config": config,
            "config_hash": json.dumps([config, [word for word in overrides if "log." not in word]], sort_keys=True),
        }  # fmt: skip
        (inner / "summary.json").write_text(json.dumps(content))
    return inner


def grid(folder: Path, seeds: int = 4) -> list[Json]:
    """Makes a sweep of three weights x two learning rates x seeds with its baselines, and returns its numbers."""
    draw = np.random.default_rng(0)
    rows: list[Json] = []
    numbers = itertools.count()
    for rate, seed in itertools.product((0.001, 0.003), range(seeds)):
        optimizer = {"learning_rate": rate}
        for weight in (0.2, 0.5, 0.8):
            left, right = 0.7 + 0.2 * weight + 0.05 * draw.random(), 1 + weight + 0.2 * draw.random()
            objective = (weight - 0.5) ** 2 + rate + 0.02 * draw.random()
            words = [f"tasks.left.weight={weight}", f"optimizer.learning_rate={rate}", f"seed={seed}", "steps=9"]
            number = next(numbers)
            tested = {"left": 1 - left, "right": 3 - right}  # the other way round: it decides nothing
            values = {"val": {"left": left, "right": right}, "test": tested}
            shares = {"left": weight, "right": 1 - weight}
            naive = {split: {"left": 0.5 + seed, "right": 1.5} for split in values}
            job(folder, number, words, shares, values, optimizer=optimizer, objective=objective, naive=naive)
            rows.append({"job": number, "weight": weight, "rate": rate, "seed": seed, "left": left, "right": right,
                         "objective": objective, "alone": None})  # fmt: skip
        for task in METRIC:
            value = 0.75 + 0.05 * draw.random() if task == "left" else 1.4 + 0.1 * draw.random()
            words = [f"tasks.{t}.weight={int(t == task)}" for t in METRIC]
            words += [f"optimizer.learning_rate={rate}", f"seed={seed}", "steps=9"]
            number, shares = next(numbers), {t: float(t == task) for t in METRIC}
            values = {split: {t: value + add if t == task else 77.0 for t in METRIC}
                      for split, add in (("val", 0.0), ("test", 0.1))}  # fmt: skip
            job(folder, number, words, shares, values, optimizer=optimizer, objective=0.0, weighting={"name": "x"})
            rows.append({"job": number, "weight": None, "rate": rate, "seed": seed, "left": None, "right": None,
                         "objective": None, "alone": task, task: value})  # fmt: skip
    return rows


def cells(report: Report, heading: str) -> list[dict[str, str]]:
    """Returns the rows of the first table with such a heading."""
    for block in report.blocks:
        if isinstance(block, Grid) and heading in block.headings:
            return [dict(zip(block.headings, row, strict=True)) for row in block.rows]
    raise AssertionError(f"no table has {heading}")


def text(report: Report) -> str:
    """Returns what a pipe gets."""
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        print_report(report, console)
    return captured.get()


def shown(values: Sequence[float]) -> tuple[float, float]:
    half = scipy.stats.t.ppf(0.975, len(values) - 1) * scipy.stats.sem(values)
    return float(np.mean(values)), float(half)


def read(cell: str) -> tuple[float, float]:
    mean, half = re.fullmatch(r"(\S+) \+- (\S+)", cell).groups()  # type: ignore[union-attr]
    return float(mean), float(half)


def settings_of(report: Report) -> list[dict[str, str]]:
    return cells(report, "n")


BOTH = {"left": 0.5, "right": 0.5}


def commands_of(report: Report) -> list[str]:
    return [block.text for block in report.blocks if isinstance(block, CodeBlock)]
