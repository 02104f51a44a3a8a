"""What is printed stays readable: 80 columns, and no control characters where there is no terminal."""

import io
import re

import numpy as np
import pytest
from rich.console import Console

from mtl_cli.terminal.run_display import Display
from mtl_cli.terminal.run_view import Ending, RunHeader
from tests.support.command import MtlTrain


@pytest.mark.parametrize("kind", ["progress", "quiet", "auto"])
@pytest.mark.parametrize("data", ["seed", "digits"])
def test_a_plain_log(mtl_train: MtlTrain, kind: str, data: str) -> None:
    run = mtl_train(f"log.console={kind}", f"data={data}", "steps=20", "eval.every=10")
    assert run.status == 0
    assert re.fullmatch(r"[^\x00-\x09\x0b-\x1f\x7f]*", run.out)
    assert "files in outputs/mtl/" in run.out
    if kind == "progress":
        assert max(len(line) for line in run.out.splitlines()) <= 80
        assert "parameters" in run.out
    else:
        assert len(run.out.splitlines()) == 2


def shown(tasks: list[str], **console: object) -> str:
    """Returns what a terminal gets of a short run of these tasks."""
    file = io.StringIO()
    terminal = Console(file=file, force_terminal=True, width=80, height=25, **console)  # type: ignore[arg-type]
    display = Display(terminal, tasks)
    rows = [[task, "regression 1", "mse", "0.5", "20 - 1", "21"] for task in tasks]
    display.start(RunHeader("a run", rows, "weight", {"data": "seed"}, [], 100, "outputs/x"))
    display.losses(np.arange(1, 51), np.full((50, 1 + len(tasks)), 1.25, np.float32), None)
    display.evaluated("val", {task: {"loss": 0.5, "rmse": 0.25} for task in tasks})
    display._live.refresh()
    display.stop()
    metrics = {split: {task: {"loss": 0.5, "rmse": 0.25} for task in tasks} for split in ("train", "val", "test")}
    naive = {split: {task: {"loss": 1.0, "rmse": 0.75} for task in tasks} for split in metrics}
    display.end(Ending("finished", dict.fromkeys(tasks, "rmse"), metrics, naive, "outputs/x"))
    return file.getvalue()


def test_a_terminal_shows_plan_progress_losses_and_results() -> None:
    text = shown(["first", "second"])
    for expected in (
        "a run",
        "first",
        "50/100",
        "loss  first 1.25",
        "val   first 0.5",
        "naive test",
        "0.75",
        "files in",
    ):
        assert expected in text
    assert "\x1b[?25h" in text  # the cursor is given back


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    colours = re.compile(r"\x1b\[(3|9)[0-8][0-9;]*m")
    assert colours.search(shown(["a"], color_system="truecolor"))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colours.search(shown(["a"], color_system="truecolor"))


def test_many_tasks_fit_on_a_screen() -> None:
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown([f"task_{i}" for i in range(50)])).splitlines()
    assert any("and 42 more" in line for line in lines)
