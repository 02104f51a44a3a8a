"""Tables of users, and what is made of them."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from mtl_cli.tables.labels import TaskLabels
from mtl_cli.tasks import Multiclass


def kinds_of(folder: Path) -> dict[str, str]:
    return {each["name"]: each["kind"] for each in json.loads((folder / "columns.json").read_text())["inputs"]}


def place(row: int) -> str:
    """Names a row."""
    return f"row {row + 1}"


def mixed(rows: int) -> pl.DataFrame:
    """Returns a table with a column of every kind, and gaps in each."""
    random = np.random.default_rng(7)
    moments = [datetime(2020, 1, 1) + timedelta(hours=7 * i) for i in range(rows)]
    frame = pl.DataFrame(
        {
            "size (m²)/x": random.normal(1e4, 3, rows),
            "where": random.integers(-5, 5, rows),
            "${town}": random.choice(["Bern", "Genf", "Chur"], rows),
            "street": [f"s{i % 40}" for i in range(rows)],
            "garden": random.random(rows) > 0.5,
            "zip": random.integers(1000, 1005, rows),
            "seen": moments,
            "built": [str(moment.date()) for moment in moments],
            "price": random.normal(50, 20, rows),
            "sold": random.choice(["n", "y"], rows),
            "kind": random.integers(4, 7, rows),
        }
    )
    gaps = [pl.when(pl.Series(random.random(rows) > 0.1)).then(pl.col(name)).alias(name) for name in frame.columns]
    return frame.select(gaps)


MIXED = [
    "+data.types.zip=category", "+data.types.built=date",
    "+tasks.price.kind=regression", "+tasks.sold.kind=binary", "+tasks.kind.kind=multiclass",
]  # fmt: skip


def found_of(values: list[int], known: list[bool]) -> TaskLabels:
    return TaskLabels(Multiclass(units=3), {}, np.array(values, np.int32), np.array(known), ["a", "b", "c"])
