"""diagnostics.csv: what it says is so, and looking changes nothing."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mtl_cli.backend import start, tf
from mtl_cli.config import Config, parse
from mtl_cli.terminal.run_view import View
from mtl_cli.training import experiment
from mtl_cli.training.dataset_cache import load
from mtl_cli.training.gradient_diagnostics import quantities
from mtl_cli.training.job import Job
from mtl_cli.training.setup import set_up
from tests.support.command import MtlTrain
from tests.support.configs import composed

SMALL = ["data=digits", "data.examples={train: 200, val: 20, test: 20}", "batch_size=8", "model.shared_layers=[6]"]


def diagnosed(folder: Path, *overrides: str) -> tuple[pl.DataFrame, bytes]:
    """Returns diagnostics.csv and losses.csv of a run."""
    folder.mkdir()
    config = composed(*SMALL, *overrides)
    experiment.train(Job(0, config, ()), load(config), folder, View())
    path = folder / "diagnostics.csv"
    return pl.read_csv(path) if path.exists() else pl.DataFrame(), (folder / "losses.csv").read_bytes()


def gradients(config: Config, folder: Path, iteration: int) -> list[Any]:
    """Returns each task's gradient on the shared parameters before an iteration, a vector each, one tape a task."""
    ready = set_up(config, load(config), start("cpu"))
    state, chunk = ready.state, ready.chunk(ready.draws(), np.arange(1, iteration + 1))
    if iteration > 1:
        state = ready.train(state, chunk.first(iteration - 1)).state
    drawn = chunk.arrays
    prefix = "aside_" if "aside_rows" in drawn else ""
    rows = tf.gather(ready.device_data["features"], drawn[f"{prefix}rows"][-1, 0])
    found = []
    for name, task in ready.dataset.tasks.items():
        labels = tf.gather(ready.device_data["labels"][name], drawn[f"{prefix}rows"][-1, 0])
        with tf.GradientTape() as tape:
            tape.watch(state.params.shared)
            raw = ready.network.outputs(state.params, [rows], [name]).raw
            loss = tf.reduce_mean(task.row_losses(labels, raw[name]))
        found.append(np.concatenate([g.numpy().ravel() for g in tape.gradient(loss, state.params.shared)]))
    return found


@pytest.mark.parametrize("mode", ["joint", "alternating"])
def test_norms_and_cosines_are_those_before_the_update(tmp_path: Path, mode: str) -> None:
    overrides = [f"mode={mode}", "diagnostics.every=3", "steps=9"]
    table, _ = diagnosed(tmp_path / "run", *overrides)
    assert table["iteration"].unique().sort().to_list() == [1, 3, 6, 9]
    for iteration in (1, 6):
        left, right = gradients(composed(*SMALL, *overrides), tmp_path, iteration)
        now = table.filter(pl.col("iteration") == iteration)
        norms = now.filter(pl.col("quantity") == "gradient_norm")
        assert norms["task"].to_list() == ["left", "right"]
        np.testing.assert_allclose(norms["value"], [np.linalg.norm(left), np.linalg.norm(right)], rtol=1e-5)
        cosine = left @ right / np.linalg.norm(left) / np.linalg.norm(right)
        ((_, _, task, other, value),) = now.filter(pl.col("quantity") == "cosine").rows()
        assert (task, other) == ("left", "right")
        assert value == pytest.approx(cosine, abs=1e-5)
        (rate,) = now.filter(pl.col("quantity") == "conflict_rate")["value"]
        assert rate == float(cosine < 0)
        (similarity,) = now.filter(pl.col("quantity") == "magnitude_similarity")["value"]
        expected = 2 * np.sqrt((left @ left) * (right @ right)) / (left @ left + right @ right)
        assert similarity == pytest.approx(expected, rel=1e-5)
        (condition,) = now.filter(pl.col("quantity") == "condition_number")["value"]
        assert condition == pytest.approx(np.linalg.cond(np.stack([left, right])), rel=1e-4)


@pytest.mark.parametrize("method", ["mode=alternating", "weighting=fixed", "weighting=rgw", "weighting=uncertainty"])
def test_looking_changes_nothing(tmp_path: Path, method: str) -> None:
    overrides = [method, "steps=40", "model.dropout=0.2"]
    nothing, without = diagnosed(tmp_path / "without", *overrides)
    table, looked = diagnosed(tmp_path / "with", *overrides, "diagnostics.every=7")
    assert looked == without
    assert nothing.is_empty()
    assert table["iteration"].unique().sort().to_list() == [1, 7, 14, 21, 28, 35]


