"""Sweeps whose choices have keys of their own, or find the weights that others are given."""

import csv
from pathlib import Path

import pytest
import yaml

from mtl_cli.identity import config_hash
from tests.support.command import MtlTrain
from tests.support.configs import composed
from tests.support.sweeps import BASIC, csv_files, summaries, training_starts

GRID = ["weighting=fixed,cagrad,mgda", "weighting.c=0.5", "tasks.y1.weight=0.3,0.4", "steps=20", "hydra.sweep.dir=s"]
JOBS = [
    *(["weighting=fixed", f"tasks.y1.weight={weight}", "steps=20"] for weight in (0.3, 0.4)),
    *(["weighting=cagrad", "weighting.c=0.5", f"tasks.y1.weight={weight}", "steps=20"] for weight in (0.3, 0.4)),
    ["weighting=mgda", "tasks.y1.weight=null", "steps=20"],
]
LEFT_OUT = "left out, as it means nothing there: weighting.c where weighting=fixed,mgda; tasks.y1.weight where "


def overrides(sweep: Path) -> list[list[str]]:
    """Returns what each job's folder records."""
    return [yaml.safe_load(file.read_text()) for file in sorted(sweep.glob("*/.hydra/overrides.yaml"))]


def test_a_dry_run_lists_the_combinations_that_make_sense(mtl_train: MtlTrain, tmp_path: Path) -> None:
    done = mtl_train("-m", *GRID, "sweep.dry_run=true")
    assert done.status == 0, done.err
    said, planned, *listed = done.out.splitlines()
    assert said == f"{LEFT_OUT}weighting=mgda"
    assert planned == "5 jobs, 3 programs, 100 iterations"
    assert [line.split()[3:-1] for line in listed] == JOBS
    assert list(tmp_path.iterdir()) == []


def test_they_are_trained_recorded_and_gone_on_with(mtl_train: MtlTrain, tmp_path: Path) -> None:
    done = mtl_train("-m", *GRID, "sweep.baselines=true")
    assert done.status == 0, done.err
    assert LEFT_OUT in done.out
    alone = [config_hash(composed(*words)) for words in (*JOBS[:4], ["weighting=mgda", "steps=20"])]
    assert [summaries(tmp_path / "s")[str(number)]["config_hash"] for number in range(5)] == alone
    assert overrides(tmp_path / "s")[:5] == [[*words, "sweep.baselines=True"] for words in JOBS]
    with (tmp_path / "s" / "sweep.csv").open() as file:
        weights = [row["tasks.y1.weight"] for row in csv.DictReader(file) if not row["baseline"]]
    assert weights == ["0.3", "0.4", "0.3", "0.4", "null"]
    assert "weighting.c=," not in done.out
    (tmp_path / "s" / "3" / "summary.json").unlink()
    losses = csv_files(tmp_path / "s")
    more = mtl_train("resume", "s")
    assert more.status == 0, more.err
    assert csv_files(tmp_path / "s") == losses
    starts = training_starts(tmp_path / "s")
    assert (starts.pop("3"), set(starts.values())) == (2, {1})


@pytest.mark.parametrize("how", [BASIC, "hydra.sweeper.max_batch_size=2"])
def test_they_are_the_same_however_they_are_trained(mtl_train: MtlTrain, tmp_path: Path, how: str) -> None:
    done = mtl_train("-m", *GRID, how)
    assert done.status == 0, done.err
    assert LEFT_OUT in done.out
    assert overrides(tmp_path / "s") == JOBS
    assert "5 jobs: 5 finished" in done.out
