"""What asks for an end: signals, time that is over, a reader that leaves. All end in order."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from mtl_cli.signals import ACKNOWLEDGED, Interrupt
from mtl_cli.training.setup import Setup
from tests.support.command import MtlTrain, as_usual
from tests.support.faults import LONG, all_left, begun, done, under_way

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_a_run_in_order(tmp_path: Path, number: signal.Signals) -> None:
    words = ["mode=alternating", "tasks.y1.prob=0.3", "steps=400000", *LONG]
    assert done(tmp_path, *words, "hydra.run.dir=whole")[0] == 0
    with under_way(tmp_path, "run/losses.csv", *words, "hydra.run.dir=run") as process:
        time.sleep(random.Random(int(number)).uniform(0, 0.8))
        process.send_signal(number)
        sent = time.monotonic()
        _, err = process.communicate(timeout=60)
        print(f"{number.name}: ended after {time.monotonic() - sent:.1f} s")
        assert time.monotonic() - sent < 20  # 5 s on a quiet machine
    assert process.returncode == 128 + number
    assert err == (f"{ACKNOWLEDGED}\n" if number != signal.SIGHUP else "")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["status"] == "stopped"
    assert (tmp_path / "run" / "model.keras").is_file()
    assert done(tmp_path, "resume", "run")[0] == 0
    assert all_left(tmp_path / "run") == all_left(tmp_path / "whole")


def test_a_signal_is_acknowledged_while_tensorflow_is_loaded(tmp_path: Path) -> None:
    """Once, and nothing is left of a run that didn't begin."""
    with begun(tmp_path, "steps=400000", "hydra.run.dir=run") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert any(line.startswith("files ") for line in process.stdout)
        time.sleep(0.2)  # by now TensorFlow is being loaded, which takes 2 s
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline() == f"{ACKNOWLEDGED}\n"
        assert process.poll() is None
        out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT
    assert (out, err) == ("", "mtl-train: SIGINT before the first iteration: nothing was written\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("console", ["progress", "quiet", "lines"])
def test_a_run_that_ends_before_its_first_iteration_says_how_to_go_on(
    mtl_train: MtlTrain, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, console: str
) -> None:
    """While the program is compiled there is a folder already, from which it goes on."""
    with monkeypatch.context() as patched:
        patched.setattr(Setup, "compile", lambda _: signal.raise_signal(signal.SIGUSR1))
        ended = mtl_train("steps=20", "data=digits", f"log.console={console}", "hydra.run.dir=run")
    assert ended.status == 128 + signal.SIGUSR1
    said = "stopped: SIGUSR1 after 0 of 20 iterations; mtl-train resume run goes on"
    lines = (ended.err if console == "lines" else ended.out).splitlines()
    expected = [said, "files in run"] if console == "progress" else [f"{said}; files in run"]
    assert lines[-len(expected) :] == expected
    assert "naive" not in ended.out
    assert "stopped: SIGUSR1 after 0 of 20 iterations\n" in (tmp_path / "run" / "train.log").read_text()
    assert mtl_train("resume", "run").status == 0


def test_a_run_that_was_to_go_on_says_where_nothing_was_written(
    mtl_train: MtlTrain, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert mtl_train("steps=20", "hydra.run.dir=run").status == 0
    before = (tmp_path / "run" / "summary.json").read_bytes()
    monkeypatch.setattr(Setup, "compile", lambda _: signal.raise_signal(signal.SIGUSR1))
    ended = mtl_train("resume", "run", "steps=30")
    assert ended.status == 128 + signal.SIGUSR1
    assert "mtl-train: SIGUSR1 before it went on: nothing was written" in ended.err
    assert "stopped" not in ended.out
    assert (tmp_path / "run" / "summary.json").read_bytes() == before


def test_a_signal_is_acknowledged_while_compiled_code_runs() -> None:
    """Python's own handler waits for the end of it, which isn't needed to say that the signal was heard."""
    program = """
import hashlib
from mtl_cli.signals import Interrupt
interrupt = Interrupt()
with interrupt.handling():
    interrupt.defer()
    print("computes", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 20_000_000)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=as_usual
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "computes\n"
        process.send_signal(signal.SIGTERM)
        assert process.stderr.readline() == f"{ACKNOWLEDGED}\n"
        assert process.poll() is None
        process.kill()


@pytest.mark.parametrize(
    ("numbers", "said"),
    [([signal.SIGINT], 1), ([signal.SIGUSR1], 1), ([signal.SIGINT] * 2, 1), ([signal.SIGHUP], 0)],
)
def test_an_acknowledgement_is_one_line(
    capfd: pytest.CaptureFixture[str], numbers: list[signal.Signals], said: int
) -> None:
    interrupt = Interrupt()
    with suppress(KeyboardInterrupt), interrupt.handling():
        interrupt.defer()
        for number in numbers:
            signal.raise_signal(number)
            time.sleep(0.1)
    assert capfd.readouterr().err == f"{ACKNOWLEDGED}\n" * said


def test_a_signal_that_ends_the_command_at_once_is_not_acknowledged(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once is when compiled code gives Python its turn, unless that takes long."""
    monkeypatch.setattr("mtl_cli.signals.SECONDS_TO_END_AT_ONCE", 10.0)
    interrupt, timer = Interrupt(), threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt), interrupt.handling():
        interrupt.deliver()
        timer.start()
        hashlib.pbkdf2_hmac("sha256", b"", b"", 1_000_000)
        timer.join()
    assert capfd.readouterr().err == ""


def test_a_run_ends_in_order_when_its_time_is_over(tmp_path: Path) -> None:
    words = ["steps=400000", *LONG]
    assert done(tmp_path, *words, "max_time=1h", "hydra.run.dir=whole")[0] == 0
    status, said = done(tmp_path, *words, "max_time=4s", "hydra.run.dir=run")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (status, summary["status"]) == (124, "stopped"), said
    assert 0 < summary["iterations"] < 400_000
    assert "mtl-train resume run goes on" in said
    assert done(tmp_path, "resume", "run", "max_time=null")[0] == 0
    assert all_left(tmp_path / "run") == all_left(tmp_path / "whole")


@pytest.mark.parametrize("launcher", ["mtl", "basic", "joblib"])
def test_a_sweep_ends_in_order_when_its_time_is_over(tmp_path: Path, launcher: str) -> None:
    grid = ["seed=0,1,2", "steps=3000000", f"hydra/launcher={launcher}", "hydra.sweep.dir=s", *LONG]
    status, said = done(tmp_path, "-m", *grid, "max_time=25s")
    assert status == 124, said
    assert "go on with: mtl-train resume s" in said
    found = [json.loads(path.read_text()) for path in tmp_path.glob("s/*/summary.json")]
    assert 0 < len(found) <= (3 if launcher == "joblib" else 2)
    assert {of["status"] for of in found} == {"stopped"}


def test_a_signal_waits_while_polars_writes() -> None:
    """Polars would raise it in the middle of a chunk, and the run would end without its model."""
    program = """
import io, os, signal, threading
from mtl_cli.signals import Interrupt
interrupt, times = Interrupt(), 0
with interrupt.handling():
    with interrupt.importing():
        import polars as pl
    interrupt()
    table = pl.DataFrame({"a": range(200_000)})
    for _ in range(10):
        timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        while not interrupt():
            table.write_csv(io.BytesIO())
        timer.join()
        interrupt.signal = None
        times += 1
print(times)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, preexec_fn=as_usual, check=False
    )
    assert (done.stdout, done.stderr) == ("10\n", f"{ACKNOWLEDGED}\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_is_ignored_stays_ignored(tmp_path: Path, number: signal.Signals) -> None:
    """As it is for what a script begins with `&`, and after `nohup`."""
    command = [sys.executable, "-m", "mtl_cli", "steps=100000", *LONG, "hydra.run.dir=run"]
    with subprocess.Popen(command, cwd=tmp_path, preexec_fn=lambda: signal.signal(number, signal.SIG_IGN)) as process:
        while process.poll() is None:
            process.send_signal(number)
            time.sleep(0.01)
    assert process.returncode == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["status"], summary["iterations"]) == ("finished", 100_000)


def test_a_second_signal_ends_a_run_at_once_and_harms_nothing(tmp_path: Path) -> None:
    words = ["steps=400000", *LONG]
    assert done(tmp_path, *words, "hydra.run.dir=whole")[0] == 0
    random_ = random.Random(2)
    with under_way(tmp_path, "run/losses.csv", *words, "hydra.run.dir=run") as process:
        time.sleep(random_.uniform(0, 0.5))
        process.send_signal(signal.SIGINT)
        time.sleep(random_.uniform(0, 0.1))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM)
    assert done(tmp_path, "resume", "run")[0] == 0
    assert all_left(tmp_path / "run") == all_left(tmp_path / "whole")


def test_a_reader_that_leaves_ends_a_run_in_order(tmp_path: Path) -> None:
    """As `| head` does: like a signal, rather than as a failure."""
    words = ["steps=400000", "checkpoint.every=0.2", "log.console=lines"]
    with begun(tmp_path, *words, "hydra.run.dir=run") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("iteration:1,")
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(60) == 128 + signal.SIGPIPE
    assert "mtl-train:" not in err
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["status"] == "stopped"
    assert (tmp_path / "run" / "model.keras").is_file()
    assert done(tmp_path, "resume", "run")[0] == 0
    assert done(tmp_path, *words, "hydra.run.dir=whole")[0] == 0
    assert all_left(tmp_path / "run") == all_left(tmp_path / "whole")


@pytest.mark.parametrize("words", [("-c", "job"), ("steps=10",), ("--version",), ("report", "run")])
def test_a_reader_that_is_not_there(tmp_path: Path, words: tuple[str, ...]) -> None:
    """What can be done is done, without a word of that."""
    if "report" in words:
        assert done(tmp_path, "steps=10", "hydra.run.dir=run")[0] == 0
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "mtl_cli", *words]
    ended = subprocess.run(command, cwd=tmp_path, stdout=write, stderr=subprocess.PIPE, text=True, preexec_fn=as_usual)
    os.close(write)
    assert ended.returncode == 128 + signal.SIGPIPE
    assert all(line.startswith("note: the labels") for line in ended.stderr.splitlines())


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_fault(tmp_path: Path, closed: str) -> None:
    """Nor does a file that is opened later get what is printed."""
    command = f"exec {sys.executable} -m mtl_cli steps=10 log.console=lines hydra.run.dir=run {closed}"
    assert subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, check=False).returncode == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert len((tmp_path / "run" / "losses.csv").read_text().splitlines()) == 11


def test_a_signal_ends_a_command_that_composes(tmp_path: Path) -> None:
    """However long that would take."""
    with begun(tmp_path, "-m", "seed=range(0,90000)", "sweep.max_jobs=90000", "steps=2") as process:
        time.sleep(5)  # 90,000 jobs take minutes
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert err == ""
    assert not (tmp_path / "multirun").exists()


@pytest.mark.parametrize("signals", [True, False])
def test_a_signal_that_a_library_makes_an_error_of_is_the_signal(signals: bool) -> None:
    """OmegaConf, cut short, may go on with half a node; without a signal its error is its own."""
    interrupt = Interrupt()

    def cut_short() -> None:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM if signals else signal.SIGCONT)
        raise AttributeError("half a node")

    with pytest.raises(KeyboardInterrupt if signals else AttributeError), interrupt.handling(), interrupt.as_itself():
        interrupt.deliver()
        cut_short()
    assert interrupt.status(1) == (128 + signal.SIGTERM if signals else 1)
