"""The CSV files of a run."""

from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nst

from mtl_cli.run_folder.csv_files import ChunkRecord, LossesCsv, MetricsCsv, Output
from mtl_cli.tasks import NO_LOSS

File = TypeVar("File", bound=Output)


def begun(file: File) -> File:
    file.begin()
    return file


FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)


@given(losses=nst.arrays(np.float32, st.tuples(st.integers(1, 20), st.just(3)), elements=FLOATS))
def test_losses_read_back_as_the_same_float32(tmp_path_factory: pytest.TempPathFactory, losses: np.ndarray) -> None:
    folder = tmp_path_factory.mktemp("losses")
    file = begun(LossesCsv(folder, ["a", "b"], every=1))
    file.record(ChunkRecord(np.arange(1, 1 + len(losses)), losses, None))
    lines = (folder / "losses.csv").read_text().splitlines()
    assert lines[0] == "iteration,task,joint_loss,a_loss,b_loss"
    cells = [[cell or str(NO_LOSS) for cell in line.split(",")[2:]] for line in lines[1:]]
    read = np.array([[np.float32(cell) for cell in row] for row in cells], np.float32)
    np.testing.assert_array_equal(read, losses)
    assert [line.split(",")[:2] for line in lines[1:]] == [[str(i + 1), "joint"] for i in range(len(losses))]


def test_alternating_rows_have_the_picked_tasks_loss_only(tmp_path: Path) -> None:
    file = begun(LossesCsv(tmp_path, ["a", "b"], every=2))
    losses = np.array([[0, 1, 0], [0, 0, np.nan], [0, 0, 3], [0, 4, 0]], np.float32)
    file.record(ChunkRecord(np.arange(1, 5), losses, np.array([0, 1, 1, 0], np.int32)))
    written = (tmp_path / "losses.csv").read_text()  # a reader can follow the file
    assert written.splitlines() == ["iteration,task,joint_loss,a_loss,b_loss", "2,b,,,NaN", "4,a,,4.0,"]


def test_metrics_are_long(tmp_path: Path) -> None:
    metrics = begun(MetricsCsv(tmp_path))
    metrics.write(5, "val", {"a": {"rmse": 0.1, "r2": float("nan")}})
    metrics.write(9, "test", {"a": {"rmse": 1 / 3}})
    rows = pl.read_csv(tmp_path / "metrics.csv")
    assert rows.columns == ["iteration", "split", "task", "metric", "value"]
    assert rows.row(2) == (9, "test", "a", "rmse", 1 / 3)
    assert len(rows) == 3
