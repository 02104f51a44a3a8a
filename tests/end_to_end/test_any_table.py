"""Any table: used, and by the saved model as in training, or refused by a message of the project's own."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtl_cli.backend import start, tf
from mtl_cli.datasets.in_memory import RowsDataset
from mtl_cli.errors import InputError
from mtl_cli.tables.features import FeatureColumns
from mtl_cli.tables.model_inputs import allowing_any_column, arrays
from mtl_cli.training.dataset_cache import load
from mtl_cli.training.saved_model import predictor
from tests.support.command import MtlTrain
from tests.support.configs import composed
from tests.support.tables import place

CELLS: dict[str, st.SearchStrategy[Any]] = {
    "float": st.floats(width=32) | st.none(),
    "tame": st.floats(-100, 100, width=32) | st.none(),
    "int": st.integers(-(2**63), 2**63 - 1) | st.none(),
    "small": st.integers(0, 2) | st.none(),
    "bool": st.booleans() | st.none(),
    "text": st.text(max_size=6) | st.none(),
    "word": st.sampled_from(["a", "b", "c", "", "1", "nan"]) | st.none(),
    "date": st.dates() | st.none(),
    "time": st.datetimes() | st.none(),
    "list": st.lists(st.integers(0, 3), max_size=2),
    "null": st.none(),
}
TYPES: dict[str, Any] = {
    "float": pl.Float64, "tame": pl.Float32, "int": pl.Int64, "small": pl.Int8, "bool": pl.Boolean, "text": pl.String,
    "word": pl.Categorical, "date": pl.Date, "time": pl.Datetime, "list": pl.List(pl.Int64), "null": pl.Null,
}  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> tuple[pl.DataFrame, list[str]]:
    """Draws a table, and a kind of task for its last column."""
    rows = draw(st.integers(1, 40))
    kinds = draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=5))
    columns = {
        f"c{i}": pl.Series(draw(st.lists(CELLS[kind], min_size=rows, max_size=rows)), dtype=TYPES[kind])
        for i, kind in enumerate(kinds)
    }
    label = draw(st.sampled_from(sorted(CELLS)))
    columns["y"] = pl.Series(draw(st.lists(CELLS[label], min_size=rows, max_size=rows)), dtype=TYPES[label])
    task = draw(st.sampled_from(["regression", "binary", "multiclass"]))
    split = draw(st.sampled_from(["{train: 0.7, val: 0.15, test: 0.15}", "{train: 1.0, val: 0.0, test: 0.0}"]))
    return pl.DataFrame(columns), [f"+tasks.y.kind={task}", f"data.split={split}"]


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(drawn=tables())
def test_any_table_is_used_or_refused(
    tmp_path_factory: pytest.TempPathFactory, drawn: tuple[pl.DataFrame, list[str]]
) -> None:
    frame, arguments = drawn
    folder = tmp_path_factory.mktemp("any")
    frame.write_parquet(folder / "t.parquet")
    config = composed("data=table", f"data.path={folder / 't.parquet'}", "batch_size=1", *arguments)
    try:
        dataset = load(config)
    except InputError as error:
        assert len(str(error)) < 1000
        return
    assert isinstance(dataset, RowsDataset)
    start("cpu")
    network = config.model.build(dataset.encoder, dataset.tasks, 0)
    features = dataset.device_data["features"]
    raw = network.inferred(network.params(), tf.constant(features))["y"]
    assert np.isfinite(raw).all()
    predictions = keras.activations.get(dataset.tasks["y"].activation)(raw)
    if "y" in dataset.scales:
        predictions = dataset.scales["y"].original(predictions.numpy())
    assert isinstance(dataset.encoder, FeatureColumns)
    given_rows = arrays(frame, dataset.encoder.inputs(), None, place)
    with allowing_any_column():
        model = predictor(network, dataset)
    saved = model({name: tf.constant(values) for name, values in given_rows.items()})["y"]
    np.testing.assert_allclose(saved, predictions, rtol=1e-4, atol=1e-5)


@settings(max_examples=6, suppress_health_check=list(HealthCheck))
@given(drawn=tables())
def test_any_table_trains_or_is_refused(
    mtl_train: MtlTrain, tmp_path: Path, drawn: tuple[pl.DataFrame, list[str]]
) -> None:
    frame, arguments = drawn
    frame.write_parquet(tmp_path / "t.parquet")
    run = mtl_train("data=table", "data.path=t.parquet", "batch_size=1", "steps=3", "optimizer.clip_norm=1", *arguments)
    assert run.status in (0, 2) or "diverged" in run.err, run.err
    assert "Traceback" not in run.err
    assert run.status == 0 or run.err.startswith("mtl-train: ")


CRASHES: list[tuple[str, list[str], str]] = [
    ("x,y,k\n" + "1,2,a\n2,3,b\n" * 20, ["data.test_path=other.csv", "+tasks.k.kind=multiclass"], "the class 'new'"),
    ("x,k\n" + "1,yes\n2,yes\n" * 20, ["+tasks.k.kind=binary"], "the label 'k' is 'yes' in all 28 training rows"),
    ('x,y,k\n1,2,a\n"1,,",2\n' + "1,2,a\n" * 20, ["+tasks.y.kind=regression"], "line 3 has 2 fields"),
    ("*,y\n1,2\n", ["+tasks.y.kind=regression"], "can't be used by its name '*'"),
    ("x,g,y\n" + "1,,2\n2,a,3\n" * 9, ["data.group_column=g", "+tasks.y.kind=regression"], "not a group"),
    (
        "x,w,y\n" + "1,0,2\n2,0,3\n" * 9,
        ["data.weight_column=w", "+tasks.y.kind=regression"],
        "weights in 'w' are 0",
    ),
    ("x,y,z\n" + "1,0,1\n2,1,1\n" * 9, ["+tasks.t={kind: binary, column: [y, z]}"], "'z' is 1 in all"),
    (
        "x,y,z\n" + "1,0,1\n2,1,0\n" * 9,
        ["+tasks.t={kind: binary, column: [y, z], class_weight: balanced}"],
        "no classes to balance",
    ),
    ("x,k,r\n" + "1,a,2\n2,b,3\n" * 9, ["+tasks.k.kind=binary", "+tasks.k_b={kind: regression, column: r}"], "'k_b'"),
    ("x,q,y\n" + "1,inf,2\n2,3,3\n" * 9, ["+data.types.q=category", "+tasks.y.kind=regression"], "row 1, column 'q'"),
    ("x,y\n1,2\n", ["data.path=[]", "+tasks.y.kind=regression"], "data.path: names no file"),
    ("x,y\n1,2\n2,3\n", ["data.path=[t.csv,t.csv]", "+tasks.y.kind=regression"], "t.csv is named twice"),
    ("x,k\n" + "1,a\n2,b\n" * 9, ["+tasks.k={kind: binary, positive: c}"], "'c' is not one of the classes ['a', 'b']"),
]


@pytest.mark.parametrize(("table", "arguments", "message"), CRASHES, ids=[message for _, _, message in CRASHES])
def test_odd_tables_are_refused(
    mtl_train: MtlTrain, tmp_path: Path, table: str, arguments: list[str], message: str
) -> None:
    (tmp_path / "t.csv").write_text(table)
    (tmp_path / "other.csv").write_text("x,y,k\n1,2,a\n1,3,new\n")
    run = mtl_train("data=table", "data.path=t.csv", "batch_size=1", "steps=5", *arguments)
    assert run.status == 2, run.err
    assert message in run.err
    assert len(run.err.splitlines()) <= 3
    assert not (tmp_path / "outputs").exists()
