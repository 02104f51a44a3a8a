"""Roles of columns: which ones are features, what each is, and which names or uses are refused, in this order."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from mtl_cli.errors import InputError
from mtl_cli.tables.roles import feature_kinds
from mtl_cli.tables.sources import Source
from mtl_cli.tables.task_tables import TaskTable
from tests.support.table_rows import NONE, source

FIRST: dict[str, Any] = {
    "a": [1.5], "b": ["u"], "c": [date(2026, 1, 1)], "d": ["2026-01-01"], "y": [1], "z": [1], "s": ["train"], "g": [1],
    "w": [2], "l": [[1]],
}  # fmt: skip
LABELS = {"y": ["y"], "price": ["z"]}


def table(name: str = "t.csv", tasks: tuple[str, ...] = ("y", "price"), split: str | None = None, **more: Any) -> Any:
    cells = {column: values for column, values in {**FIRST, **more}.items() if values is not None}
    return TaskTable(source(name, **cells), tasks, split)


def test_features_are_what_nothing_else_names() -> None:
    roles = replace(NONE, exclude=["l"], split="s", group="g", weight="w", date_forms={"d": "%Y-%m-%d"})
    kinds = feature_kinds([table()], LABELS, roles)
    assert kinds == {"a": "number", "b": "category", "c": "date", "d": "date"}
    assert [*kinds] == ["a", "b", "c", "d"]
    assert roles.declared == {"d"}


def test_features_that_are_listed_come_in_this_order_and_types_win() -> None:
    roles = replace(NONE, features=["w", "a", "w"], types={"a": "category"}, date_forms={"a": "%Y"})
    kinds = feature_kinds([table()], LABELS, roles)
    assert [*kinds.items()] == [("w", "number"), ("a", "category")]


def test_a_column_without_a_name_and_labels_of_other_tasks_are_no_features() -> None:
    unnamed = Source(
        source("t.csv", **{"column_1": [1], "a": [2], "y": [3], "z": [4]}).frame, [("t.csv", 0)], "k", "column_1"
    )
    given = [TaskTable(unnamed, ("y",), None)]
    assert feature_kinds(given, {"y": ["y"]}, replace(NONE, dropped_labels=["z"])) == {"a": "number"}


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        ({"weight": "W", "exclude": ["nn"]}, "data.weight_column: t.csv has no column 'W'; did you mean 'w'?"),
        ({"weight": "y"}, "data.weight_column: 'y' is a task's label"),
        ({"group": "l"}, "data.group_column: 'l' holds List(Int64)"),
        (
            {"exclude": ["l", "nn"], "features": ["q"]},
            "data.exclude: t.csv has no column 'nn'; the columns are a, b, c",
        ),
        ({"features": ["q"]}, "data.features: t.csv has no column 'q'; the columns are"),
        ({"features": ["a", "y"]}, "data.features: 'y' is a task's label; a label can't be a feature as well"),
        ({"features": ["a"], "exclude": ["a"]}, "data.features: 'a' is in data.exclude, too"),
        ({"features": []}, "data.features: t.csv has no columns left besides the labels ['y', 'z']"),
        (
            {"features": ["a"], "types": {"aa": "date"}, "date_forms": {"bb": "%Y"}},
            "data.types.aa: no feature has this",
        ),
        ({"features": ["a"], "date_forms": {"bb": "%Y"}}, "data.date_format.bb: no feature has this name"),
        ({}, "t.csv, row 1, column 'l' holds List(Int64), which can't be learned from"),
    ],
)
def test_columns_that_can_not_be_what_they_are_named_as(roles: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        feature_kinds([table()], LABELS, replace(NONE, **roles))
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (table("u.csv", a=None), "data.path: u.csv has no column 'a'"),
        (table("u.csv", y=None), "tasks.y.column: u.csv has no column 'y'"),
        (table("u.csv", s=None), "data.split_column: u.csv has no column 's'"),
        (
            table("u.csv", more=[1], rest=[1]),
            "data.path: u.csv has the column 'more', which t.csv lacks; features are the same",
        ),
    ],
)
def test_tables_with_other_columns(second: TaskTable, message: str) -> None:
    with pytest.raises(InputError) as refused:
        feature_kinds([table(), second], LABELS, replace(NONE, exclude=["l"], split="s"))
    assert str(refused.value).startswith(message)


def test_a_file_of_a_split_needs_no_split_column_and_may_have_more() -> None:
    second = table("u.csv", split="test", s=None, more=[1])
    kinds = feature_kinds([table(), second], LABELS, replace(NONE, exclude=["l"], split="s"))
    assert "more" not in kinds
