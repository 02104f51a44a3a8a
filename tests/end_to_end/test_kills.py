"""Runs and sweeps that are killed, again and again: what is lost is made anew, to the same bytes.

MTL_KILLS=100 kills that many processes rather than a dozen.
"""

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.command import MtlTrain
from tests.support.faults import LONG, all_left, done, under_way

KILLS = int(os.environ.get("MTL_KILLS", "12"))

RUNS = {
    "joint": ["steps=200000"],
    "alternating": ["mode=alternating", "tasks.y1.prob=0.3", "steps=200000"],
    "digits": ["data=digits", "weighting=gradnorm", "model.dropout=0.2", "steps=15000", "diagnostics.every=50"],
    "sampled": ["data=digits", "mode=alternating", "sampling=temperature", "optimizer=lion", "steps=15000"],
}
GRID = ["-m", "seed=0,1", "mode=joint,alternating", "steps=60000"]
SWEEPS = {"mapped sweep": [*GRID, "sweep.runs_at_once=2"], "sweep": GRID}


@pytest.mark.parametrize("kind", [*RUNS, *SWEEPS])
def test_kills_at_random_moments(tmp_path: Path, kind: str) -> None:
    """SIGKILL, again and again, then to the end: the bytes are those of a run that nobody killed."""
    words = (RUNS | SWEEPS)[kind]
    place = f"hydra.{'sweep' if kind in SWEEPS else 'run'}.dir"
    assert done(tmp_path, *words, *LONG, f"{place}=whole")[0] == 0
    kills, random_ = 0, random.Random(kind)
    losses = "run/*/losses.csv" if kind in SWEEPS else "run/losses.csv"
    for count in range(-(-KILLS // len(RUNS | SWEEPS))):
        command = ["resume", "run"] if count else [*words, *LONG, f"{place}=run"]
        with under_way(tmp_path, losses, *command) as process:
            time.sleep(random_.uniform(0, 1.5))
            process.kill()
        if process.returncode == 0:  # it was faster than the kill
            shutil.rmtree(tmp_path / "run")
            with under_way(tmp_path, losses, *words, *LONG, f"{place}=run") as process:
                process.kill()
        kills += process.returncode == -signal.SIGKILL
    status, said = done(tmp_path, "resume", "run")
    assert status == 0, said
    print(f"{kind}: killed {kills} times")
    assert kills
    assert all_left(tmp_path / "run") == all_left(tmp_path / "whole")


@pytest.mark.parametrize("left", [["run/train.log"], ["run/train.log", "run/.hydra/config.yaml"]])
def test_a_run_killed_while_it_begins_begins_again(mtl_train: MtlTrain, tmp_path: Path, left: Sequence[str]) -> None:
    """Whether Hydra's files are there and empty, or not yet there; with one that is whole, `resume` begins."""
    for name in left:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert mtl_train("steps=20", "hydra.run.dir=run").status == 0
    for name in ("losses.csv", "summary.json", "model.keras", ".hydra/hydra.yaml", ".hydra/overrides.yaml"):
        (tmp_path / "run" / name).unlink()
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    assert mtl_train("resume", "run").status == 0
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["iterations"] == 20
