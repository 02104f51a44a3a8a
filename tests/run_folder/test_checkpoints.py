"""Checkpoints: how many stay, which ones a run goes back to, and how much of its time they take."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtl_cli.run_folder import checkpoints as module
from mtl_cli.run_folder.checkpoints import Checkpoints, Snapshot


def saved(folder: Path) -> list[int]:
    """Returns after which iterations the checkpoints are that a folder has."""
    return sorted(int(path.name.partition("-")[0]) for path in (folder / "checkpoints").iterdir())


def at(iterations: int) -> Snapshot:
    return Snapshot(iterations, {"x": np.full(1, iterations, np.float32)}, {})


@pytest.mark.parametrize(("keep", "kept"), [(1, [60]), (2, [40, 60]), (3, [20, 40, 60])])
def test_as_many_checkpoints_stay_as_one_says(tmp_path: Path, keep: int, kept: list[int]) -> None:
    checkpoints = Checkpoints(tmp_path, {}, every=None, every_steps=20, keep=keep)
    for iterations in (20, 40, 60):
        checkpoints.write(at(iterations))
    assert saved(tmp_path) == kept


def test_a_run_goes_back_to_no_checkpoint_that_only_an_interruption_made(tmp_path: Path) -> None:
    """Else where it goes back to would depend on when it was stopped; nor does that one push the others out."""
    checkpoints = Checkpoints(tmp_path, {}, every=None, every_steps=20, keep=1)
    for iterations in (40, 47, 53):
        checkpoints.write(at(iterations))
        last = checkpoints.last()
        assert last is not None
        assert last.iterations == 40
    assert saved(tmp_path) == [40, 53]


def test_checkpoints_of_iterations_that_are_made_anew_go(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, {}, every=None, every_steps=20, keep=9)
    for iterations in (20, 40, 60):
        checkpoints.write(at(iterations))
    checkpoints.go_on_from(40)
    assert saved(tmp_path) == [20, 40]


def test_checkpoints_take_a_hundredth_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes 5 s to write is followed by the next one after 500 s, though one is asked for every 10 s."""
    now, replace = [1000.0], vars(module)["replace"]

    def slow(*arguments: Any, **options: Any) -> None:
        now[0] += 5.0
        replace(*arguments, **options)

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(module, "replace", slow)
    checkpoints = Checkpoints(tmp_path, {}, every=10.0, every_steps=None, keep=1)
    checkpoints.write(at(1))
    written = now[0]
    for wait, due in ((11.0, False), (499.0, False), (501.0, True)):
        now[0] = written + wait
        assert checkpoints.due(2) is due
