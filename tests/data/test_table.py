"""The user's table as a source: its files, columns, weights and tasks."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from mtl_cli.data.table import Table
from mtl_cli.datasets.in_memory import RowsDataset
from mtl_cli.errors import InputError
from mtl_cli.randomness import generator
from mtl_cli.training.dataset_cache import load
from tests.support.command import MtlTrain
from tests.support.configs import composed, loaded
from tests.support.tables import mixed


@pytest.mark.parametrize("mode", ["joint", "alternating"])
def test_a_file_for_each_task(mtl_train: MtlTrain, tmp_path: Path, mode: str) -> None:
    random = np.random.default_rng(0)
    for name, rows in (("big", 20_000), ("small", 20)):
        x = random.normal(size=rows)
        pl.DataFrame({"x": x, "z": random.normal(size=rows), name: 3 * x}).write_csv(tmp_path / f"{name}.csv")
    run = mtl_train(
        "data=table",
        *(f"+tasks.{name}={{kind: regression, path: {name}.csv}}" for name in ("big", "small")),
        f"mode={mode}", "batch_size=32", "steps=500", "optimizer.learning_rate=0.01",
    )  # fmt: skip
    assert run.status == 0, run.err
    summary, losses = run.summary(), run.losses()
    picked = {task: 500 - losses[f"{task}_loss"].null_count() for task in ("big", "small")}
    assert picked == {"big": 500, "small": 500} or mode == "alternating"
    assert summary["epochs"]["big"] == pytest.approx(picked["big"] * 32 / 14_000, abs=1e-3)
    assert summary["epochs"]["small"] == pytest.approx(picked["small"] * 32 / 14, abs=1e-3)
    assert summary["metrics"]["test"]["big"]["r2"] > 0.95
    assert summary["metrics"]["test"]["small"]["r2"] > 0.5


def test_a_task_without_weight_takes_no_part_in_choosing(mtl_train: MtlTrain, tmp_path: Path) -> None:
    mixed(200).write_parquet(tmp_path / "t.parquet")
    tasks = ["+tasks.price={kind: regression, weight: 1}", "+tasks.sold={kind: binary, weight: 0}"]
    types = ["+data.types.built=date", "steps=40", "eval.every=10"]
    run = mtl_train("data=table", "data.path=t.parquet", *types, *tasks)
    assert run.status == 0, run.err
    summary = run.summary()
    assert summary["objective"] == pytest.approx(summary["metrics"]["val"]["price"]["loss"])
    assert set(summary["metrics"]["train"]["price"]) == {"loss", "rmse", "mse", "mae", "r2"}


@pytest.mark.parametrize("mode", [[], ["-m", "seed=0,1"], ["-m", "seed=0,1", "hydra/launcher=basic"]])
def test_a_key_that_a_task_can_have_needs_no_plus(mtl_train: MtlTrain, tmp_path: Path, mode: list[str]) -> None:
    """Whether or not its config lists it."""
    pl.DataFrame({"x": range(40), "price": range(40), "sold": ["yes", "no"] * 20}).write_csv(tmp_path / "t.csv")
    config = tmp_path / "c" / "experiment" / "e.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(
        "# @package _global_\ndefaults: [{override /data: table}]\nbatch_size: 4\nsteps: 2\ndata: {path: t.csv}\n"
        "tasks: {price: {kind: regression}, sold: {kind: binary}}\n"
    )
    words = ["--config-dir", "c", "experiment=e", "tasks.price.weight=0.3", "tasks.sold.positive=no", *mode]
    run = mtl_train(*words)
    assert run.status == 0, run.err
    for folder in run.folders:
        summary = json.loads((folder / "summary.json").read_text())
        assert summary["shares"] == pytest.approx({"price": 0.3, "sold": 0.7})
        assert summary["config"]["tasks"]["sold"]["positive"] == "no"
    refused = mtl_train("--config-dir", "c", "experiment=e", "tasks.price.weigth=0.3", *mode)
    assert refused.status != 0
    assert "did you mean 'tasks.price.weight'?" in refused.err
    refused = mtl_train("--config-dir", "c", "experiment=e", "tasks.pric.weight=0.3", *mode)
    assert refused.status != 0
    assert "tasks.pric" in refused.err


def test_an_index_without_a_name_is_left_out(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """Pandas writes one by default."""
    frame = pl.DataFrame({"": range(40), "x": [i / 3 for i in range(40)], "y": [i % 7 for i in range(40)]})
    frame.write_csv(tmp_path / "t.csv")
    words = ["data=table", "data.path=t.csv", "+tasks.y.kind=regression", "steps=2", "batch_size=4"]
    run = mtl_train(*words, "hydra.run.dir=run")
    assert run.status == 0, run.err
    assert "t.csv: its first column has no name, as an index has that pandas writes; it is left out" in run.err
    assert [each["name"] for each in json.loads((tmp_path / "run" / "columns.json").read_text())["inputs"]] == ["x"]
    assert mtl_train("predict", "run", "t.csv", "--out", "p.csv").status == 0
    assert mtl_train(*words, "data.features=[column_1,x]", "hydra.run.dir=meant").status == 0
    meant = json.loads((tmp_path / "meant" / "columns.json").read_text())["inputs"]
    assert [each["name"] for each in meant] == ["column_1", "x"]
    assert mtl_train("inspect", "t.csv", "--target", "y", "--out", "c").status == 0
    assert mtl_train("--config-dir", "c", "experiment=t", "steps=2").status == 0
    (tmp_path / "u.csv").write_text("x,,y\n1,2,3\n")
    assert "column 2 has no name" in mtl_train("data=table", "data.path=u.csv", "+tasks.y.kind=regression").err


def test_blanks_around_numbers_make_no_texts(mtl_train: MtlTrain, tmp_path: Path) -> None:
    lines = "".join(f"{i / 3}, {40 + i},{' ' * (i % 2)}{i % 9}.5 ,{' k' if i % 2 else 'k'}\n" for i in range(40))
    (tmp_path / "t.csv").write_text("x,age,y,code\n" + lines)
    words = ["data=table", "data.path=t.csv", "+tasks.y.kind=regression", "steps=2", "batch_size=4"]
    assert mtl_train(*words, "hydra.run.dir=run").status == 0
    inputs = json.loads((tmp_path / "run" / "columns.json").read_text())["inputs"]
    assert {each["name"]: each["kind"] for each in inputs} == {"x": "number", "age": "number", "code": "text"}
    assert mtl_train("predict", "run", "t.csv", "--out", "p.csv").status == 0
    (tmp_path / "plain.csv").write_text(("x,age,y,code\n" + lines).replace(", ", ","))
    assert mtl_train("predict", "run", "plain.csv", "--out", "q.csv").status == 0
    p, q = (pl.read_csv(tmp_path / name)["y"] for name in ("p.csv", "q.csv"))
    assert p[::2].to_list() == q[::2].to_list()


@pytest.mark.parametrize("decimal", [None, ".", ","])
@pytest.mark.parametrize("thousands", [None, ",", ".", "'", " "])
def test_one_mark_is_not_two(decimal: Any, thousands: Any) -> None:
    if decimal is not None and decimal == thousands:
        with pytest.raises(ValidationError, match=rf"thousands: '\{thousands}' is the decimal mark as well"):
            Table(decimal=decimal, thousands=thousands)
    else:
        assert Table(decimal=decimal, thousands=thousands).dialect.thousands == thousands


def test_row_weights_are_1_on_average(tmp_path: Path) -> None:
    """So a learning rate means the same with them."""
    weights = [float(i % 5) * 100 for i in range(100)]
    pl.DataFrame({"x": range(100), "y": range(100), "w": weights}).write_csv(tmp_path / "t.csv")
    words = ["data=table", f"data.path={tmp_path / 't.csv'}", "+tasks.y.kind=regression", "data.weight_column=w"]
    dataset = load(composed(*words, "batch_size=2"))
    assert isinstance(dataset, RowsDataset)
    counted = dataset.device_data["weights"]["y"][dataset.own["y"]]
    assert counted.mean() == pytest.approx(1.0, rel=1e-5)
    given = np.array(weights)[dataset.own["y"]]
    np.testing.assert_allclose(counted, given / given.mean(), rtol=1e-5)


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


@pytest.fixture
def table(tmp_path: Path) -> pl.DataFrame:
    """Returns a table, and writes it as CSV and Parquet."""
    random = generator(0, 99)
    frame = pl.DataFrame(
        {
            "a": random.normal(5, 3, 200),
            "b": random.integers(0, 100, 200),
            "flag": random.random(200) > 0.5,
            "price": random.normal(0, 1, 200),
            "price2": random.normal(0, 1, 200),
            "sold": random.integers(0, 2, 200),
            "class": random.integers(0, 4, 200),
        }
    )
    frame.write_csv(tmp_path / "t.csv")
    frame.write_parquet(tmp_path / "t.parquet")
    return frame


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_table_is_read_as_it_stands(table: pl.DataFrame, tmp_path: Path, name: str) -> None:
    tasks = ["+tasks.p={kind: regression, column: [price, price2]}", "+tasks.sold.kind=binary"]
    types = "+data.types.flag=number"
    dataset = loaded("data=table", f"data.path={tmp_path / name}", *tasks, "+tasks.class.kind=multiclass", types)
    assert isinstance(dataset, RowsDataset)
    assert [task.units for task in dataset.tasks.values()] == [2, 1, 4]
    assert dataset.rows == {"train": 140, "val": 30, "test": 30}
    rows = [dataset.own["sold"], *(split.rows for split in dataset.splits.values())]
    np.testing.assert_array_equal(np.sort(np.concatenate([np.asarray(part) for part in rows])), np.arange(200))
    features = table.select("a", "b", pl.col("flag").cast(pl.Float64)).to_numpy()
    train = dataset.own["sold"]
    expected = (features - features[train].mean(axis=0)) / features[train].std(axis=0)
    np.testing.assert_allclose(dataset.device_data["features"], expected, atol=1e-5)
    price, scale = table.select("price", "price2").to_numpy(), dataset.scales["p"]
    np.testing.assert_allclose(scale.original(dataset.device_data["labels"]["p"]), price, atol=1e-6)
    np.testing.assert_allclose(dataset.device_data["labels"]["p"][train].std(axis=0), 1, atol=1e-5)
    for split in dataset.splits.values():
        np.testing.assert_array_equal(split.labels["class"].values, table["class"].to_numpy()[split.rows])
        np.testing.assert_array_equal(split.labels["sold"].values[:, 0], table["sold"].to_numpy()[split.rows])