def test_weights_are_the_ones_that_were_used(tmp_path: Path) -> None:
    def weights(*overrides: str) -> list[list[float]]:
        table, _ = diagnosed(tmp_path / overrides[0].partition("=")[2], *overrides, "steps=3", "diagnostics.every=1")
        rows = table.filter(pl.col("quantity") == "weight").partition_by("iteration")
        return [of_iteration["value"].to_list() for of_iteration in rows]

    assert weights("weighting=fixed", "tasks.left.weight=0.25") == [[0.25, 0.75]] * 3
    random = weights("weighting=rlw")
    np.testing.assert_allclose(np.sum(random, axis=1), 1, rtol=1e-6)
    assert len({left for left, _ in random}) == 3
    assert weights("weighting=graddrop") == []  # no weighted sum


def test_picks_are_counted(tmp_path: Path) -> None:
    table, losses = diagnosed(
        tmp_path / "run", "mode=alternating", "steps=50", "diagnostics.every=10", "tasks.left.prob=0.3"
    )
    picked = pl.read_csv(losses)
    for iteration in (1, 10, 50):
        counts = table.filter(pl.col("quantity") == "picks", pl.col("iteration") == iteration)
        for task, count in counts.select("task", "value").iter_rows():
            assert count == picked.head(iteration).filter(pl.col("task") == task).height
    probabilities = table.filter(pl.col("quantity") == "probability", pl.col("iteration") == 20)["value"]
    np.testing.assert_allclose(probabilities, [0.3, 0.7], rtol=1e-6)
    assert table.filter(pl.col("quantity") == "weight").is_empty()


def test_quantities_of_a_row() -> None:
    """Three gradients, two of them opposite: by NumPy from the matrix itself."""
    matrix = np.array([[3.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [1.0, 1.0, 0.5]])
    norms = np.linalg.norm(matrix, axis=1)
    cosines = [matrix[i] @ matrix[j] / norms[i] / norms[j] for i, j in combinations(range(3), 2)]
    found = list(quantities(["a", "b", "c"], np.array([1, 2, 3, *norms, *cosines], np.float32)))
    values = {(name, task, other): value for name, task, other, value in found}
    assert values["weight", "b", ""] == 2
    assert values["cosine", "a", "b"] == -1
    assert values["conflict_rate", "", ""] == pytest.approx(2 / 3)
    assert values["condition_number", "", ""] == np.inf
    assert values["magnitude_similarity", "a", "b"] == pytest.approx(0.6)  # 2 * 3 * 1 / (9 + 1)
    assert len(found) == 3 + 3 + 3 + 3 + 2
    assert [name for name, *_ in quantities(["a"], np.ones(2, np.float32))] == ["weight", "gradient_norm"]


def test_tasks_with_files_of_their_own_have_no_representation_in_common(mtl_train: MtlTrain, tmp_path: Path) -> None:
    for name in ("a", "b"):
        pl.DataFrame({"x": np.arange(20.0), name: np.arange(20.0) ** 2}).write_csv(tmp_path / f"{name}.csv")
    tasks = [f"+tasks.{name}={{kind: regression, path: {name}.csv}}" for name in ("a", "b")]
    command = ["data=table", *tasks, "batch_size=4", "steps=5", "weighting=upgrad", "diagnostics.every=5"]
    refused = mtl_train(*command, "weighting.on=representation")
    assert refused.status == 2
    assert "weighting.on: 'representation' compares the tasks on the same rows" in refused.err
    assert not (tmp_path / "outputs").exists()
    assert mtl_train(*command).status == 0


def test_yaml_reads_on_as_true_and_it_is_taken_as_meant() -> None:
    plain = composed("weighting=upgrad").model_dump()
    plain["weighting"] |= {True: "representation"}
    assert getattr(parse(plain).weighting, "on") == "representation"  # noqa: B009 (the weightings' base has none)


def test_where_nothing_is_shared_there_is_nothing_to_see(mtl_train: MtlTrain, tmp_path: Path) -> None:
    for asking in ("diagnostics.every=5", "weighting=mgda"):
        done = mtl_train("model.shared_layers=[]", asking, "steps=5")
        assert done.status == 2
        assert "this model shares none" in done.err
        assert not (tmp_path / "outputs").exists()


def test_gradients_at_right_angles_are_in_no_conflict() -> None:
    found = {name: value for name, task, _, value in quantities(["a", "b", "c"], np.array(
        [1, 1, 1, 1, 1, 1, 0.0, -0.5, 0.5], np.float32)) if not task}  # fmt: skip
    assert found["conflict_rate"] == pytest.approx(1 / 3)
