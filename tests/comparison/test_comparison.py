"""The comparison of a sweep's settings, against numbers computed from its folders in another way."""

import csv
import itertools
import re
import shlex
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from mtl_cli.comparison.files import SweepFolder
from mtl_cli.terminal.markdown import Grid
from tests.support.sweep_folders import BOTH, METRIC, cells, commands_of, grid, job, read, settings_of, shown, text


def test_the_table_of_settings_is_that_of_polars(tmp_path: Path) -> None:
    rows = pl.DataFrame(grid(tmp_path), infer_schema_length=None)
    report = SweepFolder(tmp_path).write()
    *found, naive = cells(report, "mean rank")
    assert [naive["left.weight"], naive["left accuracy"], naive["right rmse"]] == ["naive", "2", "1.5"]
    together = rows.filter(pl.col("alone").is_null())
    assert len(found) == 6
    means = together.group_by("weight", "rate").agg(pl.col("left", "right").mean())
    ranks = means.with_columns(
        rank=(pl.col("left").rank(descending=True) + pl.col("right").rank()) / 2,
    )
    alone = {task: rows.filter(pl.col("alone") == task).select("rate", "seed", b=task) for task in METRIC}
    paired = together.join(alone["left"], on=["rate", "seed"]).join(alone["right"], on=["rate", "seed"], suffix="_r")
    gains = paired.with_columns(
        gain=50 * ((pl.col("left") - pl.col("b")) / pl.col("b") - (pl.col("right") - pl.col("b_r")) / pl.col("b_r"))
    )
    for row in found:
        here = (pl.col("weight") == float(row["left.weight"])) & (pl.col("rate") == float(row["learning_rate"]))
        for heading, column in (("left accuracy", "left"), ("right rmse", "right"), ("val_loss", "objective")):
            expected = shown(together.filter(here)[column].to_list())
            assert read(row[heading]) == pytest.approx(expected, rel=0.05), heading
            assert read(row[heading])[0] == pytest.approx(expected[0], rel=3e-3), heading
        assert read(row["gain over single-task, %"]) == pytest.approx(
            shown(gains.filter(here)["gain"].to_list()), rel=0.05, abs=0.06
        )
        assert float(row["mean rank"]) == ranks.filter(here)["rank"].item()
        assert row["n"] == "4"
    points = {(w, r): (left, -right) for w, r, left, right in means.iter_rows()}
    front = {
        key for key, p in points.items() if not any(q != p and q[0] >= p[0] and q[1] >= p[1] for q in points.values())
    }
    starred = {(float(r["left.weight"]), float(r["learning_rate"])) for r in found if r["Pareto"] == "*"}
    assert starred == front
    assert 0 < len(front) < 6


def test_the_hypervolume_is_that_of_a_sum_over_rectangles(tmp_path: Path) -> None:
    rows = pl.DataFrame(grid(tmp_path), infer_schema_length=None).filter(pl.col("alone").is_null())
    means = rows.group_by("weight", "rate").agg(pl.col("left", "right").mean())
    left, right = means["left"].to_numpy(), means["right"].to_numpy()
    corner = left.min() - 0.1 * np.ptp(left), right.max() + 0.1 * np.ptp(right)
    edges = sorted({corner[0], *left})
    area = 0.0
    for a, b in itertools.pairwise(edges):
        area += (b - a) * max(corner[1] - right[left >= b].min(), 0)
    SweepFolder(tmp_path).write()
    said = (tmp_path / "sweep.md").read_text()
    volume, x, y = re.search(r"Hypervolume of the Pareto set (\S+), .*accuracy (\S+), right rmse (\S+):", said).groups()  # type: ignore[union-attr]
    assert float(volume) == pytest.approx(area, rel=1e-4)
    assert (float(x), float(y)) == pytest.approx(corner, rel=1e-4)


