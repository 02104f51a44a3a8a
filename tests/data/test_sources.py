"""What the sources give: rows that don't depend on chunks, splits that don't overlap, labels as in the file."""

from copy import deepcopy
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from mtl_cli.backend import tf
from mtl_cli.datasets.dataset import Dataset, Plain, Split, generator
from mtl_cli.datasets.in_memory import RowsDataset, RowsFeed, Shuffled
from mtl_cli.datasets.splits import Fractions, split_rows
from mtl_cli.errors import InputError
from mtl_cli.training.experiment import load
from tests.support.configs import composed

PICKS = np.array([0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 0], np.int32)
DIGITS = ["data=digits", "data.examples={train: 300, val: 60, test: 60}"]


@pytest.mark.parametrize("data", [["data=seed"], DIGITS])
@given(cuts=st.sets(st.integers(1, 11)))
def test_draws_dont_depend_on_chunks(data: list[str], cuts: set[int]) -> None:
    dataset = _loaded(*data)
    whole, parts = dataset.stream(7, 150), dataset.stream(7, 150)
    bounds = [0, *sorted(cuts), 12]
    pieces = [deepcopy(parts.joint(end - start)) for start, end in pairwise(bounds)]
    for key, array in whole.joint(12).items():
        np.testing.assert_array_equal(np.concatenate([piece[key] for piece in pieces]), array)
    pieces = [deepcopy(parts.single(PICKS[start:end])) for start, end in pairwise(bounds)]
    for key, array in whole.single(PICKS).items():
        np.testing.assert_array_equal(np.concatenate([piece[key] for piece in pieces]), array)


def test_the_stream_is_uniform_in_0_to_10() -> None:
    dataset = _loaded("data=seed", "tasks.y2.units=3")
    drawn = dataset.stream(0, 10).joint(500)
    ((x, labels, weights),) = dataset.feed.joint({}, {"block": tf.constant(drawn["block"][0])})
    assert not weights
    assert x.shape == (10, 10)
    assert {task: tuple(y.shape) for task, y in labels.items()} == {"y1": (10, 20), "y2": (10, 3)}
    assert drawn["block"].min() >= 0
    assert drawn["block"].max() < 1
    assert abs(10 * drawn["block"].mean() - 5) < 0.05
    block = tf.constant(dataset.stream(0, 10).single(PICKS)["block"][0])
    x, labels, weights = dataset.feed.single({}, {"block": block}, "y2")
    (y,) = labels.values()
    assert (x.shape, y.shape) == ((10, 10), (10, 3))
    assert float(tf.reduce_max(tf.concat([x, y], 1))) > 9


def test_every_row_comes_once_before_any_comes_again() -> None:
    rows = Shuffled(np.arange(100, 117, dtype=np.int32), np.random.default_rng(0))
    taken = np.concatenate([rows.take(n) for n in (5, 1, 30, 15)])
    for epoch in range(3):
        assert sorted(taken[17 * epoch : 17 * (epoch + 1)]) == list(range(100, 117))
    assert taken[:17].tolist() != taken[17:34].tolist()


def test_each_task_walks_through_its_own_rows() -> None:
    rows = {"a": np.arange(10, dtype=np.int32), "b": np.arange(50, 56, dtype=np.int32)}
    dataset = RowsDataset(
        tasks={},
        entry=Plain(1),
        feed=RowsFeed((("a",), ("b",))),
        train=Split(np.zeros((0, 1)), {}),
        shared=list(rows.values()),
        own=rows,
    )
    drawn = dataset.stream(0, 2).single(PICKS)["rows"]
    for task, own in enumerate(rows.values()):
        of_task = drawn[task == PICKS].ravel()
        assert set(of_task) <= set(own)
        assert sorted(of_task[: len(own)]) == own.tolist()


@given(
    rows=st.integers(3, 500),
    fractions=st.sampled_from([(0.7, 0.15, 0.15), (1.0, 0.0, 0.0), (0.5, 0.5, 0.0), (0.34, 0.33, 0.33), (0.9, 0, 0.1)]),
)
def test_splits_part_the_rows(rows: int, fractions: tuple[float, float, float]) -> None:
    wanted = Fractions(**dict(zip(("train", "val", "test"), map(float, fractions), strict=True)))
    try:
        dealt = split_rows(rows, wanted, seed=1)
    except InputError:
        assert rows * min(f for f in fractions if f) < 1.5
        return
    assert sorted(np.concatenate(list(dealt.values()))) == list(range(rows))
    for name, fraction in zip(("train", "val", "test"), fractions, strict=True):
        assert abs(len(dealt[name]) - fraction * rows) <= 1


