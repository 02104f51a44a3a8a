"""Launchers that train jobs elsewhere than in this process."""

import csv
import importlib
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from omegaconf import DictConfig, OmegaConf

from mtl_cli.cli.job_runner import JobRunner
from mtl_cli.errors import InputError
from mtl_cli.run_folder.git_state import GitState
from mtl_cli.signals import Interrupt
from mtl_cli.sweeps.invocation import Invocation
from mtl_cli.sweeps.other_launchers import _failures, _is_stopped, is_basic, is_elsewhere, refuse_elsewhere
from mtl_cli.training.job import Job
from tests.support.command import MtlTrain, as_usual
from tests.support.configs import composed
from tests.support.sweep_folders import BOTH, job
from tests.support.sweeps import BASIC, LINEAR, summaries, training_starts

RATES = ["optimizer=sgd", "optimizer.learning_rate=1e-9,1e30,2e-9,1e31", "steps=60", *LINEAR]
"""The second and the fourth job diverge."""
ELSEWHERE = {
    "joblib": "hydra_joblib_launcher",
    "submitit_local": "hydra_submitit_launcher",
    "submitit_slurm": "hydra_submitit_launcher",
    "ray": "hydra_ray_launcher",
}

TRACES = """
import os
from pathlib import Path
from hydra.experimental.callback import Callback
from mtl_cli.training import program

class Traces(Callback):
    def on_job_end(self, config, job_return, **kwargs):
        traces = [compiled.traces for compiled in program._programs.values()]
        (Path(config.hydra.runtime.output_dir) / "traces").write_text(f"{os.getpid()} {traces}")
"""
"""A callback that leaves in a job's folder which process trained it, and the traces of that process' programs."""


@pytest.fixture(autouse=True)
def _fresh_workers() -> Iterator[None]:
    """Ends joblib's processes after each test: they stay for the next call, in the folder they began in."""
    yield
    if "joblib" in sys.modules:
        get_reusable_executor = importlib.import_module("joblib.externals.loky").get_reusable_executor
        get_reusable_executor().shutdown(wait=True)


