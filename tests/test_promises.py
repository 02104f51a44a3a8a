"""Promises that one changed line broke and no test noticed, found by a search for such lines."""

import itertools
import math
import time
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.special import logsumexp, softmax
from sklearn.metrics import r2_score
from sklearn.utils.class_weight import compute_sample_weight

from mtl_cli.backend import tf
from mtl_cli.comparison.files import SweepFolder
from mtl_cli.comparison.statistics import hypervolume, paired
from mtl_cli.datasets.in_memory import RowsDataset
from mtl_cli.datasets.splits import Fractions, split_groups, split_rows, split_strata
from mtl_cli.errors import InputError
from mtl_cli.linalg.solvers import psd_pinv_power
from mtl_cli.run_folder import checkpoints as module
from mtl_cli.run_folder.checkpoints import Checkpoints, Snapshot
from mtl_cli.run_folder.locks import locked
from mtl_cli.sweeps.resume import Found as Before
from mtl_cli.sweeps.resume import before_of
from mtl_cli.tables.duplicates import firsts
from mtl_cli.tables.features import fit
from mtl_cli.tables.labels import Found, find
from mtl_cli.tables.splits import strata, with_every_class
from mtl_cli.tasks import NO_LOSS, Binary, Multiclass, Regression
from mtl_cli.training.experiment import load
from mtl_cli.training.job import Job
from mtl_cli.training.progress import Recent
from mtl_cli.weighting.dwa import Dwa
from mtl_cli.weighting.geometric import Geometric
from mtl_cli.weighting.gradnorm import GradNorm
from mtl_cli.weighting.gradvac import GradVac
from mtl_cli.weighting.mgda import Mgda
from mtl_cli.weighting.stch import Stch
from tests.comparison.test_comparison import BOTH, METRIC, commands_of, job, text
from tests.end_to_end.test_endings import COSINE
from tests.support import references as ref
from tests.support.command import MtlTrain
from tests.support.configs import composed
from tests.support.methods import draw, run
from tests.support.runs import SMALL, Fate, train, values
from tests.training.test_divergence import GROWING, LINEAR, WILD, first_bad, restored
from tests.weighting.test_formulas import situation


# Beside test_divergence.py
def test_the_rate_in_metrics_csv_is_the_one_after_going_back(mtl_train: MtlTrain, tmp_path: Path) -> None:
    done = mtl_train(*WILD, "mode=joint", "checkpoint.every_steps=20", "hydra.run.dir=run")
    assert done.status == 0, done.err
    times = len(restored(tmp_path / "run"))
    assert times >= 1
    assert values(tmp_path / "run", "learning_rate") == pytest.approx({200: 3e-3 / 2**times}, rel=1e-6)


def test_the_iteration_that_diverged_is_in_losses_csv_whatever_is_logged(tmp_path: Path) -> None:
    words = [*GROWING, *LINEAR, "steps=300", "mode=joint", "optimizer.learning_rate=1e-8"]
    iteration, _ = first_bad(composed(*words))
    with pytest.raises(Exception, match="diverged"):
        train(composed(*words, f"log.every={iteration + 1}"), tmp_path)
    assert pl.read_csv(tmp_path / "losses.csv")["iteration"].to_list() == [iteration]


# Beside test_resume.py
def test_an_end_that_is_asked_for_after_the_last_iteration_stops_nothing(tmp_path: Path) -> None:
    """Five iterations are one chunk, after which somebody asks for an end."""
    summary = train(composed(*SMALL, "steps=5"), tmp_path, Fate(0, kills=False))
    assert (summary["status"], summary["ended_by"], summary["iterations"]) == ("finished", "steps", 5)


def saved(folder: Path) -> list[int]:
    """Returns after which iterations the checkpoints are that a folder has."""
    return sorted(int(path.name.partition("-")[0]) for path in (folder / "checkpoints").iterdir())


def at(iterations: int) -> Snapshot:
    return Snapshot(iterations, {"x": np.full(1, iterations, np.float32)}, {})


@pytest.mark.parametrize(("keep", "kept"), [(1, [60]), (2, [40, 60]), (3, [20, 40, 60])])
def test_as_many_checkpoints_stay_as_one_says(tmp_path: Path, keep: int, kept: list[int]) -> None:
    checkpoints = Checkpoints(tmp_path, {}, every=None, every_steps=20, keep=keep)
    for iterations in (20, 40, 60):
        checkpoints.write(at(iterations))
    assert saved(tmp_path) == kept


