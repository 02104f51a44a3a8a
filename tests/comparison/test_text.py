"""What is said of a sweep: the best setting, its command, and tables that fit."""

import itertools
import shlex
from pathlib import Path

import polars as pl
import pytest
import scipy.stats
import yaml

from mtl_cli.comparison.columns import GAIN
from mtl_cli.comparison.files import SweepFolder
from mtl_cli.terminal.markdown import CodeBlock, Grid
from tests.support.sweep_folders import BOTH, cells, commands_of, grid, job, read, settings_of, text


def test_the_best_setting_and_the_command_that_trains_it(tmp_path: Path) -> None:
    rows = pl.DataFrame(grid(tmp_path), infer_schema_length=None).filter(pl.col("alone").is_null())
    report = SweepFolder(tmp_path).write()
    means = rows.group_by("weight", "rate").agg(pl.col("objective").mean()).sort("objective")
    weight, rate, _ = means.row(0)
    own = rows.filter((pl.col("weight") == weight) & (pl.col("rate") == rate)).sort("objective")
    commands = [block.text for block in report.blocks if isinstance(block, CodeBlock)]
    words = [f"tasks.left.weight={weight}", f"optimizer.learning_rate={rate}"]
    assert shlex.split(commands[0]) == ["mtl-train", *words, f"seed={own['seed'][1]}", "steps=9"]  # the middle seed
    assert shlex.split(commands[1]) == ["mtl-train", "-m", *words, "steps=9", "seed=0,1,2,3"]
    *found, _ = cells(report, "difference")
    keys = [(float(row["left.weight"]), float(row["learning_rate"])) for row in found]
    assert keys == [(w, r) for w, r, _ in means.iter_rows()]  # the best one first
    objective = {
        (w, r): dict(of.select("seed", "objective").iter_rows()) for (w, r), of in rows.group_by("weight", "rate")
    }
    tied = 0
    assert found[0]["difference"] == "best"
    for key, row in zip(keys[1:], found[1:], strict=True):
        ours, theirs = objective[weight, rate], objective[key]
        low, high = scipy.stats.ttest_rel([theirs[s] for s in ours], list(ours.values())).confidence_interval()
        assert read(row["difference"]) == pytest.approx(((low + high) / 2, (high - low) / 2), rel=0.05)
        tied += low <= 0 <= high
    assert 0 < tied < 5
    said = report.blocks[0].text  # type: ignore[union-attr]
    assert said.startswith("With 4 seeds no difference between ")
    assert said.partition(" can be told in val_loss; ")[0].count("left.weight=") == tied + 1


EXPLAINED = {
    "train_loss": "train_loss: the mean over the tasks",
    "mean rank": "Mean rank: ",
    "Pareto": "Pareto *: ",
    "difference": "difference: by how much ",
    GAIN: f"{GAIN}: Delta m",
}


@pytest.mark.parametrize(
    ("settings", "tasks", "split", "columns"),
    [
        (1, ["left"], "val", set()),
        (2, ["left"], "val", {"difference"}),
        (1, ["left", "right"], "val", {"mean rank", "Pareto"}),
        (2, ["left", "right"], "train", {"train_loss", "mean rank", "Pareto", "difference"}),
    ],
)
def test_the_columns_that_there_are_are_explained_and_no_others(
    tmp_path: Path, settings: int, tasks: list[str], split: str, columns: set[str]
) -> None:
    for i in range(settings):
        values, objective = {split: dict.fromkeys(tasks, 0.5 + i)}, 1.0 + i if split == "val" else None
        job(tmp_path, i, [f"a={i}"], dict.fromkeys(tasks, 0.5), values, objective=objective)
    report = SweepFolder(tmp_path).write()
    assert {*settings_of(report)[0]} & {*EXPLAINED} == columns
    said = " ".join(text(report).split())
    assert {heading for heading, words in EXPLAINED.items() if words in said} == columns


