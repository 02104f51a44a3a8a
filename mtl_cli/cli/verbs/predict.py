"""`mtl-train predict`: a run's model on the rows of tables, a block at a time."""

import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console

from mtl_cli.backend import keras, refuse_too_little_memory, start, tf
from mtl_cli.cli.verbs.base import Parser, Verb
from mtl_cli.cli.which_run import only, refuse_folder_of_runs, refuse_sweep
from mtl_cli.comparison.results import is_run
from mtl_cli.errors import InputError, nearest
from mtl_cli.paths import blocked
from mtl_cli.tables.delimited import Dialect
from mtl_cli.tables.dtypes import Notation, as_numbers, plain, stripped, without
from mtl_cli.tables.files import files_of, refuse_unpacked
from mtl_cli.tables.model_inputs import Input, allowing_any_column, arrays
from mtl_cli.tables.reader import Opened, check
from mtl_cli.tables.schema import Predicted, Schema, read_schema
from mtl_cli.tables.sources import Frame
from mtl_cli.untrusted.escaping import cells
from mtl_cli.untrusted.files import check_model

BLOCK: Final = 65_536
"""Rows that are predicted at once."""


def run(words: Sequence[str]) -> None:
    """Predicts every task for the rows of a table."""
    parser = Parser(
        prog="mtl-train predict",
        usage="%(prog)s [-h] --out FILE [--id COLUMN] [--force] RUN_DIR INPUT",
        description="Predicts every task for the rows of a table: <task>, and <task>_<class> for probabilities.",
    )
    parser.add_argument(
        "run", metavar="RUN_DIR", nargs="+", type=Path, help="the folder of a finished run with data=table"
    )
    parser.add_argument("input", metavar="INPUT", help="a table (.csv, .tsv, .parquet, .ndjson, .gz), or a glob")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="a .csv or .parquet file to write")
    parser.add_argument("--id", action="append", default=[], metavar="COLUMN", help="a column to keep (repeatable)")
    parser.add_argument("--force", action="store_true", help="replace FILE if it is there")
    given = parser.parse_args(words)
    refuse_too_little_memory()
    folder = only([each for each in given.run if each.is_dir()] or given.run[:1], "RUN_DIR")
    if len(given.run) > 1:
        raise InputError("INPUT: these are several tables, and it takes one, or a glob in quotes")
    console = Console(stderr=True, highlight=False)
    with console.status("loading the model") as status:
        rows = predict(
            folder, given.input, given.out, list(dict.fromkeys(given.id)), force=given.force,
            shown=lambda done: status.update(f"{done:,} rows"),
        )  # fmt: skip
    print(f"{given.out}: {rows:,} rows")


@dataclass(frozen=True)
class Predictor:
    """A run's model, and what it takes and gives."""

    call: Any
    schema: Schema
    inputs: Sequence[Input]
    types: Mapping[str, str]

    def columns(self, frame: Frame, first: int, file: Path) -> dict[str, Any]:
        """Returns the predictions for a block of rows, which begins with row `first` of a file, by column."""
        rows = arrays(frame, self.inputs, self.schema.date_format, lambda row: f"{file}, row {first + row + 1}")
        tensors = {name: tf.constant(values[:, None], self.types[name]) for name, values in rows.items()}
        try:
            given = self.call(tensors)
        except (tf.errors.ResourceExhaustedError, MemoryError):
            raise
        except Exception as error:  # whatever a model of somebody's makes of it
            raise InputError(f"RUN_DIR: the model can't be applied to {file}: {type(error).__name__}") from error
        found: dict[str, Any] = {}
        for name, task in self.schema.tasks.items():
            found |= _named(self.schema.names(name), task, given[name].numpy())
        return found