def test_a_run_goes_back_to_no_checkpoint_that_only_an_interruption_made(tmp_path: Path) -> None:
    """Else where it goes back to would depend on when it was stopped; nor does that one push the others out."""
    checkpoints = Checkpoints(tmp_path, {}, every=None, every_steps=20, keep=1)
    for iterations in (40, 47, 53):
        checkpoints.write(at(iterations))
        last = checkpoints.last()
        assert last is not None
        assert last.iterations == 40
    assert saved(tmp_path) == [40, 53]


def test_checkpoints_of_iterations_that_are_made_anew_go(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, {}, every=None, every_steps=20, keep=9)
    for iterations in (20, 40, 60):
        checkpoints.write(at(iterations))
    checkpoints.go_on_from(40)
    assert saved(tmp_path) == [20, 40]


def test_checkpoints_take_a_hundredth_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes 5 s to write is followed by the next one after 500 s, though one is asked for every 10 s."""
    now, replace = [1000.0], vars(module)["replace"]

    def slow(*arguments: Any, **options: Any) -> None:
        now[0] += 5.0
        replace(*arguments, **options)

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(module, "replace", slow)
    checkpoints = Checkpoints(tmp_path, {}, every=10.0, every_steps=None, keep=1)
    checkpoints.write(at(1))
    written = now[0]
    for wait, due in ((11.0, False), (499.0, False), (501.0, True)):
        now[0] = written + wait
        assert checkpoints.due(2) is due


# Beside test_endings.py
@pytest.mark.parametrize("sweep", [False, True])
def test_a_killed_runs_schedule_is_made_longer_as_one_says(mtl_train: MtlTrain, tmp_path: Path, sweep: bool) -> None:
    """Though no summary.json tells how many iterations it has done."""
    words = ["-m", "seed=0,1", "hydra.sweep.dir=s"] if sweep else ["hydra.run.dir=s"]
    assert mtl_train(*words, *COSINE).status == 0
    for file in (tmp_path / "s").rglob("summary.json"):
        file.unlink()
    refused = mtl_train("resume", "s", "steps=80")
    assert refused.status == 2, refused.err
    assert "optimizer.schedule_steps=80 stretches it" in refused.err


# Beside test_formulas.py
def test_dwa_keeps_the_means_of_a_task_without_a_label_in_a_window() -> None:
    method, memory = Dwa(window=1, temperature=1.0), None
    for losses, present in (([4, 8], [True, True]), ([2, 2], [True, True]), ([3, 0], [True, False])):
        memory = run(method, np.eye(2), losses, [1, 1], present=present, memory=memory).memory
    found = run(method, np.eye(2), [1, 1], [1, 1], memory=memory)
    np.testing.assert_allclose(found.own, 2 * softmax([3 / 2, 2 / 8]), rtol=1e-5)


def test_dwas_means_are_over_the_batches_with_a_label() -> None:
    method, memory = Dwa(window=2, temperature=1.0), None
    both, one = [True, True], [True, False]
    for losses, present in (([4, 8], both), ([4, 8], both), ([3, 2], both), ([3, 0], one)):
        memory = run(method, np.eye(2), losses, [1, 1], present=present, memory=memory).memory
    found = run(method, np.eye(2), [1, 1], [1, 1], memory=memory)
    np.testing.assert_allclose(found.own, 2 * softmax([3 / 4, 2 / 8]), rtol=1e-5)


def test_no_weight_of_gradnorm_falls_below_its_floor() -> None:
    """Adam's first step is as long as its learning rate: 1 - 5 counts as 1e-4, beside 1 + 5."""
    found = run(GradNorm(alpha=0.0, learning_rate=5.0), [[4.0, 0.0], [0.0, 1.0]], [1.0, 1.0])
    np.testing.assert_allclose(found.memory["weights"], 2 * np.array([1e-4, 6.0]) / 6.0001, rtol=1e-5)


