"""A sweep in one program beside the same jobs one after the other, beside single runs, and beside JAX.

    pip install -e '.[bench]' -c constraints.txt && python tests/benchmarks/sweeps.py --pairs 3

Prints a Markdown table. The sweep is `seed_joint`, 10 seeds x 10 weights, 10,000 iterations each, all files written;
times are of whole commands. Then what a job costs that trains one iteration.

    --jax            64 runs mapped in one program beside `jax_scan.py --runs 64`, per run and iteration
    --memory 1000    the memory of a thousand runs at once
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from speed import Measured, measure, theirs  # type: ignore[import-not-found]

GRID = ["seed=range(0,10)", "tasks.y1.weight=0.05,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9"]
SINGLE_RUNS = 5


def swept(overrides: list[str], folder: Path) -> tuple[Measured, list[dict[str, Any]]]:
    """Returns a sweep's process, and the summaries of its jobs."""
    sweep = folder / f"sweep_{time.time_ns()}"
    command = [sys.executable, "-m", "mtl_cli", "-m", "experiment=seed_joint", *overrides, f"hydra.sweep.dir={sweep}"]
    done = measure(command, folder)
    summaries = [json.loads(path.read_text()) for path in sweep.glob("*/summary.json")]
    assert summaries and all(summary["status"] == "finished" for summary in summaries), done.output
    return done, summaries


def single(folder: Path) -> float:
    """Returns the seconds of single runs, one process each, per run."""
    command = [sys.executable, "-m", "mtl_cli", "experiment=seed_joint"]
    runs = [
        measure([*command, f"seed={seed}", f"hydra.run.dir=run_{time.time_ns()}"], folder)
        for seed in range(SINGLE_RUNS)
    ]
    return float(statistics.mean(run.seconds for run in runs))


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--jax", action="store_true", help="only the runs beside JAX")
    parser.add_argument("--memory", type=int, default=0, metavar="RUNS", help="only the memory of so many runs at once")
    values = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if values.memory:
            many = [f"seed=range(0,{values.memory})", "steps=500", f"sweep.runs_at_once={values.memory}"]
            done, summaries = swept([*many, f"sweep.max_jobs={values.memory}"], folder)
            print(f"{len(summaries):,} runs at once: {done.megabytes:,.0f} MB, {done.seconds:.0f} s")
        elif values.jax:
            print_beside_jax(values.pairs, folder)
        else:
            print_sweeps(values.pairs, folder)


def print_sweeps(pairs: int, folder: Path) -> None:
    """Prints the sweep beside Hydra's own launcher and single runs, and what a job costs."""
    rows = []
    for _ in range(pairs):
        ours, summaries = swept(GRID, folder)
        assert len(summaries) == 100
        basic, _ = swept([*GRID, "hydra/launcher=basic"], folder)
        rows.append((ours.seconds, basic.seconds, 100 * single(folder), ours.megabytes))
    ours_s, basic_s, single_s, megabytes = (statistics.median(column) for column in zip(*rows, strict=True))
    print("| way | seconds for 100 runs | times the sweep (min - max) |\n|---|---:|---:|")
    print(f"| `mtl-train -m` | {ours_s:.1f} | {megabytes:.0f} MB |")
    for text, seconds, column in (("`hydra/launcher=basic`", basic_s, 1), ("single runs (5, scaled)", single_s, 2)):
        ratios = sorted(row[column] / row[0] for row in rows)
        print(f"| {text} | {seconds:.1f} | {statistics.median(ratios):.1f} ({ratios[0]:.1f} - {ratios[-1]:.1f}) |")
    few, many = (swept([f"seed=range(0,{count})", "steps=1"], folder)[0].seconds for count in (2, 52))
    print(f"\nA job that trains one iteration: {(many - few) / 50:.3f} s")


def print_beside_jax(pairs: int, folder: Path) -> None:
    """Prints 64 runs in one program, per run and iteration."""
    both = []
    for _ in range(pairs):
        _, summaries = swept(["seed=range(0,64)", "steps=20000", "sweep.runs_at_once=64"], folder)
        seconds, iterations = (sum(of[key] for of in summaries) for key in ("train_seconds", "iterations"))
        peer = theirs(["jax_scan.py", "--runs", "64"], folder, "us_per_iteration_and_run")
        both.append((1e6 * seconds / iterations, peer))
    ours, other = (statistics.median(column) for column in zip(*both, strict=True))
    ratios = sorted(their / our for our, their in both)
    print(
        f"64 runs: {ours:.2f} us, jax_scan.py --runs 64: {other:.2f} us; {statistics.median(ratios):.2f} times", end=""
    )
    print(f" ({ratios[0]:.2f} - {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
