"""What the saved model takes: the table's own values, which it encodes itself."""

import json
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path

import keras
import numpy as np
import polars as pl
import pytest

from mtl_cli.backend import tf
from mtl_cli.errors import InputError
from mtl_cli.tables.dtypes import NO_INTEGER
from mtl_cli.tables.features import FeatureColumns
from mtl_cli.tables.model_inputs import Input, arrays
from mtl_cli.training.dataset_cache import load
from tests.support.command import MtlTrain
from tests.support.configs import composed
from tests.support.tables import MIXED, mixed, place

SECONDS = [1_700_000_000 + 7 * i for i in range(60)]


def test_true_and_false_among_texts_are_the_integers_that_training_made_of_them() -> None:
    """As they come where another cell of the column, or of the file, is text."""
    given = [Input("b", "integer")]
    read = arrays(pl.DataFrame({"b": ["true", "FALSE", "7", None, "True"]}), given, None, place)
    assert read["b"].tolist() == [1, 0, 7, NO_INTEGER, 1]
    for cells, row in ((["x", "1"], 1), (["1", "1.5"], 2)):
        with pytest.raises(InputError, match=f"row {row}, column 'b' holds '{cells[row - 1]}', not a whole number"):
            arrays(pl.DataFrame({"b": cells}), given, None, place)


@pytest.mark.parametrize("gap", [False, True])
def test_large_numbers_keep_their_differences(mtl_train: MtlTrain, tmp_path: Path, gap: bool) -> None:
    """As seconds since 1970 do, of which float32 has one in 128: the same as without the offset, in the model too."""
    near = [None if gap and i % 9 == 4 else 7 * i for i in range(60)]
    y = [i % 7 for i in range(60)]
    far = [None if each is None else SECONDS[0] + each for each in near]
    pl.DataFrame({"z": y, "x": far, "y": y}).write_csv(tmp_path / "far.csv")
    pl.DataFrame({"z": y, "x": near, "y": y}).write_csv(tmp_path / "near.csv")
    for name in ("far", "near"):
        words = ["data=table", f"data.path={name}.csv", "+tasks.y.kind=regression", "batch_size=8", "steps=30"]
        run = mtl_train(*words, f"hydra.run.dir={name}")
        assert run.status == 0, run.err
        assert "the same in all" not in run.err
        assert mtl_train("predict", name, f"{name}.csv", "--out", f"{name}.p.csv").status == 0
    losses = [pl.read_csv(tmp_path / name / "losses.csv") for name in ("far", "near")]
    assert losses[0]["y_loss"].to_numpy() == pytest.approx(losses[1]["y_loss"].to_numpy(), rel=1e-3)
    predictions = [pl.read_csv(tmp_path / f"{name}.p.csv")["y"].to_numpy() for name in ("far", "near")]
    assert predictions[0] == pytest.approx(predictions[1], abs=1e-3)
    model = keras.saving.load_model(tmp_path / "far" / "model.keras")
    assert str(model.input["x"].dtype) == "float64"
    assert str(model.input["z"].dtype) == "float32"
    raw = {"x": np.array([[np.nan if each is None else each] for each in far]), "z": np.array(y, np.float32)[:, None]}
    assert model(raw)["y"].numpy()[:, 0] == pytest.approx(predictions[0], abs=1e-5)


def test_the_model_takes_days_empty_texts_and_gaps_as_the_readme_says(mtl_train: MtlTrain, tmp_path: Path) -> None:
    moments = [datetime(2026, 1, 1) + timedelta(hours=7 * i) for i in range(60)]
    table = pl.DataFrame(
        {
            "built": [None if i % 11 == 3 else moment.isoformat() for i, moment in enumerate(moments)],
            "town": [None if i % 7 == 3 else f"t{i % 3}" for i in range(60)],
            "size": [None if i % 5 == 3 else i / 4 for i in range(60)],
            "rooms": [None if i % 9 == 3 else i % 4 for i in range(60)],
            "price": [i % 13 for i in range(60)],
        }
    )
    table.write_csv(tmp_path / "t.csv")
    words = ["data=table", "data.path=t.csv", "+data.types.built=date", "+data.types.rooms=category"]
    run = mtl_train(*words, "+tasks.price.kind=regression", "batch_size=8", "steps=9", "hydra.run.dir=run")
    assert run.status == 0, run.err
    assert mtl_train("predict", "run", "t.csv", "--out", "p.csv").status == 0
    expected = pl.read_csv(tmp_path / "p.csv")["price"].to_numpy()
    built = np.array([text or "NaT" for text in table["built"]], "datetime64[s]")
    rows = {
        "built": (built - np.datetime64("1970-01-01")) / np.timedelta64(1, "D"),
        "town": np.array([text or "" for text in table["town"]], object),
        "size": np.array([np.nan if each is None else each for each in table["size"]]),
        "rooms": np.array([-(2**63) if each is None else each for each in table["rooms"]]),
    }
    model = keras.saving.load_model(tmp_path / "run" / "model.keras")
    assert model.predict(rows, verbose=0)["price"][:, 0] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="could not convert string to float: '2026"):
        model(rows | {"built": np.array(["2026-01-01"] * 60, object)})