def predict(folder: Path, source: str, out: Path, ids: Sequence[str], *, force: bool, shown: Any) -> int:
    """Writes every task's predictions for the rows of `source` to `out`, and returns how many rows there were.

    Args:
        folder: A run's folder.
        source: A file, or a glob of several.
        out: A .csv or .parquet file to write.
        ids: Columns to keep.
        force: Whether to replace `out` if it is there.
        shown: Called with the number of rows after each block.

    Raises:
        InputError: The run, the rows or the path to write can't be used; nothing was written.
    """
    _check_out(out, force=force)
    schema = _schema(folder)
    files = files_of(source, "INPUT")
    tables = [check(file, "INPUT", schema.dialect) for file in files]
    for file, (table, _) in zip(files, tables, strict=True):
        names = table.scan(looked_at=0).collect_schema().names()
        for column in [*(each.name for each in schema.inputs), *ids]:
            if column not in names:
                raise InputError(f"INPUT: {file} has no column {column!r}; {nearest(column, names, 'columns')}")
    if out.resolve() in [file.resolve() for file in files]:
        raise InputError(f"--out: {out} is the input as well")
    taken = [name for task in schema.tasks for name in schema.names(task)]
    for name in ids:
        if name in taken:
            raise InputError(f"--id: {name!r} is the name of a column of predictions as well")
    predictor, rows = _load(folder, schema), 0
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as beside:
        parts: list[Path] = []
        for frame in _blocks(predictor, tables, ids):
            parts.append(Path(beside) / f"{len(parts):06d}.parquet")
            frame.write_parquet(parts[-1])
            rows += len(frame)
            shown(rows)
        _join(parts, Path(beside) / f"whole{out.suffix}").replace(out)
    return rows


def _check_out(out: Path, *, force: bool) -> None:
    if out.suffix not in (".csv", ".parquet"):
        raise InputError(f"--out: {out} is neither a .csv nor a .parquet file")
    try:
        if out.is_dir():
            raise InputError(f"--out: {out} is a directory")
        if out.exists() and not force:
            raise InputError(f"--out: {out} exists; choose another file, or replace it with --force")
        why = blocked(out)
        if why:
            raise InputError(f"--out: {out} can't be written: {why}")
    except OSError as error:
        raise InputError(f"--out: {str(out)[:80]} can't be written: {error.strerror}") from error


def _schema(folder: Path) -> Schema:
    if not (folder / "model.keras").exists():
        refuse_sweep(folder, "RUN_DIR")
        if not is_run(folder):
            refuse_folder_of_runs(folder, "RUN_DIR")
    for name in ("model.keras", "columns.json"):
        if not (folder / name).is_file():
            more = "; only a finished run with data=table has one" if (folder / "summary.json").exists() else ""
            raise InputError(f"RUN_DIR: {folder} has no {name}{more}")
    schema = read_schema(folder / "columns.json")
    try:
        check_model(folder / "model.keras")
    except (ValueError, OSError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"RUN_DIR: {folder / 'model.keras'} can't be used as a model: {error}") from error
    return schema


def _load(folder: Path, schema: Schema) -> Predictor:
    start("auto")
    file = folder / "model.keras"
    try:
        with allowing_any_column():
            model = keras.saving.load_model(file, compile=False, safe_mode=True)
        taken, given = model.input, model.output
    except Exception as error:  # Keras raises all kinds
        raise InputError(f"RUN_DIR: {file} is damaged, or not a model: Keras can't load it") from error
    for what, tensors in (("takes", taken), ("gives", given)):
        if not isinstance(tensors, dict) or not all(hasattr(tensor, "shape") for tensor in tensors.values()):
            raise InputError(f"RUN_DIR: {file} {what} a {type(tensors).__name__}, not a dict of tensors by name")
    apart = f"RUN_DIR: model.keras and columns.json of {folder} don't belong together"
    inputs = schema.columns()
    _compare(apart, "column", taken, {each.name: (1, each.tensor_types()) for each in inputs})
    _compare(apart, "task", given, {name: (task.width, ("float32",)) for name, task in schema.tasks.items()})
    call = tf.function(lambda rows: model(rows, training=False), reduce_retracing=True)
    return Predictor(call, schema, inputs, {name: str(tensor.dtype) for name, tensor in taken.items()})


