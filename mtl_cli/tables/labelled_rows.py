"""Rows of all tables with each task's labels and each row's weight."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mtl_cli.errors import InputError
from mtl_cli.tables.dtypes import Kind, Series, refuse_cell, to_float32
from mtl_cli.tables.labels import TaskLabels, read_labels, without_missing
from mtl_cli.tables.roles import Roles, feature_kinds
from mtl_cli.tables.sources import Source, join
from mtl_cli.tables.task_tables import TaskTable
from mtl_cli.tasks import Regression, Task, Tasks


@dataclass(frozen=True)
class LabelledRows:
    """The rows of all tables, one after the other, N in all.

    Attributes:
        tables: What they are from.
        roles: What the config says of their columns.
        source: Their features, and the columns of split, group and weight.
        kinds: What each feature is, by column.
        labels: Each task's, for all rows.
        weights: How much each counts, [N]; 0 is not at all.
    """

    tables: Sequence[TaskTable]
    roles: Roles
    source: Source
    kinds: Mapping[str, Kind]
    labels: Mapping[str, TaskLabels]
    weights: NDArray[np.float32]

    @property
    def table_numbers(self) -> NDArray[np.int64]:
        """Which table each row is from, [N]."""
        return np.repeat(np.arange(len(self.tables)), [len(table.source.frame) for table in self.tables])


def label_rows(tables: Sequence[TaskTable], tasks: Tasks, roles: Roles) -> LabelledRows:
    """Returns the tables' rows with the tasks' labels.

    Raises:
        InputError: A column isn't there, or holds what it can't in its role.
    """
    columns = {name: _label_columns(name, task) for name, task in tasks.items()}
    kinds = feature_kinds(tables, columns, roles)
    special = [column for column in (roles.split, roles.group, roles.weight) if column is not None]
    source = join([table.source for table in tables], list(dict.fromkeys([*kinds, *special])))
    source = source.understood(column for column, kind in kinds.items() if kind == "number")
    cells = {name: _label_cells(name, task, columns[name], tables) for name, task in tasks.items()}
    labels = {name: read_labels(name, task, cells[name], source.place) for name, task in tasks.items()}
    return LabelledRows(tables, roles, source, kinds, labels, _weights(source, roles.weight))


def _label_columns(name: str, task: Task) -> list[str]:
    columns = task.column or name
    return columns if isinstance(columns, list) else [columns]


def _label_cells(name: str, task: Task, columns: list[str], tables: Sequence[TaskTable]) -> dict[str, Series]:
    """Returns a task's label columns for all rows; it has no label in other tasks' tables."""
    import polars as pl

    def cells(column: str) -> Series:
        blank = pl.lit(None).alias(column)
        sources = [
            table.source if name in table.tasks else replace(table.source, frame=table.source.frame.with_columns(blank))
            for table in tables
        ]
        joined = join(sources, [column]).understood([column] if isinstance(task, Regression) else [])
        return without_missing(joined.frame[column], task.missing)

    return {column: cells(column) for column in columns}


def _weights(source: Source, column: str | None) -> NDArray[np.float32]:
    """Returns how much each row counts."""
    if column is None:
        return np.ones(len(source.frame), np.float32)
    series = source.frame[column]
    weights = to_float32(series, column, source.place)
    bad = ~(weights >= 0)
    if bad.any():
        refuse_cell(series, int(bad.argmax()), column, source.place, "a weight, 0 or more")
    if not weights.any():
        raise InputError(f"data.weight_column: all weights in {column!r} are 0")
    return weights
