"""`mtl-train predict`."""

from pathlib import Path

import keras
import numpy as np
import polars as pl
import pytest

from mtl_cli.backend import tf
from mtl_cli.tables.features import FeatureColumns
from mtl_cli.tables.model_inputs import allowing_any_column, arrays
from mtl_cli.training.dataset_cache import load
from tests.support.command import MtlTrain
from tests.support.configs import composed
from tests.support.tables import MIXED, mixed, place


def test_predict_gives_what_the_model_gives(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mtl_cli.cli.verbs.predict.BLOCK", 100)
    frame = mixed(250).with_row_index("id")
    frame.write_csv(tmp_path / "t.csv")
    frame.write_parquet(tmp_path / "t.parquet")
    run = mtl_train("data=table", "data.path=t.csv", "data.exclude=[id,seen]", *MIXED, "steps=20")
    assert run.status == 0, run.err
    for source, out in (("t.csv", "p.parquet"), ("t.parquet", "p.csv")):
        done = mtl_train("predict", str(run.folder), source, "--out", out, "--id", "id")
        assert done.status == 0, done.err
    table, again = pl.read_parquet(tmp_path / "p.parquet"), pl.read_csv(tmp_path / "p.csv")
    assert table.columns == ["id", "price", "sold", "sold_y", "kind", "kind_4", "kind_5", "kind_6"]
    assert table["id"].to_list() == list(range(250))
    for column in table.columns:
        if table[column].dtype.is_numeric():
            np.testing.assert_allclose(table[column], again[column], rtol=1e-5)
        else:
            assert table[column].to_list() == again[column].to_list()
    with allowing_any_column():
        model = keras.saving.load_model(run.folder / "model.keras")
    dataset = load(composed("data=table", f"data.path={tmp_path / 't.csv'}", "data.exclude=[id,seen]", *MIXED))
    assert isinstance(dataset.encoder, FeatureColumns)
    rows = arrays(frame, dataset.encoder.inputs(), None, place)
    given = model({name: tf.constant(values[:, None]) for name, values in rows.items()})
    expected = {name: tensor.numpy() for name, tensor in given.items()}
    np.testing.assert_allclose(table["price"], expected["price"][:, 0], rtol=1e-5)
    np.testing.assert_allclose(table["sold_y"], expected["sold"][:, 0], rtol=1e-4)
    np.testing.assert_allclose(table.select("kind_4", "kind_5", "kind_6"), expected["kind"], rtol=1e-4)
    assert table["kind"].to_list() == (4 + expected["kind"].argmax(axis=1)).tolist()
    assert table["sold"].to_list() == np.where(expected["sold"][:, 0] > 0.5, "y", "n").tolist()

    def refused(message: str, *words: str) -> None:
        refusal = mtl_train("predict", *words)
        assert (refusal.status, message in refusal.err, "Traceback" in refusal.err) == (2, True, False), refusal.err

    folder = str(run.folder)
    refused("p.csv exists", folder, "t.csv", "--out", "p.csv")
    refused("neither a .csv nor a .parquet", folder, "t.csv", "--out", "p.txt")
    refused("there is no folder", folder, "t.csv", "--out", "no/p.csv")
    refused("there is no folder nothing", "nothing", "t.csv", "--out", "q.csv")
    refused(". is no run, but has one in it", ".", "t.csv", "--out", "q.csv")
    refused("has no column 'nr'", folder, "t.csv", "--out", "q.csv", "--id", "nr")
    refused("the following arguments are required", folder, "t.csv")
    frame.drop("street").write_csv(tmp_path / "less.csv")
    refused("less.csv has no column 'street'", folder, "less.csv", "--out", "q.csv")
    odd = frame.with_columns(pl.col("where").cast(pl.String).replace("3", "many"))
    odd.write_csv(tmp_path / "odd.csv")
    first = odd["where"].to_list().index("many") + 1
    refused(f"odd.csv, row {first}, column 'where' holds 'many', not a number", folder, "odd.csv", "--out", "q.csv")
    assert not list(tmp_path.glob("*q.csv*"))


def test_predict_reads_types_as_training_did(mtl_train: MtlTrain, tmp_path: Path) -> None:
    rows = [f"{code},{i % 7},{label}" for i, (code, label) in enumerate([("01", 5), ("02", 9), ("A1", 5)] * 20)]
    (tmp_path / "t.csv").write_text("code,x,k\n" + "\n".join(rows) + "\n")
    run = mtl_train("data=table", "data.path=t.csv", "+tasks.k.kind=binary", "steps=5")
    assert run.status == 2  # 5 and 9 are neither 0 and 1 nor text
    run = mtl_train("data=table", "data.path=t.csv", "+tasks.k.kind=multiclass", "steps=300", "batch_size=20")
    assert run.status == 0, run.err
    (tmp_path / "few.csv").write_text("code,x\n01,1\n02,1\n")
    done = mtl_train("predict", str(run.folder), "few.csv", "--out", "few.parquet")
    assert done.status == 0, done.err
    predicted = pl.read_parquet(tmp_path / "few.parquet")
    assert predicted.columns == ["k", "k_5", "k_9"]
    assert predicted["k"].to_list() == [5, 9]
