"""Labels of a task, read from its columns as its kind wants them. A row without one is no example of the task."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Array
from mtl_cli.datasets.dataset import Scale
from mtl_cli.errors import InputError
from mtl_cli.tables.dtypes import (
    LONGEST_NAME,
    Place,
    Series,
    as_numbers,
    refuse_cell,
    to_categories,
    to_float64,
    without,
)
from mtl_cli.tables.hints import GAPS
from mtl_cli.tables.remedies import missing
from mtl_cli.tasks import Binary, Multiclass, Task

YES_AND_NO: Final = (("false", "true"), ("no", "yes"), ("n", "y"), ("f", "t"), ("0", "1"))
"""Pairs of texts, in small letters, whose second is the positive class whatever the alphabet says."""


@dataclass(frozen=True)
class TaskLabels:
    """A task's labels in N rows.

    Attributes:
        task: The task with its U units filled in.
        cells: Its label columns as they are in the tables, [N] each.
        values: A label for every row, [N, U] (classes: [N]); 0 where there is none.
        known: Where there is one, [N].
        classes: The classes as the column has them; of a binary task no and yes.
    """

    task: Task
    cells: Mapping[str, Series]
    values: Array
    known: NDArray[np.bool_]
    classes: list[Any]


def read_labels(name: str, task: Task, columns: Mapping[str, Series], place: Place) -> TaskLabels:
    """Returns a task's labels from its columns, which have a cell for every row.

    Raises:
        InputError: The columns don't fit the task's kind.
    """
    where, several = f"tasks.{name}", list(columns)
    classes: list[Any] = []
    if isinstance(task, Multiclass):
        if len(several) > 1:
            raise InputError(f"{where}.column: a multiclass task has one label column, got {several}")
        return _classes(where, task, several[0], columns[several[0]], place)
    if task.units not in (None, len(several)):
        raise InputError(f"{where}.units: {task.units}, but the task has {len(several)} label columns ({several})")
    if isinstance(task, Binary):
        pairs = [_binary(where, task, column, columns[column], place) for column in several]
        gathered = [values for values, _ in pairs]
        classes = pairs[0][1] if len(several) == 1 else []
    else:
        gathered = [_numbers(where, column, columns[column], place) for column in several]
    values = np.stack(gathered, axis=1)
    known = ~np.isnan(values).any(axis=1)
    _some(where, known, several)
    values[~known] = 0.0
    balanced = isinstance(task, Binary) and task.class_weight is not None
    if balanced and len(several) > 1:
        raise InputError(f"{where}.class_weight: a task with several label columns has no classes to balance")
    return TaskLabels(task.model_copy(update={"units": len(several)}), columns, values, known, classes)


def without_missing(series: Series, missing: Sequence[str]) -> Series:
    """Returns a label column without the values that stand for no label, as numbers where all others are."""
    return as_numbers(without(series, missing)) if missing else series


def scale_of(values: Array) -> Scale:
    """Returns the training labels' mean and deviation, column by column."""
    exact = values.astype(np.float64)
    deviation = exact.std(axis=0)
    return Scale(exact.mean(axis=0), np.where(deviation > 0, deviation, 1.0))


def balance(values: Array, classes: int) -> NDArray[np.float32]:
    """Returns weights n / (k n_c) where n_c of n rows have a row's class, one of k, as "balanced" in scikit-learn."""
    codes = values.reshape(-1).astype(np.int64)
    counts = np.bincount(codes, minlength=classes)
    return np.asarray((len(codes) / (np.count_nonzero(counts) * np.maximum(counts, 1)))[codes], np.float32)


def _numbers(where: str, column: str, series: Series, place: Place) -> Array:
    with _naming(where):
        return to_float64(series, column, place)


