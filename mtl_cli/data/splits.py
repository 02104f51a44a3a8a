"""Which rows train, which choose, which test."""

from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from mtl_cli.data.base import SPLIT, generator
from mtl_cli.errors import InputError
from mtl_cli.settings import Settings, Share


class Fractions(Settings):
    """The splits' parts of the rows; they add up to 1, and `train` gets some."""

    train: Share = 0.7
    val: Share = 0.15
    test: Share = 0.15

    @model_validator(mode="after")
    def _check(self) -> Self:
        total = self.train + self.val + self.test
        if abs(total - 1.0) > 1e-6:
            raise ValueError(
                f"train, val and test must add up to 1, and {self.train} + {self.val} + {self.test} = {total:g}"
            )
        if self.train == 0:
            raise ValueError("train must be above 0")
        return self


def split_rows(rows: int, fractions: Fractions, seed: int) -> dict[str, NDArray[np.int64]]:
    """Deals the row numbers 0 ... rows - 1 at random to `train`, `val` and `test`.

    Raises:
        InputError: A split with a fraction above 0 would get no row.
    """
    order = generator(seed, SPLIT, 0).permutation(rows)
    first = round(rows * fractions.train)
    second = first + round(rows * fractions.val) if fractions.test else rows
    dealt = {"train": order[:first], "val": order[first:second], "test": order[second:]}
    for name, part in dealt.items():
        if not len(part) and getattr(fractions, name) > 0:
            raise InputError(f"data.split.{name}: {getattr(fractions, name):g} of {rows} rows leaves this split empty")
    return dealt
