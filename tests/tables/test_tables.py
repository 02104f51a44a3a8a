"""The user's tables: what is read, what columns become, which rows go where, what the saved model does with them."""

import gzip
import json
import re
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import keras
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtl_cli.backend import start, tf
from mtl_cli.data.table import MISSING_TEXTS
from mtl_cli.datasets.in_memory import RowsDataset
from mtl_cli.datasets.splits import Fractions, split_groups, split_rows, split_strata
from mtl_cli.errors import InputError
from mtl_cli.tables.delimited import Dialect
from mtl_cli.tables.duplicates import firsts
from mtl_cli.tables.features import Columns, fit
from mtl_cli.tables.labels import Found, find
from mtl_cli.tables.model_inputs import allowing_any_column, arrays
from mtl_cli.tables.reader import read
from mtl_cli.tables.splits import strata, with_every_class
from mtl_cli.tasks import Binary, Multiclass, Regression
from mtl_cli.training.experiment import load
from mtl_cli.training.saved_model import predictor
from tests.support.command import MtlTrain
from tests.support.configs import composed

PLAIN = pl.DataFrame({"a": [1, 2, None], "b": ["x", 'y,"\n', None], "c": [1.5, None, -2.5e-3]})


ZSTD: dict[str, Any] = {"compression": "zstd", "check_extension": False}


def write(frame: pl.DataFrame, path: Path) -> None:
    """Writes a table in the format that the name stands for."""
    name = path.name.removesuffix(".gz").removesuffix(".zst")
    beside = path.with_name(f"plain_{name}")
    if name.endswith(".parquet"):
        frame.write_parquet(beside)
    elif name.endswith(("ndjson", "jsonl")):
        frame.write_ndjson(beside, **(ZSTD if path.suffix == ".zst" else {}))
    else:
        separator = "\t" if name.endswith(("tsv", "tab")) else ","
        frame.write_csv(beside, separator=separator, **(ZSTD if path.suffix == ".zst" else {}))
    content = beside.read_bytes()
    beside.unlink()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize(
    "name",
    ["t.csv", "t.CSV", "t.tsv", "t.tab", "t.parquet", "t.pq", "t.ndjson", "t.jsonl",
     "t.csv.gz", "t.tsv.zst", "t.ndjson.gz", "t.jsonl.zst"],
)  # fmt: skip
def test_every_format_reads_the_same(tmp_path: Path, name: str) -> None:
    write(PLAIN, tmp_path / name) if not name.endswith("pq") else PLAIN.write_parquet(tmp_path / name)
    assert read(str(tmp_path / name), "data.path", Dialect(tuple(MISSING_TEXTS))).frame.equals(PLAIN)


def test_several_files_and_globs(tmp_path: Path) -> None:
    PLAIN.write_csv(tmp_path / "1.csv")
    PLAIN.select("c", "a", "b").write_csv(tmp_path / "2.csv")
    both = read(str(tmp_path / "*.csv"), "data.path")
    assert both.frame.equals(pl.concat([PLAIN, PLAIN]))
    assert both.place(4) == f"{tmp_path / '2.csv'}, row 2"
    listed = read([str(tmp_path / "2.csv"), str(tmp_path / "1.csv")], "data.path")
    assert listed.place(2) == f"{tmp_path / '2.csv'}, row 3"
    PLAIN.drop("b").write_csv(tmp_path / "3.csv")
    with pytest.raises(InputError, match="different columns: only one of them has 'b'"):
        read(str(tmp_path / "*.csv"), "data.path")
    with pytest.raises(InputError, match="no file matches"):
        read(str(tmp_path / "*.tsv"), "data.path")


