"""Ordinary runs compared: by experiment, by all in which their configs differ, and nothing is written unasked."""

import csv
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mtl_cli.comparison.runs import RunsFolder
from mtl_cli.errors import InputError
from mtl_cli.terminal.markdown import Grid
from tests.support.command import MtlTrain
from tests.support.sweep_folders import BOTH, job


def made(folder: Path, number: int | str, overrides: list[str], value: float, **changed: Any) -> Path:
    return job(folder, number, overrides, BOTH, {"val": {"left": value, "right": 1.0}}, objective=value, **changed)


def told(folder: Path) -> str:
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        RunsFolder(folder).show(console)
    return capture.get()


def rows(folder: Path, *headings: str) -> dict[str, list[str]]:
    """Returns, by run, its cells under these headings."""
    (blocks,) = RunsFolder(folder).experiments.values()
    settings = next(block for block in blocks if isinstance(block, Grid))
    found = [dict(zip(settings.headings, row, strict=True)) for row in settings.rows]
    return {row["run"]: [row[heading] for heading in headings] for row in found if row["#"] != "naive"}


def test_runs_are_compared_within_their_experiment(tmp_path: Path) -> None:
    for name, value in (("a", 0.5), ("b", 0.25)):
        for seed in (0, 1):
            made(tmp_path / name, seed, [f"seed={seed}"], value + seed, name=name)
    job(tmp_path / "b", "killed", ["seed=2"], BOTH)
    (tmp_path / "b" / "killed" / ".hydra" / "config.yaml").write_text("name: a\n")
    said = told(tmp_path)
    first, second = said.split("Experiment b")
    assert "Experiment a" in first
    assert "3 runs: 2 finished, 1 not finished yet." in first
    assert "2 runs: 2 finished." in second
    assert "job" not in said
    assert "again (run b/0):" in " ".join(second.split())


def test_keys_that_differ_in_the_files_alone_make_settings(tmp_path: Path) -> None:
    """Two runs with the same command line, whose config's file was edited in between, are no two seeds of one."""
    made(tmp_path, "one", ["experiment=x"], 0.5, model={"name": "m", "dropout": 0.1}, log={"every": 1})
    made(tmp_path, "two", ["experiment=x"], 0.75, model={"name": "m", "dropout": 0.2}, log={"every": 5})
    made(tmp_path, "three", ["experiment=x", "weighting=w"], 0.625, model={"name": "m", "dropout": 0.1},
         weighting={"name": "w", "c": 0.5})  # fmt: skip
    assert rows(tmp_path, "#", "weighting", "dropout", "n") == {
        "one": ["1", "fixed", "0.1", "1"], "three": ["2", "w", "0.1", "1"], "two": ["3", "fixed", "0.2", "1"]
    }  # fmt: skip
    (blocks,) = RunsFolder(tmp_path).experiments.values()
    (settings,) = (block for block in blocks if isinstance(block, Grid) and "run" in block.headings)
    assert not {"c", "every"} & {*settings.headings}  # the one comes with the choice, the other changes no result


def test_a_value_that_is_typed_is_the_same_as_one_that_the_config_has(tmp_path: Path) -> None:
    for name, typed, rate in (("one", [], 0.001), ("two", ["optimizer.learning_rate=1e-3"], 0.001), ("three", [], 0.1)):
        optimizer = {"learning_rate": rate}
        made(tmp_path, name, [*typed, f"seed={len(name) % 4}"], 0.5, optimizer=optimizer)
    assert rows(tmp_path, "learning_rate", "n") == {"one": ["0.001", "2"], "three": ["0.1", "1"]}


def test_a_seed_that_wasnt_typed_is_one_of_all_seeds(tmp_path: Path) -> None:
    for words in ([], ["seed=1"], ["seed=2"]):
        made(tmp_path, f"r{len(words)}{''.join(words)[5:]}", ["steps=9", *words], 0.5)
    assert "  mtl-train -m steps=9 seed=0,1,2" in told(tmp_path).splitlines()


def test_runs_with_other_seeds_show_them_and_arent_told_apart(tmp_path: Path) -> None:
    """Each seed has its own split, so a difference may be the rows'."""
    for name, rate, seed in (("a", 0.1, 0), ("b", 0.1, 1), ("c", 0.2, 2)):
        made(tmp_path, name, [f"seed={seed}"], 0.5 - rate, optimizer={"learning_rate": rate})
    assert rows(tmp_path, "learning_rate", "seed", "n", "difference") == {
        "c": ["0.2", "2", "1", "best"], "a": ["0.1", "0,1", "2", ""]
    }  # fmt: skip
    said = " ".join(told(tmp_path).split())
    assert "Settings with no seed in common were trained and evaluated on different rows, so no difference" in said
    for seed in (0, 1):
        made(tmp_path, f"c{seed}", [f"seed={seed}"], 0.25, optimizer={"learning_rate": 0.2})
    said = " ".join(told(tmp_path).split())
    assert "With 2 seeds" in said
    assert "seed n" not in said


