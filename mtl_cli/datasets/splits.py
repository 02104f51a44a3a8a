"""Random splits into training, validation and test rows: of all rows alike, within strata, or of whole groups."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from mtl_cli.errors import InputError
from mtl_cli.randomness import SPLIT, generator
from mtl_cli.settings import Settings, UnitInterval

SPLITS = ("train", "val", "test")
Rows = NDArray[np.int64]


class Fractions(Settings):
    """The splits' parts of the rows; they add up to 1, and `train` gets some."""

    train: UnitInterval = 0.7
    val: UnitInterval = 0.15
    test: UnitInterval = 0.15

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

    def without(self, *splits: str) -> "Fractions":
        """Returns the fractions of the other splits, which share what these leave."""
        kept = {name: 0.0 if name in splits else getattr(self, name) for name in SPLITS}
        return Fractions(**{name: share / sum(kept.values()) for name, share in kept.items()})


def split_rows(rows: int, fractions: Fractions, seed: int) -> dict[str, Rows]:
    """Deals the row numbers 0 ... rows - 1 at random to `train`, `val` and `test`.

    Raises:
        InputError: A split with a fraction above 0 would get no row.
    """
    order = generator(seed, SPLIT, 0).permutation(rows)
    first = round(rows * fractions.train)
    second = first + round(rows * fractions.val) if fractions.test else rows
    dealt = {"train": order[:first], "val": order[first:second], "test": order[second:]}
    return _filled(dealt, fractions, f"{rows} rows")


def split_strata(strata: NDArray[Any], fractions: Fractions, seed: int) -> dict[str, Rows]:
    """Deals rows at random so that each split gets its part of every stratum, give or take a row.

    The rows, sorted by stratum and at random within one, are taken for a split at even distances (systematic
    sampling: Madow and Madow, Annals of Mathematical Statistics 15, 1944).

    Args:
        strata: Each row's stratum, [rows].
        fractions: The splits' parts.
        seed: Decides which rows.

    Raises:
        InputError: A split with a fraction above 0 would get no row.
    """
    random = generator(seed, SPLIT, 0)
    order = random.permutation(len(strata))
    order = order[np.argsort(strata[order], kind="stable")]
    train = _every(len(order), fractions.train, random)
    rest = order[~train]
    held_out = fractions.val + fractions.test
    val = _every(len(rest), fractions.val / held_out if held_out else 0.0, random)
    dealt = {"train": order[train], "val": rest[val], "test": rest[~val]}
    return _filled({name: random.permutation(rows) for name, rows in dealt.items()}, fractions, f"{len(strata)} rows")


def split_groups(groups: NDArray[Any], fractions: Fractions, seed: int) -> dict[str, Rows]:
    """Deals whole groups of rows, so that no group is in two splits.

    The groups, the largest first and at random among equals, go to the split that lacks most rows; the last ones to
    splits that have none yet.

    Raises:
        InputError: A split with a fraction above 0 would get no group.
    """
    random = generator(seed, SPLIT, 0)
    _, codes, counts = np.unique(groups, return_inverse=True, return_counts=True)
    order = random.permutation(len(counts))
    order = order[np.argsort(-counts[order], kind="stable")]
    wanted = np.array([getattr(fractions, name) for name in SPLITS]) * len(groups)
    got, chosen = np.zeros(3), np.zeros(len(counts), np.int64)
    for i, group in enumerate(order):
        empty = (wanted > 0) & (got == 0)
        due = empty if len(order) - i <= empty.sum() else wanted > 0
        chosen[group] = np.where(due, wanted - got, -np.inf).argmax()
        got[chosen[group]] += counts[group]
    of_row = chosen[codes]
    dealt = {name: random.permutation(np.flatnonzero(of_row == i)) for i, name in enumerate(SPLITS)}
    return _filled(dealt, fractions, f"{len(counts)} groups")


def _every(rows: int, fraction: float, random: np.random.Generator) -> NDArray[np.bool_]:
    """Marks round(rows * fraction) rows at even distances, from a random start."""
    marks = (np.arange(rows + 1) * round(rows * fraction) + random.integers(max(rows, 1))) // max(rows, 1)
    chosen: NDArray[np.bool_] = np.diff(marks) > 0
    return chosen


def _filled(dealt: Mapping[str, Rows], fractions: Fractions, whole: str) -> dict[str, Rows]:
    for name, part in dealt.items():
        if not len(part) and getattr(fractions, name) > 0:
            raise InputError(f"data.split.{name}: {getattr(fractions, name):g} of {whole} leaves this split empty")
    return dict(dealt)