FAULTS = [
    (b"a,b,c\n1,2,3\n1,2\n", "line 3 has 2 fields, and the header has 3"),
    (b'a,b\n"x\ny",1\n3,4\n5\n', "line 5 has 1 fields, and the header has 2"),
    (b"a,b\n1,2\n1,2,3\n", "line 3 has 3 fields, and the header has 2"),
    (b"a,b\n1,2\n3,caf\xe9\n", r"byte 13 \(0xe9, in line 3\) is not UTF-8"),
    ("a,b\n1,2\n".encode("utf-16")[:-1], r"byte 16 \(0x0a\) is not utf-16"),
    (b"a,a\n1,2\n", "has the column 'a' more than once"),
    (b"a,,b\n1,2,3\n", "column 2 has no name"),
    (b"a,b\n", "has a header but no rows"),
    (b"", "is empty"),
]


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
@pytest.mark.parametrize(("content", "message"), FAULTS, ids=lambda value: str(value)[:30])
def test_where_a_file_is_wrong(tmp_path: Path, content: bytes, message: str, suffix: str) -> None:
    if suffix == ".csv.gz":
        if not content:
            return
        content = gzip.compress(content)
    (tmp_path / f"t{suffix}").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read(str(tmp_path / f"t{suffix}"), "data.path")


NESTED = "[" * 2000 + "]" * 2000
NDJSON = [
    ('{"a": 1}\n{"a": \n', "line 2 is not JSON"),
    ('{"a": 1}\n[1]\n', "line 2 is not a JSON object"),
    ('{"a": 1, "b": 2}\n\n{"a": 1, "b": 2, "a": 3}\n', "line 3, key 'a' is there 2 times"),
    ('{"a": 1, "b": 2}\n{"a" : 1, "b": {"c": 1, "c": 2}}\n', "line 2, key 'c' is there 2 times"),
    ('{"a": 1}\n{"a": NaN}\n', "line 2, key 'a' is NaN, which is no number in JSON; null stands for a missing one"),
    ('{"a": 1}\n{"a": -Infinity}\n', "line 2, key 'a' is -Infinity, which is no number in JSON"),
    ('{"a": 1}\n{"a": [1, 2]}\n', "line 2, key 'a' has a list, and in line 1 a number"),
    ('{"a": null}\n{"a": [1]}\n{"a": 1}\n', "line 3, key 'a' has a number, and in line 2 a list"),
    ('{"a": {"b": 1}}\n{"a": 1}\n', "line 2, key 'a' has a number, and in line 1 an object"),
    ('{"a": 1.5}\n{"a": true}\n', "line 2, key 'a' has true or false, and in line 1 a number"),
    (f'{{"a": {NESTED}}}\n', "line 1 has more levels of lists and objects than can be read"),
]


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(("content", "message"), NDJSON, ids=lambda value: str(value)[:30])
def test_where_ndjson_is_wrong(tmp_path: Path, content: str, message: str, suffix: str) -> None:
    file = tmp_path / f"t.ndjson{suffix}"
    file.write_bytes(gzip.compress(content.encode()) if suffix else content.encode())
    with pytest.raises(InputError, match=re.escape(message)):
        read(str(file), "data.path")


@pytest.mark.parametrize("cells", ['"x", 1', '1, "x"'])
def test_texts_and_numbers_are_texts_in_ndjson(tmp_path: Path, cells: str) -> None:
    rows = [f'{{"a": {cell}, "b": {{"a": 1}}}}\n' for cell in cells.split(", ")]
    (tmp_path / "t.ndjson").write_text("".join(rows))
    assert set(read(str(tmp_path / "t.ndjson"), "data.path").frame["a"].to_list()) == {"x", "1"}


def test_types_that_only_late_rows_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtl_cli.tables.reader.LOOKED_AT", 3)
    (tmp_path / "t.csv").write_text("i,f,t,n\n1,1,1,\n2,2,2,\n3,3,3,\n4,4.5,x,7\n")
    frame = read(str(tmp_path / "t.csv"), "data.path").frame
    assert frame.to_dict(as_series=False) == {
        "i": [1, 2, 3, 4], "f": [1, 2, 3, 4.5], "t": ["1", "2", "3", "x"], "n": [None, None, None, 7]
    }  # fmt: skip
    (tmp_path / "t.csv").write_text("i,n\n1,\n2,\n3,\n4,7\n")
    assert read(str(tmp_path / "t.csv"), "data.path").frame["n"].to_list() == [None, None, None, 7]