def test_no_digit_image_is_in_two_splits() -> None:
    """Looks at the pixels: with shift 8 the two images lie side by side on the diagonal, unmixed."""
    dataset = _loaded("data=digits", "data.shift=8", "data.examples={train: 3000, val: 500, test: 500}")
    assert isinstance(dataset, RowsDataset)
    train = dataset.resident["features"]
    images, classes = load_digits(return_X_y=True)
    known = {image.astype(np.float32).tobytes(): label for image, label in zip(images, classes, strict=True)}
    seen: dict[str, set[bytes]] = {}
    labels = {"train": dataset.resident["labels"]} | {
        name: {task: of.values for task, of in split.labels.items()} for name, split in dataset.splits.items()
    }
    for name, rows in {"train": train, **{n: s.features for n, s in dataset.splits.items()}}.items():
        squares = rows.reshape(-1, 16, 16)
        for task, corner in (("left", squares[:, :8, :8]), ("right", squares[:, 8:, 8:])):
            pixels = [(image * 16).astype(np.float32).tobytes() for image in corner.reshape(-1, 64)]
            assert [known[image] for image in pixels] == labels[name][task].tolist()
            seen.setdefault(name, set()).update(pixels)
    assert not seen["train"] & seen["val"]
    assert not seen["train"] & seen["test"]
    assert not seen["val"] & seen["test"]
    assert len(seen["train"]) > 1000


def test_overlaid_digits_keep_the_brighter_pixel() -> None:
    dataset = _loaded("data=digits", "data.shift=0", "data.examples={train: 50, val: 20, test: 20}")
    images, classes = load_digits(return_X_y=True)
    assert isinstance(dataset, RowsDataset)
    row, left, right = (
        dataset.resident["features"][0] * 16,
        dataset.resident["labels"]["left"][0],
        dataset.resident["labels"]["right"][0],
    )
    below = [(images[classes == c] <= row).all(axis=1).any() for c in (left, right)]
    assert all(below)


def test_a_split_seed_keeps_the_split_while_the_seed_varies() -> None:
    def test_rows(*overrides: str) -> bytes:
        return _loaded(*DIGITS, *overrides).splits["test"].features.tobytes()

    assert test_rows("seed=1") != test_rows("seed=2")
    assert test_rows("seed=1", "data.split_seed=5") == test_rows("seed=2", "data.split_seed=5")


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
    dataset = _loaded("data=table", f"data.path={tmp_path / name}", *tasks, "+tasks.class.kind=multiclass", types)
    assert isinstance(dataset, RowsDataset)
    assert [task.units for task in dataset.tasks.values()] == [2, 1, 4]
    assert dataset.rows == {"train": 140, "val": 30, "test": 30}
    rows = [dataset.own["sold"], *(split.rows for split in dataset.splits.values())]
    np.testing.assert_array_equal(np.sort(np.concatenate([np.asarray(part) for part in rows])), np.arange(200))
    features = table.select("a", "b", pl.col("flag").cast(pl.Float64)).to_numpy()
    train = dataset.own["sold"]
    expected = (features - features[train].mean(axis=0)) / features[train].std(axis=0)
    np.testing.assert_allclose(dataset.resident["features"], expected, atol=1e-5)
    price, scale = table.select("price", "price2").to_numpy(), dataset.scales["p"]
    np.testing.assert_allclose(scale.original(dataset.resident["labels"]["p"]), price, atol=1e-6)
    np.testing.assert_allclose(dataset.resident["labels"]["p"][train].std(axis=0), 1, atol=1e-5)
    for split in dataset.splits.values():
        np.testing.assert_array_equal(split.labels["class"].values, table["class"].to_numpy()[split.rows])
        np.testing.assert_array_equal(split.labels["sold"].values[:, 0], table["sold"].to_numpy()[split.rows])


def _loaded(*overrides: str) -> Dataset:
    return load(composed(*overrides))
