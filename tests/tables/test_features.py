"""What a table's columns become for the network."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import keras
import numpy as np
import polars as pl
import pytest

from mtl_cli.backend import tf
from mtl_cli.tables.features import fit
from mtl_cli.tables.model_inputs import allowing_any_column, arrays
from tests.support.command import MtlTrain
from tests.support.tables import place


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


def test_the_saved_model_encodes_as_the_training_does() -> None:
    """A column of each kind, with a gap in the training rows, in other rows alone, or in none."""
    start, codes = datetime(2026, 1, 1), [5, 2**63, 7, 5, None, 7]
    moments = [start + timedelta(hours=7 * i) for i in range(6)]
    columns: dict[str, tuple[Any, list[Any], Any]] = {
        "number": ("number", [1.5, 2, None, 8, None, 3], pl.Float64),
        "late": ("number", [1.5, 2, 4, 8, None, 3], pl.Float64),
        "far": ("number", [1_790_000_000 + 7 * i**2 for i in range(5)] + [None], pl.Int64),
        "far, gaps": ("number", [None] + [1_790_000_000 + 7 * i**2 for i in range(5)], pl.Int64),
        "date": ("date", [*moments[:4], None, moments[5]], pl.Datetime),
        "date, gaps": ("date", [None, *moments[1:]], pl.Datetime),
        "text": ("category", ["a", "b", "", "a", None, "new"], pl.String),
        "whole": ("category", [5, 7, 5, 7, None, 9], pl.Int64),
        "large": ("category", codes, pl.UInt64),
        "truth": ("category", [True, False, None, False, None, True], pl.Boolean),
    }
    frame = pl.DataFrame({name: pl.Series(cells, dtype=dtype) for name, (_, cells, dtype) in columns.items()})
    kinds = {name: kind for name, (kind, _, _) in columns.items()}
    fitted = fit(frame, kinds, np.arange(4), place, date_format=None, min_count=1, embed_above=16)
    inputs, encoded = fitted.raw()
    with allowing_any_column():
        model = keras.Model(inputs, encoded)
    given = {name: values[:, None] for name, values in arrays(frame, fitted.inputs(), None, place).items()}
    found = model({name: tf.constant(values, inputs[name].dtype) for name, values in given.items()})
    np.testing.assert_allclose(found, fitted.encode(frame, place), rtol=1e-6, atol=1e-6)


def test_many_columns_are_counted_not_named() -> None:
    frame = pl.DataFrame({f"n{i}": [0.0, 1.0] for i in range(8)} | {f"c{i}": ["a", "b"] for i in range(6)})
    kinds: dict[str, Any] = {name: "number" if name[0] == "n" else "category" for name in frame.columns}
    described = fit(frame, kinds, np.arange(2), place, date_format=None, min_count=1, embed_above=16).description
    categories = ", ".join(f"c{i} (2 values, one-hot)" for i in range(6))
    assert described == f"number n0, n1, n2, n3, n4, n5 and 2 more; category {categories}"


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