def _binary(where: str, task: Binary, column: str, series: Series, place: Place) -> tuple[Array, list[Any]]:
    """Returns 1 for the positive class, 0 for the other, NaN for none; and the names of the other and of it."""
    import polars as pl

    with _naming(where):
        if series.dtype.is_float():
            neither = (~series.is_in([0.0, 1.0]) & series.is_not_nan()).fill_null(value=False)
            if neither.any():
                refuse_cell(series, int(neither.arg_max() or 0), column, place, "0 or 1")
        cells = _named_classes(series, column, place)
        present = [str(value) for value in cells.drop_nulls().unique().sort()]
        text = cells.dtype == pl.String
        known = present[:2] if text else ["0", "1"]
        odd = ~cells.cast(pl.String).is_in(known) & cells.is_not_null()
        if odd.any():
            row = int(odd.arg_max() or 0)
            if len(present) > 2 and (text or odd.all()):
                _refuse_kind(where, column, present, known, place(row))
            refuse_cell(series, row, column, place, f"0 or 1; if that is no label, {_masked(where, str(series[row]))}")
    order = _ordered(known)
    words = {"0": "false", "1": "true"} if series.dtype == pl.Boolean else {}
    names: list[Any] = [words.get(value, value) for value in order]
    if task.positive is not None:
        positive = _as_word(task.positive, [*order, *names])
        if positive is None:
            raise InputError(f"{where}.positive: {task.positive!r} is not one of the classes {names} in {column!r}")
        order.sort(key=lambda value: positive in (value, words.get(value)))
    if len(order) == 1:
        order = [f"not {order[0]}", order[0]]
    yes = (cells.cast(pl.String) == order[-1]).fill_null(value=False).to_numpy() if order else np.zeros(len(cells))
    typed: list[Any] = order
    if series.dtype == pl.Boolean:
        typed = [value == "1" for value in order]
    elif not text:
        typed = [int(value) if value.isdecimal() else value for value in order]
    return np.where(cells.is_null().to_numpy(), np.nan, yes).astype(np.float32), typed


def _refuse_kind(where: str, column: str, present: list[str], known: list[str], place: str) -> NoReturn:
    """Refuses more values than two, of which one may be no label."""
    gap = next((value for value in present if value in GAPS), None) if len(present) == 3 else None
    remedy = "kind: multiclass?" if gap is None else f"if {gap!r} is no label, {_masked(where, gap)}"
    raise InputError(
        f"column {column!r} has {len(present):,} different values, {', '.join(present[:3])}"
        f"{', ...' * (len(present) > 3)} ({place} the first that is neither {known[0]!r} nor {known[1]!r}), and a "
        f"binary task has two; {remedy}"
    )


def _masked(where: str, value: str) -> str:
    """Returns how to say that a value is no label."""
    return missing(f"{where}.missing", [value])


def _as_word(positive: str, classes: list[Any]) -> str | None:
    """Returns the class that is meant; YAML takes an unquoted yes or no for true or false."""
    if positive in classes:
        return positive
    for pair in YES_AND_NO if positive in ("false", "true") else ():
        word = pair[positive == "true"]
        meant = next((name for name in classes if str(name).strip().lower() == word), None)
        if meant is not None:
            return str(meant)
    return None


def _named_classes(series: Series, column: str, place: Place) -> Series:
    """Returns the classes that the cells name."""
    import polars as pl

    cells = to_categories(series, column, place)
    if cells.dtype == pl.String:
        long = (cells.str.len_chars() > LONGEST_NAME).fill_null(value=False)
        if long.any():
            refuse_cell(
                series, int(long.arg_max() or 0), column, place, f"a class of at most {LONGEST_NAME} characters"
            )
    return cells


def _ordered(present: list[str]) -> list[str]:
    folded = tuple(text.strip().lower() for text in present)
    return present[::-1] if folded[::-1] in YES_AND_NO else present


def _classes(where: str, task: Multiclass, column: str, series: Series, place: Place) -> TaskLabels:
    import polars as pl

    with _naming(where):
        cells = _named_classes(series, column, place)
    known = cells.is_not_null().to_numpy()
    _some(where, known, [column])
    present = cells.drop_nulls().unique().sort().to_list()
    if task.units is not None and cells.dtype.is_integer() and set(present) <= set(range(task.units)):
        present = list(range(task.units))
    if task.units not in (None, len(present)):
        shown = ", ".join(map(str, present[:10])) + (", ..." if len(present) > 10 else "")
        raise InputError(f"{where}.units: {task.units}, but column {column!r} has {len(present)} classes ({shown})")
    codes = cells.replace_strict(present, list(range(len(present))), default=0, return_dtype=pl.Int32)
    values = codes.fill_null(0).to_numpy().astype(task.label_type)
    classes = [bool(v) for v in present] if series.dtype == pl.Boolean else present
    return TaskLabels(task.model_copy(update={"units": max(len(present), 2)}), {column: series}, values, known, classes)


def _some(where: str, known: NDArray[np.bool_], columns: list[str]) -> None:
    if not known.any():
        raise InputError(f"{where}: no row has a label in {columns}")


@contextmanager
def _naming(where: str) -> Iterator[None]:
    """Puts the task's key before what is wrong with a cell."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