def place(row: int) -> str:
    """Names a row."""
    return f"row {row + 1}"


def test_columns_encode_by_formula() -> None:
    days = [date(2020, 2, 29) + timedelta(days=40 * i) for i in range(8)]
    frame = pl.DataFrame(
        {
            "n": [1.0, 2, 3, 6, None, 8, 9, 10],
            "d": [*days[:7], None],
            "c": ["b", "a", "b", None, "a", "z", "b", "new"],
            "k": [3, 3, -1, -1, 3, 7, -1, 3],
        }
    )
    kinds: dict[str, Any] = {"n": "number", "d": "date", "c": "category", "k": "category"}
    columns = fit(frame, kinds, np.arange(6), place, date_format=None, min_count=2, embed_above=16)
    train = np.array([1, 2, 3, 6, 8.0])
    matrix = columns.encode(frame, place)
    expected = np.asarray((np.array([1, 2, 3, 6, np.nan, 8, 9, 10]) - train.mean()) / train.std())
    np.testing.assert_allclose(matrix[:, 0], expected, rtol=1e-5)
    epoch = [(day - date(1970, 1, 1)).days for day in days[:7]]
    mean = float(np.mean(epoch[:6]))
    np.testing.assert_allclose(matrix[:, 1], np.array([*epoch, mean]))
    assert matrix[:, 2].tolist() == [3, 2, 3, 0, 2, 1, 3, 1]
    assert matrix[:, 3].tolist() == [3, 3, 2, 2, 3, 1, 2, 3]
    units, layers = columns.units(tf.constant(matrix), np.random.default_rng(0))
    assert layers == []
    phases = [np.array([*epoch, mean]) % period / period * 2 * np.pi for period in (365.2425, 7)]
    by_hand = np.column_stack(
        [
            np.nan_to_num(expected), np.isnan(expected),
            (np.array([*epoch, mean]) - mean) / np.std(epoch[:6]),
            *(f(phase) for phase in phases for f in (np.sin, np.cos)),
            *(matrix[:, 2] == code for code in (0, 1, 2, 3)),
            *(matrix[:, 3] == code for code in (1, 2, 3)),
        ]
    )  # fmt: skip
    np.testing.assert_allclose(units, by_hand, atol=1e-4)


SECONDS = [1_700_000_000 + 7 * i for i in range(60)]


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


def test_an_embedding_is_a_row_of_its_matrix() -> None:
    frame = pl.DataFrame({"c": [f"v{i % 20}" for i in range(60)]})
    columns = fit(frame, {"c": "category"}, np.arange(60), place, date_format=None, min_count=2, embed_above=16)
    units, (layer,) = columns.units(tf.constant(columns.encode(frame, place)), np.random.default_rng(0))
    width = round(1.6 * 20**0.56)
    assert units.shape == (60, width)
    vectors = layer.embeddings.numpy()
    assert vectors.shape == (22, width)
    assert not vectors[:2].any()  # no training row is missing or unseen
    order = sorted({f"v{i}" for i in range(20)})
    np.testing.assert_array_equal(units, vectors[[2 + order.index(value) for value in frame["c"]]])


def mixed(rows: int) -> pl.DataFrame:
    """Returns a table with a column of every kind, and gaps in each."""
    random = np.random.default_rng(7)
    moments = [datetime(2020, 1, 1) + timedelta(hours=7 * i) for i in range(rows)]
    frame = pl.DataFrame(
        {
            "size (m²)/x": random.normal(1e4, 3, rows),
            "where": random.integers(-5, 5, rows),
            "${town}": random.choice(["Bern", "Genf", "Chur"], rows),
            "street": [f"s{i % 40}" for i in range(rows)],
            "garden": random.random(rows) > 0.5,
            "zip": random.integers(1000, 1005, rows),
            "seen": moments,
            "built": [str(moment.date()) for moment in moments],
            "price": random.normal(50, 20, rows),
            "sold": random.choice(["n", "y"], rows),
            "kind": random.integers(4, 7, rows),
        }
    )
    gaps = [pl.when(pl.Series(random.random(rows) > 0.1)).then(pl.col(name)).alias(name) for name in frame.columns]
    return frame.select(gaps)


