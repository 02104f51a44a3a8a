"""`mtl-train report`, on folders that the command made."""

import csv
import json
import shlex
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.support.command import MtlTrain
from tests.support.sweeps import DIGITS, LINEAR


def test_a_sweep_is_told_of_from_its_folders(mtl_train: MtlTrain, tmp_path: Path) -> None:
    first = mtl_train(
        "-m", *DIGITS, "tasks.left.weight=0.3,0.7", "tasks.right.weight=0.5", "seed=0,1", "steps=20",
        "hydra.sweep.dir=swept",
    )  # fmt: skip
    assert first.status == 0, first.err
    for task in ("left", "right"):
        shares = [f"tasks.{other}.weight={int(other == task)}" for other in ("left", "right")]
        more = mtl_train("-m", *DIGITS, *shares, "seed=0,1", "steps=20", f"hydra.sweep.dir={task}")
        assert more.status == 0, more.err
        for seed in ("0", "1"):
            (tmp_path / task / seed).rename(tmp_path / "swept" / f"{task}{seed}")
    told = mtl_train("report", "swept")
    assert told.status == 0, told.err
    assert "8 jobs (4 runs + 4 single-task baselines): 8 finished." in told.out
    assert "gain over single-task, %" in told.out
    assert max(len(line) for line in told.out.splitlines() if not line.startswith("  mtl-train")) <= 80
    with (tmp_path / "swept" / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["baseline"] for row in rows] == ["", "", "", "", "left", "left", "right", "right"]
    for row in rows:
        summary = json.loads((tmp_path / "swept" / row["job"] / "summary.json").read_text())
        assert float(row["test_left_accuracy"]) == summary["metrics"]["test"]["left"]["accuracy"]
        assert float(row["objective"]) == summary["objective"]
        assert row["seed"] == str(summary["seed"])
    command = next(line for line in told.out.splitlines() if line.startswith("  mtl-train data"))
    again = mtl_train(*shlex.split(command)[1:], "hydra.run.dir=again")
    assert again.status == 0, again.err
    best = next(row for row in rows if f"(job {row['job']}):" in " ".join(told.out.split()))
    repeated = json.loads((tmp_path / "again" / "summary.json").read_text())
    assert repeated["objective"] == pytest.approx(float(best["objective"]), rel=1e-4)
    assert (
        repeated["config_hash"]
        == json.loads((tmp_path / "swept" / best["job"] / "summary.json").read_text())["config_hash"]
    )


def test_a_command_with_a_grid_from_the_configs_trains_one_run(mtl_train: MtlTrain, tmp_path: Path) -> None:
    assert mtl_train("-m", "sweep=seeds", "seed=3", "steps=5", "hydra.sweep.dir=swept").status == 0
    told = mtl_train("report", "swept")
    command = next(line for line in told.out.splitlines() if line.startswith("  mtl-train") and "-m" not in line)
    again = mtl_train(*shlex.split(command)[1:], "hydra.run.dir=again")
    assert again.status == 0, again.err
    assert (tmp_path / "again" / "summary.json").exists()


def test_a_run_is_told_of_as_it_ended(mtl_train: MtlTrain, tmp_path: Path) -> None:
    run = mtl_train(*DIGITS, "steps=40", "log.console=progress", "hydra.run.dir=run")
    told = mtl_train("report", "run")
    assert told.status == 0, told.err
    closing = told.out.rstrip().splitlines()
    assert len(closing) > 4
    assert run.out.rstrip().splitlines()[-len(closing) :] == closing
    (tmp_path / "run" / "summary.json").unlink()
    with (tmp_path / "run" / "losses.csv").open("a") as file:
        file.write("41,joi")  # killed while it wrote
    told = mtl_train("report", "run")
    assert told.status == 0, told.err
    assert "unfinished: 40 iterations so far" in told.out


def test_a_failed_run_is_told_of_with_its_error(mtl_train: MtlTrain) -> None:
    assert (
        mtl_train(*LINEAR, "optimizer=sgd", "optimizer.learning_rate=1e30", "steps=50", "hydra.run.dir=run").status == 1
    )
    told = mtl_train("report", "run")
    assert told.status == 0
    assert "failed: " in told.out
    assert "error: " in told.out


def test_a_folder_of_neither_is_refused(mtl_train: MtlTrain, tmp_path: Path) -> None:
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    for folder, message in {
        "empty": "empty is neither the folder of a run",
        "nowhere": "there is no folder nowhere",
    }.items():
        told = mtl_train("report", folder)
        assert told.status == 2
        assert f"DIR: {message}" in told.err
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "summary.json").write_text("{")
    assert "the files in broken can't be read" in mtl_train("report", "broken").err
    assert not list((tmp_path / "empty").glob("*.*"))


def test_report_doesnt_load_tensorflow(tmp_path: Path) -> None:
    (tmp_path / "0" / ".hydra").mkdir(parents=True)
    (tmp_path / "0" / ".hydra" / "overrides.yaml").write_text("- seed=1\n")
    (tmp_path / "multirun.yaml").touch()
    code = f"import sys; from mtl_cli.cli.verbs.report import run; run([{str(tmp_path)!r}]); "
    code += "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "1 not finished yet" in done.stdout
    assert (tmp_path / "sweep.md").exists()


def test_a_run_with_diagnostics_sums_them_up_at_its_end_and_in_its_report(mtl_train: MtlTrain, tmp_path: Path) -> None:
    run = mtl_train("steps=20", "diagnostics.every=5", "log.console=quiet")
    assert run.status == 0, run.err
    rows = pl.read_csv(run.folder / "diagnostics.csv").filter(pl.col("quantity") == "cosine")
    cosine, conflicts = float(rows["value"].to_numpy().mean()), rows.filter(pl.col("value") < 0).height
    lines = [
        f"gradient cosines, means of 5 looks (iteration 1, every 5): y1-y2 {cosine:.2f}",
        f"conflicts (cosine below 0): {conflicts} of 5 looks at a pair, {20 * conflicts} %",
    ]
    told = mtl_train("report", str(run.folder))
    log = (run.folder / "train.log").read_text()
    for line in [*lines, "gradient norms, shared layers: "]:
        assert run.out.count(f"\n{line}") == told.out.count(f"\n{line}") == log.count(f"INFO {line}") == 1
    assert "gradient cosines" not in mtl_train("steps=20").out