def test_a_task_of_weight_0_is_no_part_of_the_smooth_maximum() -> None:
    found = run(Stch(mu=0.5), np.eye(3), [1.0, 2.0, 3.0], [0.5, 0.5, 0.0])
    assert found.joint_loss == pytest.approx(0.5 * logsumexp([0.5 * 1.0 / 0.5, 0.5 * 2.0 / 0.5]), rel=1e-5)


def test_gradvac_turns_to_no_cosine_of_1() -> None:
    """An average of 1 counts as 0.999, as gradients that were the same for long have it."""
    method, J = GradVac(beta=0.0), np.array([[1.0, 0.0], [1.0, 1.0]])
    drawn = draw(method, 2)
    found = run(method, J, weights=[1.0, 1.0], memory={"averages": np.ones((2, 2), np.float32)}, drawn=drawn)
    expected, _ = ref.gradvac(J, np.full((2, 2), 0.999), 0.0, drawn["orders"])
    np.testing.assert_allclose(found.direction[:2], expected, rtol=1e-4)


ONE_AWAY = [True, True, False]


def test_the_geometric_mean_is_of_the_tasks_in_the_batch() -> None:
    found = run(Geometric(), np.eye(3), [2.0, 8.0, 0.0], [0.3, 0.3, 0.4], present=ONE_AWAY)
    assert found.joint_loss == pytest.approx(4.0, rel=1e-5)
    np.testing.assert_allclose(found.own[:2], [0.5 * 4 / 2, 0.5 * 4 / 8], rtol=1e-5)


def test_the_smooth_maximum_is_of_the_tasks_in_the_batch() -> None:
    found = run(Stch(mu=0.5, ideal=-3.0), np.eye(3), [1.0, 2.0, 0.0], [0.5, 0.5, 1.0], present=ONE_AWAY)
    assert found.joint_loss == pytest.approx(0.5 * logsumexp([0.5 * 4.0 / 0.5, 0.5 * 5.0 / 0.5]), rel=1e-5)


@pytest.mark.parametrize("normalize", ["none", "loss"])
def test_the_shortest_combination_is_of_the_tasks_in_the_batch(normalize: str) -> None:
    method, seen = Mgda.model_validate({"normalize": normalize}), situation(Mgda(), 3, 1)
    by = seen.L[:2, None] if normalize == "loss" else np.ones((2, 1))
    alpha = run(method, seen.J * np.array(ONE_AWAY)[:, None], seen.L * ONE_AWAY, present=ONE_AWAY).shared
    expected = ref.mgda(seen.J[:2] / by)
    assert math.hypot(*expected) > 0.01
    assert math.dist(alpha[:2] @ (seen.J[:2] / by), expected) <= 1e-4 * math.hypot(*expected)


# Beside test_gram.py
def test_eigenvalues_count_from_tasks_times_1e_12_of_the_largest() -> None:
    for tasks in (2, 5):
        below, above = (np.diag([1.0] * (tasks - 1) + [factor * tasks * 1e-12]) for factor in (0.9, 1.1))
        found, least = psd_pinv_power(tf.constant(below), 0.5)
        np.testing.assert_allclose(found, np.diag([1.0] * (tasks - 1) + [0.0]), atol=1e-9)
        assert float(least) == pytest.approx(1.0)
        found, least = psd_pinv_power(tf.constant(above), 0.5)
        np.testing.assert_allclose(np.diag(found)[-1], (1.1 * tasks * 1e-12) ** -0.5, rtol=1e-6)
        assert float(least) == pytest.approx(1.1 * tasks * 1e-12)


# Beside test_tasks.py
def test_r2_of_labels_that_do_not_vary_is_scikit_learns() -> None:
    labels = np.full((4, 1), 2.0, np.float32)
    for given in (labels, labels + np.float32(0.5)):
        assert Regression(units=1).metrics(labels, given)["r2"] == r2_score(labels, given)


def test_the_sum_of_squares_counts_a_row_as_often_as_its_weight() -> None:
    task = Regression(units=2, loss="l2")
    y, w = np.ones((3, 2), np.float32), np.array([3, 0, 0.5], np.float32)
    f = np.array([[1, 2], [3, 1], [0, 0]], np.float32)
    found = task.batch_loss(task.row_losses(tf.constant(y), tf.constant(f)), tf.constant(w))
    assert float(found) == pytest.approx(3 * 0.5 * 1 + 0 * 0.5 * 4 + 0.5 * 0.5 * 2)