@pytest.mark.parametrize("form", [None, "%d.%m.%y", "%b %d, %Y"])
def test_the_model_takes_dates_as_texts_in_the_form_it_learned_from(
    mtl_train: MtlTrain, tmp_path: Path, form: str | None
) -> None:
    """It says what it says to their days, and names the column and the text of what is none."""
    days = [date(1971, 2, 27) + timedelta(days=331 * i) for i in range(60)]
    texts = ["" if i % 11 == 3 else day.strftime(form or "%Y-%m-%d") for i, day in enumerate(days)]
    pl.DataFrame({"built": texts, "price": [i % 13 for i in range(60)]}).write_csv(tmp_path / "t.csv")
    words = ["data=table", "data.path=t.csv", "+data.types.built=date", f"data.date_format={json.dumps(form)}"]
    words += ["+tasks.price.kind=regression", "batch_size=8", "steps=9"]
    for name, given in (("days", "false"), ("texts", "true")):
        run = mtl_train(*words, f"data.text_dates={given}", f"hydra.run.dir={name}")
        assert run.status == 0, run.err
        assert mtl_train("predict", name, "t.csv", "--out", f"{name}.csv").status == 0
    predicted = [pl.read_csv(tmp_path / f"{name}.csv")["price"].to_numpy() for name in ("days", "texts")]
    np.testing.assert_array_equal(predicted[0], predicted[1])
    assert len(set(predicted[0])) > 9
    hashes = {json.loads((tmp_path / name / "summary.json").read_text())["config_hash"] for name in ("days", "texts")}
    assert len(hashes) == 1
    model = keras.saving.load_model(tmp_path / "texts" / "model.keras")
    by_hand = model.predict({"built": np.array(texts, object)}, verbose=0)["price"][:, 0]
    assert by_hand == pytest.approx(predicted[0], rel=1e-5)
    for wrong in (days[0].strftime("%Y-%d-%m"), texts[0] + " 18:00", "soon"):
        with pytest.raises(tf.errors.InvalidArgumentError, match=rf"(?s)date_0_built.*found OOV.*{wrong}"):
            model.predict({"built": np.array([wrong], object)}, verbose=0)


@pytest.mark.parametrize(
    ("cell", "form", "message"),
    [
        (
            "2026-11-22 18:00",
            "null",
            "t.csv, row 3, column 'built' holds '2026-11-22 18:00', not a day without a time",
        ),
        ("2100-01-01", "null", "from 1900-01-01 to 2099-12-31, which data.text_dates=true needs"),
        ("2026-12", "'%Y-%m'", "data.date_format: '%Y-%m' doesn't tell days apart, column 'built'"),
    ],
)
def test_dates_that_no_text_of_a_day_stands_for_are_refused(
    mtl_train: MtlTrain, tmp_path: Path, cell: str, form: str, message: str
) -> None:
    cells = ["2026-11" if form != "null" else "2026-11-21"] * 30
    cells[2] = cell
    pl.DataFrame({"built": cells, "price": range(30)}).write_csv(tmp_path / "t.csv")
    words = ["data=table", "data.path=t.csv", "+data.types.built=date", f"data.date_format={form}", "batch_size=8"]
    run = mtl_train(*words, "+tasks.price.kind=regression", "data.text_dates=true", "steps=9")
    assert run.status == 2
    assert message in " ".join(run.err.split())


def test_the_saved_model_predicts_the_same_in_another_process(mtl_train: MtlTrain, tmp_path: Path) -> None:
    frame = mixed(600)
    frame.write_parquet(tmp_path / "t.parquet")
    run = mtl_train("data=table", "data.path=t.parquet", *MIXED, "steps=50", "batch_size=16", "model.dropout=0.1")
    assert run.status == 0, run.err
    dataset = load(composed("data=table", f"data.path={tmp_path / 't.parquet'}", *MIXED))
    test = dataset.splits["test"]
    assert isinstance(dataset.encoder, FeatureColumns)
    raw = arrays(frame[np.asarray(test.rows)], dataset.encoder.inputs(), None, place)
    np.savez(tmp_path / "raw.npz", allow_pickle=True, **{f"c{i}": values for i, values in enumerate(raw.values())})
    code = f"""
import json, sys, numpy as np, keras
assert "mtl_cli" not in sys.modules
model = keras.saving.load_model({str(run.folder / "model.keras")!r})
raw = np.load("raw.npz", allow_pickle=True)
names = json.loads({json.dumps(json.dumps(list(raw)))})
out = model.predict({{name: raw[f"c{{i}}"] for i, name in enumerate(names)}}, verbose=0)
np.savez("out.npz", **out)
assert "mtl_cli" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    out = np.load(tmp_path / "out.npz")
    reported = run.summary()["metrics"]["test"]
    price, sold, kind = test.labels["price"], test.labels["sold"], test.labels["kind"]
    error = out["price"][price.rows] - dataset.scales["price"].original(price.values)
    assert np.sqrt((error**2).mean()) == pytest.approx(reported["price"]["rmse"], rel=1e-5)
    p = out["sold"][sold.rows]
    assert -np.log(np.where(sold.values == 1, p, 1 - p)).mean() == pytest.approx(reported["sold"]["log_loss"], rel=1e-5)
    p = out["kind"][kind.rows, :][np.arange(len(kind.values)), kind.values]
    assert -np.log(p).mean() == pytest.approx(reported["kind"]["log_loss"], rel=1e-5)
