"""`latest`, and what is said where a folder is several runs or a sweep."""

import os
import time
from pathlib import Path

import pytest

from mtl_cli.comparison.results import Results
from tests.support.command import MtlTrain
from tests.support.runs import SMALL
from tests.support.sweep_folders import grid, job

FAST = [*SMALL, "steps=2"]


def test_latest_leads_to_the_newest_run_or_sweep(mtl_train: MtlTrain, tmp_path: Path) -> None:
    parent = tmp_path / "outputs" / "mtl"
    first = mtl_train(*FAST)
    assert first.status == 0, first.err
    assert (parent / "latest").resolve() == first.folder
    assert not Path(os.readlink(parent / "latest")).is_absolute()  # noqa: PTH115 (what the link says)
    assert mtl_train(*FAST, "hydra.run.dir=outputs/mtl/2030-01-01_00-00-00-000000").status == 0
    assert (parent / "latest").resolve() == first.folder
    (parent / "2030-01-01_00-00-00-000000").rename(tmp_path / "chosen")
    swept = mtl_train("-m", *FAST, "seed=0,1")
    assert swept.status == 0, swept.err
    assert (parent / "latest").resolve() == swept.folders[0].parent
    assert mtl_train("data=table", "data.path=none.csv", "+tasks.y.kind=regression").status == 2
    assert (parent / "latest").resolve() == swept.folders[0].parent
    assert mtl_train("resume", str(first.folder), "steps=3").status == 0
    assert (parent / "latest").resolve() == swept.folders[0].parent
    assert [result.name for result in Results(tmp_path / "outputs").read()] == [
        f"mtl/{first.folder.name}", *(f"mtl/{folder.parent.name}/{folder.name}" for folder in swept.folders)
    ]  # fmt: skip


def test_a_run_that_never_began_leaves_no_link(mtl_train: MtlTrain, tmp_path: Path) -> None:
    for sweep in ([], ["-m", "seed=0,1"]):
        assert mtl_train(*sweep, "data=table", "data.path=none.csv", "+tasks.y.kind=regression").status == 2
        assert not (tmp_path / "outputs").exists()


def test_resume_goes_into_the_folder_that_latest_led_to(mtl_train: MtlTrain, tmp_path: Path) -> None:
    run = mtl_train(*FAST)
    on = mtl_train("resume", "outputs/mtl/latest", "steps=3")
    assert on.status == 0, on.err
    assert f"files in outputs/mtl/{run.folder.name}" in on.out
    assert run.summary()["iterations"] == 3


def runs(folder: Path, count: int) -> list[str]:
    """Makes runs, the later the newer, and returns their names."""
    names = [f"r{i}" for i in range(count)]
    for i, name in enumerate(names):
        made = job(folder, name, [f"seed={i}"], {"left": 0.5, "right": 0.5}, {"val": {"left": 1.0, "right": 1.0}},
                   objective=0.25 + i)  # fmt: skip
        os.utime(made, (time.time() + i, time.time() + i))
    return names


@pytest.mark.parametrize("words", [["predict", "{}", "t.csv", "--out", "p.csv"], ["resume", "{}"]])
def test_of_a_folder_of_runs_the_newest_are_named(mtl_train: MtlTrain, tmp_path: Path, words: list[str]) -> None:
    names = runs(tmp_path / "outputs" / "mtl", 7)
    (tmp_path / "outputs" / "mtl" / "latest").symlink_to("r6")
    key = {"predict": "RUN_DIR", "resume": "DIR"}[words[0]]
    told = mtl_train(*(word.format("outputs") for word in words))
    assert told.status == 2
    first, *lines = told.err.splitlines()
    assert first == f"mtl-train: {key}: outputs is no run, but has 7 runs or sweeps in it; the newest are"
    assert [line.split()[1].rstrip(":") for line in lines] == [f"outputs/mtl/{name}" for name in names[:1:-1]]
    assert lines[0].endswith("r6: finished, val_loss 6.25, seed=6")


def test_several_folders_are_as_one_of_several_runs(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """As a shell makes them of a glob, in which `latest` is one twice."""
    names = runs(tmp_path, 2)
    (tmp_path / "latest").symlink_to("r1")
    (tmp_path / "t.csv").write_text("x\n1\n")
    (tmp_path / "sweep.csv").write_text("")
    for words in (["predict", "latest", *names, "sweep.csv", "t.csv", "--out", "p.csv"], ["resume", *names, "latest"]):
        told = mtl_train(*words)
        assert told.status == 2
        first, *lines = told.err.splitlines()
        assert first.endswith("these are 2 folders, and it takes one; the newest are")
        assert [line.split()[1] for line in lines] == ["r1:", "r0:"]
    told = mtl_train("predict", "r0", "t.csv", "sweep.csv", "--out", "p.csv")
    assert told.err == "mtl-train: INPUT: these are several tables, and it takes one, or a glob in quotes\n"
    again = mtl_train("resume", "r1", "latest")
    assert "these are" not in again.err


def test_of_a_sweep_the_best_job_is_named(mtl_train: MtlTrain, tmp_path: Path) -> None:
    rows = grid(tmp_path / "outputs" / "s")
    (tmp_path / "outputs" / "s" / "multirun.yaml").write_text("")
    mean: dict[tuple[float, float], list[float]] = {}
    for row in rows:
        if row["alone"] is None:
            mean.setdefault((row["weight"], row["rate"]), []).append(row["objective"])
    best = min(mean, key=lambda setting: sum(mean[setting]) / len(mean[setting]))
    middle = sorted(mean[best])[1]  # of four
    (number,) = (row["job"] for row in rows if row["objective"] == middle)
    told = mtl_train("predict", "outputs/s", "t.csv", "--out", "p.csv")
    assert told.status == 2
    first, second = told.err.splitlines()
    assert first == f"mtl-train: RUN_DIR: outputs/s is a sweep of {len(rows)} jobs; say which one"
    assert second.startswith(
        f"mtl-train:   of the best setting, by its table, the seed in the middle: outputs/s/{number} "
        f"(val_loss {middle:.4g}, "
    )
    job(tmp_path / "outputs" / "s", 99, ["seed=9"], {"left": 0.5, "right": 0.5})
    told = mtl_train("predict", "outputs/s", "t.csv", "--out", "p.csv")
    assert told.err.splitlines()[-1].endswith("it isn't finished; this goes on with it: mtl-train resume outputs/s")
    told = mtl_train("resume", "outputs")
    assert told.err.splitlines() == [
        "mtl-train: DIR: outputs is no run, but has one in it:",
        f"mtl-train:   outputs/s: a sweep of {len(rows) + 1} jobs, {len(rows)} finished",
    ]
