"""`columns.json` on its own: what it may say of classes and tasks, up to the last number that it may be.

What predict makes of any change of it is in `end_to_end/test_untrusted_columns.py`.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from mtl_cli.errors import InputError
from mtl_cli.tables.dtypes import LONGEST_NAME
from mtl_cli.tables.schema import Schema, read_schema

PRICE: dict[str, Any] = {"columns": ["low", "high"], "classes": [], "probabilities": []}


def task(*classes: Any, columns: tuple[str, ...] = ("k",), given: int = 0) -> dict[str, Any]:
    return {"columns": [*columns], "classes": [*classes], "probabilities": [*classes[given:]]}


def schema(tmp_path: Path, tasks: Any) -> Schema:
    file = tmp_path / "columns.json"
    inputs = [{"name": "x", "kind": "number"}]
    file.write_text(json.dumps({"inputs": inputs, "date_format": None, "missing": [], "tasks": tasks}))
    return read_schema(file)


@pytest.mark.parametrize(
    ("tasks", "names"),
    [
        ({"price": PRICE}, ["price_low", "price_high"]),
        ({"k": task("no", "yes", given=1)}, ["k", "k_yes"]),
        ({"k": task(False, True, given=1)}, ["k", "k_true"]),
        ({"k": task(-(2**63), 0, 2**63 - 1)}, ["k", f"k_-{2**63}", "k_0", f"k_{2**63 - 1}"]),
        ({"k": task("a", "b" * (LONGEST_NAME + 4))}, ["k", "k_a", f"k_{'b' * (LONGEST_NAME + 4)}"]),
        ({"k" * LONGEST_NAME: task(columns=("y",))}, ["k" * LONGEST_NAME]),
    ],
    ids=["regression", "texts", "true and false", "integers", "long texts", "a long name"],
)
def test_columns_of_predictions(tmp_path: Path, tasks: dict[str, Any], names: list[str]) -> None:
    found = schema(tmp_path, tasks)
    (name,) = tasks
    assert found.names(name) == names
    assert found.tasks[name].width == len(names) - (len(tasks[name]["classes"]) > 0)


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ({"k": task(1, 2.5)}, "tasks.k.classes: all are texts, all whole numbers or all true and false, got 2.5"),
        ({"k": task(1.5, 2.5)}, "all true and false, got 1.5"),
        ({"k": task(1, True)}, "all true and false, got True"),
        ({"k": task(0, -(2**63) - 1)}, "a class is a number of 64 bits, got -9223372036854775809"),
        ({"k": task(0, 2**63)}, "a class is a number of 64 bits, got 9223372036854775808"),
        ({"k": task("a", "b" * (LONGEST_NAME + 5))}, "a class is a text of at most 1004 characters, got 'bbb"),
        ({"k": task("a", "b", columns=("k", "l"))}, "tasks.k: classes: a task with 2 columns has none, got ['a', 'b']"),
        ({"k": task("a")}, "classes: there are two or more, or none, got ['a']"),
        ({"k" * (LONGEST_NAME + 1): task("a", "b")}, "a task's name is a letter followed by letters, digits or '_'"),
        ({"a b": task("a", "b")}, "a task's name is a letter followed by letters, digits or '_', got 'a b'"),
        ([], "tasks: "),
        ({}, "tasks: "),
    ],
)
def test_what_it_may_not_say(tmp_path: Path, tasks: Any, message: str) -> None:
    with pytest.raises(InputError) as refused:
        schema(tmp_path, tasks)
    assert message in str(refused.value)
