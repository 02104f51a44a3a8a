"""Grids of a sweep."""

from pathlib import Path

import pytest

from tests.support.command import MtlTrain


@pytest.mark.parametrize(
    ("grid", "count"),
    [
        (["seed=range(0,2000)", "tasks.y1.weight=0.1,0.2"], "at least 2,002"),
        (["seed=range(0,600)", "tasks.y1.weight=0.1,0.2"], "1,200"),
        (["seed=range(0,1000000000)", "steps=range(1,1000000000)"], "at least 1,002,001"),
    ],
)
def test_a_grid_that_is_too_large_is_refused(mtl_train: MtlTrain, tmp_path: Path, grid: list[str], count: str) -> None:
    done = mtl_train("-m", *grid)
    assert done.status == 2
    assert f"sweep.max_jobs: these are {count} jobs, more than 1,000" in done.err
    assert list(tmp_path.iterdir()) == []
