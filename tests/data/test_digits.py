"""Two overlaid digits: labels as in the images, none of which is in two splits."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from mtl_cli.datasets.in_memory import RowsDataset
from mtl_cli.errors import InputError
from tests.support.configs import loaded

DIGITS = ["data=digits", "data.examples={train: 300, val: 60, test: 60}"]


def test_no_digit_image_is_in_two_splits() -> None:
    """Looks at the pixels: with shift 8 the two images lie side by side on the diagonal, unmixed."""
    dataset = loaded("data=digits", "data.shift=8", "data.examples={train: 3000, val: 500, test: 500}")
    assert isinstance(dataset, RowsDataset)
    train = dataset.device_data["features"]
    images, classes = load_digits(return_X_y=True)
    known = {image.astype(np.float32).tobytes(): label for image, label in zip(images, classes, strict=True)}
    seen: dict[str, set[bytes]] = {}
    labels = {"train": dataset.device_data["labels"]} | {
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
    dataset = loaded("data=digits", "data.shift=0", "data.examples={train: 50, val: 20, test: 20}")
    images, classes = load_digits(return_X_y=True)
    assert isinstance(dataset, RowsDataset)
    row, left, right = (
        dataset.device_data["features"][0] * 16,
        dataset.device_data["labels"]["left"][0],
        dataset.device_data["labels"]["right"][0],
    )
    below = [(images[classes == c] <= row).all(axis=1).any() for c in (left, right)]
    assert all(below)


def test_a_split_may_have_one_row_and_no_less() -> None:
    assert loaded("data=digits", "data.examples={train: 1, val: 1, test: 1}", "batch_size=1").rows == {
        "train": 1, "val": 1, "test": 1
    }  # fmt: skip
    with pytest.raises(InputError, match=r"data\.examples\.val: should be greater than or equal to 1, got 0"):
        loaded("data=digits", "data.examples={train: 1, val: 0, test: 1}", "batch_size=1")


def test_a_split_seed_keeps_the_split_while_the_seed_varies() -> None:
    def test_rows(*overrides: str) -> bytes:
        return loaded(*DIGITS, *overrides).splits["test"].features.tobytes()

    assert test_rows("seed=1") != test_rows("seed=2")
    assert test_rows("seed=1", "data.split_seed=5") == test_rows("seed=2", "data.split_seed=5")
