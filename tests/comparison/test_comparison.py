"""The tables of a sweep, against numbers computed from its folders in another way."""

import csv
import itertools
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.stats
import yaml
from rich.console import Console

from mtl_cli.comparison import results
from mtl_cli.comparison.files import Report, SweepFolder, is_sweep, print_report
from mtl_cli.terminal.markdown import Command, Grid, show

METRIC = {"left": "accuracy", "right": "rmse"}
"""Two tasks: of one more is better, of the other less."""
Json = dict[str, Any]


def config_of(
    seed: int, shares: Mapping[str, float], metric: Mapping[str, str], objective_name: str = "val_loss", **changed: Any
) -> Json:
    tasks = {task: {"metric": metric[task], "weight": share, "prob": 0.5} for task, share in shares.items()}
    config = {"name": "mtl", "seed": seed, "tasks": tasks, "data": {"name": "digits", "split_seed": None}}
    groups = {"mode": {"name": "joint"}, "weighting": {"name": "fixed"}, "optimizer": {"learning_rate": 0.001}}
    return config | groups | {"objective": objective_name} | changed


def job(
    folder: Path,
    number: int | str,
    overrides: Sequence[str],
    shares: Mapping[str, float],
    values: Mapping[str, Mapping[str, float | None]] | None = None,
    *,
    metric: Mapping[str, str] = METRIC,
    status: str = "finished",
    **changed: Any,
) -> Path:
    """Makes the folder of a job; `values` are {split: {task: main metric}}, without them the job is unfinished."""
    inner = folder / str(number)
    (inner / ".hydra").mkdir(parents=True)
    (inner / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(list(overrides)))
    if values is not None:
        seed = int(next((word[5:] for word in overrides if word.startswith("seed=")), "0"))
        objective, error = changed.pop("objective", None), changed.pop("error", None)
        naive = changed.pop("naive", {})
        config = config_of(seed, shares, metric, **changed)
        metrics, of_naive = (
            {
                split: {task: {"loss": value, metric[task]: value} for task, value in of.items()}
                for split, of in given.items()
            }
            for given in (values, naive)
        )
        content = {
            "status": status, "error": error, "seconds": 1.5, "seed": seed, "shares": shares,
            "objective": objective, "metrics": metrics, "naive": of_naive, "overrides": list(overrides),
            "config": config,
            "config_hash": json.dumps([config, [word for word in overrides if "log." not in word]], sort_keys=True),
        }  # fmt: skip
        (inner / "summary.json").write_text(json.dumps(content))
    return inner


def grid(folder: Path, seeds: int = 4) -> list[Json]:
    """Makes a sweep of three weights x two learning rates x seeds with its baselines, and returns its numbers."""
    draw = np.random.default_rng(0)
    rows: list[Json] = []
    numbers = itertools.count()
    for rate, seed in itertools.product((0.001, 0.003), range(seeds)):
        optimizer = {"learning_rate": rate}
        for weight in (0.2, 0.5, 0.8):
            left, right = 0.7 + 0.2 * weight + 0.05 * draw.random(), 1 + weight + 0.2 * draw.random()
            objective = (weight - 0.5) ** 2 + rate + 0.02 * draw.random()
            words = [f"tasks.left.weight={weight}", f"optimizer.learning_rate={rate}", f"seed={seed}", "steps=9"]
            number = next(numbers)
            tested = {"left": 1 - left, "right": 3 - right}  # the other way round: it decides nothing
            values = {"val": {"left": left, "right": right}, "test": tested}
            shares = {"left": weight, "right": 1 - weight}
            naive = {split: {"left": 0.5 + seed, "right": 1.5} for split in values}
            job(folder, number, words, shares, values, optimizer=optimizer, objective=objective, naive=naive)
            rows.append({"job": number, "weight": weight, "rate": rate, "seed": seed, "left": left, "right": right,
                         "objective": objective, "alone": None})  # fmt: skip
        for task in METRIC:
            value = 0.75 + 0.05 * draw.random() if task == "left" else 1.4 + 0.1 * draw.random()
            words = [f"tasks.{t}.weight={int(t == task)}" for t in METRIC]
            words += [f"optimizer.learning_rate={rate}", f"seed={seed}", "steps=9"]
            number, shares = next(numbers), {t: float(t == task) for t in METRIC}
            values = {split: {t: value + add if t == task else 77.0 for t in METRIC}
                      for split, add in (("val", 0.0), ("test", 0.1))}  # fmt: skip
            job(folder, number, words, shares, values, optimizer=optimizer, objective=0.0, weighting={"name": "x"})
            rows.append({"job": number, "weight": None, "rate": rate, "seed": seed, "left": None, "right": None,
                         "objective": None, "alone": task, task: value})  # fmt: skip
    return rows


