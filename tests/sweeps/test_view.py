"""What a person sees of a sweep that is under way."""

import io
import math
from pathlib import Path

import pytest
from rich.console import Console

from mtl_cli.sweeps.plan import plan
from mtl_cli.sweeps.view import SweepView
from mtl_cli.training.job import Job
from tests.support.command import MtlTrain
from tests.support.configs import composed


class Sweep:
    """A view of four runs of 100 iterations, with a clock that is set by hand."""

    def __init__(self, folder: Path, programs: int = 1) -> None:
        overrides = [(f"model.shared_layers=[{3 + i % programs}]", f"seed={i}", "steps=100") for i in range(4)]
        self.jobs = [Job(i, composed(*words), words) for i, words in enumerate(overrides)]
        self.now = 10.0
        self.view = SweepView(plan(self.jobs), folder, clock=lambda: self.now)

    def lines(self, width: int = 100) -> list[str]:
        self.view._console = Console(width=width)
        shown = io.StringIO()
        Console(file=shown, width=width).print(self.view._render())
        return [line.rstrip() for line in shown.getvalue().splitlines()]


def test_a_sweep_shows_how_far_it_has_come(tmp_path: Path) -> None:
    """With the time that is left: after the first chunk, 200 iterations took 20 s, and 140 of 400 are left."""
    sweep = Sweep(tmp_path)
    with sweep.view as view:
        first, bar = sweep.lines()
        assert first == "0 of 4 jobs done, 0 under way"
        assert bar.endswith(" 0/400 loading TensorFlow")
        view.began(0)
        view.began(10)  # went on with
        first, bar = sweep.lines()
        assert first == "0 of 4 jobs done, 2 under way"
        assert bar.endswith(" 10/400 compiling")
        view.trained(0, 50)
        sweep.now += 20.0
        view.trained(0, 120)
        view.ended(sweep.jobs[1], {"status": "finished", "iterations": 20}, 0.5)  # which leaves 80 out
        view.trained(0, 80)
        view.ended(sweep.jobs[0], {"status": "failed", "iterations": 100}, math.inf)
        first, bar, best = sweep.lines()
        assert first == "2 of 4 jobs done, 0 under way, 1 failed"
        assert bar.endswith(" 340/400 10 it/s, 6.0 s left")
        assert best == "best val_loss 0.5: job 1, seed=1"


def test_a_sweep_of_several_programs_says_which_one_trains(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path, programs=2)
    with sweep.view as view:
        view.trained(1, 1)
        assert sweep.lines()[0] == "0 of 4 jobs done, 0 under way; program 2 of 2"


def test_the_best_so_far_is_of_those_that_can_be_compared(tmp_path: Path) -> None:
    """Not a baseline, which trains one task alone."""
    words = ("tasks.y1.weight=1", "tasks.y2.weight=0")
    jobs = [Job(0, composed(), ()), Job(1, composed("seed=1"), ("seed=1",)), Job(2, composed(*words), words)]
    view = SweepView(plan(jobs), tmp_path)
    with view:
        for job, value in zip(jobs, (0.5, 0.25, 0.125), strict=True):
            view.ended(job, {"status": "finished", "iterations": 1}, value)
        assert view._best_so_far() == "best val_loss 0.25: job 1, seed=1"


def test_where_there_is_no_terminal_jobs_are_counted_as_in_the_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Baselines are jobs, and none of the plan's runs."""
    words = ("tasks.y1.weight=1", "tasks.y2.weight=0")
    jobs, now = [Job(0, composed(), ()), Job(1, composed(*words), words)], 0.0
    with SweepView(plan(jobs), tmp_path, clock=lambda: now) as view:
        now = 1000.0
        view.ended(jobs[0], {"status": "finished", "iterations": jobs[0].config.steps}, 0.5)
    planned, *lines = capsys.readouterr().out.splitlines()
    assert planned.startswith("2 jobs (1 run + 1 single-task baseline)")
    assert any(line.startswith("1 of 2 jobs after ") for line in lines)
    assert any(line.startswith("1 job finished, 1 not trained in ") for line in lines)


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_sweep_fits_the_terminal(tmp_path: Path, width: int) -> None:
    sweep = Sweep(tmp_path, programs=2)
    with sweep.view as view:
        view.trained(0, 1)
        sweep.now += 1000.0
        view.trained(0, 10)
        lines = sweep.lines(width)
    assert len(lines) == 2
    assert lines[1].endswith(" left")


def test_every_run_is_counted_with_what_it_had(mtl_train: MtlTrain, monkeypatch: pytest.MonkeyPatch) -> None:
    began: list[int] = []
    monkeypatch.setattr(SweepView, "began", lambda _, iterations: began.append(iterations))
    for words in (["-m", "seed=0,1", "steps=3", "hydra.sweep.dir=s"], ["resume", "s", "steps=5"]):
        assert mtl_train(*words).status == 0
    assert began == [0, 0, 3, 3]