def test_the_single_tasks_of_each_setting_of_theirs_are_named(tmp_path: Path) -> None:
    rows = [row for row in grid(tmp_path) if row["alone"]]
    report = SweepFolder(tmp_path).write()
    alone = next(block for block in report.blocks if isinstance(block, Grid) and block.headings[0] == "task")
    assert {tuple(row[: alone.names]) for row in alone.rows} == {(row["alone"], str(row["rate"])) for row in rows}
    assert EXPLAINED[GAIN] in " ".join(text(report).split())


def test_the_command_names_what_the_first_one_did(tmp_path: Path) -> None:
    """Folders of configs, another main config, and a grid that is in the configs."""
    made = job(tmp_path, 0, ["sweep=mine"], BOTH, {"val": {"left": 0.5, "right": 1.0}}, objective=1.0)
    sources = [{"path": "hydra.conf", "provider": "hydra"}, {"path": "/my confs", "provider": "command-line"}]
    settings = {
        "runtime": {"config_sources": sources},
        "job": {"config_name": "other"},
        "sweeper": {"params": {"a": 1}},
    }
    (made / ".hydra" / "hydra.yaml").write_text(yaml.safe_dump({"hydra": settings}))
    (command,) = commands_of(SweepFolder(tmp_path).write())
    expected = ["mtl-train", "sweep=mine", "--config-dir", "/my confs", "-cn", "other", "hydra.mode=RUN"]
    assert shlex.split(command) == expected


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_wide_sweep_fits_80_columns_and_a_screen(tmp_path: Path, sign: int) -> None:
    """The settings that are shown are the best ones, whether less is better or more."""
    tasks = [f"a_task_with_a_long_name_{i}" for i in range(6)]
    metric = dict.fromkeys(tasks, "rmse")
    shares = dict.fromkeys(tasks, 1 / 6)
    for i in range(100):
        values = {"val": {task: i + k + 0.5 for k, task in enumerate(tasks)}}
        words = [f"optimizer.learning_rate={i}", f"model.shared_layers=[{i},{i}]"]
        name = f"val/{tasks[0]}/{'rmse' if sign < 0 else 'accuracy'}"
        job(tmp_path, i, words, shares, values, metric=metric, objective=sign * float(i), objective_name=name)
    report = SweepFolder(tmp_path).write()
    lines = text(report).splitlines()
    assert max(len(line) for line in lines if not line.startswith("  mtl-train")) <= 80
    assert len(lines) < 280
    assert "and 80 more, in sweep.md" in lines
    assert "[99,99]" in text(report)
    assert "[3,3]" not in text(report)
    headings = " ".join(line for line, below in itertools.pairwise(lines) if "───" in below)
    assert all(f"{task} rmse" in headings for task in tasks)  # in one piece
    assert (tmp_path / "sweep.md").read_text().count("\n| ") > 100
    assert "Left out for their length" in text(report)


@pytest.mark.parametrize(
    ("name", "split_seed", "seed"),
    [("val/left/accuracy", 0, 1), ("val_loss", 0, 0), ("val/left/accuracy", None, 2), ("val_loss", None, 2)],
)
def test_the_command_trains_the_best_setting_with_a_seed_that_is_no_luck(
    tmp_path: Path, name: str, split_seed: int | None, seed: int
) -> None:
    """The best seed where all have the same rows; the middle one where each has its own, as the best has easy rows."""
    for i, value in enumerate((0.2, 0.8, 0.5)):
        values, data = {"val": {"left": value, "right": 1.0}}, {"name": "digits", "split_seed": split_seed}
        job(tmp_path, i, [f"seed={i}"], BOTH, values, objective=value, objective_name=name, data=data)
    report = SweepFolder(tmp_path).write()
    assert commands_of(report)[0] == f"mtl-train seed={seed}"
    which = "its best seed" if split_seed == 0 else "the seed in the middle (each has its own split)"
    assert f"This trains it with {which}, {seed}, again (job {seed}):" in " ".join(text(report).split())
