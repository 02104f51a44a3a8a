"""Anything typed, and any table: a refusal of the project's own, or a run that ends.

`MTL_FUZZ=1000 pytest tests/end_to_end/test_fuzz.py` tries that many, other ones each time.
"""

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import polars as pl
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mtl_cli.config import FAMILIES, Config
from mtl_cli.settings import Settings
from mtl_cli.tasks import Binary, Multiclass, Regression
from tests.support.command import MtlTrain, Outcome

MORE = int(os.environ.get("MTL_FUZZ", "0"))


def fuzz(examples: int) -> settings:
    """Returns the settings for so many examples."""
    return settings(
        max_examples=MORE or examples,
        derandomize=not MORE,
        database=None,
        phases=[Phase.generate],  # a run is too slow to look for smaller examples
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def keys(model: type[Settings], prefix: str = "") -> Iterator[str]:
    """Yields the dotted keys of a config's class, its parts included."""
    for name, field in model.model_fields.items():
        yield prefix + name
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, Settings):
                yield from keys(part, f"{prefix}{name}.")


GROUPS = {group: [of.model_fields["name"].default for of in classes] for group, classes in FAMILIES.items()}
KEYS = sorted(
    {
        *keys(Config),
        *(key for group, classes in FAMILIES.items() for of in classes for key in keys(of, f"{group}.")),
        *(key for kind in (Regression, Binary, Multiclass) for key in keys(kind, "tasks.y1.")),
        *("hydra.callbacks.x._target_", "hydra.launcher._target_", "hydra.sweeper.params", "hydra.job_logging"),
        *("hydra.searchpath", "hydra.mode", "hydra", "tasks.y1", "tasks.new.kind", "tasks", "", "experiment", "sweep"),
    }
    - {"steps"}  # it takes long where it is right
)
VALUES = [
    *("0", "1", "-1", "3", "0.5", "-0.0", "1e-3", "1e400", "nan", "inf", "null", "true", "''", "???", "2147483648"),
    *("[]", "{}", "[1,2]", "[[[]]]", "{a: 1}", "{name: adam}", "[a,a]", "9" * 30, "x" * 10_000, "[" * 50 + "]" * 50),
    *("${seed}", "${nope}", "${seed", "'${${seed}}'", "${oc.decode:'[1'}", "../..", "/", "t.csv", "*", "a,b", "a b"),
    *(
        "'\x1b[2J'",
        "'\u202e'",
        "=1",
        "'",
        "[",
        "\\",
        "joint",
        "digits",
        "fixed",
        "pcgrad",
        "cosine",
        "quiet",
        "val/y1/rmse",
    ),
    *("range(3)", "glob(*)", "choice(1,2)", "!!python/name:os.system", "&a [*a]"),
]
misspelt = st.sampled_from(KEYS).flatmap(lambda key: st.permutations(list(key)).map("".join))
key = st.one_of(st.sampled_from(KEYS), st.sampled_from(KEYS), misspelt, st.text(max_size=8))
value = st.one_of(st.sampled_from(VALUES), st.integers(-3, 40).map(str), st.floats().map(str), st.text(max_size=8))
choice = st.sampled_from([f"{group}={name}" for group, names in GROUPS.items() for name in names])
override = st.one_of(
    st.tuples(st.sampled_from(["", "", "+", "++", "~"]), key, value).map(lambda of: f"{of[0]}{of[1]}={of[2]}"), choice
).filter(lambda word: "\0" not in word and not word.lstrip("+~").startswith(("hydra.run", "hydra.sweep.")))


def check(run: Outcome, root: Path, said: str) -> None:
    """Asserts that it was a refusal, or a run that ended, and takes away what it left."""
    assert run.status in (0, 1, 2), said
    assert "Traceback" not in run.err, said
    assert all(line.startswith(("mtl-train: ", "note: ")) for line in run.err.splitlines()), f"{said}: {run.err}"
    assert (run.status == 0) or run.err, said
    assert not set("\x1b\u202e") & set(run.out + run.err), said
    if run.status == 2:
        assert not run.folders, said
        assert not (root / "outputs").exists(), said
    shutil.rmtree(root / "outputs", ignore_errors=True)


