"""A task's labels: values, classes and gaps by its kind, and which columns don't fit it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from mtl_cli.errors import InputError
from mtl_cli.tables.dtypes import LONGEST_NAME
from mtl_cli.tables.labels import balance, read_labels, scale_of, without_missing
from mtl_cli.tasks import Binary, Multiclass, Regression, Task
from mtl_cli.training.dataset_cache import load
from tests.support.command import MtlTrain
from tests.support.configs import composed
from tests.support.tables import place


def columns(*cells: list[Any]) -> dict[str, pl.Series]:
    return {name: pl.Series(name, each) for name, each in zip("abc", cells, strict=False)}


@pytest.mark.parametrize(
    ("cells", "positive", "classes", "values"),
    [
        (["x", "w", None], None, ["w", "x"], [1, 0, 0]),
        (["no", "yes", "no"], None, ["no", "yes"], [0, 1, 0]),
        (["Y", "n", "Y"], None, ["n", "Y"], [1, 0, 1]),
        (["x", "w", None], "w", ["x", "w"], [0, 1, 0]),
        ([0, 1, None], None, [0, 1], [0, 1, 0]),
        ([0, 1, 1], "0", [1, 0], [1, 0, 0]),
        ([0.0, 1.0, float("nan")], None, [0, 1], [0, 1, 0]),
        ([True, False, None], None, [False, True], [1, 0, 0]),
        ([True, False, True], "false", [True, False], [0, 1, 0]),
        (["no", "yes", "yes"], "false", ["yes", "no"], [1, 0, 0]),
        (["sold", None, None], None, ["not sold", "sold"], [1, 0, 0]),
    ],
)
def test_the_classes_of_a_binary_task(
    cells: list[Any], positive: str | None, classes: list[Any], values: list[int]
) -> None:
    labels = read_labels("y", Binary(positive=positive), columns(cells), place)
    assert (labels.classes, labels.values[:, 0].tolist(), labels.task.units) == (classes, values, 1)
    gaps = [cell is None or cell != cell for cell in cells]
    assert labels.known.tolist() == [not gap for gap in gaps]


def test_several_columns_of_a_binary_task_have_no_classes() -> None:
    labels = read_labels("y", Binary(), columns(["n", "y", "y"], [1, 1, None]), place)
    assert labels.values.tolist() == [[0, 1], [1, 1], [0, 0]]
    assert labels.known.tolist() == [True, True, False]
    assert (labels.classes, labels.task.units, list(labels.cells)) == ([], 2, ["a", "b"])


@pytest.mark.parametrize(
    ("cells", "units", "classes", "values", "found"),
    [
        (["c", "a", None, "b"], None, ["a", "b", "c"], [2, 0, 0, 1], 3),
        ([7, 5, None, 7], None, [5, 7], [1, 0, 0, 1], 2),
        ([3, 1, None, 3], 4, [0, 1, 2, 3], [3, 1, 0, 3], 4),
        ([True, False, None, True], None, [False, True], [1, 0, 0, 1], 2),
        (["c", None, None, "c"], None, ["c"], [0, 0, 0, 0], 2),
    ],
)
def test_the_classes_of_a_multiclass_task(
    cells: list[Any], units: int | None, classes: list[Any], values: list[int], found: int
) -> None:
    labels = read_labels("y", Multiclass(units=units), columns(cells), place)
    assert (labels.classes, labels.values.tolist(), labels.task.units) == (classes, values, found)
    assert labels.known.tolist() == [cell is not None for cell in cells]


def test_the_values_of_a_regression() -> None:
    labels = read_labels("y", Regression(), columns([1.5, None, 3.0], ["2", "4", "(6)"]), place)
    assert labels.values.tolist() == [[1.5, 2], [0, 0], [3, -6]]
    assert (labels.known.tolist(), labels.classes, labels.task.units) == ([True, False, True], [], 2)


@pytest.mark.parametrize(
    ("task", "cells", "message"),
    [
        (Multiclass(), [["a"], ["b"]], "tasks.y.column: a multiclass task has one label column, got ['a', 'b']"),
        (Multiclass(units=3), [["u", "v"]], "tasks.y.units: 3, but column 'a' has 2 classes (u, v)"),
        (Multiclass(), [[1.5, 2.0]], "tasks.y: row 1, column 'a' holds 1.5, not a whole number or text"),
        (Regression(units=1), [[1], [2]], "tasks.y.units: 1, but the task has 2 label columns (['a', 'b'])"),
        (Regression(), [[1.0, 2.0], ["3", "x"]], "tasks.y: row 2, column 'b' holds 'x', not a number"),
        (Regression(), [[None, None]], "tasks.y: no row has a label in ['a']"),
        (Regression(), [[1, None], [None, 1]], "tasks.y: no row has a label in ['a', 'b']"),
        (Multiclass(), [[None, None]], "tasks.y: no row has a label in ['a']"),
        (Binary(), [[0, 1, 2]], "tasks.y: row 3, column 'a' holds 2, not 0 or 1; if that is no label, 'tasks.y"),
        (Binary(), [[0.0, 0.5]], "tasks.y: row 2, column 'a' holds 0.5, not 0 or 1"),
        (Binary(), [["u", "v", "w", "u"]], "tasks.y: column 'a' has 3 different values, u, v, w (row 3 the first that"),
        (Binary(), [["u", "v", "?"]], "tasks.y: column 'a' has 3 different values, ?, u, v (row 2 the first"),
        (Binary(), [[5, 6]], "tasks.y: row 1, column 'a' holds 5, not 0 or 1; if that is no label, 'tasks.y"),
        (Binary(), [[5, 6, 7, 8]], "tasks.y: column 'a' has 4 different values, 5, 6, 7, ... (row 1 the first that"),
        (Binary(positive="w"), [["u", "v"]], "tasks.y.positive: 'w' is not one of the classes ['u', 'v'] in 'a'"),
        (Binary(class_weight="balanced"), [[0, 1], [1, 0]], "tasks.y.class_weight: a task with several label columns"),
        (Multiclass(), [["c" * (LONGEST_NAME + 1)]], f"tasks.y: row 1, column 'a' holds '{'c' * 60}...', not a class"),
    ],
)
def test_columns_that_do_not_fit_a_kind(task: Task, cells: list[list[Any]], message: str) -> None:
    with pytest.raises(InputError) as refused:
        read_labels("y", task, columns(*cells), place)
    assert str(refused.value).startswith(message)


def test_a_third_value_that_may_be_none_is_said_to() -> None:
    with pytest.raises(InputError, match=r"if '\?' is no label, 'tasks\.y\.missing=\[\"\?\"\]'"):
        read_labels("y", Binary(), columns(["u", "v", "?"]), place)


@pytest.mark.parametrize(
    ("cells", "missing", "left"),
    [(["1", "?", "2"], ["?"], [1, None, 2]), (["u", "?"], ["?"], ["u", None]), (["1", "2"], [], ["1", "2"])],
)
def test_values_that_are_no_label(cells: list[str], missing: list[str], left: list[Any]) -> None:
    assert without_missing(pl.Series(cells), missing).to_list() == left


def test_the_scale_is_mean_and_deviation_and_1_where_all_are_equal() -> None:
    values = np.array([[1.0, 4.0], [3.0, 4.0], [8.0, 4.0]], np.float32)
    scale = scale_of(values)
    np.testing.assert_allclose(scale.mean, [4, 4])
    np.testing.assert_allclose(scale.deviation, [(26 / 3) ** 0.5, 1])
    np.testing.assert_allclose(scale.original(np.array([[1.0, 2.0]])), [[4 + (26 / 3) ** 0.5, 6]])


def test_classes_are_balanced_as_in_scikit_learn() -> None:
    codes = np.array([0, 0, 0, 1, 3, 3])
    np.testing.assert_allclose(balance(codes, 4), compute_sample_weight("balanced", codes), rtol=1e-6)
    np.testing.assert_allclose(balance(np.array([[0.0], [1], [1], [1]]), 2), [2, 2 / 3, 2 / 3, 2 / 3], rtol=1e-6)


def test_labels_keep_their_digits(tmp_path: Path) -> None:
    pl.DataFrame({"x": np.arange(100.0), "y": 1.7e9 + np.arange(100) / 8}).write_parquet(tmp_path / "t.parquet")
    dataset = load(composed("data=table", f"data.path={tmp_path / 't.parquet'}", "+tasks.y.kind=regression"))
    again = dataset.scales["y"].original(dataset.device_data["labels"]["y"])[:, 0]
    np.testing.assert_allclose(again - 1.7e9, np.arange(100) / 8, atol=1e-5)


def test_the_label_of_a_task_that_is_left_out_is_no_feature(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """Nor where the run is resumed, repeated, predicts, or is one of a sweep with single-task baselines."""
    x = np.random.default_rng(0).normal(size=90)
    frame = pl.DataFrame({"x": x, "z": x**2, "price": x + 1, "happy": 2 * x, "third": 3 * x})
    frame.write_csv(tmp_path / "t.csv")
    config = tmp_path / "c" / "experiment" / "e.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(
        "# @package _global_\ndefaults: [{override /data: table}]\nbatch_size: 8\nsteps: 5\ndata: {path: t.csv}\n"
        "tasks: {price: {kind: regression}, good: {kind: regression, column: [happy, third]}, "
        "other: {kind: regression, column: z}}\n"
    )
    words = ["--config-dir", "c", "experiment=e", "~tasks.good"]

    def taken(folder: Path) -> list[str]:
        return [column["name"] for column in json.loads((folder / "columns.json").read_text())["inputs"]]

    run = mtl_train(*words, "hydra.run.dir=run")
    assert taken(tmp_path / "run") == ["x"]
    assert "column 'happy' is the label of a task that is left out" in run.err
    assert "column 'third' is the label" in run.err
    for further in (["resume", "run", "steps=9"], ["-cp", "run/.hydra", "-cn", "config", "hydra.run.dir=again"]):
        assert mtl_train(*further).status == 0
    assert taken(tmp_path / "run") == taken(tmp_path / "again") == ["x"]
    frame.select("x").write_csv(tmp_path / "new.csv")
    assert mtl_train("predict", "run", "new.csv", "--out", "p.csv").status == 0
    for launcher in ("mtl", "basic"):
        grid = ["-m", "seed=0,1", f"hydra/launcher={launcher}", f"hydra.sweep.dir={launcher}"]
        assert mtl_train(*words, *grid, f"sweep.baselines={str(launcher == 'mtl').lower()}").status == 0
        jobs = list((tmp_path / launcher).glob("*/columns.json"))
        assert len(jobs) == (6 if launcher == "mtl" else 2)
        assert all(taken(job.parent) == ["x"] for job in jobs)
    meant = mtl_train(*words, "data.features=[x,happy]", "hydra.run.dir=meant")
    assert taken(tmp_path / "meant") == ["x", "happy"]
    assert "left out" not in meant.err


@pytest.mark.parametrize(("positive", "other"), [("yes", "no"), ("no", "yes"), ("'yes'", "no"), ("true", "no")])
def test_yes_and_no_in_yaml_are_the_words(mtl_train: MtlTrain, tmp_path: Path, positive: str, other: str) -> None:
    """YAML reads them as true and false where they aren't quoted."""
    pl.DataFrame({"x": range(40), "sold": ["yes", "no", "no", "yes"] * 10}).write_csv(tmp_path / "t.csv")
    config = tmp_path / "c" / "experiment" / "e.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(
        "# @package _global_\ndefaults: [{override /data: table}]\nbatch_size: 4\nsteps: 2\ndata: {path: t.csv}\n"
        f"tasks: {{sold: {{kind: binary, positive: {positive}}}}}\n"
    )
    run = mtl_train("--config-dir", "c", "experiment=e", "hydra.run.dir=run")
    assert run.status == 0, run.err
    schema = json.loads((tmp_path / "run" / "columns.json").read_text())
    assert schema["tasks"]["sold"]["classes"] == [other, "yes" if other == "no" else "no"]