def test_the_best_setting_and_its_baselines_alone_are_on_test_rows(tmp_path: Path) -> None:
    rows = pl.DataFrame(grid(tmp_path), infer_schema_length=None)
    report = SweepFolder(tmp_path).write()
    together = rows.filter(pl.col("alone").is_null())
    weight, rate, _ = together.group_by("weight", "rate").agg(pl.col("objective").mean()).sort("objective").row(0)
    best = together.filter(pl.col("weight") == weight, pl.col("rate") == rate).sort("seed")
    of_task: dict[str, NDArray[np.float64]] = {}
    found = {row["task"]: row for row in cells(report, "together")}
    for task, of, sign in (("left", 1, 1), ("right", 3, -1)):
        alone = rows.filter(pl.col("alone") == task, pl.col("rate") == rate).sort("seed")[task].to_numpy() + 0.1
        ours = of - best[task].to_numpy()
        assert read(found[task]["together"]) == pytest.approx(shown(list(ours)), rel=0.05)
        assert read(found[task]["alone"]) == pytest.approx(shown(list(alone)), rel=0.05)
        of_task[task] = 100 * sign * (ours - alone) / alone
    assert [found[task]["naive"] for task in METRIC] == ["2", "1.5"]
    said = " ".join(text(report).split())
    number = r"(\S+) \+- ([\d.]+)"
    line = rf"alone on the test rows: gain over single-task, %: {number} \(left {number}, right {number}\);"
    numbers = re.search(line, said)
    assert numbers is not None
    left, right = of_task["left"], of_task["right"]
    expected = [number for of in ((left + right) / 2, left, right) for number in shown(list(of))]
    assert [float(each) for each in numbers.groups()] == pytest.approx(expected, rel=0.05)
    assert said.count("test left accuracy") == 0


def test_all_settings_are_on_test_rows_where_that_is_asked_for(tmp_path: Path) -> None:
    for i, (value, objective) in enumerate(((0.9, 2.0), (0.5, 1.0))):
        values = {"val": {"left": 0.1, "right": 1.0}, "test": {"left": value, "right": value}}
        job(tmp_path, i, [f"a={i}"], BOTH, values, objective=objective, sweep={"test_for_all": True})
    report = SweepFolder(tmp_path).write()
    assert [(row["a"], row["test left accuracy"]) for row in cells(report, "test left accuracy")] == [
        ("1", "0.5"), ("0", "0.9")
    ]  # fmt: skip
    assert "All settings on the test rows: not for choosing" in text(report)


def test_slices_are_means_over_the_rest(tmp_path: Path) -> None:
    rows = pl.DataFrame(grid(tmp_path), infer_schema_length=None).filter(pl.col("alone").is_null())
    found = cells(SweepFolder(tmp_path).write(), "left.weight \\ learning_rate")
    assert [row["left.weight \\ learning_rate"] for row in found] == ["0.2", "0.5", "0.8"]
    for row in found:
        for rate in ("0.001", "0.003"):
            here = (pl.col("weight") == float(row["left.weight \\ learning_rate"])) & (pl.col("rate") == float(rate))
            expected = shown(rows.filter(here)["objective"].to_list())
            assert read(row[rate]) == pytest.approx(expected, rel=0.05)


def test_the_baselines_have_a_table(tmp_path: Path) -> None:
    rows = pl.DataFrame(grid(tmp_path), infer_schema_length=None)
    found = cells(SweepFolder(tmp_path).write(), "metric")
    assert len(found) == 4
    for row in found:
        here = (pl.col("alone") == row["task"]) & (pl.col("rate") == float(row["learning_rate"]))
        expected = shown(rows.filter(here)[row["task"]].to_list())
        assert read(row["val"]) == pytest.approx(expected, rel=0.05)
        assert row["metric"] == METRIC[row["task"]]
        assert row["n"] == "4"