def cells(report: Report, heading: str) -> list[dict[str, str]]:
    """Returns the rows of the first table with such a heading."""
    for block in report.blocks:
        if isinstance(block, Grid) and heading in block.headings:
            return [dict(zip(block.headings, row, strict=True)) for row in block.rows]
    raise AssertionError(f"no table has {heading}")


def text(report: Report) -> str:
    """Returns what a pipe gets."""
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        print_report(report, console)
    return captured.get()


def shown(values: Sequence[float]) -> tuple[float, float]:
    half = scipy.stats.t.ppf(0.975, len(values) - 1) * scipy.stats.sem(values)
    return float(np.mean(values)), float(half)


def read(cell: str) -> tuple[float, float]:
    mean, half = re.fullmatch(r"(\S+) \+- (\S+)", cell).groups()  # type: ignore[union-attr]
    return float(mean), float(half)


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
        here = (pl.col("weight") == float(row["left.weight"])) & (
            pl.col("rate") == float(row["optimizer.learning_rate"])
        )
        for heading, column in (("left accuracy", "left"), ("right rmse", "right"), ("val_loss", "objective")):
            expected = shown(together.filter(here)[column].to_list())
            assert read(row[heading]) == pytest.approx(expected, rel=0.05), heading
            assert read(row[heading])[0] == pytest.approx(expected[0], rel=3e-3), heading
        assert read(row["delta_m_gain_%"]) == pytest.approx(
            shown(gains.filter(here)["gain"].to_list()), rel=0.05, abs=0.06
        )
        assert float(row["mean rank"]) == ranks.filter(here)["rank"].item()
        assert row["n"] == "4"
    points = {(w, r): (left, -right) for w, r, left, right in means.iter_rows()}
    front = {
        key for key, p in points.items() if not any(q != p and q[0] >= p[0] and q[1] >= p[1] for q in points.values())
    }
    starred = {(float(r["left.weight"]), float(r["optimizer.learning_rate"])) for r in found if r["Pareto"] == "*"}
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


def test_sweep_csv_has_a_row_a_job_and_every_number(tmp_path: Path) -> None:
    rows = grid(tmp_path, seeds=3)
    SweepFolder(tmp_path).write()
    with (tmp_path / "sweep.csv").open() as file:
        found = list(csv.DictReader(file))
    assert list(found[0]) == [
        "job", "status", "tasks.left.weight", "optimizer.learning_rate", "seed", "objective", "val_left_loss",
        "val_left_accuracy", "val_right_loss", "val_right_rmse", "test_left_loss", "test_left_accuracy",
        "test_right_loss", "test_right_rmse", "seconds", "baseline",
    ]  # fmt: skip
    assert [int(row["job"]) for row in found] == list(range(len(rows)))  # 10 comes after 9
    for row, expected in zip(found, rows, strict=True):
        assert row["status"] == "finished"
        assert row["baseline"] == (expected["alone"] or "")
        assert int(row["seed"]) == expected["seed"]
        assert float(row["seconds"]) == 1.5
        if expected["alone"] is None:
            assert float(row["val_left_accuracy"]) == expected["left"]  # to the last bit
            assert float(row["objective"]) == expected["objective"]
            assert row["tasks.left.weight"] == str(expected["weight"])


