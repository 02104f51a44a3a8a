"""What is printed stays readable: 80 columns, and no control characters where there is no terminal."""

import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from mtl_cli.terminal.run_display import Display
from mtl_cli.terminal.run_view import Ending, RunHeader, Standing
from tests.support.command import MtlTrain


@pytest.mark.parametrize("kind", ["progress", "quiet", "auto"])
@pytest.mark.parametrize("data", ["seed", "digits"])
def test_a_plain_log(mtl_train: MtlTrain, kind: str, data: str) -> None:
    run = mtl_train(f"log.console={kind}", f"data={data}", "steps=20", "eval.every=10")
    assert run.status == 0
    assert re.fullmatch(r"[^\x00-\x09\x0b-\x1f\x7f]*", run.out)
    assert "files in outputs/mtl/" in run.out
    if kind == "quiet":
        assert len(run.out.splitlines()) == 2
    else:
        assert max(len(line) for line in run.out.splitlines()) <= 80
        assert "parameters" in run.out


def test_a_pipe_gets_what_a_terminal_shows(mtl_train: MtlTrain, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for colour, and for what is live."""
    plain = mtl_train("data=digits", "steps=20", "eval.every=10", "hydra.run.dir=plain")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")
    colored = mtl_train("data=digits", "steps=20", "eval.every=10", "hydra.run.dir=color")
    lines = [line.rstrip() for line in without_controls(colored.out).splitlines()]
    tables = [line.rstrip() for line in plain.out.splitlines() if not re.search(r"plain|\bs \(", line)]
    assert "\x1b[" in colored.out
    assert len(tables) > 20
    assert [line for line in tables if line not in lines] == []


def test_the_header_comes_before_tensorflow(tmp_path: Path) -> None:
    """Two or three seconds earlier, with all but the network."""
    program = """
import sys
from mtl_cli.cli.main import main
from mtl_cli.training import experiment
def start(device):
    print("tensorflow" in sys.modules)
    sys.exit()
experiment.start = start
sys.argv[1:] = ["experiment=digits", "mode=alternating", "hydra.run.dir=run"]
main()
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    *header, loaded = done.stdout.splitlines()
    assert loaded == "False"
    words = [line.split() for line in header]
    assert ["left", "multiclass", "10", "ce", "0.5"] in words
    assert ["files", "run"] in words
    assert any("50,000 train" in line for line in header)


def without_controls(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def header_of(tasks: list[str]) -> RunHeader:
    rows = [[task, "regression 1", "mse", "0.5"] for task in tasks]
    return RunHeader("a run", rows, "weight", {"data": "seed"}, [], 100, "outputs/x")


def ending_of(tasks: list[str]) -> Ending:
    metrics = {split: {task: {"loss": 0.5, "rmse": 0.25} for task in tasks} for split in ("train", "val", "test")}
    naive = {split: {task: {"loss": 1.0, "rmse": 0.75} for task in tasks} for split in metrics}
    return Ending("finished", dict.fromkeys(tasks, "rmse"), metrics, naive, "outputs/x")


def shown(tasks: list[str], width: int = 80, **console: object) -> str:
    """Returns what a terminal gets of a short run of these tasks."""
    file = io.StringIO()
    terminal = Console(file=file, force_terminal=True, width=width, height=25, **console)  # type: ignore[arg-type]
    display = Display(terminal, tasks)
    display.start(header_of(tasks))
    display.built({"heads": "20 - 1"})
    display.losses(np.arange(1, 51), np.full((50, 1 + len(tasks)), 1.25, np.float32), None)
    display.evaluated("val", {task: {"loss": 0.5, "rmse": 0.25} for task in tasks})
    display.compared(Standing("val_loss", 0.5, 0.375, 40, 2, 5))
    display._live.refresh()
    display.stop()
    display.end(ending_of(tasks))
    return file.getvalue()


@pytest.mark.parametrize("width", [30, 60, 61, 80, 100, 200])
@pytest.mark.parametrize("length", [4, 30, 70])
def test_no_name_is_broken(width: int, length: int) -> None:
    """A name wider than the terminal is for the terminal to break, so that it can be copied."""
    tasks = ["a" * length, "b" * length]
    display = Display(Console(file=(file := io.StringIO()), width=width, color_system=None), tasks)
    display.start(header_of(tasks))
    display.end(ending_of(tasks))
    for task in tasks:
        assert [word for word in file.getvalue().split() if task[0] * 2 in word] == [task, task]


@pytest.mark.parametrize(("width", "length"), [(60, 4), (80, 70)])
def test_a_task_is_a_block_where_a_row_is_too_wide(width: int, length: int) -> None:
    tasks = ["a" * length, "b" * length]
    display = Display(Console(file=(file := io.StringIO()), width=width, color_system=None), tasks)
    display.start(header_of(tasks))
    opening = [line.rstrip() for line in file.getvalue().splitlines()]
    assert opening[2:6] == [tasks[0], "  regression 1, loss mse, weight 0.5", tasks[1], opening[3]]
    file.truncate(0)
    display.end(ending_of(tasks))
    closing = [line.split() for line in file.getvalue().strip("\0").splitlines()]
    block = [["rmse", "loss"], ["train", "0.25", "0.5"], ["val", "0.25", "0.5"], ["test", "0.25", "0.5"]]
    assert closing[1:7] == [[tasks[0]], *block, ["naive", "test", "0.75", "1"]]
    assert closing[7] == [tasks[1]]


def test_a_terminal_shows_plan_progress_losses_and_results() -> None:
    text = shown(["first", "second"])
    for expected in (
        "a run",
        "first",
        "50/100",
        "train first 1.25  second 1.25  (running mean of batches)",
        "val   first 0.5",
        "val_loss 0.5  best 0.375 at iteration 40, patience 3 of 5 left",
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
    lines = without_controls(shown([f"task_{i}" for i in range(50)])).splitlines()
    assert any("and 42 more" in line for line in lines)
