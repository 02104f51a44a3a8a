"""Tables of others: bounded in memory, and in what is said of them."""

import gzip
import subprocess
import sys
from pathlib import Path

import polars as pl
from backports import zstd

from tests.support.command import MtlTrain

PEAK = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""
"""Runs a command and prints its peak memory; a process of its own, as what starts another lends it its own peak."""


def test_table_bombs(tmp_path: Path) -> None:
    """Each unpacks to more than 300 MB; all they may take is what the command takes anyway, and some buffers."""
    block = b"7" * 2**20
    with zstd.open(tmp_path / "one_line.csv.zst", "wb") as file:
        file.write(b"a,price\n1,")
        for _ in range(1500):
            file.write(block)
    with gzip.open(tmp_path / "one_line.csv.gz", "wb", compresslevel=1) as file:
        file.write(b"a,price\n1,")
        for _ in range(1500):
            file.write(block)
    rows = pl.DataFrame({"a": pl.repeat(1, 10_000_000, dtype=pl.Int8, eager=True)})
    rows.with_columns(pl.lit(0, pl.Int8).alias(name) for name in [*"bcdefghij", "price"]).write_parquet(
        tmp_path / "rows.parquet"
    )
    pl.DataFrame({"a": ["x" * 300_000_000], "price": [1.0]}).write_parquet(tmp_path / "cell.parquet")
    zeros = pl.repeat(0, 40_000_000, dtype=pl.Int8, eager=True)
    pl.DataFrame({"a": [zeros], "price": [1.0]}).write_parquet(tmp_path / "list.parquet")
    task = "+tasks={price: {kind: regression}}"
    for name in ("one_line.csv.zst", "one_line.csv.gz", "rows.parquet", "cell.parquet", "list.parquet"):
        assert (tmp_path / name).stat().st_size < 10_000_000
        words = ["data=table", f"data.path={name}", "~tasks", task, "steps=2"]
        command = [sys.executable, "-c", PEAK, sys.executable, "-m", "mtl_cli", *words]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert run.returncode == 2, run.stderr
        assert f"data.path: {name} unpacks to more than 200 times its size" in run.stderr
        assert int(run.stdout) < 400_000  # KiB
    assert not (tmp_path / "outputs").exists()


def test_long_names(mtl_train: MtlTrain, tmp_path: Path) -> None:
    words = ["data=table", "data.path=t.csv", "~tasks", "steps=2"]
    pl.DataFrame({"a" * 10_000: range(200), "price": range(200)}).write_csv(tmp_path / "t.csv")
    refused = mtl_train(*words, "+tasks={price: {kind: regression}}")
    assert refused.status == 2
    assert "t.csv, column 1 has a name of 10000 characters; 1000 are the most" in refused.err
    pl.DataFrame({"a": range(200), "price": ["x" * 10_000, "y"] * 100}).write_csv(tmp_path / "t.csv")
    for kind in ("binary", "multiclass"):
        refused = mtl_train(*words, f"+tasks={{price: {{kind: {kind}}}}}")
        assert refused.status == 2
        assert "not a class of at most 1000 characters" in refused.err
        assert len(refused.err) < 300
