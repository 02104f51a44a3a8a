"""Texts and summaries of others: what a terminal, a config, a table and a report get of them."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.command import MtlTrain

ESCAPES = "\x1b]0;owned\x07\x1b[2J\u202e[red]"


def test_a_terminal_gets_no_control_characters(mtl_train: MtlTrain, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"{ESCAPES},y\n" + "".join(f"{i % 9}.5,{i % 7}\n" for i in range(40)))
    table = ["data=table", "data.path=t.csv", "batch_size=2", "steps=2", "+tasks.y.kind=regression"]
    config = tmp_path / "own" / "experiment" / "t.yaml"
    calls = [
        ["data=table", "data.path=t.csv", "+tasks.z.kind=regression"],
        [*table, "log.console=progress"],
        [*table, "log.console=quiet"],
        ["inspect", "t.csv", "--out", "own"],
        ["report", ESCAPES],
        [f"+{ESCAPES}=1"],
        ["data=table", f"data.path='{ESCAPES}.csv'", "+tasks.z.kind=regression"],
    ]
    for call in calls:
        run = mtl_train(*call)
        assert "Traceback" not in run.err
        assert not set("\x1b\x07\u202e") & set(run.out + run.err), call
    assert "\\x1b[2J" in run.err
    assert "\x1b" not in config.read_text()


def test_an_inspected_table_writes_no_yaml_of_its_own(mtl_train: MtlTrain, tmp_path: Path) -> None:

    name = "a\u2028hydra: {verbose: true}\x85b\nc'"
    (tmp_path / "t.csv").write_text(f'"{name}",k,y\n' + "".join(f"{i}.5,{i % 5},{i}.5\n" for i in range(40)))
    assert mtl_train("inspect", "t.csv", "--target", name, "--target", "y").status == 0
    written = yaml.safe_load((tmp_path / "configs" / "experiment" / "t.yaml").read_text())
    assert set(written) == {"defaults", "name", "batch_size", "data", "tasks"}
    assert written["tasks"].popitem()[0] == "y"
    (task,) = written["tasks"].values()
    assert task["column"] == name


def summary(**changed: Any) -> dict[str, Any]:
    """Returns a summary.json."""
    config = {"tasks": {"y": {"metric": "rmse"}}, "objective": "val_loss"}
    metrics = {"train": {"y": {"loss": 1.0}}, "val": {"y": {"loss": 1.0, "rmse": 1.0}}}
    usual = {"status": "finished", "error": None, "seed": 0, "config": config, "shares": {"y": 1.0}, "metrics": metrics}
    return usual | {"overrides": ["seed=0"], "objective": 1.0} | changed


DAMAGED = [
    {"status": ["finished"]},
    {"status": {"a": ESCAPES}},
    {"config": []},
    {"config": {"tasks": {"y": []}}},
    {"config": {"tasks": {"y": {"metric": {}}}}},
    {"metrics": {"val": {"y": {"rmse": "many"}}}},
    {"metrics": {"val": []}},
    {"shares": ["y"]},
    {"overrides": {"a": 1}},
    {"overrides": [["a"]]},
    {"objective": "low"},
    {"seed": {}},
]


@pytest.mark.parametrize("changed", DAMAGED, ids=str)
def test_summaries_of_others(mtl_train: MtlTrain, tmp_path: Path, changed: dict[str, Any]) -> None:
    for job in ("0", "1"):
        (tmp_path / "sweep" / job).mkdir(parents=True)
        content = summary(**changed) if job == "0" else summary()
        (tmp_path / "sweep" / job / "summary.json").write_text(json.dumps(content))
    (tmp_path / "sweep" / "multirun.yaml").touch()
    swept = mtl_train("report", "sweep")
    assert swept.status == 0, swept.err
    assert "2 jobs: 1 finished, 1 not finished yet" in swept.out
    single = mtl_train("report", "sweep/0")
    assert single.status == 2
    assert "can't be read" in single.err


def test_a_sweeps_tables_run_nothing(mtl_train: MtlTrain, tmp_path: Path) -> None:
    evil = "=cmd|' /C calc'!A1"
    for job, value in (("0", evil), ("1", f"<script>[x](javascript:1)`|{ESCAPES}"), ("=2", "-0.5"), ("3", "-1e3")):
        (tmp_path / "sweep" / job).mkdir(parents=True)
        content = summary(overrides=[f"{evil}={value}", "seed=0"], config_hash=job, error=ESCAPES)
        if job == "3":
            content["status"] = "failed"
        (tmp_path / "sweep" / job / "summary.json").write_text(json.dumps(content))
    (tmp_path / "sweep" / "multirun.yaml").touch()
    run = mtl_train("report", "sweep")
    assert run.status == 0, run.err
    assert not set("\x1b\x07\u202e") & set(run.out)
    table = (tmp_path / "sweep" / "sweep.csv").read_text()
    with (tmp_path / "sweep" / "sweep.csv").open() as file:
        rows = list(csv.reader(file))
    assert not [cell for row in rows for cell in row if cell[:1] in "=+@" and cell], table
    assert "-0.5" in [row[2] for row in rows] or "-0.5" in table
    text = (tmp_path / "sweep" / "sweep.md").read_text()
    assert "\x1b" not in text
    assert "\\<script>" in text
    assert "](" not in text


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 100_000, "NaN", '"x"'])
def test_json_that_is_no_summary(mtl_train: MtlTrain, tmp_path: Path, content: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "summary.json").write_text(content)
    run = mtl_train("report", "run")
    assert run.status == 2
    assert "the files in run can't be read" in run.err
