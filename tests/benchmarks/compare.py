"""Does any weighting beat tuned fixed weights on `digits`? Mean and 95 % interval of the test accuracy over seeds.

    python tests/benchmarks/compare.py --seeds 5 --steps 2000

Every setting trains `experiment=digits` with each seed (which also deals the images anew); the iteration is chosen by
the mean validation loss, as always. `fixed` is tried with several weights of the first task, and its weight is chosen
by the mean over seeds of the validation accuracy; all methods have their default settings. Differences are paired by
seed. Prints a Markdown table, the best first.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from methods import METHODS, config  # type: ignore[import-not-found]
from numpy.typing import NDArray
from scipy.stats import t as student

from mtl_cli.terminal.run_view import View
from mtl_cli.training.dataset_cache import load
from mtl_cli.training.experiment import train
from mtl_cli.training.job import Job

WEIGHTS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
Array = NDArray[np.float64]


def trained(overrides: Sequence[str], folder: Path) -> tuple[float, float, float]:
    """Returns the mean accuracy over the tasks on validation and test rows, and microseconds an iteration."""
    settings = config(overrides)
    summary: Any = train(Job(0, settings, ()), load(settings), folder, View())
    accuracies = [
        float(np.mean([of["accuracy"] for of in summary["metrics"][split].values()])) for split in ("val", "test")
    ]
    return accuracies[0], accuracies[1], 1e6 / summary["iterations_per_second"]


def interval(values: Array) -> str:
    """Returns the mean and half the width of its 95 % interval (Student's t)."""
    half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():.4f} +- {half:.4f}"


def main() -> None:
    """Trains and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--log", type=Path, default=Path("compare.jsonl"), help="every run's figures, as they come")
    values = parser.parse_args()
    settings = {f"fixed, weight {w:g}": ["weighting=fixed", f"tasks.left.weight={w}"] for w in WEIGHTS}
    settings |= {name: [f"weighting={name}"] for name in METHODS if name != "fixed"}
    found: dict[str, Array] = {}
    with tempfile.TemporaryDirectory() as folder, values.log.open("w") as log:
        for name, overrides in settings.items():
            base = ["experiment=digits", f"steps={values.steps}", *overrides]
            rows = [trained([*base, f"seed={seed}"], Path(folder)) for seed in range(values.seeds)]
            found[name] = np.array(rows)
            log.write(json.dumps({"setting": name, "val_test_us": rows}) + "\n")
            log.flush()
    fixed = max((name for name in found if name.startswith("fixed")), key=lambda name: found[name][:, 0].mean())
    print("| weighting | validation accuracy | test accuracy | test, minus tuned fixed | us/iteration |")
    print("|---|---:|---:|---:|---:|")
    kept = [name for name in found if name == fixed or not name.startswith("fixed") or name == "fixed, weight 0.5"]
    for name in sorted(kept, key=lambda name: -found[name][:, 0].mean()):
        val, test, time = found[name].T
        difference = "" if name == fixed else interval(test - found[fixed][:, 1])
        shown = f"**{name}** (tuned)" if name == fixed else name
        print(f"| {shown} | {interval(val)} | {interval(test)} | {difference} | {np.median(time):.0f} |")


if __name__ == "__main__":
    main()
