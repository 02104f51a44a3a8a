"""Roles of a table's columns: features and their kinds, labels, split, group and weight."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mtl_cli.errors import InputError, nearest
from mtl_cli.tables.dtypes import Kind, kind_of
from mtl_cli.tables.sources import Source
from mtl_cli.tables.task_tables import TaskTable


@dataclass(frozen=True)
class Roles:
    """What a config says of columns.

    Attributes:
        features: The ones to learn from; None: all that nothing else names.
        exclude: The ones to leave out.
        dropped_labels: The labels of tasks that are left out.
        types: What a feature is, by column.
        date_forms: How a feature's dates are written, by column.
        split: The one that names each row's split.
        group: The one whose equal cells stay in one split.
        weight: The one that says how much each row counts.
    """

    features: Sequence[str] | None
    exclude: Sequence[str]
    dropped_labels: Sequence[str]
    types: Mapping[str, Kind]
    date_forms: Mapping[str, str]
    split: str | None
    group: str | None
    weight: str | None

    @property
    def declared(self) -> set[str]:
        """The features of which the config says what they are."""
        return {*self.types, *self.date_forms}


def feature_kinds(tables: Sequence[TaskTable], labels: Mapping[str, Sequence[str]], roles: Roles) -> dict[str, Kind]:
    """Returns what each feature is, by column.

    Args:
        tables: The tables, all of which have the features.
        labels: Each task's label columns.
        roles: What the config says of the others.

    Raises:
        InputError: A column that something names isn't there or can't be that, or no feature is left.
    """
    taken = {column for columns in labels.values() for column in columns}
    _check_special(tables, labels, taken, roles)
    first = tables[0].source
    everywhere = {column for table in tables for column in table.source.frame.columns}
    for column in roles.exclude:
        if column not in everywhere:
            hint = nearest(column, everywhere, "columns")
            raise InputError(f"data.exclude: {first.name} has no column {column!r}; {hint}")
    left_out = taken | {roles.split, roles.group, roles.weight, *roles.exclude, *roles.dropped_labels}
    left_out |= {table.source.index for table in tables}
    chosen = _chosen(first, taken, left_out, roles)
    for table in tables[1:]:
        source = table.source
        source.need(chosen, source.key)
        more = [column for column in source.frame.columns if column not in left_out and column not in chosen]
        if more and roles.features is None and table.split is None:
            raise InputError(
                f"{source.key}: {source.name} has the column {more[0]!r}, which {first.name} lacks; features are "
                "the same for all tasks, so list them in data.features, or the rest in data.exclude"
            )
    for key, declared in (("types", roles.types), ("date_format", roles.date_forms)):
        for column in declared:
            if column not in chosen:
                hint = nearest(column, chosen, "features")
                raise InputError(f"data.{key}.{column}: no feature has this name; {hint}")
    types: dict[str, Kind] = {**dict.fromkeys(roles.date_forms, "date"), **roles.types}
    return {column: types.get(column) or kind_of(first.frame[column], column, first.place) for column in chosen}


def _check_special(
    tables: Sequence[TaskTable], labels: Mapping[str, Sequence[str]], taken: set[str], roles: Roles
) -> None:
    """Refuses tables without the columns that say labels, splits, groups or weights."""
    for table in tables:
        source = table.source
        for task in table.tasks:
            source.need(labels[task], f"tasks.{task}.column")
        keys = {"data.weight_column": roles.weight}
        if table.split is None:
            keys |= {"data.split_column": roles.split, "data.group_column": roles.group}
        for key, column in keys.items():
            if column is None:
                continue
            source.need([column], key)
            if column in taken:
                raise InputError(f"{key}: {column!r} is a task's label")
            if source.frame[column].dtype.is_nested():
                raise InputError(f"{key}: {column!r} holds {source.frame[column].dtype}")


def _chosen(first: Source, taken: set[str], left_out: set[Any], roles: Roles) -> list[str]:
    """Returns the features' columns."""
    if roles.features is None:
        chosen = [column for column in first.frame.columns if column not in left_out]
    else:
        first.need(roles.features, "data.features")
        chosen = list(dict.fromkeys(roles.features))
        for column in chosen:
            if column in taken:
                raise InputError(f"data.features: {column!r} is a task's label; a label can't be a feature as well")
            if column in roles.exclude:
                raise InputError(f"data.features: {column!r} is in data.exclude, too")
    if not chosen:
        raise InputError(f"data.features: {first.name} has no columns left besides the labels {sorted(taken)}")
    return chosen