def test_the_best_setting_and_the_command_that_trains_it(tmp_path: Path) -> None:
    rows = pl.DataFrame(grid(tmp_path), infer_schema_length=None).filter(pl.col("alone").is_null())
    report = SweepFolder(tmp_path).write()
    means = rows.group_by("weight", "rate").agg(pl.col("objective").mean()).sort("objective")
    weight, rate, _ = means.row(0)
    own = rows.filter((pl.col("weight") == weight) & (pl.col("rate") == rate)).sort("objective")
    commands = [block.text for block in report.blocks if isinstance(block, Command)]
    words = [f"tasks.left.weight={weight}", f"optimizer.learning_rate={rate}"]
    assert shlex.split(commands[0]) == ["mtl-train", *words, f"seed={own['seed'][0]}", "steps=9"]
    assert shlex.split(commands[1]) == ["mtl-train", "-m", *words, "steps=9", "seed=0,1,2,3"]
    *found, _ = cells(report, "difference")
    keys = [(float(row["left.weight"]), float(row["optimizer.learning_rate"])) for row in found]
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


def test_the_best_setting_and_its_baselines_alone_are_on_test_rows(tmp_path: Path) -> None:
    rows = pl.DataFrame(grid(tmp_path), infer_schema_length=None)
    report = SweepFolder(tmp_path).write()
    together = rows.filter(pl.col("alone").is_null())
    weight, rate, _ = together.group_by("weight", "rate").agg(pl.col("objective").mean()).sort("objective").row(0)
    best = together.filter(pl.col("weight") == weight, pl.col("rate") == rate).sort("seed")
    gains = np.zeros(4)
    found = {row["task"]: row for row in cells(report, "together")}
    for task, of, sign in (("left", 1, 1), ("right", 3, -1)):
        alone = rows.filter(pl.col("alone") == task, pl.col("rate") == rate).sort("seed")[task].to_numpy() + 0.1
        ours = of - best[task].to_numpy()
        assert read(found[task]["together"]) == pytest.approx(shown(list(ours)), rel=0.05)
        assert read(found[task]["alone"]) == pytest.approx(shown(list(alone)), rel=0.05)
        gains += 50 * sign * (ours - alone) / alone
    assert [found[task]["naive"] for task in METRIC] == ["2", "1.5"]
    said = " ".join(text(report).split())
    mean, half = re.search(r"alone on the test rows: delta_m_gain_% (\S+) \+- ([\d.]+):", said).groups()  # type: ignore[union-attr]
    assert (float(mean), float(half)) == pytest.approx(shown(list(gains)), rel=0.05)
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
    found = cells(SweepFolder(tmp_path).write(), "left.weight \\ optimizer.learning_rate")
    assert [row["left.weight \\ optimizer.learning_rate"] for row in found] == ["0.2", "0.5", "0.8"]
    for row in found:
        for rate in ("0.001", "0.003"):
            here = (pl.col("weight") == float(row["left.weight \\ optimizer.learning_rate"])) & (
                pl.col("rate") == float(rate)
            )
            expected = shown(rows.filter(here)["objective"].to_list())
            assert read(row[rate]) == pytest.approx(expected, rel=0.05)


def test_the_baselines_have_a_table(tmp_path: Path) -> None:
    rows = pl.DataFrame(grid(tmp_path), infer_schema_length=None)
    found = cells(SweepFolder(tmp_path).write(), "metric")
    assert len(found) == 4
    for row in found:
        here = (pl.col("alone") == row["task"]) & (pl.col("rate") == float(row["optimizer.learning_rate"]))
        expected = shown(rows.filter(here)[row["task"]].to_list())
        assert read(row["val"]) == pytest.approx(expected, rel=0.05)
        assert row["metric"] == METRIC[row["task"]]
        assert row["n"] == "4"