def test_what_a_worker_gets_is_small_and_its_own() -> None:
    """Whatever the command has loaded; and the same for each of its jobs, so that data and programs stay."""
    asked = Invocation(resumes=True, repeats=Path("run"), git=GitState("0" * 40, dirty=False))
    runner = JobRunner(Interrupt(), asked)
    runner.datasets = np.zeros(1000)  # type: ignore[assignment]
    task = pickle.dumps(runner)
    assert len(task) < 300
    there, again = pickle.loads(task), pickle.loads(task)
    assert there is again is not runner
    assert there.invocation == Invocation(resumes=True, is_worker=True, git=asked.git)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_jobs_that_other_processes_train(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Each has its own files, fails alone and is reported; a process compiles its program once."""
    pytest.importorskip(f"hydra_plugins.{ELSEWHERE[name]}")
    if name == "submitit_slurm" and shutil.which("sbatch") is None:
        pytest.skip("no Slurm here")
    (tmp_path / "traces_of.py").write_text(TRACES)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    traces = "+hydra.callbacks.traces._target_=traces_of.Traces"
    done = mtl_train("-m", *RATES, f"hydra/launcher={name}", "hydra.sweep.dir=s", traces)
    assert done.status == 1
    of = summaries(tmp_path / "s")
    assert [of[number]["status"] for number in "0123"] == ["finished", "failed", "finished", "failed"]
    assert [of[number]["overrides"][1] for number in "0123"] == [
        f"optimizer.learning_rate={rate}" for rate in ("1e-09", "1e+30", "2e-09", "1e+31")
    ]
    for number in "13":
        assert f"mtl-train: {of[number]['error']} (job {number}: " in done.err
    assert "4 jobs: 2 finished, 2 failed" in done.out
    with (tmp_path / "s" / "sweep.csv").open() as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["finished", "failed", "finished", "failed"]
    for number in "02":
        assert {path.name for path in (tmp_path / "s" / number).iterdir()} > {"model.keras", "losses.csv", "train.log"}
    processes: Counter[str] = Counter()
    for left in (tmp_path / "s").glob("*/traces"):
        process, _, counts = left.read_text().partition(" ")
        processes[process] += 1
        assert counts == "[1]"
    assert str(os.getpid()) not in processes
    assert sum(processes.values()) == 4
    if not name.startswith("submitit"):  # which has a process for each job
        assert max(processes.values()) > 1


def test_resuming_elsewhere(mtl_train: MtlTrain, tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    grid = ["seed=0,1", "steps=30", "hydra.sweep.dir=s", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    assert mtl_train("-m", *grid).status == 0
    losses = {number: (tmp_path / "s" / number / "losses.csv").read_bytes() for number in "01"}
    (tmp_path / "s" / "1" / "summary.json").unlink()  # as after a kill
    (tmp_path / "s" / "1" / "losses.csv").write_text("torn")
    more = mtl_train("resume", "s", "seed=0,1,2")
    assert more.status == 0, more.err
    assert {number: (tmp_path / "s" / number / "losses.csv").read_bytes() for number in "01"} == losses
    assert training_starts(tmp_path / "s") == {"0": 1, "1": 2, "2": 1}
    assert [of["seed"] for _, of in sorted(summaries(tmp_path / "s").items())] == [0, 1, 2]
    other = mtl_train("resume", "s", "seed=1,0")
    assert other.status == 2
    assert "hydra.launcher: " in other.err
    with FileLock(tmp_path / "s" / ".lock"):
        used = mtl_train("resume", "s")
    assert used.status == 2
    assert "another process is training into this folder" in used.err


def test_combinations_elsewhere(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """Only those that make sense, here as there."""
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    elsewhere = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    done = mtl_train("-m", "weighting=cagrad,fixed", "weighting.c=0.5", "steps=20", "hydra.sweep.dir=s", *elsewhere)
    assert done.status == 0, done.err
    assert [of["overrides"] for _, of in sorted(summaries(tmp_path / "s").items())] == [
        ["weighting=cagrad", "weighting.c=0.5", "steps=20"],
        ["weighting=fixed", "steps=20"],
    ]


@pytest.mark.parametrize("option", ["baselines", "fail_fast"])
def test_what_only_our_own_launcher_does(mtl_train: MtlTrain, tmp_path: Path, option: str) -> None:
    refused = mtl_train("-m", "seed=0,1", "steps=20", BASIC, f"sweep.{option}=true")
    assert refused.status == 2
    assert f"sweep.{option}: only hydra/launcher=mtl does that" in refused.err
    assert list(tmp_path.iterdir()) == []


REQUEUES = """
import os, pickle, signal, sys, threading, time
from pathlib import Path
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, run_job
from hydra.plugins.launcher import Launcher

class Requeues(Launcher):
    __module__ = "hydra_plugins.requeues"

    def setup(self, *, hydra_context, task_function, config):
        self.context, self.config, self.task = hydra_context, config, pickle.dumps(task_function)

    def launch(self, job_overrides, initial_job_idx):
        for number, overrides in enumerate(job_overrides, initial_job_idx):
            print([self.attempt(list(overrides), number, interrupted) for interrupted in (True, False, False)])
        done = JobStatus.COMPLETED
        return [JobReturn(overrides=overrides, status=done, _return_value=0.0) for overrides in job_overrides]

    def attempt(self, overrides, number, interrupted):
        process = os.fork()
        if process:
            return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        signal.signal(signal.SIGUSR2, lambda *_: sys.exit(33))
        losses = Path(self.config.hydra.sweep.dir, str(number), "losses.csv")

        def interrupt():
            while not (losses.exists() and losses.stat().st_size > 200):
                time.sleep(0.02)
            os.kill(os.getpid(), signal.SIGUSR2)

        if interrupted:
            threading.Thread(target=interrupt, daemon=True).start()
        status = 1
        try:
            config = self.context.config_loader.load_sweep_config(self.config, overrides)
            config.hydra.job.id = config.hydra.job.num = number
            run_job(pickle.loads(self.task), config, "hydra.sweep.dir", "hydra.sweep.subdir", self.context)
            status = 0
        except SystemExit as ended:
            status = ended.code
        finally:
            os._exit(status)

sys.modules["hydra_plugins.requeues"] = sys.modules["__main__"]
Plugins.instance().register(Requeues)
from mtl_cli.cli.main import main
main()
"""
"""A queue that interrupts each job once, and begins it again in another process; it also begins one that is done."""


def test_a_job_that_a_queue_begins_again_goes_on(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """With the same arguments, in the same folder; that it was interrupted is no failure."""
    (tmp_path / "requeues.py").write_text(REQUEUES)
    grid = ["-m", "seed=0,1", "steps=60000", "log.console=quiet"]
    queue = ["hydra.launcher._target_=hydra_plugins.requeues.Requeues", "hydra.sweep.dir=s"]
    command = [sys.executable, "requeues.py", *grid, *queue]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, preexec_fn=as_usual, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("[33, 0, 0]\n") == 2, ended.stdout
    assert mtl_train(*grid, "hydra.sweep.dir=whole").status == 0
    for number in "01":
        log = (tmp_path / "s" / number / "train.log").read_text()
        assert [log.count(text) for text in ("stopped: ", "going on from", "finished: ")] == [1, 1, 1]
        one, other = ((tmp_path / sweep / number / "losses.csv").read_bytes() for sweep in ("s", "whole"))
        assert one == other
    assert [of["status"] for of in summaries(tmp_path / "s").values()] == ["finished"] * 2


def test_a_folder_that_goes_while_others_train_in_it_is_a_failure(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    grid = ["seed=0,1", "steps=300000", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.sweep.dir=s"]
    command = [sys.executable, "-m", "mtl_cli", "-m", *grid]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=as_usual) as process:
        while len(list(tmp_path.glob("s/*/losses.csv"))) < 2:
            assert process.poll() is None
            time.sleep(0.1)
        shutil.rmtree(tmp_path / "s", ignore_errors=True)
        assert process.wait(120) == 1
        assert process.stderr is not None
        assert "mtl-train: " in process.stderr.read()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait_for_other_processes(tmp_path: Path, number: signal.Signals) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    grid = ["seed=0,1,2", "steps=5000000", "hydra/launcher=joblib", "hydra.sweep.dir=s"]
    command = [sys.executable, "-m", "mtl_cli", "-m", *grid]
    streams: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, preexec_fn=as_usual, **streams) as process:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("s/*/losses.csv")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 128 + number
    assert "go on with: mtl-train resume s\n" in out
    assert (tmp_path / "s" / "multirun.yaml").exists()  # to resume with


OURS, BASIC_ONE, JOBLIB = (
    "hydra_plugins.mtl_launcher.SweepLauncher",
    "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
    "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
)


def launched_by(launcher: str, **sweep: bool) -> DictConfig:
    """Returns what is looked at of a sweep's config."""
    own = {"baselines": False, "fail_fast": False, **sweep}
    return OmegaConf.create({"hydra": {"launcher": {"_target_": launcher}}, "sweep": own})


def test_where_launchers_train() -> None:
    sweeps = [launched_by(launcher) for launcher in (OURS, BASIC_ONE, JOBLIB)]
    assert [is_elsewhere(sweep) for sweep in sweeps] == [False, False, True]
    assert [is_basic(sweep) for sweep in sweeps] == [False, True, False]


@pytest.mark.parametrize("key", ["baselines", "fail_fast"])
def test_only_our_own_launcher_has_baselines_and_ends_with_a_failure(tmp_path: Path, key: str) -> None:
    refuse_elsewhere(launched_by(OURS, **{key: True}), tmp_path, [])
    for launcher in (BASIC_ONE, JOBLIB):
        refuse_elsewhere(launched_by(launcher), tmp_path, [])
        with pytest.raises(InputError, match=f"^sweep.{key}: only hydra/launcher=mtl does that"):
            refuse_elsewhere(launched_by(launcher, **{key: True}), tmp_path, [])


@pytest.mark.parametrize(
    ("now", "refused"),
    [
        (["seed=1", "steps=5"], False),
        (["seed=1", "steps=9", "log.every=2"], False),
        (["seed=2", "steps=5"], True),
        (["seed=1", "+x=1", "steps=5"], True),
    ],
)
def test_a_job_that_goes_on_elsewhere_keeps_its_number(tmp_path: Path, now: list[str], refused: bool) -> None:
    """How long it trains and what it logs may change."""
    job(tmp_path, 0, ["seed=1", "steps=5"], BOTH, {})
    jobs = [Job(0, composed(), tuple(now))]
    refuse_elsewhere(launched_by(OURS), tmp_path, jobs)
    if refused:
        with pytest.raises(InputError, match="has another job in 0"):
            refuse_elsewhere(launched_by(JOBLIB), tmp_path, jobs)
    else:
        refuse_elsewhere(launched_by(JOBLIB), tmp_path, jobs)


def test_what_became_of_jobs_is_read_from_their_folders(tmp_path: Path) -> None:
    job(tmp_path, 10, ["a=3"], BOTH, {}, status="failed", error="late")
    job(tmp_path, 2, ["a=1", "b=2"], BOTH, {}, status="failed", error="early")
    job(tmp_path, 3, ["a=2"], BOTH, {})
    assert [(str(error), which) for error, which in _failures(tmp_path)] == [
        ("early", " (job 2: a=1 b=2)"), ("late", " (job 10: a=3)")
    ]  # fmt: skip
    assert not _is_stopped(tmp_path)
    job(tmp_path, 4, ["a=4"], BOTH, {}, status="stopped")
    assert _is_stopped(tmp_path)
