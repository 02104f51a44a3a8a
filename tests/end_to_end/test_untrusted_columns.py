"""A run's columns.json and model that others made, or that something happened to: refused by name, or no harm done."""

import copy
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtl_cli.backend import keras
from mtl_cli.tables.parquet_footer import unpacked_length
from tests.support.command import MtlTrain, Outcome

COUNT = 60
TABLE = pl.DataFrame(
    {
        "size": [i / 7 for i in range(COUNT)],
        "born": [f"{i % 28 + 1:02d}/{i % 12 + 1:02d}/2026" for i in range(COUNT)],
        "city": [("Rome", "Oslo", "Bonn")[i % 3] for i in range(COUNT)],
        "zone": [i % 4 for i in range(COUNT)],
        "low": [i * 1.5 for i in range(COUNT)],
        "high": [i * 2.5 for i in range(COUNT)],
        "sold": [("no", "yes")[i % 2] for i in range(COUNT)],
        "good": [i % 3 == 0 for i in range(COUNT)],
        "stars": [i % 5 for i in range(COUNT)],
    }
)
TASKS = (
    "{price: {kind: regression, column: [low, high]}, sold: {kind: binary}, good: {kind: binary}, "
    "stars: {kind: multiclass}}"
)
WORDS = ["data=table", "data.path=t.csv", "~tasks", f"+tasks={TASKS}", "steps=2", "batch_size=4"]
WORDS += [
    "+data.types={zone: category, born: date}",
    "data.date_format=%d/%m/%Y",
    "hydra.run.dir=run",
    "log.console=quiet",
]