MIXED = [
    "+data.types.zip=category", "+data.types.built=date",
    "+tasks.price.kind=regression", "+tasks.sold.kind=binary", "+tasks.kind.kind=multiclass",
]  # fmt: skip


def test_the_saved_model_predicts_the_same_in_another_process(mtl_train: MtlTrain, tmp_path: Path) -> None:
    frame = mixed(600)
    frame.write_parquet(tmp_path / "t.parquet")
    run = mtl_train("data=table", "data.path=t.parquet", *MIXED, "steps=50", "batch_size=16", "model.dropout=0.1")
    assert run.status == 0, run.err
    dataset = load(composed("data=table", f"data.path={tmp_path / 't.parquet'}", *MIXED))
    test = dataset.splits["test"]
    assert isinstance(dataset.entry, Columns)
    raw = arrays(frame[np.asarray(test.rows)], dataset.entry.inputs(), None, place)
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


def test_predict_gives_what_the_model_gives(
    mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mtl_cli.cli.predict.BLOCK", 100)
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
    assert isinstance(dataset.entry, Columns)
    rows = arrays(frame, dataset.entry.inputs(), None, place)
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
    refused("has no model.keras", ".", "t.csv", "--out", "q.csv")
    refused("has no column 'nr'", folder, "t.csv", "--out", "q.csv", "--id", "nr")
    refused("the following arguments are required", folder, "t.csv")
    frame.drop("street").write_csv(tmp_path / "less.csv")
    refused("less.csv has no column 'street'", folder, "less.csv", "--out", "q.csv")
    odd = frame.with_columns(pl.col("where").cast(pl.String).replace("3", "many"))
    odd.write_csv(tmp_path / "odd.csv")
    first = odd["where"].to_list().index("many") + 1
    refused(f"odd.csv, row {first}, column 'where' holds 'many', not a number", folder, "odd.csv", "--out", "q.csv")
    assert not list(tmp_path.glob("*q.csv*"))


def test_a_config_is_written_for_an_unknown_table(mtl_train: MtlTrain, tmp_path: Path) -> None:
    frame = mixed(300).with_row_index("id").rename({"price": "${price} of it"})
    frame.with_columns(same=1).write_csv(tmp_path / "My homes.csv")
    look = mtl_train("inspect", "My homes.csv", "--target", "${price} of it", "--target", "sold")
    assert look.status == 0, look.err
    assert "mtl-train --config-dir configs experiment=My_homes" in look.out
    run = mtl_train("--config-dir", "configs", "experiment=My_homes", "steps=20")
    assert run.status == 0, run.err
    assert set(run.summary()["metrics"]["test"]) == {"price_of_it", "sold"}
    names = {each["name"] for each in json.loads((run.folder / "columns.json").read_text())["inputs"]}
    assert names == set(frame.columns) - {"id", "${price} of it", "sold"}
    again = mtl_train("inspect", "My homes.csv")
    assert again.status == 2
    assert "exists; it is not overwritten" in again.err
    guess = mtl_train("inspect", "My homes.csv", "--out", "more")
    assert guess.status == 0, guess.err
    assert mtl_train("--config-dir", "more", "experiment=My_homes", "steps=20").status == 0


@given(data=st.data())
def test_strata_are_dealt_evenly(data: st.DataObject) -> None:
    strata = np.array(data.draw(st.lists(st.integers(0, 5), min_size=20, max_size=300)))
    parts = data.draw(st.sampled_from([(0.7, 0.15, 0.15), (0.5, 0.5, 0.0), (0.6, 0.0, 0.4), (1.0, 0.0, 0.0)]))
    wanted = Fractions(train=parts[0], val=parts[1], test=parts[2])
    dealt = split_strata(strata, wanted, seed=data.draw(st.integers(0, 5)))
    assert sorted(np.concatenate(list(dealt.values()))) == list(range(len(strata)))
    for stratum in np.unique(strata):
        size = (strata == stratum).sum()
        for rows, part in zip(dealt.values(), parts, strict=True):
            assert abs((strata[rows] == stratum).sum() - part * size) <= 2.01


@given(groups=st.lists(st.integers(0, 12), min_size=30, max_size=200), seed=st.integers(0, 3))
def test_groups_stay_together(groups: list[int], seed: int) -> None:
    codes = np.array(groups)
    try:
        dealt = split_groups(codes, Fractions(), seed)
    except InputError:
        assert len(set(groups)) < 3
        return
    assert sorted(np.concatenate(list(dealt.values()))) == list(range(len(groups)))
    kept = [set(codes[rows].tolist()) for rows in dealt.values()]
    assert not (kept[0] & kept[1] or kept[0] & kept[2] or kept[1] & kept[2])


def test_splits_by_column_and_by_file(tmp_path: Path) -> None:
    frame = mixed(120).with_columns(s=pl.Series(["train", "Validation", "test"] * 40))
    frame.write_csv(tmp_path / "t.csv")
    dataset = load(composed("data=table", f"data.path={tmp_path / 't.csv'}", *MIXED, "data.split_column=s"))
    assert np.asarray(dataset.splits["val"].rows).tolist() == list(range(1, 120, 3))
    assert np.asarray(dataset.splits["test"].rows).tolist() == list(range(2, 120, 3))
    frame.drop("s")[:30].write_csv(tmp_path / "test.csv")
    files = [f"data.path={tmp_path / 't.csv'}", f"data.test_path={tmp_path / 'test.csv'}"]
    dataset = load(composed("data=table", *files, "data.exclude=[s]", *MIXED))
    assert np.asarray(dataset.splits["test"].rows).tolist() == list(range(120, 150))
    assert dataset.rows == {"train": 99, "val": 21, "test": 30}


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


def test_what_looks_odd_is_said(tmp_path: Path) -> None:
    frame = mixed(200).with_row_index("nr")
    frame = frame.with_columns(
        same=pl.lit(1), copy=pl.col("price") * 2 + 1, mark=pl.col("sold").replace({"n": "0-", "y": "1+"}),
        nearly=pl.Series(["1", "2", "3", "?"] * 50),
    )  # fmt: skip
    frame.write_csv(tmp_path / "t.csv")
    notes = "\n".join(load(composed("data=table", f"data.path={tmp_path / 't.csv'}", *MIXED)).notes)
    assert "column 'nr' looks like an id" in notes
    assert "column 'same' is the same in all training rows" in notes
    assert "column 'copy' equals the label of task price (correlation 1)" in notes
    assert "column 'mark' equals the label of task sold" in notes
    assert "column 'nearly' is text because of cells like '?'" in notes
    assert "street" not in notes


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
    network = config.model.build(dataset.entry, dataset.tasks, 0)
    features = dataset.resident["features"]
    raw = network.inferred(network.params(), tf.constant(features))["y"]
    assert np.isfinite(raw).all()
    predictions = keras.activations.get(dataset.tasks["y"].activation)(raw)
    if "y" in dataset.scales:
        predictions = dataset.scales["y"].original(predictions.numpy())
    assert isinstance(dataset.entry, Columns)
    given_rows = arrays(frame, dataset.entry.inputs(), None, place)
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


def test_text_in_one_file_is_text_in_all(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("code,z,y\n01,1.5,1\n02,2.5,2\n" * 1)
    (tmp_path / "2.csv").write_text("code,z,y\nA1,,3\n01,,4\n")
    found = read(str(tmp_path / "?.csv"), "data.path").frame
    assert found["code"].to_list() == ["01", "02", "A1", "01"]
    assert found["z"].to_list() == [1.5, 2.5, None, None]
    pl.DataFrame({"code": [1], "z": [date(2020, 1, 1)], "y": [1]}).write_parquet(tmp_path / "3.parquet")
    with pytest.raises(InputError, match=r"'code' is number in .*3.parquet and text in .*1.csv"):
        read([str(tmp_path / "1.csv"), str(tmp_path / "2.csv"), str(tmp_path / "3.parquet")], "data.path")


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


def test_labels_keep_their_digits(tmp_path: Path) -> None:
    pl.DataFrame({"x": np.arange(100.0), "y": 1.7e9 + np.arange(100) / 8}).write_parquet(tmp_path / "t.parquet")
    dataset = load(composed("data=table", f"data.path={tmp_path / 't.parquet'}", "+tasks.y.kind=regression"))
    again = dataset.scales["y"].original(dataset.resident["labels"]["y"])[:, 0]
    np.testing.assert_allclose(again - 1.7e9, np.arange(100) / 8, atol=1e-5)


def test_a_task_without_weight_takes_no_part_in_choosing(mtl_train: MtlTrain, tmp_path: Path) -> None:
    mixed(200).write_parquet(tmp_path / "t.parquet")
    tasks = ["+tasks.price={kind: regression, weight: 1}", "+tasks.sold={kind: binary, weight: 0}"]
    types = ["+data.types.built=date", "steps=40", "eval.every=10"]
    run = mtl_train("data=table", "data.path=t.parquet", *types, *tasks)
    assert run.status == 0, run.err
    summary = run.summary()
    assert summary["objective"] == pytest.approx(summary["metrics"]["val"]["price"]["loss"])
    assert set(summary["metrics"]["train"]["price"]) == {"loss", "rmse", "mse", "mae", "r2"}


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


@pytest.mark.parametrize("duplicates", ["keep", "one_split", "drop"])
def test_rows_that_occur_twice_are_counted_and_dealt_as_one_says(
    mtl_train: MtlTrain, tmp_path: Path, duplicates: str
) -> None:
    random = np.random.default_rng(3)
    noise = pl.DataFrame({f"x{i}": random.normal(size=300) for i in range(4)})
    noise = noise.with_columns(y=pl.Series(random.choice(["no", "yes"], 300)))
    frame = pl.concat([noise, noise, noise[:20].with_columns(y=pl.lit("no"))])
    frame.write_csv(tmp_path / "t.csv")
    words = ["data=table", "data.path=t.csv", "+tasks.y.kind=binary", f"data.duplicates={duplicates}"]
    dataset = load(composed(*words[:1], f"data.path={tmp_path / 't.csv'}", *words[2:]))
    splits = {"train": dataset.train, **dataset.splits}
    dealt = {split: [frame.row(int(i)) for i in of.rows] for split, of in splits.items() if of.rows is not None}
    trained = set(dealt["train"])
    counts = {split: sum(row in trained for row in dealt[split]) for split in ("val", "test")}
    whole = set(frame.rows())
    assert sum(map(len, dealt.values())) == (len(whole) if duplicates == "drop" else 620)
    assert set().union(*map(set, dealt.values())) == whole
    for share, split in ((0.7, "train"), (0.15, "val"), (0.15, "test")):
        assert len(dealt[split]) / sum(map(len, dealt.values())) == pytest.approx(share, abs=0.03)
    assert (min(counts.values()) > 20) == (duplicates == "keep")
    assert sum(counts.values()) == 0 or duplicates == "keep"
    run = mtl_train(*words, "steps=2", "batch_size=8")
    again = 620 - len(whole)
    said = f"{again} of 620 rows are the same as an earlier one"
    assert (said in run.err) == (duplicates != "drop")
    both = f"{counts['val']} of 93 val and {counts['test']} of 93 test rows are training rows too"
    assert (both in run.err) == (duplicates == "keep")
    assert f"note: {again} rows are the same as an earlier one" in mtl_train("inspect", "t.csv", "--out", "c").out


def test_duplicates_are_not_dealt_where_the_split_is_given(mtl_train: MtlTrain, tmp_path: Path) -> None:
    rows = pl.DataFrame({"x": [1, 2, 3] * 8, "y": [1.0, 2.0, 3.0] * 8, "s": ["train", "val", "test"] * 8})
    rows.write_csv(tmp_path / "t.csv")
    words = ["data=table", "data.path=t.csv", "+tasks.y.kind=regression", "steps=2", "batch_size=2"]
    for key in ("split_column", "group_column"):
        refused = mtl_train(*words, f"data.{key}=s", "data.duplicates=drop")
        assert refused.status == 2
        assert f"data.duplicates: 'drop' needs a split by fractions, and data.{key} gives one" in refused.err


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


def test_what_inspect_writes_trains_ten_passes_over_many_rows(mtl_train: MtlTrain, tmp_path: Path) -> None:
    for rows, steps, batch in ((1_000, "4,000", 64), (300_000, "8,000", 256)):
        pl.DataFrame({"x": pl.arange(rows, eager=True) / 7, "y": pl.arange(rows, eager=True) % 90}).write_csv("t.csv")
        assert mtl_train("inspect", "t.csv", "--target", "y", "--out", str(rows)).status == 0
        words = ["--config-dir", str(rows), "experiment=t", "sweep.dry_run=true", "log.console=progress"]
        said = " ".join(mtl_train(*words).out.split())
        assert f"batches of {batch}" in said
        assert f"{steps} iterations, adam, learning rate 0.003 constant" in said
        assert "layers 256 - 256" in said


@pytest.mark.parametrize(
    ("word", "split"),
    [("dev", "val"), ("valid", "val"), ("VALIDATION", "val"), (" val ", "val"), ("Test", "test"), ("train", "train")],
)
def test_the_words_of_a_split_column(tmp_path: Path, word: str, split: str) -> None:
    others = [name for name in ("train", "val", "test") if name != split]
    parts = [*[word] * 5, *[others[0]] * 9, *[others[1]] * 9]
    pl.DataFrame({"x": range(23), "y": range(23), "s": parts}).write_csv(tmp_path / "t.csv")
    words = ["data=table", f"data.path={tmp_path / 't.csv'}", "+tasks.y.kind=regression", "data.split_column=s"]
    dataset = load(composed(*words, "batch_size=2"))
    assert dataset.rows == {split: 5, others[0]: 9, others[1]: 9}


def test_row_weights_are_1_on_average(tmp_path: Path) -> None:
    """So a learning rate means the same with them."""
    weights = [float(i % 5) * 100 for i in range(100)]
    pl.DataFrame({"x": range(100), "y": range(100), "w": weights}).write_csv(tmp_path / "t.csv")
    words = ["data=table", f"data.path={tmp_path / 't.csv'}", "+tasks.y.kind=regression", "data.weight_column=w"]
    dataset = load(composed(*words, "batch_size=2"))
    assert isinstance(dataset, RowsDataset)
    counted = dataset.resident["weights"]["y"][dataset.own["y"]]
    assert counted.mean() == pytest.approx(1.0, rel=1e-5)
    given = np.array(weights)[dataset.own["y"]]
    np.testing.assert_allclose(counted, given / given.mean(), rtol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_groups_fill_each_split_up_to_its_part(seed: int) -> None:
    """The largest ones first, to the split that lacks most: none is off by more than a small group."""
    sizes = np.random.default_rng(seed).integers(1, 30, 60)
    codes = np.repeat(np.arange(60), sizes)
    dealt = split_groups(codes, Fractions(), seed)
    for name, share in (("train", 0.7), ("val", 0.15), ("test", 0.15)):
        assert abs(len(dealt[name]) - share * len(codes)) <= 5


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