def test_the_other_tasks_shares_follow_from_the_one_that_is_given(tmp_path: Path) -> None:
    for weight in (0.2, 0.8):
        tasks = {"left": {"metric": "accuracy", "weight": weight}, "right": {"metric": "rmse", "weight": 1 - weight}}
        made(tmp_path, f"w{weight}", [f"tasks.left.weight={weight}"], weight, tasks=tasks)
    said = told(tmp_path)
    assert "left.weight" in said
    assert "right.weight" not in said
    edited = tmp_path / "edited"
    for weight in (0.2, 0.8):
        tasks = {"left": {"metric": "accuracy", "weight": 1 - weight}, "right": {"metric": "rmse", "weight": weight}}
        made(edited, f"w{weight}", [], weight, tasks=tasks)
    assert rows(edited, "left.weight", "right.weight") == {"w0.2": ["0.8", "0.2"], "w0.8": ["0.2", "0.8"]}
    assert "0.19999999999999996" not in told(edited)


def test_a_task_that_some_lack_and_another_member_are_one_key_each(tmp_path: Path) -> None:
    one = {"left": {"kind": "binary", "metric": "accuracy"}}
    both = one | {"right": {"kind": "regression", "metric": "rmse"}}
    made(tmp_path, "one", [], 0.5, tasks=one, data={"name": "digits", "examples": 5})
    made(tmp_path, "two", [], 0.75, tasks=both, data={"name": "table", "path": "x.csv"})
    assert rows(tmp_path, "data", "right.kind") == {"one": ["digits", ""], "two": ["table", "regression"]}
    assert "x.csv" not in told(tmp_path)


def test_a_wide_comparison_fits_80_columns(tmp_path: Path) -> None:
    for i in range(30):
        keys = [f"optimizer.learning_rate={i / 7}", f"model.shared_layers={[i] * 30}".replace(" ", ""),
                f"optimizer.schedule={i}", f"a.learning_rate={i}"]  # fmt: skip
        optimizer = {"learning_rate": i / 7}
        made(tmp_path / "digits", f"2026-11-30_00-04-52-{i:06}", keys, float(i), optimizer=optimizer)
    lines = told(tmp_path).splitlines()
    assert max(len(line) for line in lines if not line.startswith("  mtl-train")) <= 80
    assert "and 10 more" in lines
    headings = " ".join(lines)
    assert " optimizer.learning_rate " in headings  # `learning_rate` alone could be either
    assert " a.learning_rate " in headings
    assert " schedule " in headings
    assert " 0.1429 " in headings  # 1 / 7 with four digits


def test_nothing_is_written_beside_runs_unless_asked(mtl_train: MtlTrain, tmp_path: Path) -> None:
    for i in range(30):
        given = [f"optimizer.learning_rate={i}"]
        made(tmp_path / "outputs" / "mtl", i, given, float(i), optimizer={"learning_rate": i})
    made(tmp_path / "outputs" / "other", 0, [], 0.5, name="other")
    before = sorted(tmp_path.rglob("*"))
    done = mtl_train("report", "outputs")
    assert (done.status, done.err) == (0, "")
    assert "and 10 more\n" in done.out
    assert sorted(tmp_path.rglob("*")) == before
    done = mtl_train("report", "outputs", "--write")
    assert done.status == 0
    assert "and 10 more, in runs.md\n" in done.out
    assert done.out.endswith("tables in outputs: runs.csv, runs.md\n")
    written = {tmp_path / "outputs" / name for name in ("runs.csv", "runs.md")}
    assert {*tmp_path.rglob("*")} - {*before} == written
    with (tmp_path / "outputs" / "runs.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [row["run"] for row in table] == [*(f"mtl/{i}" for i in range(30)), "other/0"]
    assert [float(row["objective"]) for row in table] == [*map(float, range(30)), 0.5]
    text = (tmp_path / "outputs" / "runs.md").read_text()
    assert [line for line in text.splitlines() if line.startswith("# ")] == ["# mtl", "# other"]
    assert text.count("| mtl/") == 30


def test_a_table_that_cant_be_written_is_told_of(tmp_path: Path) -> None:
    made(tmp_path, 0, [], 0.5)
    (tmp_path / "runs.csv").mkdir()
    with pytest.raises(InputError, match=r"runs\.csv"):
        RunsFolder(tmp_path).write()
