"""mtl-train beside other ways to do the same work, in pairs taken in turn on this machine.

    pip install -e '.[bench]' -c constraints.txt && python tests/benchmarks/speed.py --pairs 5

Prints a Markdown table: microseconds an iteration of both (medians), and the median over the pairs of peer / mtl-train.
Peers are timed after their warm-up, mtl-train after compiling (`train_seconds`), with every iteration logged to disk.
Then the whole command: seconds, what importing TensorFlow takes of them, a refusal, peak memory.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import polars as pl

PEERS = Path(__file__).parent / "peers"
MIDDLE = [
    "data=table", "data.path=middle.parquet", "data.split={train: 1.0, val: 0.0, test: 0.0}",
    "+tasks.y1.kind=regression", "+tasks.y2.kind=binary", "model.shared_layers=[256,128]", "model.task_layers=[64]",
    "batch_size=256", "steps=1170",
]  # fmt: skip
LONG = ["--iterations", "50000"]
PAIRS = [
    (["experiment=seed_alternating"], ["article_tf1.py", "--mode", "alternating"]),
    (["experiment=seed_joint"], ["article_tf1.py", "--mode", "joint"]),
    (["experiment=seed_joint"], ["jax_scan.py"]),
    (["experiment=seed_alternating", "steps=50000"], ["article_tf1.py", "--mode", "alternating", *LONG]),
    (["experiment=seed_joint", "steps=50000"], ["article_tf1.py", "--mode", "joint", *LONG]),
    (["experiment=seed_joint", "steps=50000"], ["jax_scan.py", *LONG]),
    (["experiment=seed_alternating", "steps=50000"], ["jax_scan.py", *LONG]),
    (MIDDLE, ["torch_eager.py", "--size", "middle"]),
    (MIDDLE, ["keras_fit.py", "--size", "middle", "--steps-per-execution", "100"]),
]


@dataclass(frozen=True)
class Measured:
    """A finished process."""

    seconds: float
    megabytes: float
    """The most memory it had at once."""
    output: str


def measure(command: list[str], folder: Path) -> Measured:
    """Runs a command and returns what it took."""
    with (folder / "output.txt").open("w+") as output:
        begun = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.DEVNULL)
        _, _, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        output.seek(0)
        return Measured(seconds, usage.ru_maxrss / 1024, output.read())


def ours(overrides: list[str], folder: Path, python: str = sys.executable) -> tuple[float, Measured]:
    """Returns mtl-train's microseconds an iteration, and its process."""
    run = folder / f"run_{time.time_ns()}"
    done = measure([python, "-m", "mtl_cli", *overrides, f"hydra.run.dir={run}"], folder)
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "finished"
    return 1e6 / summary["iterations_per_second"], done


def theirs(arguments: list[str], folder: Path, measured: str = "us_per_iteration") -> float:
    """Returns what a peer measured, by default its microseconds an iteration."""
    done = measure([sys.executable, str(PEERS / arguments[0]), *arguments[1:]], folder)
    return float(json.loads(done.output.splitlines()[-1])[measured])


def write_middle(folder: Path) -> None:
    """Writes the peers' middle-sized data as a table."""
    sys.path.insert(0, str(PEERS))
    import workload  # type: ignore[import-not-found]

    x, y1, y2 = workload.draw(workload.MIDDLE)
    columns = {f"x{i}": x[:, i] for i in range(x.shape[1])} | {"y1": y1[:, 0], "y2": y2[:, 0]}
    pl.DataFrame(columns).write_parquet(folder / "middle.parquet")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--only", default="", help="measure only the peers whose command contains this")
    parser.add_argument("--python", default=sys.executable, help="an interpreter to measure the whole command with")
    pairs, only = (values := parser.parse_args()).pairs, values.only
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_middle(folder)
        print("| mtl-train | us/iteration | peer | us/iteration | peer / mtl-train (min - max) |")
        print("|---|---:|---|---:|---:|")
        for overrides, peer in PAIRS:
            if only not in " ".join(peer):
                continue
            both = [(ours(overrides, folder)[0], theirs(peer, folder)) for _ in range(pairs)]
            ratios = sorted(their / our for our, their in both)
            mine, other = (statistics.median(column) for column in zip(*both, strict=True))
            size = "middle size" if overrides is MIDDLE else " ".join(overrides)
            spread = f"{ratios[0]:.2f} - {ratios[-1]:.2f}"
            ratio = f"{statistics.median(ratios):.2f} ({spread})"
            print(f"| `{size}` | {mine:.1f} | `{' '.join(peer)}` | {other:.1f} | {ratio} |", flush=True)
        if not only:
            whole_command(folder, pairs, values.python)


def whole_command(folder: Path, pairs: int, python: str) -> None:
    """Measures the command from start to end, with an interpreter beside which no peer need be installed.

    (TensorFlow imports JAX where it finds it, which takes time and 100 MB.)
    """
    beyond, imports, refusals, memory = [], [], [], []
    for _ in range(pairs):
        done = ours([], folder, python)[1]
        imports.append(measure([python, "-c", "import tensorflow"], folder).seconds)
        beyond.append(done.seconds - imports[-1])
        memory.append(done.megabytes)
        refusals.append(measure([python, "-m", "mtl_cli", "stepss=3"], folder).seconds)
    print(f"\n`mtl-train`, 10,000 iterations, all files: {statistics.median(beyond):.2f} s beyond importing TensorFlow")
    print(f"(`import tensorflow`: {statistics.median(imports):.2f} s); a mistyped key is refused after ", end="")
    print(f"{statistics.median(refusals):.2f} s; peak memory {statistics.median(memory):.0f} MB")


if __name__ == "__main__":
    main()
