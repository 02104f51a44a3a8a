"""Faults on purpose: what is lost is what came after the last checkpoint, and going on makes it anew.

MTL_KILLS=100 kills that many processes rather than a dozen.
"""

import errno
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from mtl_cli.errors import RunFailed
from mtl_cli.signals import Interrupt
from mtl_cli.terminal.run_view import View
from mtl_cli.training.experiment import load, run
from tests.support.command import MtlTrain, as_usual
from tests.support.configs import composed
from tests.support.runs import SMALL, Fate, Killed, left, train

KILLS = int(os.environ.get("MTL_KILLS", "12"))
LONG = ["checkpoint.every=0.2", "log.console=quiet"]
RUNS = {
    "joint": ["steps=200000"],
    "alternating": ["mode=alternating", "tasks.y1.prob=0.3", "steps=200000"],
    "digits": ["data=digits", "weighting=gradnorm", "model.dropout=0.2", "steps=15000", "diagnostics.every=50"],
    "sampled": ["data=digits", "mode=alternating", "sampling=temperature", "optimizer=lion", "steps=15000"],
}
GRID = ["-m", "seed=0,1", "mode=joint,alternating", "steps=60000"]
SWEEPS = {"mapped sweep": [*GRID, "sweep.runs_at_once=2"], "sweep": GRID}


Ended = tuple[int, str]
"""A command's status, and what it printed."""


