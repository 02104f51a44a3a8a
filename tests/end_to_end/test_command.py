"""The command as a user meets it: what it writes, prints and returns."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mtl_cli.datasets import batches
from mtl_cli.signals import ACKNOWLEDGED
from mtl_cli.training import program
from tests.support.command import MtlTrain, as_usual

SUMMARY_KEYS = {
    "status", "error", "iterations", "seconds", "train_seconds", "iterations_per_second", "best_iteration", "epochs",
    "ended_by", "picks", "objective", "metrics", "seed", "config_hash", "overrides", "versions", "git", "device",
    "config", "shares", "data", "naive", "running_loss", "best_val_loss", "weights", "data_fingerprint", "parameters",
}  # fmt: skip


def test_writes_the_promised_files(mtl_train: MtlTrain) -> None:
    run = mtl_train("steps=30", "seed=3")
    assert run.status == 0
    names = {path.name for path in run.folder.iterdir()}
    assert names == {".hydra", "checkpoints", "losses.csv", "metrics.csv", "summary.json", "model.keras", "train.log"}
    summary = run.summary()
    assert set(summary) == SUMMARY_KEYS
    assert (summary["status"], summary["iterations"], summary["seed"]) == ("finished", 30, 3)
    assert summary["overrides"] == ["steps=30", "seed=3"]
    assert set(summary["versions"]) == {"mtl_cli", "tensorflow", "keras", "numpy", "python"}
    assert run.folder.parent.name == "mtl"
    assert run.err.count("the naive value is the floor") == 1
    assert (run.folder / "train.log").read_text().count("the naive value is the floor") == 1


def test_losses_of_joint_training(mtl_train: MtlTrain) -> None:
    rows = mtl_train("steps=25", "tasks.y1.weight=0.25").losses()
    assert rows.columns == ["iteration", "task", "joint_loss", "y1_loss", "y2_loss"]
    assert rows["iteration"].to_list() == list(range(1, 26))
    assert set(rows["task"]) == {"joint"}
    weighted = 0.25 * rows["y1_loss"] + 0.75 * rows["y2_loss"]
    np.testing.assert_allclose(rows["joint_loss"], weighted, rtol=1e-6)


def test_losses_of_alternating_training(mtl_train: MtlTrain) -> None:
    rows = mtl_train("mode=alternating", "steps=200", "tasks.y1.prob=0.3").losses()
    picked = {task: rows.filter(pl.col("task") == task) for task in ("y1", "y2")}
    assert sum(len(of_task) for of_task in picked.values()) == 200
    assert rows["joint_loss"].is_null().all()
    for task, other in (("y1", "y2"), ("y2", "y1")):
        assert picked[task][f"{task}_loss"].is_not_null().all()
        assert picked[task][f"{other}_loss"].is_null().all()
    assert 30 <= len(picked["y1"]) <= 90  # 60 expected, 6.5 standard deviation


def test_logs_every_kth_iteration_only(mtl_train: MtlTrain) -> None:
    every = mtl_train("steps=60").losses()
    seventh = mtl_train("steps=60", "log.every=7").losses()
    assert seventh["iteration"].to_list() == [7, 14, 21, 28, 35, 42, 49, 56]
    assert seventh.equals(every.filter(pl.col("iteration") % 7 == 0))


@pytest.mark.parametrize("mode", ["joint", "alternating"])
def test_the_same_command_gives_the_same_bytes(mtl_train: MtlTrain, mode: str) -> None:
    def losses(*arguments: str) -> bytes:
        return (mtl_train(f"mode={mode}", *arguments).folder / "losses.csv").read_bytes()

    first = losses("steps=400")
    assert losses("steps=400") == first
    assert losses("steps=400", "seed=1") != first
    assert losses("steps=800").startswith(first)


@pytest.mark.parametrize("data", [["data=seed"], ["data=digits", "data.examples.train=300", "batch_size=64"]])
@pytest.mark.parametrize("way", ["mode=joint", "mode=alternating", "weighting=gradvac", "weighting=dwa"])
def test_the_chunks_change_no_number(
    mtl_train: MtlTrain, monkeypatch: pytest.MonkeyPatch, way: str, data: list[str]
) -> None:
    """Not where a method draws numbers and remembers, either."""
    extra = ["weighting.window=11"] if way == "weighting=dwa" else []

    def files() -> list[bytes]:
        monkeypatch.setattr(program, "_programs", {})
        run = mtl_train(way, *extra, *data, "steps=100", "eval.every=30", "diagnostics.every=9")
        return [(run.folder / name).read_bytes() for name in ("losses.csv", "diagnostics.csv")]

    whole = files()
    monkeypatch.setattr(batches, "MAX_ITERATIONS", 7)
    assert files() == whole


def test_a_sweep_compiles_once_where_only_numbers_differ(mtl_train: MtlTrain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_programs", {})
    run = mtl_train(
        "-m", "mode=joint,alternating", "seed=0,1", "optimizer.learning_rate=1e-3,3e-3", "tasks.y1.weight=0.2,null",
        "tasks.y1.prob=0.4", "steps=20",
    )  # fmt: skip
    assert run.status == 0
    assert len(run.folders) == 16
    assert len(program._programs) == 2
    assert [compiled.traces for compiled in program._programs.values()] == [1, 1]
    assert len({(folder / "losses.csv").read_bytes() for folder in run.folders}) == 12  # alternating has no weights


def test_prints_the_articles_lines(mtl_train: MtlTrain) -> None:
    run = mtl_train("mode=alternating", "steps=12", "log.console=lines", "log.every=3")
    rows = run.losses()
    expected = [
        f"iteration:{row['iteration']}, {row['task']}_loss:{np.float32(row[row['task'] + '_loss'])}"
        for row in rows.iter_rows(named=True)
    ]
    assert run.out.splitlines() == expected
    assert len(expected) == 4


def test_a_diverging_run_fails_where_it_happens(mtl_train: MtlTrain) -> None:
    run = mtl_train("optimizer=sgd", "model.activation=linear", "model.output_activation=linear", "steps=500")
    assert run.status == 1
    rows = run.losses()
    finite = np.isfinite(rows.select("joint_loss", "y1_loss", "y2_loss").to_numpy()).all(axis=1)
    assert finite[:-1].all()
    assert not finite[-1]
    summary = run.summary()
    assert (summary["status"], summary["iterations"]) == ("failed", len(rows))
    assert f"in iteration {len(rows)}" in summary["error"]
    assert "y1" in summary["error"] or "y2" in summary["error"]
    assert summary["error"] in run.err
    assert "Traceback" not in run.err
    assert "Traceback" in (run.folder / "train.log").read_text()
    assert not (run.folder / "model.keras").exists()


def test_many_tasks(mtl_train: MtlTrain) -> None:
    more = [f"+tasks.t{i}={{kind: regression, units: {1 + i % 3}, loss: mse}}" for i in range(48)]
    for mode in ("joint", "alternating"):
        run = mtl_train(f"mode={mode}", "steps=40", *more)
        assert run.status == 0
        assert len(run.losses().columns) == 3 + 50


def test_one_task(mtl_train: MtlTrain) -> None:
    for mode in ("joint", "alternating"):
        assert mtl_train(f"mode={mode}", "steps=5", "~tasks.y2").losses().columns[-1] == "y1_loss"


def test_a_saved_model_opens_in_plain_keras(mtl_train: MtlTrain, tmp_path: Path) -> None:
    run = mtl_train("data=digits", "steps=60", "batch_size=32", "model.dropout=0.1", "data.examples.test=50")
    script = """