def test_each_of_several_labels_has_its_own_prior() -> None:
    labels = np.array([[1, 0], [1, 0], [1, 1], [0, 0]], np.float32)
    np.testing.assert_allclose(Binary(units=2).prior(labels), np.log([3 / 1, 1 / 3]), rtol=1e-5)


# Beside test_masks.py
@pytest.fixture
def weighed(tmp_path: Path) -> pl.DataFrame:
    """Returns a table with rows that count differently, and writes it; those of weight 0 have labels far away."""
    random = np.random.default_rng(7)
    x, w = random.normal(size=200), random.integers(0, 4, 200)
    y = np.where(w > 0, 10 * x + random.normal(size=200), 1e4)
    sold = np.where(random.random(200) < 0.2 + 0.15 * w, "yes", "no")
    split = np.array(["train", "val", "test"])[np.minimum(random.integers(0, 6, 200) // 2, 2)]
    frame = pl.DataFrame({"x": x, "y": y, "sold": sold, "w": w, "s": split})
    frame.write_csv(tmp_path / "w.csv")
    return frame


WEIGHED = ["data=table", "+tasks.y.kind=regression", "data.weight_column=w", "data.split_column=s", "batch_size=8"]


def test_the_loss_of_a_split_is_the_weighted_mean(mtl_train: MtlTrain, weighed: pl.DataFrame) -> None:
    """In units of the training labels' deviation, without the rows that count 0."""
    run = mtl_train(*WEIGHED, "data.path=w.csv", "data.exclude=[sold]", "steps=40", "eval.every=40")
    assert run.status == 0, run.err
    deviation = weighed.filter(pl.col("s") == "train", pl.col("w") > 0)["y"].to_numpy().std()
    for split in ("train", "val", "test"):
        reported = run.summary()["metrics"][split]["y"]
        assert reported["loss"] == pytest.approx(reported["mse"] / deviation**2, rel=1e-4)


def test_rows_that_count_0_have_no_part_in_the_labels_scale(weighed: pl.DataFrame, tmp_path: Path) -> None:
    dataset = load(composed(*WEIGHED, f"data.path={tmp_path / 'w.csv'}", "data.exclude=[sold]"))
    assert isinstance(dataset, RowsDataset)
    here = (weighed["s"] == "train") & (weighed["w"] > 0)
    assert dataset.own["y"].tolist() == here.arg_true().to_list()
    y = weighed.filter(here)["y"].to_numpy()
    assert (dataset.scales["y"].mean, dataset.scales["y"].deviation) == pytest.approx((y.mean(), y.std()))


def test_balanced_classes_and_row_weights_multiply(weighed: pl.DataFrame, tmp_path: Path) -> None:
    words = [word for word in WEIGHED if "tasks.y" not in word] + ["+tasks.sold={kind: binary, class_weight: balanced}"]
    dataset = load(composed(*words, f"data.path={tmp_path / 'w.csv'}", "data.exclude=[y]"))
    assert isinstance(dataset, RowsDataset)
    train = weighed.filter(pl.col("s") == "train", pl.col("w") > 0)
    expected = compute_sample_weight("balanced", train["sold"].to_numpy()) * train["w"].to_numpy()
    found = dataset.resident["weights"]["sold"][dataset.own["sold"]]
    np.testing.assert_allclose(found, expected / expected.mean(), rtol=1e-5)


# Beside test_tables.py
def found_of(values: list[int], known: list[bool]) -> Found:
    return Found(Multiclass(units=3), np.array(values, np.int32), np.array(known), ["a", "b", "c"])


def test_rows_without_a_label_are_a_stratum_of_their_own() -> None:
    kinds = strata(np.zeros(4, np.int64), {"y": found_of([0, 1, 0, 1], [True, True, False, True])})
    assert len(set(kinds.tolist())) == 3
    assert kinds[1] == kinds[3]


@pytest.mark.parametrize("tasks", [["y"], ["y", "same"]])
def test_no_class_is_lost_for_another_one(tasks: list[str]) -> None:
    """Row 2 is the only training row of its class; the row that goes for row 3 has another one. One row may do for two
    tasks."""
    dealt = {"train": np.array([2, 0, 1]), "val": np.array([3]), "test": np.array([], np.int64)}
    found = with_every_class(dealt, {task: found_of([0, 0, 1, 2], [True] * 4) for task in tasks})
    assert found["val"][0] in (0, 1)
    assert {2, 3} < set(found["train"].tolist())


def test_a_row_with_a_part_of_its_labels_has_none() -> None:
    columns = {"a": pl.Series("a", [1.0, None, 3.0]), "b": pl.Series("b", [4.0, 5.0, None])}
    found = find("y", Regression(column=["a", "b"]), columns, str)
    assert found.known.tolist() == [True, False, False]
    assert np.isfinite(found.values).all()


def test_yes_is_positive_whatever_letters_it_has() -> None:
    for cells_of, classes in ((["Yes", "no"], ["no", "Yes"]), (["TRUE", "false"], ["false", "TRUE"])):
        found = find("y", Binary(), {"y": pl.Series("y", cells_of)}, str)
        assert found.classes == classes
        assert found.values.ravel().tolist() == [1.0, 0.0]


@pytest.mark.parametrize(("count", "width"), [(16, None), (17, round(1.6 * 17**0.56)), (3000, 50)])
def test_from_how_many_values_on_a_category_is_embedded_and_how_wide(count: int, width: int | None) -> None:
    frame = pl.DataFrame({"c": [f"v{i:04}" for i in range(count)] * 2})
    columns = fit(frame, {"c": "category"}, np.arange(2 * count), str, date_format=None, min_count=2, embed_above=16)
    assert columns.categories[0].width == width


def test_dates_of_another_table_are_standardised_by_its_own(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a program is there, in the process, that was compiled for a table of the same shape."""
    for name, first in (("old", "1990-01-01"), ("new", "2020-01-01")):
        days = np.datetime64(first) + np.arange(60)
        pl.DataFrame({"d": [str(day) for day in days], "y": [i % 7 for i in range(60)]}).write_csv(f"{name}.csv")
    words = ["data=table", "+data.types.d=date", "+tasks.y.kind=regression", "batch_size=8", "steps=9"]
    for name, folder in (("old", "first"), ("new", "after")):
        assert mtl_train(*words, f"data.path={name}.csv", f"hydra.run.dir={folder}").status == 0
    monkeypatch.setattr("mtl_cli.training.program._programs", {})
    monkeypatch.setattr("mtl_cli.models.base._networks", {})
    assert mtl_train(*words, "data.path=new.csv", "hydra.run.dir=alone").status == 0
    assert (tmp_path / "after" / "losses.csv").read_bytes() == (tmp_path / "alone" / "losses.csv").read_bytes()


def test_a_row_without_a_label_is_no_duplicate_of_one_with_label_0() -> None:
    found = Found(Regression(units=1), np.zeros((3, 1), np.float32), np.array([True, False, True]), [])
    assert firsts(pl.DataFrame({"x": [1, 1, 1]}), ["x"], {"y": found}).tolist() == [0, 1, 0]


def test_a_split_without_a_part_gets_no_row() -> None:
    """Though half of 5, rounded to 2, is twice 4."""
    dealt = split_rows(5, Fractions(train=0.5, val=0.5, test=0.0), seed=0)
    assert {name: len(rows) for name, rows in dealt.items()} == {"train": 2, "val": 3, "test": 0}


@pytest.mark.parametrize("seed", range(5))
def test_three_groups_are_enough_for_three_splits(seed: int) -> None:
    dealt = split_groups(np.repeat([0, 1, 2], 10), Fractions(), seed)
    assert {name: len(rows) for name, rows in dealt.items()} == {"train": 10, "val": 10, "test": 10}


def test_every_row_has_the_same_chance_whatever_its_stratum() -> None:
    """Where each row is a stratum, whose order says nothing of which one is held out."""
    trained = np.zeros(20)
    for seed in range(400):
        trained[split_strata(np.arange(20), Fractions(), seed)["train"]] += 1
    assert np.abs(trained / 400 - 0.7).max() < 5 * (0.7 * 0.3 / 400) ** 0.5


def test_a_moment_is_its_year_its_week_and_its_time_of_day_and_may_be_missing() -> None:
    moments = [datetime(2026, 1, 1) + timedelta(hours=7 * i) for i in range(9)]
    frame = pl.DataFrame({"d": [*moments, None]})
    columns = fit(frame, {"d": "date"}, np.arange(10), str, date_format=None, min_count=2, embed_above=16)
    units, _ = columns.units(tf.constant(columns.encode(frame, str)), np.random.default_rng(0))
    first = (moments[0] - datetime(1970, 1, 1)).days
    days = np.array([first + 7 / 24 * i for i in range(9)])
    whole = np.append(days, days.mean())
    phases = [2 * np.pi * (whole % period) / period for period in (365.2425, 7, 1)]
    cycles = [of(phase) for phase in phases for of in (np.sin, np.cos)]
    expected = np.column_stack([(whole - days.mean()) / days.std(), *cycles, [0.0] * 9 + [1.0]])
    np.testing.assert_allclose(units, expected, atol=1e-2)  # float32 has a day of 2026 to three minutes


def test_a_batch_may_have_all_rows_and_no_more(tmp_path: Path) -> None:
    pl.DataFrame({"x": range(10), "y": range(10), "s": ["train"] * 6 + ["val"] * 2 + ["test"] * 2}).write_csv(
        tmp_path / "t.csv"
    )
    table = ["data=table", f"data.path={tmp_path / 't.csv'}", "+tasks.y.kind=regression", "data.split_column=s"]
    digits = ["data=digits", "data.examples={train: 6, val: 2, test: 2}"]
    for words in (table, digits):
        assert load(composed(*words, "batch_size=6")).rows["train"] == 6
        with pytest.raises(InputError, match="batch_size: 7 is more than the 6 rows of the training split"):
            load(composed(*words, "batch_size=7"))


def test_a_group_that_is_in_a_splits_own_file_too_is_refused(tmp_path: Path) -> None:
    for name, of in (("t", ["a", "b", "c", "d"]), ("v", ["e", "c", "f", "g"])):
        pl.DataFrame({"x": range(12), "y": range(12), "g": of * 3}).write_csv(tmp_path / f"{name}.csv")
    words = [f"data.path={tmp_path / 't.csv'}", f"data.test_path={tmp_path / 'v.csv'}", "data.group_column=g"]
    with pytest.raises(InputError, match="has the group 'c', which is in another file, too"):
        load(composed("data=table", *words, "+tasks.y.kind=regression", "batch_size=2"))


def test_no_group_is_parted_for_the_sake_of_a_class(tmp_path: Path) -> None:
    """Six groups of six, the one that isn't dealt to training having a class of its own."""
    groups = np.repeat(np.arange(6), 6)
    common = np.tile(["a", "b", "a"], 12)
    pl.DataFrame({"x": range(36), "y": common, "g": groups}).write_csv(tmp_path / "t.csv")
    words = ["data=table", f"data.path={tmp_path / 't.csv'}", "+tasks.y.kind=multiclass", "data.group_column=g"]
    val = load(composed(*words, "batch_size=2")).splits["val"].rows
    assert val is not None
    labels = np.where(groups == groups[val[0]], "c", common)
    pl.DataFrame({"x": range(36), "y": labels, "g": groups}).write_csv(tmp_path / "t.csv")
    with pytest.raises(InputError, match="a val row, has the class 'c', which no training row has"):
        load(composed(*words, "batch_size=2"))


# Beside test_loop.py
def test_the_running_loss_is_of_the_batches_with_a_label() -> None:
    recent = Recent()
    recent.add(np.array([[0.5, 1.0, NO_LOSS], [0.5, 1.0, 4.0], [0.5, 0.0, 2.0]], np.float32), None)
    assert recent.metrics(["a", "b"]) == {"a": {"running_loss": pytest.approx(2 / 3)}, "b": {"running_loss": 3.0}}


def test_the_time_of_a_run_that_goes_on_is_that_of_both_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on by a second each time somebody looks at it; the second part is a single iteration."""
    ticks = itertools.count()
    monkeypatch.setattr("mtl_cli.training.loop.time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    first = train(composed(*SMALL, "steps=60"), tmp_path)["train_seconds"]
    assert first >= 4
    assert train(composed(*SMALL, "steps=61"), tmp_path)["train_seconds"] > first


def test_an_objective_that_can_not_be_told_ends_the_run(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """All validation rows are of one class, so nothing could ever be chosen by auc."""
    split = ["train"] * 30 + ["val"] * 6 + ["test"] * 6
    pl.DataFrame({"x": range(42), "sold": ["yes", "no"] * 15 + ["yes"] * 12, "s": split}).write_csv("t.csv")
    words = ["data=table", "data.path=t.csv", "data.split_column=s", "+tasks.sold.kind=binary", "steps=5"]
    run = mtl_train(*words, "objective=val/sold/auc", "batch_size=8")
    assert run.status == 1
    assert "objective: val/sold/auc is NaN on the validation rows" in run.err


def test_an_infinite_loss_on_the_validation_rows_is_a_divergence(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """Labels of 1e25, whose squares float32 doesn't hold; the training rows have none of these."""
    labels = [float(i % 7) for i in range(30)] + [1e25] * 6
    pl.DataFrame({"x": range(36), "y": labels, "s": ["train"] * 30 + ["val"] * 6}).write_csv(tmp_path / "t.csv")
    words = ["data=table", "data.path=t.csv", "data.split_column=s", "+tasks.y.kind=regression", "steps=5"]
    run = mtl_train(*words, "batch_size=8")
    assert run.status == 1
    assert "diverged: task y's loss is inf on the validation split after iteration 5" in run.err


@pytest.mark.parametrize("mode", ["joint", "alternating"])
def test_epochs_are_rows_drawn_by_rows_there_are(tmp_path: Path, mode: str) -> None:
    summary = train(composed(*SMALL, f"mode={mode}"), tmp_path)
    of = summary["picks"] or {"left": 90, "right": 90}
    assert sum(of.values()) == (180 if mode == "joint" else 90)
    assert summary["epochs"] == {task: round(count * 8 / 96, 3) for task, count in of.items()}


# Beside test_sweeps.py
def test_no_job_is_gone_on_with_while_its_sweep_trains(mtl_train: MtlTrain, tmp_path: Path) -> None:
    assert mtl_train("-m", "seed=0,1", "steps=5", "hydra.sweep.dir=s").status == 0
    with locked(tmp_path / "s"):
        refused = mtl_train("resume", "s/0", "steps=9")
    assert refused.status == 2
    assert "another process is training into this folder" in refused.err
    assert mtl_train("resume", "s/0", "steps=9").status == 0


def test_two_seeds_train_on_rows_of_their_own(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """Mapped together, each has its own split of the table, as alone."""
    pl.DataFrame({"x": [i / 8 for i in range(80)], "y": [i * 7 % 11 for i in range(80)]}).write_csv(tmp_path / "t.csv")
    words = ["data=table", "data.path=t.csv", "+tasks.y.kind=regression", "batch_size=8", "steps=20"]
    assert mtl_train("-m", *words, "seed=0,1", "sweep.runs_at_once=2", "hydra.sweep.dir=s").status == 0
    for seed in (0, 1):
        assert mtl_train(*words, f"seed={seed}", f"hydra.run.dir=alone{seed}").status == 0
        one, other = (pl.read_csv(tmp_path / path / "losses.csv")["y_loss"] for path in (f"s/{seed}", f"alone{seed}"))
        np.testing.assert_allclose(one, other, rtol=1e-3)


def test_a_job_goes_on_in_no_folder_that_might_be_another_ones() -> None:
    """Of two that differ in their steps alone, neither is what a third number of steps makes longer."""
    config = composed("steps=30")
    found = [Before(0, ("seed=1", "steps=10"), None), Before(1, ("seed=1", "steps=20"), None)]
    assert before_of([Job(5, config, ("seed=1", "steps=30"))], found) == [None]
    assert before_of([Job(5, config, ("seed=1", "steps=30"))], found[:1]) == found[:1]


# Beside test_analysis.py
def test_six_tasks_have_a_volume() -> None:
    assert hypervolume(np.full((1, 6), 2.0), [True] * 6, np.zeros(6)) == pytest.approx(2.0**6)


def test_settings_that_are_the_same_can_not_be_told_apart() -> None:
    assert paired({0: 1.0, 1: 2.0}, {0: 1.0, 1: 2.0}).contains_0


# Beside test_summary.py
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