def begun(folder: Path, *words: str, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """Starts the command in a folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "mtl_cli", *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, preexec_fn=as_usual, env=environment, process_group=0,
    )  # fmt: skip


def done(folder: Path, *words: str) -> Ended:
    """Runs the command in a folder."""
    with begun(folder, *words) as process:
        out, err = process.communicate(timeout=600)
    return process.returncode, out + err


@contextmanager
def under_way(folder: Path, losses: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Starts the command, and waits until it trains: until a file of losses grows."""
    before = {path: path.stat().st_size for path in folder.glob(losses)}
    with begun(folder, *words) as process:
        try:
            while process.poll() is None:
                if any(path.stat().st_size > before.get(path, 0) + 200 for path in folder.glob(losses)):
                    break
                time.sleep(0.02)
            yield process
        finally:
            process.kill()
            process.communicate()


def all_left(folder: Path) -> dict[str, Any]:
    """Returns what a run, or a sweep's runs, left."""
    found = {}
    for path in sorted(folder.rglob("summary.json")):
        of_run = left(path.parent)
        of_run["summary"].pop("overrides")
        of_run["summary"]["config"].pop("log")
        of_run["summary"]["config"].pop("checkpoint")
        of_run["summary"]["config"].pop("max_time")
        found[str(path.parent.relative_to(folder))] = of_run
    return found


def all_bytes(folder: Path) -> dict[Path, bytes]:
    """Returns what every file in a folder holds."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


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
    assert err == ""
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["status"] == "stopped"
    assert (tmp_path / "run" / "model.keras").is_file()
    assert done(tmp_path, "resume", "run")[0] == 0
    assert all_left(tmp_path / "run") == all_left(tmp_path / "whole")


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
    assert (done.stdout, done.stderr) == ("10\n", "")


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
    """What can be done is done, without a word."""
    if "report" in words:
        assert done(tmp_path, "steps=10", "hydra.run.dir=run")[0] == 0
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "mtl_cli", *words]
    ended = subprocess.run(command, cwd=tmp_path, stdout=write, stderr=subprocess.PIPE, text=True, preexec_fn=as_usual)
    os.close(write)
    assert ended.returncode == 128 + signal.SIGPIPE
    assert ended.stderr == ""


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


def test_two_processes_on_one_folder(tmp_path: Path) -> None:
    words = ["steps=100000000", *LONG]
    with under_way(tmp_path, "run/losses.csv", *words, "hydra.run.dir=run") as process:
        status, said = done(tmp_path, "resume", "run")
        assert (status, "another process is training into this folder" in said) == (2, True)
        status, said = done(tmp_path, *words, "hydra.run.dir=run")
        assert (status, "exists and isn't empty" in said) == (2, True)
        process.kill()
    assert (tmp_path / "run" / ".lock").exists()
    status, said = done(tmp_path, "resume", "run", "steps=100")
    assert status == 2
    assert "steps: 100 is less than the" in said
    with under_way(tmp_path, "run/losses.csv", "resume", "run") as process:
        assert process.poll() is None


@pytest.mark.parametrize("launcher", [[], ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]])
def test_no_run_gets_into_a_sweep(tmp_path: Path, launcher: Sequence[str]) -> None:
    """Neither while it trains nor after it was killed: the folders of its jobs are its own."""
    if launcher:
        pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    words = ["-m", "seed=0,1,2,3", "steps=60000", *LONG, "hydra.sweep.dir=s", *launcher]
    others = [["seed=7", "steps=3", f"hydra.run.dir=s/{i}"] for i in (0, 3, "x")]
    others += [["-m", "seed=7", "steps=3", f"hydra.sweep.dir=s/{i}"] for i in (3, "x")]

    def are_refused() -> bool:
        return all(
            (status, "folder of another run or sweep" in said or "isn't empty" in said) == (2, True)
            for status, said in together(tmp_path, others)
        )

    with under_way(tmp_path, "s/*/losses.csv", *words) as process:
        assert are_refused()
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
    assert are_refused()
    assert not (tmp_path / "s" / "x").exists()
    assert done(tmp_path, "resume", "s", "steps=60000")[0] == 0
    assert [json.loads((tmp_path / f"s/{i}/summary.json").read_text())["seed"] for i in range(4)] == [0, 1, 2, 3]


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


def together(folder: Path, commands: Sequence[Sequence[str]], environment: dict[str, str] | None = None) -> list[Ended]:
    """Runs commands that begin at the same time."""
    processes = [begun(folder, *words, environment=environment) for words in commands]
    ended = []
    for process in processes:
        out, err = process.communicate(timeout=600)
        ended.append((process.returncode, out + err))
    return ended


NO_LOCKS = """
import errno, fcntl

def flock(*arguments):
    raise OSError(errno.ENOLCK, "No locks available")

fcntl.flock = flock
"""


@pytest.mark.parametrize("locks", ["locks", "no locks"])
@pytest.mark.parametrize("count", [2, 8])
@pytest.mark.parametrize("kind", ["run", "sweep"])
def test_processes_that_begin_at_once_in_one_folder(tmp_path: Path, kind: str, count: int, locks: str) -> None:
    """One trains; the others leave nothing of theirs, and take nothing of its away."""
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "sitecustomize.py").write_text(NO_LOCKS if locks == "no locks" else "")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "python"), *sys.path])}
    words = ["steps=3000", "log.console=quiet", f"hydra.{kind}.dir=in/it"]
    more = ["-m", "model=shared_bottom"] if kind == "sweep" else []
    ended = together(tmp_path, [[*more, *words, f"seed={i}"] for i in range(count)], environment)
    assert sorted(status for status, _ in ended) == [0] + (count - 1) * [2], ended
    for status, said in ended:
        assert status == 0 or "another process is training" in said or "exists and isn't empty" in said
        assert (status, "has no locks" in said) != (0, locks == "locks")
    seed = next(i for i, (status, _) in enumerate(ended) if status == 0)
    folder = tmp_path / "in" / "it" / ("0" if kind == "sweep" else "")
    assert f"seed: {seed}\n" in (folder / ".hydra" / "config.yaml").read_text()
    assert f"- seed={seed}\n" in (folder / ".hydra" / "overrides.yaml").read_text()
    assert json.loads((folder / "summary.json").read_text())["seed"] == seed
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == ["it"]
    status, said = done(tmp_path, "resume", "in/it", "steps=4000")
    assert status == 0, said
    assert done(tmp_path, *words, f"seed={seed}", "steps=4000", "hydra.run.dir=whole")[0] == 0
    assert (folder / "losses.csv").read_bytes() == (tmp_path / "whole" / "losses.csv").read_bytes()


@pytest.mark.parametrize("kind", ["run", "sweep"])
def test_processes_that_go_on_at_once_in_one_folder(tmp_path: Path, kind: str) -> None:
    """Those that a queue began again, with the first command, too."""
    words = ["-m", "seed=0,1"] if kind == "sweep" else []
    words = [*words, "steps=60000", *LONG]
    assert done(tmp_path, *words, f"hydra.{kind}.dir=whole")[0] == 0
    first = [*words, f"hydra.{kind}.dir=run"]
    losses = "run/*/losses.csv" if kind == "sweep" else "run/losses.csv"
    with under_way(tmp_path, losses, *first) as process:
        process.kill()
    assert process.returncode == -signal.SIGKILL
    before = all_bytes(tmp_path / "run")
    status, said = done(tmp_path, *first)
    assert (status, "go on with it by 'mtl-train resume run'" in said) == (2, True)
    assert all_bytes(tmp_path / "run") == before
    ended = together(tmp_path, [["resume", "run"], ["resume", "run"], first])
    assert [status for status, _ in ended[:2]].count(0) >= 1, ended
    assert ended[2][0] == 2
    for status, said in ended[:2]:
        assert status == 0 or (status == 2 and "another process is training into this folder" in said)
    assert all_left(tmp_path / "run") == all_left(tmp_path / "whole")


Write = Callable[[int, Any], int]
TINY = [*SMALL, "steps=24", "eval.every=8", "checkpoint.every_steps=8", "diagnostics.every=8"]


def writes_of(monkeypatch: pytest.MonkeyPatch, fault: Callable[[int, Write, int, Any], int]) -> list[int]:
    """Has every write of a run go through `fault(number, write, file, content)`; counts them."""
    counted: list[int] = []
    write = os.write

    def faulty(file: int, content: Any) -> int:
        counted.append(len(content))
        return fault(len(counted), write, file, content)

    monkeypatch.setattr("mtl_cli.run_folder.atomic_files.os.write", faulty)
    return counted


def test_a_failing_write_at_every_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the content is written, then the disk is full: for each write of the run once."""
    config = composed(*TINY)
    with monkeypatch.context() as patch:
        counted = writes_of(patch, lambda _, write, file, content: write(file, content))
        train(config, tmp_path / "whole")
    assert len(counted) > 15
    for place in range(1, len(counted) + 1):
        folder = tmp_path / str(place)

        def full(number: int, write: Write, file: int, content: Any, place: int = place) -> int:
            if number < place:
                return write(file, content)
            if number == place and len(content) > 1:
                return write(file, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        failure = ""
        with monkeypatch.context() as patch:
            tried = writes_of(patch, full)
            try:
                train(config, folder)
            except RunFailed as error:
                failure = str(error)
        assert len(tried) > place or place > len(counted) - 3  # a faster run has fewer chunks, thus fewer writes
        if len(tried) > place:
            assert str(folder) in failure
            assert "No space left on device" in failure
        assert not list(folder.rglob("*.partial"))
        for path in folder.glob("*.csv"):  # whole lines, which are those of the run that had room
            content = path.read_bytes()
            assert content == b"" or content.endswith(b"\n")
            assert (tmp_path / "whole" / path.name).read_bytes().startswith(content)
        train(config, folder)
        assert left(folder) == left(tmp_path / "whole")


def test_short_writes_are_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = composed(*TINY)
    train(config, tmp_path / "whole")
    with monkeypatch.context() as patch:
        writes_of(patch, lambda _, write, file, content: write(file, content[: max(1, len(content) // 3)]))
        train(config, tmp_path / "short")
    assert left(tmp_path / "short") == left(tmp_path / "whole")


def test_a_model_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    config = composed(*TINY)
    with monkeypatch.context() as patch:
        patch.setattr("zipfile.ZipFile.writestr", full)
        patch.setattr("zipfile.ZipFile.open", full)
        with pytest.raises(RunFailed, match=r"model\.keras can't be written: No space left on device"):
            train(config, tmp_path / "run")
    assert not list((tmp_path / "run").glob("*.partial*"))
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["status"] == "failed"
    train(config, tmp_path / "run")
    train(config, tmp_path / "whole")
    assert left(tmp_path / "run") == left(tmp_path / "whole")


def test_a_folder_that_vanishes(tmp_path: Path) -> None:
    class Vanishing(Fate):
        def __call__(self) -> bool:
            if self.left == 0:
                shutil.rmtree(tmp_path / "run")
            self.left -= 1
            return False

    config = composed(*TINY)
    (tmp_path / "run").mkdir()
    with pytest.raises(RunFailed, match=f"{tmp_path / 'run'}.* can't be written: No such file or directory"):
        run(config, load(config), tmp_path / "run", [], View(), Vanishing(1, kills=False))


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs Linux namespaces")
def test_a_small_disk(tmp_path: Path) -> None:
    """A real file system fills; what is on it stays readable, and with more room the run goes on."""
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    disk.mkdir()
    command = f"{sys.executable} -m mtl_cli steps=60000 hydra.run.dir={disk}/run {' '.join(LONG)}"
    script = (
        f"mount -t tmpfs -o size=1m tmpfs {disk} || exit 77; {command}; echo status $?; "
        f"cp -r {disk}/run {copy}; mount -o remount,size=99m {disk}; {sys.executable} -m mtl_cli resume {disk}/run; "
        f"echo status $?; cp -r {disk}/run {tmp_path}/run; mount -o remount,ro {disk}; "
        f"{sys.executable} -m mtl_cli resume {disk}/run steps=70000; echo read-only $?; "
        f"{sys.executable} -m mtl_cli steps=10 hydra.run.dir={disk}/new; echo read-only $?"
    )
    ended = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script], capture_output=True, text=True, cwd=tmp_path
    )
    if ended.returncode == 77 or "unshare" in ended.stderr:
        pytest.skip("may not mount here")
    assert ended.stdout.count("status 1") == 1
    assert ended.stdout.count("status 0") == 1
    assert ended.stdout.count("read-only 2") == 2, ended.stdout
    assert re.search(rf"mtl-train: {disk}/run/\S+: Read-only file system", ended.stderr)
    assert f"mtl-train: {disk}/new: Read-only file system" in ended.stderr
    assert f"{disk}/run/" in ended.stderr
    assert "can't be written: No space left on device" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert (copy / "losses.csv").read_bytes().endswith(b"\n")
    assert done(tmp_path, "steps=60000", "hydra.run.dir=whole")[0] == 0
    assert all_left(tmp_path / "run") == all_left(tmp_path / "whole")


def test_flipped_bytes_in_every_file(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """A damaged file is refused by its name, or what it held is made anew; nothing else happens."""
    words = [*TINY, "steps=40", "hydra.run.dir=whole"]
    assert mtl_train(*words).status == 0
    config, original = composed(*TINY, "steps=40"), tmp_path / "original"
    shutil.copytree(tmp_path / "whole" / ".hydra", original / ".hydra")
    with pytest.raises(Killed):
        train(config, original, Fate(4, kills=True))
    (original / "summary.json").unlink()
    files = sorted(path.relative_to(original) for path in original.rglob("*") if path.is_file())
    assert len(files) >= 8
    random_, outcomes = random.Random(0), set()
    for name in files:
        for _ in range(2):
            shutil.rmtree(tmp_path / "run", ignore_errors=True)
            shutil.copytree(original, tmp_path / "run")
            content = bytearray((original / name).read_bytes())
            content[random_.randrange(len(content))] ^= 1 << random_.randrange(8)
            (tmp_path / "run" / name).write_bytes(content)
            resumed = mtl_train("resume", "run")
            assert resumed.status in (0, 1, 2)
            assert "Traceback" not in resumed.err
            outcomes.add(resumed.status)
            if resumed.status == 0:
                assert all_left(tmp_path / "run") == all_left(tmp_path / "whole"), name
            else:
                assert name.parent.name == ".hydra", resumed.err
    assert 0 in outcomes


@pytest.mark.parametrize("signals", [True, False])
def test_a_signal_that_a_library_makes_an_error_of_is_the_signal(signals: bool) -> None:
    """OmegaConf, cut short, may go on with half a node; without a signal its error is its own."""
    interrupt = Interrupt()

    def cut_short() -> None:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM if signals else signal.SIGCONT)
        raise AttributeError("half a node")

    with pytest.raises(KeyboardInterrupt if signals else AttributeError), interrupt.handling(), interrupt.as_itself():
        interrupt.let_through()
        cut_short()
    assert interrupt.status(1) == (128 + signal.SIGTERM if signals else 1)
