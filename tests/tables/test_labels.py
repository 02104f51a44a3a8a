"""Labels of a table: which are known, what they count as, and that none is a feature."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from mtl_cli.errors import InputError
from mtl_cli.tables.labels import balance, check_learnable, find, labelled, scale_of
from mtl_cli.tasks import Binary, Regression
from mtl_cli.training.experiment import load
from tests.support.command import MtlTrain
from tests.support.configs import composed
from tests.support.tables import found_of, place


def test_labels_keep_their_digits(tmp_path: Path) -> None:
    pl.DataFrame({"x": np.arange(100.0), "y": 1.7e9 + np.arange(100) / 8}).write_parquet(tmp_path / "t.parquet")
    dataset = load(composed("data=table", f"data.path={tmp_path / 't.parquet'}", "+tasks.y.kind=regression"))
    again = dataset.scales["y"].original(dataset.resident["labels"]["y"])[:, 0]
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
    found = find("y", Regression(column=["a", "b"]), columns, str)
    assert found.known.tolist() == [True, False, False]
    assert np.isfinite(found.values).all()


def test_yes_is_positive_whatever_letters_it_has() -> None:
    for cells_of, classes in ((["Yes", "no"], ["no", "Yes"]), (["TRUE", "false"], ["false", "TRUE"])):
        found = find("y", Binary(), {"y": pl.Series("y", cells_of)}, str)
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


def test_values_that_stand_for_no_label_are_none() -> None:
    series = pl.Series("y", ["1.5", "?", "2", None, "-"])
    assert labelled(series, ["?", "-"]).to_list() == [1.5, None, 2.0, None, None]
    assert labelled(series, []).to_list() == series.to_list()


@pytest.mark.parametrize(
    ("values", "val", "message"),
    [
        ([0, 1, 0, 1], [3], None),
        ([0, 1, 0, 1], [], "none of the val rows has a label in ['y'] (4 rows have one in all)"),
        ([1, 1, 1, 0], [3], "the label 'y' is 'b' in all 3 training rows"),
        ([0, 1, 0, 2], [3], "row 4, a val row, has the class 'c', which no training row has"),
    ],
)
def test_what_nothing_can_be_learned_from(values: list[int], val: list[int], message: str | None) -> None:
    splits = {"train": np.array([0, 1, 2]), "val": np.array(val, np.int64)}
    found = found_of(values, [True] * 4)
    if message is None:
        check_learnable("y", found, ["y"], splits, place)
        return
    with pytest.raises(InputError) as refused:
        check_learnable("y", found, ["y"], splits, place)
    assert message in str(refused.value)