import json, sys, keras, numpy as np
model = keras.saving.load_model(sys.argv[1])
out = model.predict(np.full((3, 100), 0.5, "float32"), verbose=0)
assert not any(name.startswith("mtl_cli") for name in sys.modules)
print(json.dumps({task: [list(p.shape), float(abs(p.sum(1) - 1).max())] for task, p in out.items()}))
"""
    command = [sys.executable, "-c", script, str(run.folder / "model.keras")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    for shape, distance in json.loads(printed).values():
        assert shape == [3, 10]
        assert distance < 1e-5


def test_version_help_and_config_need_no_tensorflow(tmp_path: Path) -> None:
    code = "import sys, mtl_cli.cli.main as m\ntry: m.main()\nfinally: assert 'tensorflow' not in sys.modules"
    for arguments, expected in (
        (["--version"], "mtl-cli "),
        (["--help"], "mode: alternating, joint"),
        (["--cfg", "job"], "batch_size: 10"),
        (["help", "cagrad"], "number >= 0; default 0.4"),
        (["stepss=3"], ""),
        (["data=table", "data.path=none.csv", "+tasks.a.kind=binary"], ""),
        (["mode=alternating", "sampling=proportional"], ""),
    ):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=tmp_path)
        assert expected in done.stdout
        assert "AssertionError" not in done.stderr
    assert not any(tmp_path.rglob("*.yaml"))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("mtl-train res", ["resume"]),
        ("mtl-train rep", ["report"]),
        ("mtl-train help he", ["help"]),
        ("mtl-train help optimizer.le", ["optimizer.learning_rate="]),
        ("mtl-train help weighting=ca", ["weighting=cagrad"]),
        ("mtl-train report out", []),
    ],
)
def test_the_tab_key_completes_verbs_and_what_help_takes(
    mtl_train: MtlTrain, monkeypatch: pytest.MonkeyPatch, line: str, expected: list[str]
) -> None:
    monkeypatch.setenv("COMP_LINE", line)
    told = mtl_train("-sc", "query=bash")
    assert told.out.split() == expected
    assert told.err == ""


def test_module_and_clean_standard_error(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mtl_cli", "steps=20"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0
    (note,) = done.stderr.splitlines()
    assert note.startswith("note: the labels of data=seed are random")
    lines = done.stdout.splitlines()
    assert lines[0] == "mtl: joint training, fixed weighting"
    assert lines[-1].startswith("files in outputs/mtl/")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_in_order(tmp_path: Path, number: signal.Signals, status: int) -> None:
    command = [sys.executable, "-m", "mtl_cli", "steps=100000000", "hydra.run.dir=run"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=as_usual
    )
    losses = tmp_path / "run" / "losses.csv"
    deadline = time.monotonic() + 60
    while not (losses.exists() and losses.stat().st_size > 10_000):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert err == f"{ACKNOWLEDGED}\n"
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["status"] == "stopped"
    assert summary["iterations"] == len(pl.read_csv(losses))
    assert (tmp_path / "run" / "model.keras").exists()
    assert "stopped" in out


@pytest.mark.parametrize(
    ("seconds", "sweep"),
    [
        (0.8, []),
        (1.2, []),
        (2.4, []),
        (2.4, ["-m", "seed=0,1", "hydra.sweep.dir=sweep", "hydra.sweep.subdir=${hydra.job.num}"]),
    ],
)
def test_an_early_signal_leaves_nothing_or_a_run(tmp_path: Path, seconds: float, sweep: list[str]) -> None:
    command = [sys.executable, "-m", "mtl_cli", "steps=100000000", "hydra.run.dir=run", *sweep]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=as_usual
    )
    try:
        time.sleep(seconds)
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode in (130, -signal.SIGINT)  # the latter before Python runs
    said = err.removeprefix(f"{ACKNOWLEDGED}\n")
    assert said in ("", "mtl-train: SIGINT before the first iteration: nothing was written\n")
    assert not any(tmp_path.iterdir()) or any(tmp_path.rglob("summary.json"))


@pytest.mark.parametrize(("word", "status"), [("--version", 0), ("stps=1", 2)])
def test_the_process_ends_in_order(word: str, status: int) -> None:
    """Though nobody waits for TensorFlow: what is due at the end is done, and other threads are waited for."""
    program = f"""
import atexit, sys, threading
from mtl_cli.__main__ import main
atexit.register(print, "due at the end")
if "thread" in sys.argv:
    threading.Thread(target=lambda: (threading.main_thread().join(), print("waited for"))).start()
sys.argv = ["mtl-train", {word!r}]
main()
"""
    for words, said in (([], "due at the end\n"), (["thread"], "waited for\ndue at the end\n")):
        done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
        assert done.returncode == status
        assert done.stdout.endswith(said)