@pytest.fixture
def run(mtl_train: MtlTrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Returns a run, whose model is loaded once however often it is asked for, and its predictions in `right.csv`."""
    TABLE.write_csv(tmp_path / "t.csv")
    trained = mtl_train(*WORDS)
    assert trained.status == 0, trained.err
    load, models = keras.saving.load_model, dict[bytes, Any]()

    def loaded(file: Path, **options: Any) -> Any:
        content = file.read_bytes()
        if content not in models:
            models[content] = load(file, **options)
        return models[content]

    monkeypatch.setattr(keras.saving, "load_model", loaded)
    assert mtl_train("predict", "run", "t.csv", "--out", "right.csv").status == 0
    return tmp_path / "run"


def numbers(file: Path) -> np.ndarray:
    """Returns the predicted numbers, and the classes as the numbers of the columns they stand in."""
    frame = pl.read_csv(file)
    return np.stack([series.to_numpy() for series in frame if series.dtype.is_float()], axis=1)


NAMED = r"columns\.json|INPUT: t\.csv has |t\.csv, row 1, column"
"""The damaged file, or the table where it lacks what the damaged file names."""


def checked(run: Path, outcome: Outcome, said: str) -> bool:
    """Asserts that a call refused what it was given, or predicted the right numbers; returns whether it refused."""
    root = run.parent
    if outcome.status == 0:
        np.testing.assert_allclose(numbers(root / "out.csv"), numbers(root / "right.csv"), err_msg=said)
        (root / "out.csv").unlink()
    else:
        assert outcome.status == 2, f"{said}: {outcome.err}"
        assert len(outcome.err.splitlines()) == 1, f"{said}: {outcome.err}"
        assert outcome.err.startswith("mtl-train: "), said
        assert re.search(r"columns\.json|INPUT: t\.csv has |t\.csv, row 1, column", outcome.err), (
            f"{said}: {outcome.err}"
        )
        assert not re.search(r"[a-z](Error|Exception)\b", outcome.err), f"{said}: {outcome.err}"
        assert len(outcome.err) < 700, said
    assert {path.name for path in root.iterdir()} == {"run", "t.csv", "right.csv"}, said
    return outcome.status == 2


Path_ = tuple[str | int, ...]


def places(content: Any, at: Path_ = ()) -> Iterator[Path_]:
    """Yields the way to every part of a tree, the whole one first."""
    yield at
    for key in content if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ():
        yield from places(content[key], (*at, key))


def part(content: Any, at: Path_) -> Any:
    """Returns the part that a way leads to."""
    for key in at:
        content = content[key]
    return content


def put(content: Any, at: Path_, value: Any) -> Any:
    """Returns a tree that has another part there."""
    if not at:
        return value
    changed = copy.deepcopy(content)
    part(changed, at[:-1])[at[-1]] = value
    return changed


def without(content: Any, at: Path_) -> Any:
    """Returns a tree that has no such part."""
    changed = copy.deepcopy(content)
    del part(changed, at[:-1])[at[-1]]
    return changed


DEEP: Any = "x"
for _ in range(500):
    DEEP = [DEEP]
VALUES: list[Any] = [
    *(None, True, 0, -1, 1.5, float("nan"), 10**30, "", "evil", "x" * 5000, "\ud800", "a\0b", "\x1b[2J"),
    *([], {}, [None], {"a": 1}, ["a", "a"], ["a", 1], [True, 1], [[]], DEEP, ["a"] * 50),
]


def mutations(content: Any) -> Iterator[tuple[str, Any]]:
    """Yields what may have happened to a tree, and what it made of it."""
    for at in places(content):
        name, here = ".".join(map(str, at)), part(content, at)
        for value in VALUES:
            if value is not here:
                yield f"{name} = {repr(value)[:40]}", put(content, at, value)
        if at:
            yield f"no {name}", without(content, at)
        if isinstance(here, dict):
            yield f"more in {name}", put(content, at, here | {"evil": 1})
            yield f"{name} as a list", put(content, at, list(here.items()))
        if isinstance(here, list):
            yield f"{name} as a dict", put(content, at, dict(enumerate(here)))
            if here:
                yield f"{name} with its last twice", put(content, at, [*here, here[-1]])
                yield f"{name} with another one", put(content, at, [*here, "another"])


def test_any_change_is_refused_or_does_no_harm(mtl_train: MtlTrain, run: Path) -> None:
    file = run / "columns.json"
    content = json.loads(file.read_text())
    assert [(each["kind"]) for each in content["inputs"]] == ["number", "date", "text", "integer"]
    refused = []
    for name, changed in mutations(content):
        file.write_text(json.dumps(changed))
        outcome = mtl_train("predict", "run", "t.csv", "--out", "out.csv")
        if checked(run, outcome, name):
            refused.append(outcome.err)
    assert sum("columns.json" in message for message in refused) > 1000


TREES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inside: st.one_of(st.lists(inside, max_size=4), st.dictionaries(st.text(max_size=5), inside, max_size=4)),
    max_leaves=10,
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_several_changes_are_refused_or_do_no_harm(mtl_train: MtlTrain, run: Path, data: st.DataObject) -> None:
    file = run / "columns.json"
    kept = file.read_text()
    changed = json.loads(kept)
    for _ in range(data.draw(st.integers(1, 3))):
        changed = put(changed, data.draw(st.sampled_from(list(places(changed)))), data.draw(TREES))
    file.write_text(json.dumps(changed))
    try:
        checked(run, mtl_train("predict", "run", "t.csv", "--out", "out.csv"), repr(changed))
    finally:
        file.write_text(kept)


@pytest.mark.parametrize("dictionary", [pl.String, pl.Categorical])
def test_a_long_text_in_many_rows(mtl_train: MtlTrain, run: Path, dictionary: Any, monkeypatch: Any) -> None:
    """In the file it is one; the model would get it as often as it stands there."""
    monkeypatch.setattr("mtl_cli.tables.files.SMALL", 2**20)
    long = TABLE.with_columns(city=pl.lit("x" * 100_000).cast(dictionary))
    long.write_parquet(run.parent / "long.parquet")
    assert unpacked_length(run.parent / "long.parquet") < 2**19
    refused = mtl_train("predict", "run", "long.parquet", "--out", "out.csv")
    assert refused.status == 2, refused.err
    assert "INPUT: long.parquet unpacks to more than 200 times its size" in refused.err
    assert not [*run.parent.glob("*out.csv*")]


def classes(*of: Any, given: int = 0) -> dict[str, Any]:
    """Returns a task with these classes."""
    return {"columns": ["a"], "classes": [*of], "probabilities": [*of[given:]]}


WRONG: list[tuple[Path_, Any, str]] = [
    (("inputs", 0, "kind"), "numbr", "columns.json: inputs.0.kind: 'numbr' is not valid; did you mean 'number'?"),
    (("inputs", 0, "nmae"), 1, "columns.json: inputs.0.nmae: there is no such key; did you mean 'inputs.0.name'?"),
    (("inputs", 0, "name"), "born", "columns.json: inputs: 'born' is there twice"),
    (("inputs",), [], "columns.json: inputs: list should have at least 1 item after validation, not 0, got []"),
    (("date_format",), "%Q", "date_format: a form of dates is like '%d.%m.%Y', seconds or milliseconds, got '%Q'"),
    (("missing", 0), 5, "columns.json: missing.0: should be a text, got 5"),
    (("tasks", "a b"), {}, "a task's name is a letter followed by letters, digits or '_', got 'a b'"),
    (("tasks", "sold", "classes"), ["no"], "columns.json: tasks.sold: classes: there are two or more, or none"),
    (("tasks", "sold", "classes"), ["no", 1], "columns.json: tasks.sold.classes: all are texts, all whole numbers"),
    (("tasks", "sold", "classes"), ["no", "yes", "maybe"], "columns.json: tasks.sold: probabilities: the model gives"),
    (("tasks", "sold", "columns"), ["a", "b"], "columns.json: tasks.sold: classes: a task with 2 columns has none"),
    (("tasks", "sold", "probabilities"), ["no"], "of two the second one's, got ['no']"),
    (("tasks", "sold", "probabilities"), ["no", "yes"], "is in the model [None, 1] of float32, and in columns.json [N"),
    (("tasks", "price", "columns"), ["low"], "task 'price' is in the model [None, 2] of float32, and in columns.json"),
    (("inputs", 3, "kind"), "text", "column 'zone' is in the model [None, 1] of int64, and in columns.json [None, 1]"),
    (("tasks", "stars"), classes(0, 1, 2, 3, 3), "columns.json: tasks.stars.classes: 3 is there twice"),
    (("tasks", "stars"), classes(0, 1, 2, 3, 2**63), "a class is a number of 64 bits, got 9223372036854775808"),
    (("tasks", "sold"), classes("no", "y" * 2000, given=1), "a class is a text of at most 1004 characters, got 'yyy"),
    (("tasks", "more"), {"columns": ["a"], "classes": [], "probabilities": []}, "columns.json has the task 'more'"),
    (
        ("tasks", "price_low"), {"columns": ["a"], "classes": [], "probabilities": []},
        "tasks.price_low: its predictions and those of tasks.price have a column 'price_low'",
    ),
]  # fmt: skip


def test_what_a_message_says(mtl_train: MtlTrain, run: Path) -> None:
    """The file, the place within it, the value and the rule."""
    content = json.loads((run / "columns.json").read_text())
    for at, value, message in WRONG:
        (run / "columns.json").write_text(json.dumps(put(content, at, value)))
        refused = mtl_train("predict", "run", "t.csv", "--out", "out.csv")
        assert checked(run, refused, message)
        assert message in refused.err


@pytest.mark.parametrize("content", [b"\xff", b"{", b"[]", b"", b"[" * 100_000, b'{"inputs": ' + b"9" * 5000 + b"}"])
def test_what_is_no_json(mtl_train: MtlTrain, run: Path, content: bytes) -> None:
    (run / "columns.json").write_bytes(content)
    refused = mtl_train("predict", "run", "t.csv", "--out", "out.csv")
    assert checked(run, refused, repr(content[:20]))
    assert "columns.json can't be read: " in refused.err


def dense(units: int, **options: Any) -> Any:
    return keras.layers.Dense(units, **options)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x: dense(1)(x), "gives a KerasTensor, not a dict"),
        (lambda x: [dense(1)(x)], "gives a list, not a dict"),
        (lambda x: {"y": [dense(1)(x), dense(1)(x)]}, "gives a dict, not a dict of tensors by name"),
        (lambda x: {"y": dense(3)(x)}, "task 'y' is in the model [None, 3] of float32, and in columns.json [None, 1]"),
        (lambda x: {"y": keras.ops.expand_dims(dense(1)(x), 2)}, "in the model [None, 1, 1] of float32"),
        (lambda x: {"y": keras.ops.sum(dense(1)(x), axis=1)}, "in the model [None] of float32"),
        (lambda x: {"y": keras.ops.cast(dense(1)(x), "int32")}, "in the model [None, 1] of int32"),
        (lambda x: {"z": dense(1)(x)}, "only columns.json has the task 'y'"),
    ],
)
def test_a_model_that_gives_something_else(mtl_train: MtlTrain, tmp_path: Path, answer: Any, message: str) -> None:
    x = keras.Input((1,), name="x")
    (tmp_path / "run").mkdir()
    keras.Model({"x": x}, answer(x)).save(tmp_path / "run" / "model.keras")
    task = {"columns": ["y"], "classes": [], "probabilities": []}
    content = {"inputs": [{"name": "x", "kind": "number"}], "date_format": None, "missing": [], "tasks": {"y": task}}
    (tmp_path / "run" / "columns.json").write_text(json.dumps(content))
    (tmp_path / "t.csv").write_text("x\n1\n2\n")
    refused = mtl_train("predict", "run", "t.csv", "--out", "out.csv")
    assert refused.status == 2, refused.err
    assert message in refused.err
    assert len(refused.err.splitlines()) == 1
    shutil.rmtree(tmp_path / "run")
    assert {path.name for path in tmp_path.iterdir()} == {"t.csv"}
