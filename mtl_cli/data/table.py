"""The user's own table, a CSV or Parquet file: numeric features, and label columns for any number of tasks."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mtl_cli.data.base import Data, Dataset, Split, Standardization
from mtl_cli.data.rows import dataset
from mtl_cli.data.splits import Fractions, split_rows
from mtl_cli.errors import InputError, nearest
from mtl_cli.tasks import Binary, Multiclass, Task, Tasks

Frame = Any
"""A polars.DataFrame (polars is imported when a table is read)."""


class Table(Data):
    """A table whose first line names the columns.

    Features are all columns that are no task's label, or the ones listed; they are standardised with the training rows'
    mean and deviation, and the saved model does the same to what it is given.
    """

    name: Literal["table"] = "table"
    path: str | None = None
    features: list[str] | None = None
    split: Fractions = Fractions()
    split_seed: Annotated[int, Field(ge=0)] | None = None

    def load(self, tasks: Tasks, seed: int, batch_size: int) -> Dataset:
        """Returns the table's rows for these tasks, split."""
        if self.path is None:
            raise InputError("data.path: data=table needs the file to read, e.g. data.path=people.csv")
        frame = _read(Path(self.path))
        columns = {name: _columns(name, task) for name, task in tasks.items()}
        for name, wanted in columns.items():
            _check_columns(frame, wanted, f"tasks.{name}.column", self.path)
        features = self._features(frame, {column for wanted in columns.values() for column in wanted})
        values = _numeric(frame, features, "data.features", self.path)
        filled: dict[str, Task] = {}
        labels: dict[str, NDArray[Any]] = {}
        for name, task in tasks.items():
            filled[name], labels[name] = _labels(frame, columns[name], name, task, self.path)

        dealt = split_rows(len(values), self.split, seed if self.split_seed is None else self.split_seed)
        train = values[dealt["train"]]
        deviation = train.std(axis=0)
        standardization = Standardization(train.mean(axis=0), np.where(deviation > 0, deviation, 1.0))
        values = ((values - standardization.mean) / standardization.deviation).astype(np.float32)
        splits = {
            split: Split(values[rows], {name: labels[name][rows] for name in tasks}) for split, rows in dealt.items()
        }
        return dataset(filled, splits, batch_size, standardization)

    def _features(self, frame: Frame, labels: set[str]) -> list[str]:
        if self.features is None:
            chosen = [column for column in frame.columns if column not in labels]
        else:
            _check_columns(frame, self.features, "data.features", str(self.path))
            chosen = list(dict.fromkeys(self.features))
            for column in chosen:
                if column in labels:
                    raise InputError(f"data.features: {column!r} is a task's label; a label can't be a feature as well")
        if not chosen:
            raise InputError(f"data.features: {self.path} has no columns left besides the labels {sorted(labels)}")
        return chosen


def _read(path: Path) -> Frame:
    import polars as pl

    readers: dict[str, Callable[[Path], Frame]] = {
        ".csv": lambda file: pl.read_csv(file, infer_schema_length=None),
        ".parquet": pl.read_parquet,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"data.path: {path} is neither a .csv nor a .parquet file")
    try:
        exists = path.exists()
    except OSError as error:
        raise InputError(f"data.path: {str(path)[:60]}... can't be looked up: {error.strerror}") from error
    if not exists:
        names = [other.name for other in path.parent.glob("*") if other.suffix.lower() in readers]
        hint = f"; {nearest(path.name, names)}" if names else ""
        raise InputError(f"data.path: there is no file {path}{hint}")
    if not path.is_file():
        raise InputError(f"data.path: {path} is not a file")
    if path.stat().st_size == 0:
        raise InputError(f"data.path: {path} is empty")
    try:
        if path.suffix.lower() == ".csv":
            header = pl.read_csv(path, has_header=False, n_rows=1, infer_schema=False).row(0)
            twice = [column for column, count in Counter(header).items() if count > 1]
            if twice:
                raise InputError(f"data.path: {path} has the column {twice[0]!r} more than once")
        frame = reader(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"data.path: {path} can't be read as {path.suffix[1:].lower()}: {reason}") from error
    if frame.is_empty():
        raise InputError(f"data.path: {path} has a header but no rows")
    return frame


def _columns(name: str, task: Task) -> list[str]:
    columns = task.column or name
    return columns if isinstance(columns, list) else [columns]


def _check_columns(frame: Frame, columns: list[str], key: str, path: str) -> None:
    for column in columns:
        if column not in frame.columns:
            raise InputError(f"{key}: {path} has no column {column!r}; {nearest(column, frame.columns, 'columns')}")


def _numeric(frame: Frame, columns: list[str], key: str, path: str) -> NDArray[np.float64]:
    """Returns the columns [rows, columns] as finite numbers, or refuses the first cell that is none."""
    import polars as pl

    gathered = []
    for column in dict.fromkeys(columns):
        series = frame[column]
        if series.dtype == pl.Boolean or series.dtype.is_numeric():
            numbers = series.cast(pl.Float64)
        elif series.dtype == pl.String:
            numbers = series.cast(pl.Float64, strict=False)
        else:
            raise InputError(f"{key}: {path}, column {column!r} holds {series.dtype}, not numbers")
        values = numbers.to_numpy()
        with np.errstate(over="ignore"):
            bad = np.flatnonzero(~np.isfinite(values.astype(np.float32)))
        if len(bad):
            cell = series[int(bad[0])]
            found = "an empty cell" if cell is None else repr(cell)
            raise InputError(
                f"{key}: {path}, column {column!r}, row {bad[0] + 1} holds {found}, not a finite number (float32)"
            )
        gathered.append(values)
    return np.stack(gathered, axis=1)


def _labels(frame: Frame, columns: list[str], name: str, task: Task, path: str) -> tuple[Task, NDArray[Any]]:
    """Returns the task with its units filled in, and its labels."""
    where = f"tasks.{name}"
    values = _numeric(frame, columns, f"{where}.column", path)
    if isinstance(task, Multiclass):
        if len(columns) > 1:
            raise InputError(f"{where}.column: a multiclass task has one label column, got {columns}")
        found = np.unique(values)
        units = task.units or len(found)
        good = (values >= 0) & (values < units) & (values == np.floor(values))
        rule = f"a class, 0 to {units - 1}" + ("" if task.units else f" (the column has {units} different values)")
        _check_range(values, good, where, path, columns, rule)
        return task.model_copy(update={"units": max(units, 2)}), values[:, 0].astype(task.label_type)
    if task.units not in (None, len(columns)):
        raise InputError(f"{where}.units: {task.units}, but the task has {len(columns)} label columns ({columns})")
    if isinstance(task, Binary):
        _check_range(values, np.isin(values, (0, 1)), where, path, columns, "0 or 1")
    return task.model_copy(update={"units": len(columns)}), values.astype(task.label_type)


def _check_range(
    values: NDArray[np.float64], good: NDArray[np.bool_], where: str, path: str, columns: list[str], rule: str
) -> None:
    bad = np.argwhere(~good)
    if len(bad):
        row, column = bad[0]
        raise InputError(
            f"{where}: {path}, column {columns[column]!r}, row {row + 1} holds {values[row, column]:g}, "
            f"which is not {rule}"
        )