def test_a_baseline_that_hasnt_ended_is_none_of_the_settings(tmp_path: Path) -> None:
    """Its overrides tell: what is swept doesn't change when the baselines come to an end."""
    for seed in (0, 1):
        values = {"val": {"left": 0.5, "right": 2.0}}
        job(tmp_path, seed, [f"seed={seed}"], BOTH, values if seed else None, objective=0.5)
    job(tmp_path, 2, ["seed=0", "++tasks.left.weight=1.0", "++tasks.right.weight=0.0"], BOTH)
    job(tmp_path, 3, ["seed=0", "tasks.left.weight=0.0", "tasks.right.weight=0.5"], BOTH)
    report = SweepFolder(tmp_path).write()
    with (tmp_path / "sweep.csv").open() as file:
        assert [row["baseline"] for row in csv.DictReader(file)] == ["", "", "left", ""]
    assert report.comparison.keys == ["tasks.left.weight"]
    (tmp_path / "3" / ".hydra" / "overrides.yaml").unlink()
    assert SweepFolder(tmp_path).write().comparison.keys == []


def test_duplicates_count_once(tmp_path: Path) -> None:
    for i, name in enumerate(("x", "y")):
        job(tmp_path, i, [f"log.every={name}", "seed=0"], BOTH, {"val": {"left": 0.5, "right": 2.0}}, objective=0.5)
    job(tmp_path, 2, ["log.every=x", "seed=1"], BOTH, {"val": {"left": 0.7, "right": 2.0}}, objective=0.7)
    report = SweepFolder(tmp_path).write()
    assert [row["n"] for row in settings_of(report)] == ["2"]
    assert (tmp_path / "sweep.csv").read_text().count("\n") == 4
    assert "1 job with the config of another: counted once" in text(report)


def test_one_job_of_one_task(tmp_path: Path) -> None:
    """It trains a task alone, but there is nothing that it is the baseline of."""
    job(
        tmp_path,
        0,
        ["seed=3"],
        {"left": 1.0},
        {"val": {"left": 0.5}},
        objective=0.125,
        tasks={"left": {"metric": "auc"}},
    )
    report = SweepFolder(tmp_path).write()
    (row,) = settings_of(report)
    assert row == {"setting": "all", "n": "1", "left auc": "", "val_loss": "0.125"}
    assert [shlex.split(command) for command in commands_of(report)] == [["mtl-train", "seed=3"]]


def test_without_validation_the_training_loss_is_named_and_used(tmp_path: Path) -> None:
    for i, loss in enumerate((3.0, 2.0)):
        job(tmp_path, i, [f"a={i}"], BOTH, {"train": {"left": loss, "right": 1.0}})
    report = SweepFolder(tmp_path).write()
    assert [(row["train_loss"], row["difference"]) for row in settings_of(report)] == [("1.5", "best"), ("2", "+0.5")]
    assert {"left loss", "right loss"} <= settings_of(report)[0].keys()
    assert "no validation split" in text(report)
    assert "One seed: no interval, so no difference can be told; the best train_loss is that of a=1." in " ".join(
        text(report).split()
    )
    assert commands_of(report) == ["mtl-train a=1"]


def test_more_is_better_by_the_objectives_name(tmp_path: Path) -> None:
    for i, value in enumerate((0.5, 0.9)):
        values = {"val": {"left": value, "right": 1.0}}
        job(tmp_path, i, [f"a={i}"], BOTH, values, objective=value, objective_name="val/left/accuracy")
    report = SweepFolder(tmp_path).write()
    assert [(row["a"], row["difference"]) for row in settings_of(report)] == [("1", "best"), ("0", "-0.4")]


def test_group_choices_are_swept_keys_and_defaults_are_filled_in(tmp_path: Path) -> None:
    """A key that some jobs leave as it is has their config's value, a group its choice's name."""
    value = {"val": {"left": 0.5, "right": 1.0}}
    job(tmp_path, 0, ["mode=joint"], BOTH, value, objective=0.3)
    job(tmp_path, 1, ["mode=alternating"], BOTH, value, objective=0.2, mode={"name": "alternating"})
    job(tmp_path, 2, ["optimizer.learning_rate=0.01"], BOTH, value, objective=0.1, optimizer={"learning_rate": 0.01})
    report = SweepFolder(tmp_path).write()
    found = [(row["mode"], row["learning_rate"], row["val_loss"]) for row in settings_of(report)]
    assert found == [("joint", "0.01", "0.1"), ("alternating", "0.001", "0.2"), ("joint", "0.001", "0.3")]


