"""What the weighting methods cost: time per iteration of each over that of `fixed`, and beside TorchJD's.

    pip install -e '.[bench]' -c constraints.txt && python tests/benchmarks/methods.py --rounds 3
    python tests/benchmarks/methods.py --torchjd --rounds 5     # in pairs, taken in turn
    python tests/benchmarks/methods.py --backward               # per-task gradients over one backward pass

Prints Markdown tables. Every method is measured in one process, after compiling, `fixed` and the methods taken in turn;
a ratio is the median over the rounds. Sizes: the source article's (batches of 10, one shared layer of 20) and a middle
one (50 features, batches of 256, shared layers of 256 and 128, heads of 64), with 2, 4 and 8 tasks.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from speed import ours, theirs  # type: ignore[import-not-found]

from mtl_cli.backend import start, tf
from mtl_cli.config import FAMILIES, Config, parse
from mtl_cli.step.task_gradients import TaskGradients
from mtl_cli.terminal.run_view import View
from mtl_cli.training.dataset_cache import load
from mtl_cli.training.experiment import train
from mtl_cli.training.job import Job
from mtl_cli.training.program import step_context
from mtl_cli.training.setup import set_up

CONF = Path(__file__).resolve().parents[2] / "conf"
METHODS = [str(cls.model_fields["name"].default) for cls in FAMILIES["weighting"]]
BESIDE = ["pcgrad", "cagrad", "mgda", "upgrad", "nash_mtl", "imtl_g"]
TASKS = (2, 4, 8)
SIZES = ("article", "middle")


def overrides(size: str, tasks: int, folder: Path) -> list[str]:
    """Returns the command line of a size with so many tasks."""
    if size == "article":
        more = [f"+tasks.y{i}={{kind: regression, units: 20, loss: l2}}" for i in range(3, tasks + 1)]
        return ["experiment=seed_joint", "tasks.y1.weight=null", "tasks.y2.weight=null", *more]
    kinds = [f"+tasks.y{i}.kind={'regression' if i % 2 else 'binary'}" for i in range(1, tasks + 1)]
    return [
        "data=table", f"data.path={write_table(folder, tasks)}", "data.split={train: 1.0, val: 0.0, test: 0.0}", *kinds,
        "model.shared_layers=[256,128]", "model.task_layers=[64]", "batch_size=256",
    ]  # fmt: skip


def write_table(folder: Path, tasks: int) -> Path:
    """Writes 100,000 rows of 50 features with so many labels, and returns where."""
    path = folder / f"middle_{tasks}.parquet"
    if not path.exists():
        x = np.random.default_rng(0).standard_normal((100_000, 50), np.float32)
        columns = {f"x{i}": x[:, i] for i in range(50)}
        labels = {f"y{i}": 2 * x[:, i] if i % 2 else (x[:, i] > 0).astype(np.int8) for i in range(1, tasks + 1)}
        pl.DataFrame(columns | labels).write_parquet(path)
    return path


def config(arguments: Sequence[str]) -> Config:
    """Returns the config that a command line gives."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        plain: Any = OmegaConf.to_container(compose("config", list(arguments)), resolve=True)
    return parse(plain)


def microseconds(arguments: Sequence[str], folder: Path) -> float:
    """Returns the time of one iteration of a run in this process."""
    settings = config(arguments)
    summary = train(Job(0, settings, ()), load(settings), folder, View())
    return 1e6 / float(summary["iterations_per_second"])


def print_costs(rounds: int, methods: Sequence[str], folder: Path) -> None:
    """Prints the table of costs over `fixed`."""
    columns = {}
    for size in SIZES:
        for tasks in TASKS:
            base = [*overrides(size, tasks, folder), f"steps={4000 if size == 'article' else 200}"]
            times: dict[str, list[float]] = {method: [] for method in methods}
            for _ in range(rounds):
                for method, measured in times.items():
                    measured.append(microseconds([*base, f"weighting={method}"], folder))
            columns[size, tasks] = times
            print(f"{size}, {tasks} tasks: measured", file=sys.stderr, flush=True)
    print("| time of an iteration | " + " | ".join(f"{size}, {tasks} tasks" for size, tasks in columns) + " |")
    print("|---|" + "---:|" * len(columns))
    base_times = [f"{statistics.median(times['fixed']):.0f} us" for times in columns.values()]
    print(f"| `fixed` | {' | '.join(base_times)} |")
    for method in methods:
        if method != "fixed":
            cells = [statistics.median(_ratios(times[method], times["fixed"])) for times in columns.values()]
            print(f"| `{method}` | {' | '.join(f'{cell:.1f}' for cell in cells)} |")


