"""One epoch over a million rows of 50 columns: mtl-train beside Keras and PyTorch, in pairs taken in turn.

    pip install -e '.[bench]' -c constraints.txt && python tests/benchmarks/epoch.py --pairs 5

Prints seconds an epoch (medians) and the median of the ratios, then what reading the table from CSV and Parquet takes,
what predicting its rows takes, and the most memory of each. Compiling isn't counted for any of them; mtl-train logs
every iteration to disk.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

import polars as pl
from speed import PEERS, measure, theirs  # type: ignore[import-not-found]

READ = """
import time
from mtl_cli.tables.reader import read
begun = time.perf_counter()
read({!r}, "data.path", [])
print(time.perf_counter() - begun)
"""
NETWORK = [
    "data=table", "data.split={train: 1.0, val: 0.0, test: 0.0}", "data.split_seed=0",
    "+tasks.y1.kind=regression", "+tasks.y2.kind=binary", "model.shared_layers=[64,32]", "model.task_layers=[16]",
    "batch_size=256", "steps=3906",
]  # fmt: skip


def ours(table: str, folder: Path) -> tuple[float, float, Path]:
    """Returns the seconds of the epoch, the most megabytes, and the run."""
    run = Path(tempfile.mkdtemp(dir=folder)) / "run"
    done = measure([sys.executable, "-m", "mtl_cli", *NETWORK, f"data.path={table}", f"hydra.run.dir={run}"], folder)
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "finished"
    return summary["train_seconds"], done.megabytes, run


def write(folder: Path) -> None:
    """Writes the rows as CSV and as Parquet."""
    sys.path.insert(0, str(PEERS))
    import workload  # type: ignore[import-not-found]

    x, y1, y2 = workload.draw(workload.EPOCH)
    columns = {f"x{i}": x[:, i] for i in range(x.shape[1])} | {"y1": y1[:, 0], "y2": y2[:, 0].astype(int)}
    frame = pl.DataFrame(columns)
    frame.write_parquet(folder / "rows.parquet")
    frame.write_csv(folder / "rows.csv")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder)
        print("| peer | peer, s | mtl-train, s | peer / mtl-train (min - max) |\n|---|---:|---:|---:|")
        for peer in ("epoch_keras.py", "epoch_torch.py"):
            both = [(ours("rows.parquet", folder)[0], theirs([peer], folder, "seconds")) for _ in range(pairs)]
            ratios = sorted(their / our for our, their in both)
            mine, other = (statistics.median(column) for column in zip(*both, strict=True))
            spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} - {ratios[-1]:.2f})"
            print(f"| `{peer}` | {other:.2f} | {mine:.2f} | {spread} |", flush=True)
        for table in ("rows.csv", "rows.parquet"):
            seconds = float(measure([sys.executable, "-c", READ.format(table)], folder).output)
            _, megabytes, run = ours(table, folder)
            size = (folder / table).stat().st_size / 2**20
            print(f"\n{table} ({size:.0f} MB): read in {seconds:.1f} s; training, whole command: {megabytes:.0f} MB")
            predict = ["predict", str(run), table, "--out", "out.parquet", "--force"]
            done = measure([sys.executable, "-m", "mtl_cli", *predict], folder)
            print(f"mtl-train predict {table}: {done.seconds:.1f} s, {done.megabytes:.0f} MB")


if __name__ == "__main__":
    main()