def test_a_seed_of_the_split_that_goes_with_the_seed_is_a_repetition(tmp_path: Path) -> None:
    for i, (seed, split) in enumerate(itertools.product((0, 1), (5, 6))):
        words = [f"seed={seed}", f"data.split_seed={split}", "a='x y'"]
        data = {"name": "digits", "split_seed": split}
        job(tmp_path, i, words, BOTH, {"val": {"left": 0.5 + i, "right": 1.0}}, objective=1.0 + i, data=data)
    report = SweepFolder(tmp_path).write()
    assert [row["n"] for row in settings_of(report)] == ["4"]
    assert "data.split_seed" in (tmp_path / "sweep.csv").read_text().splitlines()[0].split(",")
    assert shlex.split(commands_of(report)[1]) == ["mtl-train", "-m", "a='x y'", "seed=0,1", "data.split_seed=5,6"]


def test_seeds_that_go_in_pairs_take_several_commands(tmp_path: Path) -> None:
    """One would train all combinations of them."""
    for i, (seed, split) in enumerate(((0, 5), (1, 6))):
        words, data = [f"seed={seed}", f"data.split_seed={split}"], {"name": "digits", "split_seed": split}
        job(tmp_path, i, words, BOTH, {"val": {"left": 0.5 + i, "right": 1.0}}, objective=1.0 + i, data=data)
    (command,) = commands_of(SweepFolder(tmp_path).write())
    assert command == "mtl-train seed=0 data.split_seed=5"


def test_a_task_without_a_share_has_no_results(tmp_path: Path) -> None:
    """Its head was never trained, so it says nothing of the setting, which is compared in nothing that needs it."""
    metric = {"a": "auc", "b": "auc", "c": "auc"}
    values = {"val": {"a": 0.7, "b": 0.8, "c": 0.9}}
    for i, (first, second) in enumerate(itertools.product((0.0, 0.2), (1, 2))):
        shares = {"a": 0.5, "b": 0.5, "c": first}
        words = [f"tasks.c.weight={first}", f"k={second}"]
        job(tmp_path, i, words, shares, values, metric=metric, objective=1.0 + first)
    report = SweepFolder(tmp_path).write()
    found = settings_of(report)
    assert [row["c auc"] for row in found] == ["0.9", "0.9", "", ""]
    assert [row["Pareto"] for row in found] == ["*", "*", "", ""]
    assert [row["difference"] for row in found] == ["best", "0", "", ""]
    headings = [block.headings[0] for block in report.blocks if isinstance(block, Grid)]
    assert "c.weight \\ k" not in headings, "one weight only trains all tasks"


def test_settings_with_different_objectives_have_no_best(tmp_path: Path) -> None:
    for i, name in enumerate(("val_loss", "val/left/accuracy")):
        values = {"val": {"left": 0.5, "right": 1.0}}
        job(tmp_path, i, [f"objective={name}"], BOTH, values, objective=1.0, objective_name=name)
    report = SweepFolder(tmp_path).write()
    assert "difference" not in settings_of(report)[0]
    assert "none of the settings is called the best" in " ".join(text(report).split())
    assert (tmp_path / "sweep.csv").read_text().startswith("job,status,config.objective,seed,objective,")


def test_the_naive_objective_is_a_mean_over_tasks_and_repeats(tmp_path: Path) -> None:
    """Repeats are seeds on splits: the same seed on another split is another one."""
    for i, (seed, split, left_one) in enumerate(((0, 5, 1.0), (0, 6, 2.0), (1, 5, 6.0))):
        words = [f"seed={seed}", f"data.split_seed={split}"]
        both = {"left": left_one, "right": 4.0}
        job(tmp_path, i, words, BOTH, {"val": both}, objective=1.0, naive={"val": both},
            data={"name": "digits", "split_seed": split})  # fmt: skip
    answer = SweepFolder(tmp_path).write().comparison
    assert answer.naive_objective == pytest.approx(((1 + 2 + 6) / 3 + 4.0) / 2)
