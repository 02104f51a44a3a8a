"""What somebody should look at in an unknown table before trusting what is learned from it."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from mtl_cli.tables.dtypes import Series, without_marks
from mtl_cli.tables.hints import Hint
from mtl_cli.tables.inspection import Column, Inspected
from mtl_cli.tables.leaks import leak

LEAK: Final = "leak?"
SKEWED: Final = "skewed"
AMOUNTS: Final = "amounts?"
LOOKED_AT: Final = 10_000
"""Rows, evenly over the table, in which features are compared with labels."""
FEWEST: Final = 20
"""Numbers, and different ones, below which they aren't called skewed."""
SKEWNESS: Final = 2.0
"""The skewness above which they are; that of an exponential distribution."""


class Doubt(NamedTuple):
    """Something to look at.

    Attributes:
        column: Where.
        mark: What it may be, in a word or two.
        why: What speaks for it, to be read behind the column's name.
    """

    column: str
    mark: str
    why: str


def doubts_on(table: Inspected, targets: Sequence[Column]) -> Iterator[Doubt]:
    """Yields what to look at in each column, as features and with these labels."""
    frame = table.source.frame
    some = frame.gather_every(max(1, len(frame) // LOOKED_AT))
    for column in table.columns:
        if column in targets:
            yield from _of_label(column, frame[column.name])
        elif column.usable:
            yield from (Doubt(column.name, hint.mark, _said(hint)) for hint in column.hints)
            if column.kind == "number" and not column.hints and (why := skewed(numbers_of(frame[column.name]))):
                yield Doubt(column.name, SKEWED, why)
            yield from _leaks(column, targets, some)


def _of_label(column: Column, cells: Series) -> Iterator[Doubt]:
    gaps = [hint for hint in column.hints if hint.key == "missing"]
    yield from (Doubt(column.name, hint.mark, hint.why) for hint in gaps)
    if column.task == "multiclass" and cells.dtype.is_numeric():
        yield Doubt(column.name, AMOUNTS, f"holds {column.different} different whole numbers, taken for classes")
    elif column.task == "regression" and not gaps and (why := skewed(numbers_of(cells))):
        yield Doubt(column.name, SKEWED, why)


def _said(hint: Hint) -> str:
    return f"{hint.why}; the config says so" if hint.likely and hint.other is None else hint.why


def _leaks(column: Column, targets: Sequence[Column], rows: Series) -> Iterator[Doubt]:
    if column.kind not in ("number", "category"):
        return
    feature = numbers_of(rows[column.name]) if column.kind == "number" else rows[column.name]
    for target in targets:
        classes = target.task != "regression"
        label = rows[target.name] if classes else numbers_of(rows[target.name])
        why = leak(feature, label, numbers=column.kind == "number", classes=classes)
        if why is not None:
            yield Doubt(column.name, LEAK, f"nearly determines {target.name}: {why}")


def numbers_of(cells: Series) -> Series:
    """Returns numbers, also those that texts read as; NaN is none."""
    import polars as pl

    numbers = without_marks(cells) if cells.dtype == pl.String else cells
    return numbers.cast(pl.Float64, strict=False).fill_nan(None)


def skewed(numbers: Series) -> str | None:
    """Says how skewed numbers are, where their logarithms are less than half as skewed; returns None elsewhere.

    Skewness is the mean cube of (x - mean) / deviation; where there are zeros, log(1 + x) is looked at.
    """
    known = numbers.drop_nulls()
    if len(known) < FEWEST or known.n_unique() < FEWEST or known.min() < 0:
        return None
    logarithm, logarithms = ("its logarithm", known.log()) if known.min() > 0 else ("log(1 + it)", known.log1p())
    skewness, after = known.skew(), round(logarithms.skew(), 1) + 0.0
    if not skewness > SKEWNESS or not abs(after) < skewness / 2:
        return None
    tail = f"has a long tail: half are up to {known.median():.4g}, the largest is {known.max():.4g}"
    return f"{tail} (skewness {skewness:.1f}, of {logarithm} {after})"
