"""Signs of life while a run trains, in its log and where there is no terminal."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from mtl_cli.terminal.heartbeat import Heartbeat
from mtl_cli.terminal.run_view import Standing, View
from tests.support.command import MtlTrain

BEST = ", best 0.01 at iteration 7, patience 2 of 3 left"


class Followed:
    """The lines of a run whose chunks end at given times."""

    def __init__(self, steps: int) -> None:
        self.lines: list[str] = []
        self._now = 100.0
        self._signs = Heartbeat(View(), steps, self.lines.append, lambda: self._now)

    def chunk(self, until: float, iteration: int, val_loss: float | None = None) -> None:
        self._now = 100.0 + until
        self._signs.losses(np.array([iteration]), np.ones((1, 3), np.float32), None)
        if val_loss is not None:
            self._signs.evaluated("val", {})
            self._signs.compared(Standing("val_loss", val_loss, 0.01, 7, 1, 3))
        self._signs.went_on(lambda: {"first": {"running_loss": 0.5}, "second": {"running_loss": math.nan}})


def test_a_line_each_minute_where_nothing_is_evaluated() -> None:
    run = Followed(4_000)
    for second in range(1, 181):
        run.chunk(second, 10 * second)
    assert run.lines == [
        "iteration 610 of 4,000: train loss first 0.5 (mean of 610 iterations); 10 it/s, 5 min 39 s left",
        "iteration 1,210 of 4,000: train loss first 0.5 (mean of 1,000 iterations); 10 it/s, 4 min 39 s left",
    ]


def test_a_line_each_evaluation_but_not_all_the_time() -> None:
    run = Followed(1_000)
    for second in range(1, 41):
        run.chunk(second, 10 * second, 1 / second if second % 2 == 0 or second > 30 else None)
    loss = "train loss first 0.5 (mean of {} iterations)"
    assert run.lines == [
        f"iteration 110 of 1,000: {loss.format(110)}; val_loss 0.1 (iteration 100){BEST}; 10 it/s, 1 min 29 s left",
        f"iteration 210 of 1,000: {loss.format(210)}; val_loss 0.05 (iteration 200){BEST}; 10 it/s, 1 min 19 s left",
        f"iteration 310 of 1,000: {loss.format(310)}; val_loss 0.03226{BEST}; 10 it/s, 1 min 09 s left",
    ]
    rare = Followed(1_000)
    for at in range(20, 100, 20):
        rare.chunk(at, at, 0.25)
    assert [line.partition(":")[0] for line in rare.lines] == [f"iteration {i} of 1,000" for i in (40, 60, 80)]


def test_a_first_iteration_that_takes_minutes_is_told_without_a_speed() -> None:
    run = Followed(3)
    for at in (100, 200, 300):
        run.chunk(at, at // 100)
    assert run.lines == [
        "iteration 1 of 3: train loss first 0.5 (mean of 1 iterations)",
        "iteration 2 of 3: train loss first 0.5 (mean of 2 iterations); 0.01 it/s, 1 min 40 s left",
        "iteration 3 of 3: train loss first 0.5 (mean of 3 iterations); 0.01 it/s",
    ]


def test_signs_of_life_in_the_log_and_where_there_is_no_terminal(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mtl_cli.terminal.heartbeat.SECONDS_AT_LEAST", 0.0)
    compared = r"val_loss [\d.]+, best [\d.]+ at iteration [\d,]+"
    losses = r"train loss left [\d.]+, right [\d.]+ \(mean of 1,000 iterations\)"
    line = rf"iteration 2,000 of 2,000: {losses}; {compared}; [\d.,]+ it/s"
    arguments = ["data=digits", "steps=2000", "eval.every=500"]
    for console, lines in (("auto", 4), ("quiet", 0), ("progress", 4)):
        run = mtl_train(*arguments, f"log.console={console}")
        assert run.out.count("\niteration ") == lines
        assert bool(re.search(line, run.out)) == bool(lines)
        assert re.search(f"INFO {line}\n", (run.folder / "train.log").read_text())
    run = mtl_train("-m", *arguments, "seed=0,1")
    assert run.status == 0
    assert all(re.search(f"INFO {line}\n", (folder / "train.log").read_text()) for folder in run.folders[-2:])