@fuzz(50)
@given(words=st.lists(override, min_size=1, max_size=3))
def test_overrides(mtl_train: MtlTrain, tmp_path: Path, words: list[str]) -> None:
    check(mtl_train("log.console=quiet", *words, "steps=2"), tmp_path, repr(words))


CELLS = [
    *(
        "",
        "0",
        "1",
        "2",
        "-1.5",
        "1e39",
        "1e400",
        "nan",
        "NaN",
        "inf",
        "-inf",
        "yes",
        "no",
        "true",
        "a",
        "b",
        "é",
        "\u202e",
    ),
    *(
        "=1+1",
        "@x",
        "'",
        "2026-01-01",
        "9" * 25,
        "x" * 5000,
        " ",
        "\x1b[2J",
        "\\N",
        "0x1f",
        "1_000",
        "[red]",
        "${a}",
        "NULL",
    ),
]
NAMES = [
    "a",
    "b",
    "y",
    "y",
    "a",
    "",
    " ",
    "*",
    "^a$",
    "=1",
    "é",
    "task",
    "a/b",
    "column 0",
    "${a}",
    "[red]\x1b",
    "n" * 3000,
]
cell = st.one_of(st.sampled_from(CELLS), st.integers(0, 3).map(str), st.text(max_size=3))


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, bytes]:
    """Draws a table: the end of its file's name, and what is in it."""
    names = draw(st.lists(st.one_of(st.sampled_from(NAMES), st.text(max_size=4)), min_size=1, max_size=4))
    names = draw(st.sampled_from([names, [*names, "y"]]))
    columns = [
        draw(st.sampled_from([cell, st.sampled_from(["0", "1", "2"]), st.sampled_from(["u", "v"])])) for _ in names
    ]
    count = draw(st.sampled_from([0, 1, 2, 30]))
    few = [draw(st.lists(column, min_size=min(count, 6), max_size=min(count, 6))) for column in columns]
    rows = [[cells[i % len(cells)] for cells in few] for i in range(count)]
    kind = draw(st.sampled_from(["csv", "csv", "tsv", "raw", "parquet", "ndjson"]))
    if kind in ("parquet", "ndjson"):
        types = st.sampled_from([pl.String, pl.Float64, pl.Int64, pl.Categorical])
        of = {name: pl.Series([row[i] for row in rows], dtype=pl.String) for i, name in enumerate(names)}
        frame = pl.DataFrame({name: series.cast(draw(types), strict=False) for name, series in of.items()})
        buffer = io.BytesIO()
        (frame.write_parquet if kind == "parquet" else frame.write_ndjson)(buffer)
        return f".{kind}", buffer.getvalue()
    mark = "\t" if kind == "tsv" else ","
    lines = [mark.join(f'"{of}"' if draw(st.booleans()) else of for of in row) for row in [names, *rows]]
    content = "\n".join(lines).encode("utf-8", "surrogatepass")
    return (".tsv" if kind == "tsv" else ".csv"), content[
        : draw(st.integers(0, len(content)))
    ] if kind == "raw" else content


@fuzz(60)
@given(table=tables(), kind=st.sampled_from(["regression", "binary", "multiclass"]))
def test_tables(mtl_train: MtlTrain, tmp_path: Path, table: tuple[str, bytes], kind: str) -> None:
    ending, content = table
    (tmp_path / f"t{ending}").write_bytes(content)
    words = ["data=table", f"data.path=t{ending}", f"+tasks.y.kind={kind}", "batch_size=2", "steps=2"]
    check(mtl_train(*words, "log.console=quiet"), tmp_path, f"{content[:500]!r} {kind}")
    inspected = mtl_train("inspect", f"t{ending}", "--out", "outputs")
    assert inspected.status in (0, 2)
    shutil.rmtree(tmp_path / "outputs", ignore_errors=True)


def test_the_schema_was_found() -> None:
    assert len(KEYS) > 100
    assert {"optimizer.learning_rate", "tasks.y1.pos_weight", "weighting.c", "data.path", "eval.every"} <= {*KEYS}