def test_a_change_to_one_of_a_thousand_jobs_reads_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_files: list[Path] = []
    reading = results._read

    def counted(name: str, file: Path) -> results.Result:
        read_files.append(file)
        return reading(name, file)

    monkeypatch.setattr(results, "_read", counted)
    both = {"left": 0.5, "right": 0.5}
    for i in range(1000):
        values = {"val": {"left": 0.1, "right": 0.2}} if i < 900 else None
        job(tmp_path, i, [f"seed={i // 10}", f"optimizer.learning_rate={i % 10}"], both, values, objective=1.0)
    folder = SweepFolder(tmp_path)
    folder.write()
    assert len(read_files) == 1000
    read_files.clear()
    folder.write()
    assert not read_files
    other = job(tmp_path / "elsewhere", 950, ["seed=95"], both, {"val": {"left": 0.3, "right": 0.2}}, objective=0.5)
    (other / "summary.json").replace(tmp_path / "950" / "summary.json")
    report = folder.write()
    assert [file.relative_to(tmp_path).as_posix() for file in read_files if "elsewhere" not in file.parts] == [
        "950/summary.json"
    ]
    assert report.answer.count("finished") == 901
    with (tmp_path / "sweep.csv").open() as file:
        assert [row["status"] for row in csv.DictReader(file)].count("finished") == 901
    assert not list(tmp_path.glob("*.partial")) + list(tmp_path.glob(".*.partial"))


def settings_of(report: Report) -> list[dict[str, str]]:
    return cells(report, "n")


BOTH = {"left": 0.5, "right": 0.5}


def test_unfinished_and_failed_jobs_are_listed_and_dont_count(tmp_path: Path) -> None:
    job(tmp_path, 0, ["a=1", "seed=0"], BOTH, {"val": {"left": 0.5, "right": 2.0}}, objective=0.25)
    job(tmp_path, 1, ["a=1", "seed=1"], BOTH, {}, status="failed", error="diverged|\n\x1b[31mnow" + "!" * 500)
    job(tmp_path, 2, ["a=2", "seed=0"], BOTH, {"val": {"left": 0.9, "right": 0.1}}, status="stopped", objective=0.01)
    job(tmp_path, 3, ["a=2", "seed=1"], BOTH)
    (tmp_path / "3" / ".hydra" / "overrides.yaml").write_text("- a=2\n- 'seed=1'\n")
    report = SweepFolder(tmp_path).write()
    assert [(row["a"], row["n"], row["failed"], row["val_loss"]) for row in settings_of(report)] == [
        ("1", "1", "1", "0.25")
    ]
    with (tmp_path / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["status"], row["a"], row["seed"]) for row in rows] == [
        ("finished", "1", "0"), ("failed", "1", "1"), ("stopped", "2", "0"), ("unfinished", "2", "1")
    ]  # fmt: skip
    said = (tmp_path / "sweep.md").read_text()
    assert "4 jobs: 1 finished, 1 failed, 1 stopped, 1 not finished yet." in said
    assert re.search(r"^\| 1 \| a=1 seed=1 \| diverged\\\| \S*x1b\S*31mnow!+\.\.\. \|$", said, re.MULTILINE)
    assert re.fullmatch(r"[^\x00-\x09\x0b-\x1f\x7f]*", said + text(report))
    assert len(commands_of(report)) == 1


def commands_of(report: Report) -> list[str]:
    return [block.text for block in report.blocks if isinstance(block, Command)]


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
    assert report.answer.keys == ["tasks.left.weight"]
    (tmp_path / "3" / ".hydra" / "overrides.yaml").unlink()
    assert SweepFolder(tmp_path).write().answer.keys == []


def test_duplicates_count_once(tmp_path: Path) -> None:
    for i, name in enumerate(("x", "y")):
        job(tmp_path, i, [f"log.every={name}", "seed=0"], BOTH, {"val": {"left": 0.5, "right": 2.0}}, objective=0.5)
    job(tmp_path, 2, ["log.every=x", "seed=1"], BOTH, {"val": {"left": 0.7, "right": 2.0}}, objective=0.7)
    report = SweepFolder(tmp_path).write()
    assert [row["n"] for row in settings_of(report)] == ["2"]
    assert (tmp_path / "sweep.csv").read_text().count("\n") == 4
    assert "1 job with the config of another: counted once" in text(report)


@pytest.mark.parametrize("status", ["failed", None])
def test_a_sweep_without_a_finished_job(tmp_path: Path, status: str | None) -> None:
    for i in range(2):
        job(tmp_path, i, [f"a={i}"], BOTH, None if status is None else {}, status=status or "", error="broken")
    report = SweepFolder(tmp_path).write()
    assert "nothing to compare" in text(report)
    assert not commands_of(report)
    assert (tmp_path / "sweep.csv").read_text().splitlines()[0] == "job,status,a,seed,objective,seconds,baseline"


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


