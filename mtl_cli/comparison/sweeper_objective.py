"""What a sweeper gets to compare: a number for every run, also for one that failed. Imports no TensorFlow."""

import math
from collections.abc import Mapping
from statistics import fmean
from typing import Any

from mtl_cli.config import Config
from mtl_cli.tasks import HIGHER_IS_BETTER


def compared(config: Config, summary: Mapping[str, Any]) -> float:
    """Returns the objective, or the mean training loss where there is none; the worst there can be of a failed run."""
    value = summary["objective"]
    if value is None and "train" in summary["metrics"]:
        value = fmean(metrics["loss"] for metrics in summary["metrics"]["train"].values())
    if value is None or not math.isfinite(value) or summary["error"] is not None:
        return worst(config)
    return float(value)


def worst(config: Config) -> float:
    """Returns an infinite objective: sweepers take it, and NaN they don't."""
    return -math.inf if config.objective.rpartition("/")[2] in HIGHER_IS_BETTER else math.inf


def objective_of(objective: str, task: str, metric: str) -> str:
    """Returns what a task that is trained alone is chosen by: what the jobs are, if that is about it.

    >>> objective_of("val_loss", "left", "auc"), objective_of("val/left/f1", "left", "auc")
    ('val_loss', 'val/left/f1')
    >>> objective_of("val/right/accuracy", "left", "auc")
    'val/left/auc'
    """
    return objective if objective.split("/")[1:2] in ([], [task]) else f"val/{task}/{metric}"