def test_many_classes_are_not_called_two(mtl_train: MtlTrain, tmp_path: Path) -> None:
    pl.DataFrame({"x": range(80), "brand": [f"b{i % 40:02}" for i in range(80)]}).write_csv(tmp_path / "t.csv")
    refused = mtl_train("data=table", "data.path=t.csv", "+tasks.brand.kind=binary")
    assert refused.status == 2
    assert "tasks.brand: column 'brand' has 40 different values, b00, b01, b02, ..." in refused.err
    assert "t.csv, row 3 the first" in refused.err
    assert "kind: multiclass?" in refused.err


def test_a_row_with_a_part_of_its_labels_has_none() -> None:
    columns = {"a": pl.Series("a", [1.0, None, 3.0]), "b": pl.Series("b", [4.0, 5.0, None])}
    found = read_labels("y", Regression(column=["a", "b"]), columns, str)
    assert found.known.tolist() == [True, False, False]
    assert np.isfinite(found.values).all()


def test_yes_is_positive_whatever_letters_it_has() -> None:
    for cells_of, classes in ((["Yes", "no"], ["no", "Yes"]), (["TRUE", "false"], ["false", "TRUE"])):
        found = read_labels("y", Binary(), {"y": pl.Series("y", cells_of)}, str)
        assert found.classes == classes
        assert found.values.ravel().tolist() == [1.0, 0.0]


def test_balanced_classes_are_scikit_learns() -> None:
    """Also where a class that there is has no row."""
    values = np.array([0, 2, 2, 0, 2, 2, 4], np.int32)
    np.testing.assert_allclose(balance(values, 6), compute_sample_weight("balanced", values), rtol=1e-6)
    yes = np.array([[1.0], [0.0], [1.0], [1.0]], np.float32)
    np.testing.assert_allclose(balance(yes, 2), compute_sample_weight("balanced", yes[:, 0]), rtol=1e-6)


def test_the_scale_is_scikit_learns() -> None:
    values = np.random.default_rng(0).normal(7, 3, (50, 2)).astype(np.float32)
    values[:, 1] = 4  # all the same: not divided by 0
    scaler, scale = StandardScaler().fit(values.astype(float)), scale_of(values)
    np.testing.assert_allclose(scale.mean, scaler.mean_)
    np.testing.assert_allclose(scale.deviation, scaler.scale_)