def _compare(apart: str, noun: str, tensors: dict[str, Any], expected: dict[str, tuple[int, tuple[str, ...]]]) -> None:
    """Refuses a model whose tensors aren't [rows, width] of a type that columns.json allows, for the same names."""
    for name in sorted(set(tensors) ^ set(expected)):
        which = "the model" if name in tensors else "columns.json"
        raise InputError(f"{apart}: only {which} has the {noun} {name!r}")
    for name, (width, types) in expected.items():
        shape, found = tuple(tensors[name].shape), str(tensors[name].dtype)
        if shape != (None, width) or found not in types:
            has = f"{list(shape)} of {found}, and in columns.json [None, {width}] of {' or '.join(types)}"
            raise InputError(f"{apart}: {noun} {name!r} is in the model {has}")


def _blocks(predictor: Predictor, tables: Sequence[tuple[Opened, int]], ids: Sequence[str]) -> Iterator[Frame]:
    """Yields the predictions, block by block, after the columns that are kept."""
    import polars as pl

    needed = list(dict.fromkeys([*ids, *(each.name for each in predictor.inputs)]))
    dialect = predictor.schema.dialect
    numbers = [each.name for each in predictor.inputs if each.kind == "number"]
    for table, length in tables:
        first, unpacked, notation = 0, 0.0, table.notation
        text = {each.name: each.type() for each in predictor.inputs if each.type() is not None}
        if notation is not None and (dialect.decimal == "," or dialect.thousands is not None):
            text |= dict.fromkeys(numbers, pl.String)  # points may group digits
        types = table.scan(text).collect_schema()
        lazy = table.scan(types, 0).select(needed).head(length)
        for batch in lazy.collect_batches(chunk_size=BLOCK):
            if table.form == "parquet":  # a text that stands in many rows is one in the file
                unpacked += sum(plain(series).estimated_size() for series in batch)
                refuse_unpacked(table.path, "INPUT", unpacked)
            for frame in batch.iter_slices(BLOCK):
                if len(frame):
                    frame = _understood(frame, predictor.inputs, notation, dialect)
                    made = predictor.columns(frame, first, table.path)
                    yield pl.DataFrame({**{name: frame[name] for name in ids}, **made})
                    first += len(frame)


def _understood(frame: Frame, inputs: Sequence[Input], notation: Notation | None, dialect: Dialect) -> Frame:
    """Returns rows as training read them, of a text file where there is a notation."""
    import polars as pl

    if notation is not None and dialect.strip:
        frame = frame.with_columns(stripped(frame[each.name], dialect.missing) for each in inputs)
    numbers = [frame[each.name] for each in inputs if each.kind == "number"]
    if notation is not None:
        numbers = [as_numbers(notation.plain(each)) if each.dtype == pl.String else each for each in numbers]
    return frame.with_columns(without(each, dialect.missing) if each.dtype.is_numeric() else each for each in numbers)


def _join(parts: list[Path], whole: Path) -> Path:
    import polars as pl

    lazy = pl.concat([pl.scan_parquet(part) for part in parts], how="vertical_relaxed")
    try:
        if whole.suffix == ".csv":
            cells(lazy).sink_csv(whole)
        else:
            lazy.sink_parquet(whole)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"--id: a column that is kept has different types in the files: {error}") from error
    return whole


def _named(names: Sequence[str], task: Predicted, values: Any) -> dict[str, Any]:
    """Returns a task's predictions [rows, U] by column."""
    import polars as pl

    if not task.probabilities:
        return {name: values[:, i] for i, name in enumerate(names)}
    every = values if task.probabilities == task.classes else np.hstack([1 - values, values])
    labels = pl.Series(task.classes).gather(every.argmax(axis=1))
    return {names[0]: labels, **{name: values[:, i] for i, name in enumerate(names[1:])}}


VERB = Verb("predict RUN_DIR TABLE --out FILE", "predict every task for its rows", run)