def test_missing_metrics_and_baselines_of_zero_leave_cells_empty(tmp_path: Path) -> None:
    job(tmp_path, 0, ["a=0"], BOTH, {"val": {"left": None, "right": 1.0}}, objective=0.5)
    job(tmp_path, 1, ["a=1"], BOTH, {"val": {"left": 0.5, "right": 1.0}}, objective=None)
    for i, task in enumerate(METRIC, 2):
        job(tmp_path, i, [f"a={i}"], {t: float(t == task) for t in METRIC}, {"val": {task: 0.0}}, objective=0.1)
    report = SweepFolder(tmp_path).write()
    first, second = settings_of(report)
    place = "left accuracy"
    assert (first[place], first["mean rank"], first["Pareto"], first["difference"]) == ("", "", "", "best")
    assert (second[place], second["mean rank"], second["Pareto"], second["val_loss"]) == ("0.5", "1", "*", "")
    assert (first["delta_m_gain_%"], second["delta_m_gain_%"]) == ("", "")
    assert "a baseline is missing, or 0" in " ".join(text(report).split())
    assert "nan" not in (tmp_path / "sweep.csv").read_text() + (tmp_path / "sweep.md").read_text()


def test_columns_of_tasks_whose_names_run_together_are_told_apart(tmp_path: Path) -> None:
    metric = {"a": "log_loss", "a_log": "accuracy"}
    job(tmp_path, 0, ["seed=0"], dict.fromkeys(metric, 0.5), {"val": {"a": 0.1, "a_log": 0.2}}, metric=metric)
    SweepFolder(tmp_path).write()
    with (tmp_path / "sweep.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["val/a/log_loss"], row["val/a_log/loss"]) == ("0.1", "0.2")
    assert (row["val_a_loss"], row["val_a_log_accuracy"]) == ("0.1", "0.2")


def test_group_choices_are_swept_keys_and_defaults_are_filled_in(tmp_path: Path) -> None:
    """A key that some jobs leave as it is has their config's value, a group its choice's name."""
    value = {"val": {"left": 0.5, "right": 1.0}}
    job(tmp_path, 0, ["mode=joint"], BOTH, value, objective=0.3)
    job(tmp_path, 1, ["mode=alternating"], BOTH, value, objective=0.2, mode={"name": "alternating"})
    job(tmp_path, 2, ["optimizer.learning_rate=0.01"], BOTH, value, objective=0.1, optimizer={"learning_rate": 0.01})
    report = SweepFolder(tmp_path).write()
    found = [(row["mode"], row["optimizer.learning_rate"], row["val_loss"]) for row in settings_of(report)]
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


def test_jobs_may_be_deeper_and_other_folders_are_none(tmp_path: Path) -> None:
    job(tmp_path / "optimizer", "schedule=cosine", ["optimizer/schedule=cosine"], BOTH)
    (tmp_path / "notes").mkdir()
    report = SweepFolder(tmp_path).write()
    assert [result.name for result in report.answer.results] == ["optimizer/schedule=cosine"]
    assert is_sweep(tmp_path)
    assert not is_sweep(tmp_path / "notes")
    assert not is_sweep(tmp_path / "optimizer" / "schedule=cosine")


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


@pytest.mark.parametrize("width", range(30, 60))
def test_no_heading_of_a_table_is_broken(width: int) -> None:
    headings = ["name", *("x" * k for k in range(4, 20))]
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        show([Grid(headings, [["y"] * len(headings)], 1)], console)
    shown_headings = [word for line in captured.get().splitlines() if "x" in line for word in line.split()]
    assert [word for word in shown_headings if word != "name"] == headings[1:]


@pytest.mark.parametrize(
    ("seeds", "values", "said"),
    [
        (1, {"fixed": [1.0], "pcgrad": [2.0]},
            "One seed: no interval, so no difference can be told; the best val_loss is that of fixed."),
        (2, {"fixed": [1.0, 2.0], "pcgrad": [1.1, 2.3]},
            "With 2 seeds no difference between fixed and pcgrad can be told in val_loss. Two seeds make an interval "
            "that is hardly worth its name; take five or more."),
        (3, {"fixed": [1.0, 2.0, 3.0], "pcgrad": [1.1, 1.9, 3.1], "cagrad": [1.0, 2.1, 2.9]},
            "With 3 seeds no difference between fixed, cagrad and pcgrad can be told in val_loss."),
        (3, {"fixed": [1.0, 2.0, 3.0], "pcgrad": [1.1, 2.11, 3.12], "cagrad": [1.0, 2.1, 2.95]},
            "With 3 seeds no difference between fixed and cagrad can be told in val_loss; pcgrad is worse."),
        (3, {"fixed": [1.0, 2.0, 3.0], "pcgrad": [1.1, 2.11, 3.12]},
            "With 3 seeds the best val_loss is that of fixed, and that differs from each of the others."),
    ],
)  # fmt: skip
def test_the_verdict_comes_first(tmp_path: Path, seeds: int, values: dict[str, list[float]], said: str) -> None:
    for i, ((name, of), seed) in enumerate(itertools.product(values.items(), range(seeds))):
        job(tmp_path, i, [f"weighting={name}", f"seed={seed}"], BOTH, {"val": {"left": 0.5, "right": 1.0}},
            objective=of[seed], weighting={"name": name})  # fmt: skip
    report = SweepFolder(tmp_path).write()
    assert report.blocks[0].text == said  # type: ignore[union-attr]
    assert (tmp_path / "sweep.md").read_text().startswith(f"# Sweep\n\n{said}\n")


def test_settings_are_paired_by_both_seeds(tmp_path: Path) -> None:
    """The same seed on another split of the rows is another pair."""
    numbers = itertools.count()
    for a, add in ((0, 0.0), (1, 0.1)):
        for seed, split in itertools.product((0, 1), (5, 6)):
            words = [f"a={a}", f"seed={seed}", f"data.split_seed={split}"]
            value = 10.0 * split + seed + add + 0.01 * (a and split)
            job(tmp_path, next(numbers), words, BOTH, {"val": {"left": 0.5, "right": 1.0}}, objective=value,
                data={"name": "digits", "split_seed": split})  # fmt: skip
    report = SweepFolder(tmp_path).write()
    expected = shown([0.15, 0.16, 0.15, 0.16])
    assert read(settings_of(report)[1]["difference"]) == pytest.approx(expected, rel=0.05)
    assert "Each seed has its own split of the rows" in " ".join(text(report).split())


@pytest.mark.parametrize("split", [None, 5])
def test_whether_seeds_have_their_own_splits_is_said(tmp_path: Path, split: int | None) -> None:
    for seed in range(2):
        job(tmp_path, seed, [f"seed={seed}"], BOTH, {"val": {"left": 0.5, "right": 1.0}}, objective=1.0 + seed,
            data={"name": "digits", "split_seed": split})  # fmt: skip
    said = " ".join(text(SweepFolder(tmp_path).write()).split())
    assert ("Each seed has its own split of the rows" in said) == (split is None)
    assert ("All seeds have the same split of the rows" in said) == (split is not None)


def test_the_verdict_counts_the_seeds_that_all_have_in_common(tmp_path: Path) -> None:
    given = {"fixed": [1.0, 2.0, 3.0], "pcgrad": [1.1, 2.11, 3.12], "cagrad": [1.0, 2.1]}
    numbers = iter(range(99))
    for name, of in given.items():
        for seed, value in enumerate(of):
            job(tmp_path, next(numbers), [f"weighting={name}", f"seed={seed}"], BOTH,
                {"val": {"left": 0.5, "right": 1.0}}, objective=value, weighting={"name": name})  # fmt: skip
    assert SweepFolder(tmp_path).write().blocks[0].text.startswith("With 2 seeds ")  # type: ignore[union-attr]


def test_settings_without_two_seeds_in_common_are_not_told_of_as_one_seed(tmp_path: Path) -> None:
    for i, (name, seed) in enumerate((("fixed", 0), ("fixed", 1), ("pcgrad", 1))):
        job(tmp_path, i, [f"weighting={name}", f"seed={seed}"], BOTH, {"val": {"left": 0.5, "right": 1.0}},
            objective=2.0 if name == "pcgrad" else 1.0, weighting={"name": name})  # fmt: skip
    said = SweepFolder(tmp_path).write().blocks[0].text  # type: ignore[union-attr]
    assert said.startswith("Fewer than two seeds in common: no interval, so no difference can be told;")


@pytest.mark.parametrize(
    ("data", "own"),
    [
        ({"val_path": "v.csv"}, True),
        ({"val_path": "v.csv", "test_path": "t.csv"}, None),
        ({"split_column": "s"}, None),
    ],
)
def test_whether_seeds_have_their_own_splits_where_files_say_some(
    tmp_path: Path, data: dict[str, str], own: bool | None
) -> None:
    """A file for one split leaves the others to be dealt."""
    for seed in range(2):
        job(tmp_path, seed, [f"seed={seed}"], BOTH, {"val": {"left": 0.5, "right": 1.0}}, objective=1.0 + seed,
            data={"name": "table", "split_seed": None, **data})  # fmt: skip
    assert SweepFolder(tmp_path).write().answer.splits_vary is own


def test_one_seed_has_no_splits_that_vary(tmp_path: Path) -> None:
    for a in range(2):
        job(tmp_path, a, [f"a={a}"], BOTH, {"val": {"left": 0.5, "right": 1.0}}, objective=1.0 + a)
    assert "Each seed has its own split" not in " ".join(text(SweepFolder(tmp_path).write()).split())


@pytest.mark.parametrize(("name", "seed"), [("val/left/accuracy", 1), ("val_loss", 0)])
def test_the_command_trains_the_best_job_of_the_best_setting(tmp_path: Path, name: str, seed: int) -> None:
    for i, value in enumerate((0.2, 0.8, 0.5)):
        values = {"val": {"left": value, "right": 1.0}}
        job(tmp_path, i, [f"seed={i}"], BOTH, values, objective=value, objective_name=name)
    assert commands_of(SweepFolder(tmp_path).write())[0] == f"mtl-train seed={seed}"


def test_the_naive_objective_is_a_mean_over_tasks_and_repeats(tmp_path: Path) -> None:
    """Repeats are seeds on splits: the same seed on another split is another one."""
    for i, (seed, split, left_one) in enumerate(((0, 5, 1.0), (0, 6, 2.0), (1, 5, 6.0))):
        words = [f"seed={seed}", f"data.split_seed={split}"]
        both = {"left": left_one, "right": 4.0}
        job(tmp_path, i, words, BOTH, {"val": both}, objective=1.0, naive={"val": both},
            data={"name": "digits", "split_seed": split})  # fmt: skip
    answer = SweepFolder(tmp_path).write().answer
    assert answer.naive_objective == pytest.approx(((1 + 2 + 6) / 3 + 4.0) / 2)


def alone_and_together(folder: Path, seeds: int, better: float) -> Any:
    """Makes jobs whose metrics are better or worse together than alone, and returns the answer's verdict."""
    numbers = iter(range(99))
    for seed in range(seeds):
        wiggle = 0.001 * seed
        job(folder, next(numbers), [f"seed={seed}"], BOTH, objective=1.0,
            values={"val": {"left": 0.5 + better + wiggle, "right": 1.0 - better}})  # fmt: skip
        for task in METRIC:
            shares = {each: float(each == task) for each in METRIC}
            words = [f"seed={seed}", *(f"tasks.{each}.weight={share}" for each, share in shares.items())]
            job(folder, next(numbers), words, shares, {"val": {"left": 0.5, "right": 1.0}}, objective=1.0)
    return SweepFolder(folder).write().blocks[0].text  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("seeds", "better", "said"),
    [
        (3, 0.1, "training together helps"),
        (3, -0.1, "training together hurts"),
        (2, 0.1, "training together helps"),
        (1, 0.1, "training together is better on average"),
        (1, -0.1, "training together is worse on average"),
    ],
)
def test_the_verdict_says_whether_training_together_helps(tmp_path: Path, seeds: int, better: float, said: str) -> None:
    assert said in alone_and_together(tmp_path, seeds, better)
