"""Features that nearly determine a label: mostly these are written after it, and aren't there when one predicts."""

import math
from typing import Any, Final

from mtl_cli.tables.dtypes import Series

NEARLY: Final = 0.99
"""The measure of association above which a feature nearly determines a label; 1 is wholly."""
FEWEST: Final = 20
"""Rows with both cells below which nothing is said."""
FEWEST_EACH: Final = 5
"""Rows of a category, on average, and of the rarest class, below which it may be chance."""


def leak(feature: Series, label: Series, *, numbers: bool, classes: bool) -> str | None:
    """Returns what shows that a feature nearly determines a label; None where it doesn't.

    Args:
        feature: Its cells.
        label: The label's cells, in the same rows.
        numbers: Whether the feature's cells are numbers, rather than categories.
        classes: Whether the label's cells are classes, rather than numbers.
    """
    import polars as pl

    known = pl.DataFrame({"x": feature, "y": label}).drop_nulls()
    if len(known) < FEWEST or known["x"].n_unique() < 2 or known["y"].n_unique() < 2:
        return None
    if not classes:
        return _correlation(known) if numbers else _correlation_ratio(known)
    return _lambda(known) or (_apart(known) if numbers else None)


def _correlation(known: Any) -> str | None:
    """Says which of Pearson's and Spearman's correlations is large."""
    import polars as pl

    for name in ("pearson", "spearman"):
        value = known.select(pl.corr("x", "y", method=name)).item()
        if math.isfinite(value) and abs(value) > NEARLY:
            return f"{name.capitalize()}'s correlation {value:.4f}"
    return None


def _correlation_ratio(known: Any) -> str | None:
    """Says how much of the label's variance is between categories (the correlation ratio, squared)."""
    import polars as pl

    if len(known) < FEWEST_EACH * known["x"].n_unique():
        return None
    between = known.with_columns(pl.col("y").mean().over("x"))["y"].var() / known["y"].var()
    return f"{between:.2%} of the variance is between its values" if between > NEARLY else None


def _lambda(known: Any) -> str | None:
    """Says in how many rows a value's most frequent class is the right one.

    They count as errors the less, beside those of saying the most frequent class of all: Goodman and Kruskal's lambda,
    "Measures of Association for Cross Classifications" (1954).
    """
    import polars as pl

    if len(known) < FEWEST_EACH * known["x"].n_unique():
        return None
    counts = known.group_by("x", "y").len()
    right = counts.group_by("x").agg(pl.col("len").max())["len"].sum()
    right_without = known["y"].value_counts()["count"].max()
    if right - right_without <= NEARLY * (len(known) - right_without):
        return None
    if len(counts) == known["x"].n_unique() == known["y"].n_unique():
        return "its values stand for the classes, one by one"
    return f"its values tell the class in {right:,} of {len(known):,} rows"


def _apart(known: Any) -> str | None:
    """Says that the classes' ranges of numbers don't overlap, where none is of few rows."""
    import polars as pl

    bounds = known.group_by("y").agg(pl.len(), low=pl.col("x").min(), high=pl.col("x").max()).sort("low")
    if bounds["len"].min() < FEWEST_EACH or (bounds["high"][:-1] >= bounds["low"][1:]).any():
        return None
    return "no two classes have numbers in the same range"
