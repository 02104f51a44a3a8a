"""Rows of one table with labels, as the tests of what comes after them need."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from mtl_cli.tables.labelled_rows import LabelledRows, label_rows
from mtl_cli.tables.roles import Roles
from mtl_cli.tables.sources import Source
from mtl_cli.tables.task_tables import TaskTable
from mtl_cli.tasks import Task

NONE = Roles(features=None, exclude=(), dropped_labels=(), types={}, date_forms={}, split=None, group=None, weight=None)


def source(name: str, **columns: Any) -> Source:
    return Source(pl.DataFrame(columns), [(name, 0)], "data.path")


def labelled(tasks: Mapping[str, Task], *tables: tuple[Source, str | None], **roles: Any) -> LabelledRows:
    """Returns the rows of tables that have all tasks' labels, each with the split that it is in, if any."""
    given = [TaskTable(each, tuple(tasks), split) for each, split in tables]
    return label_rows(given, dict(tasks), replace(NONE, **roles))