def _ratios(of: Sequence[float], to: Sequence[float]) -> list[float]:
    return [one / other for one, other in zip(of, to, strict=True)]


def print_beside_torchjd(rounds: int, folder: Path) -> None:
    """Prints the table of pairs with TorchJD."""
    print("| method | size | tasks | mtl-train, us | TorchJD, us | TorchJD / mtl-train (min - max) |")
    print("|---|---|---:|---:|---:|---:|")
    for size, steps, peer_steps in zip(SIZES, (10000, 500), (400, 80), strict=True):
        for tasks in TASKS:
            base = [*overrides(size, tasks, folder), f"steps={steps}"]
            for method in BESIDE:
                peer = ["torchjd_methods.py", "--size", size, "--tasks", str(tasks), "--method", method]
                peer += ["--steps", str(peer_steps), "--warm-up", "20"]
                both = [(ours([*base, f"weighting={method}"], folder)[0], theirs(peer, folder)) for _ in range(rounds)]
                mine, other = (statistics.median(column) for column in zip(*both, strict=True))
                ratios = sorted(their / our for our, their in both)
                spread = f"{statistics.median(ratios):.1f} ({ratios[0]:.1f} - {ratios[-1]:.1f})"
                print(f"| `{method}` | {size} | {tasks} | {mine:.0f} | {other:.0f} | {spread} |", flush=True)


def print_backward(rounds: int, folder: Path) -> None:
    """Prints what the tasks' gradients take over what one backward pass of the weighted sum takes."""
    print("| size | tasks | gradients of all tasks / one backward pass |\n|---|---:|---:|")
    for size in SIZES:
        for tasks in TASKS:
            forward, one, each = _passes(config(overrides(size, tasks, folder)), folder)
            ratios = []
            for _ in range(rounds):
                nothing, single, every = (_seconds(function) for function in (forward, one, each))
                ratios.append((every - nothing) / (single - nothing))
            print(f"| {size} | {tasks} | {statistics.median(ratios):.2f} |", flush=True)


def _passes(settings: Config, folder: Path) -> list[Callable[[], Any]]:
    """Returns a forward pass alone, with the gradient of the sum, and with the gradient of every task; 200 in a row."""
    ready = set_up(settings, load(settings), start("cpu"))
    parts = step_context(ready.network, ready.dataset.feed, ready.program._tree)
    drawn = {key: tf.constant(array[0]) for key, array in ready.program.example.inputs.items()}

    def compiled(found: Callable[[Any, Any, Any, Any], list[Any]]) -> Callable[[], Any]:
        def body(k: Any, params: Any) -> tuple[Any, Any]:
            rows = parts.feed.joint(ready.device_data, drawn)
            with tf.GradientTape(persistent=True) as tape:
                tape.watch(params.all())
                losses, representation, *_ = parts.forward(params, rows, drawn)
            total = tf.add_n([tf.reduce_sum(part) for part in found(tape, losses, representation, params)])
            return k + 1, params.like([p * (1.0 + 1e-30 * total) for p in params.all()])

        @tf.function(jit_compile=True, autograph=False)  # type: ignore[untyped-decorator]
        def repeated(params: Any) -> Any:
            return tf.while_loop(lambda k, _: k < 200, body, (tf.constant(0), params))[1]

        repeated(ready.state.params)
        return lambda: repeated(ready.state.params).shared[0].numpy()

    def nothing(tape: Any, losses: Any, representation: Any, params: Any) -> list[Any]:
        return list(losses.values())

    def of_sum(tape: Any, losses: Any, representation: Any, params: Any) -> list[Any]:
        return list(tape.gradient(list(losses.values()), params.all()))

    def of_each(tape: Any, losses: Any, representation: Any, params: Any) -> list[Any]:
        gradients = TaskGradients(tape, losses, representation, params, [])
        own = [gradient for of_task in gradients._tasks_upward() for gradient in of_task[len(representation) :]]
        return [*gradients.rows("parameters"), *own]

    return [compiled(found) for found in (nothing, of_sum, of_each)]


def _seconds(function: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="methods, with commas between")
    parser.add_argument("--torchjd", action="store_true")
    parser.add_argument("--backward", action="store_true")
    values = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if values.torchjd:
            print_beside_torchjd(values.rounds, folder)
        elif values.backward:
            print_backward(values.rounds, folder)
        else:
            print_costs(values.rounds, ["fixed", *(values.only.split(",") if values.only else METHODS)], folder)


if __name__ == "__main__":
    main()
