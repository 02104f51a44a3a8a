"""What a person sees of a sweep that is under way."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from mtl_cli.sweeps.plan import plan
from mtl_cli.sweeps.view import SweepView
from mtl_cli.training.job import Job
from tests.support.configs import composed


@pytest.mark.parametrize("programs", [1, 2])
def test_several_programs_have_a_line_for_all(tmp_path: Path, programs: int) -> None:
    """With the time that is left for all of them: 300 of 400 iterations took 30 s."""
    overrides = [(f"model.shared_layers=[{3 + i % programs}]", f"seed={i}", "steps=100") for i in range(4)]
    view = SweepView(plan([Job(i, composed(*words), words) for i, words in enumerate(overrides)]), tmp_path)
    now = [10.0]
    view._progress.get_time = lambda: now[0]
    with view:
        view.trained(0, 200)
        if programs == 2:
            view.trained(1, 100)
        now[0] += 30.0
        shown = io.StringIO()
        Console(file=shown, width=100).print(view._progress.get_renderable())
    lines = shown.getvalue().splitlines()
    assert len(lines) == (1 if programs == 1 else 3)
    if programs == 2:
        assert lines[-1].startswith("all programs")
        assert "10 it/s, 10.0 s left" in lines[-1]
