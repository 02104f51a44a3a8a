"""Samplers in the command: rows that they count, picks that are told, and what is refused."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mtl_cli.config import FAMILIES
from mtl_cli.errors import InputError
from mtl_cli.sampling.base import Pool, Sampling
from mtl_cli.sampling.fixed import Fixed
from mtl_cli.training.dataset_cache import load
from tests.support.command import MtlTrain
from tests.support.configs import composed

FOUND = [cls for cls in FAMILIES["sampling"] if issubclass(cls, Sampling)]


def pool(probs: Sequence[float], rows: Sequence[float], steps: int = 1000) -> Pool:
    return Pool(np.array(probs, float) / sum(probs), np.array(rows, float), steps)


@pytest.mark.parametrize("cls", FOUND)
def test_only_a_neutral_sampler_goes_with_joint_training(cls: type[Sampling]) -> None:
    name = cls.model_fields["name"].default
    assert Fixed.neutral
    if cls.neutral:
        composed(f"sampling={name}")
        return
    with pytest.raises(InputError, match=f"sampling: '{name}' picks tasks in mode=alternating; this run is mode=joint"):
        composed(f"sampling={name}")


SMALL, BIG, STEPS = 40, 400, 600
TASKS = [f"+tasks.{name}={{kind: regression, path: {name}.csv}}" for name in ("small", "big")]
TABLE = ["data=table", "batch_size=4", "mode=alternating", *TASKS]


def write_tables(folder: Path) -> None:
    """Writes a file for each of two tasks; every fourth row of the big one has no label."""
    for name, count in (("small", SMALL), ("big", BIG)):
        random = np.random.default_rng(count)
        rows = pl.DataFrame({"x": random.random(count), name: random.random(count)})
        blank = pl.int_range(count) % 4 == 3
        rows.with_columns(pl.when(~blank | (name == "small")).then(name)).write_csv(folder / f"{name}.csv")


def test_rows_are_counted_where_they_have_a_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_tables(tmp_path)
    dataset = load(composed(*TABLE, "data.split={train: 0.5, val: 0.25, test: 0.25}"))
    assert dataset.labelled == {"small": SMALL // 2, "big": BIG // 2 * 3 // 4}
    assert load(composed()).labelled == {}
    assert load(composed("data=digits", "data.examples.train=70")).labelled == {"left": 70, "right": 70}


@pytest.mark.parametrize("cls", FOUND)
def test_the_command(mtl_train: MtlTrain, tmp_path: Path, cls: type[Sampling]) -> None:
    write_tables(tmp_path)
    name = cls.model_fields["name"].default
    run = mtl_train(*TABLE, f"sampling={name}", f"steps={STEPS}", "log.console=progress")
    assert run.status == 0
    assert all(line.startswith("note: ") for line in run.err.splitlines())
    picks, rows = run.summary()["picks"], run.losses()["task"]
    assert picks == {task: (rows == task).sum() for task in ("small", "big")}
    assert sum(picks.values()) == STEPS
    assert f"picks small {picks['small']}, big {picks['big']}" in " ".join(run.out.split())

    counts = load(composed(*TABLE)).labelled
    of = pool([0.5, 0.5], [counts["small"], counts["big"]], STEPS)
    chances = cls.model_validate({}).probabilities(np.arange(1, STEPS + 1), of)[:, 0]
    assert abs(picks["small"] - chances.sum()) <= 4 * np.sqrt((chances * (1 - chances)).sum())
    shown = " to ".join(dict.fromkeys(f"{chance:.4g}" for chance in chances[[0, -1]]))
    (line,) = [line for line in run.out.splitlines() if line.split()[:2] == ["small", "regression"]]
    assert line.rstrip().endswith(f" {shown}")


def test_picks_are_counted_up_to_where_a_run_fails_and_not_in_joint_mode(mtl_train: MtlTrain) -> None:
    linear = ["optimizer=sgd", "model.activation=linear", "model.output_activation=linear", "steps=500"]
    run = mtl_train("mode=alternating", *linear, "~tasks.y2", "+tasks.y3={kind: regression, units: 2, loss: mse}")
    assert run.status == 1
    summary = run.summary()
    assert sum(summary["picks"].values()) == summary["iterations"] < 500
    assert mtl_train("steps=5", "hydra.run.dir=joint").summary()["picks"] is None


def test_a_task_with_probability_0_is_left_out_by_every_sampler(mtl_train: MtlTrain) -> None:
    digits = ["data=digits", "data.examples={train: 60, val: 10, test: 10}", "tasks.left.prob=0", "steps=20"]
    names = ",".join(cls.model_fields["name"].default for cls in FOUND)
    run = mtl_train("-m", *digits, "mode=alternating", f"sampling={names}")
    assert run.status == 0
    assert len(run.folders) == len(FOUND)
    for folder in run.folders:
        assert set(pl.read_csv(folder / "losses.csv")["task"]) == {"right"}
