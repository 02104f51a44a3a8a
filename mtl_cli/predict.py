"""`mtl-train predict`: a run's model on the rows of tables, a block at a time."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from mtl_cli.backend import keras, start, tf
from mtl_cli.errors import InputError, nearest
from mtl_cli.tables.columns import Input, allowing_any_column, arrays
from mtl_cli.tables.reading import Frame, check, files_of, scan

BLOCK: Final = 65_536
"""Rows that are predicted at once."""


@dataclass(frozen=True)
class Predictor:
    """A run's model, and what it takes and gives."""

    call: Any
    inputs: Sequence[Input]
    tasks: dict[str, dict[str, Any]]
    date_format: str | None
    missing: Sequence[str]

    def columns(self, frame: Frame, first: int, file: Path) -> dict[str, Any]:
        """Returns the predictions for a block of rows, which begins with row `first` of a file, by column."""
        taken = arrays(frame, self.inputs, self.date_format, lambda row: f"{file}, row {first + row + 1}")
        given = self.call({name: tf.constant(values) for name, values in taken.items()})
        found: dict[str, Any] = {}
        for name, task in self.tasks.items():
            found |= _named(name, task, given[name].numpy())
        return found


def predict(folder: Path, source: str, out: Path, ids: Sequence[str], *, force: bool, shown: Any) -> int:
    """Writes every task's predictions for the rows of `source` to `out`, and returns how many rows there were.

    A regression is a column `<task>` in the label's unit (several targets: `<task>_<target>`); a classification is the
    likeliest class in `<task>` and a column `<task>_<class>` for each class's probability (binary: the positive one's).

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
    if out.suffix not in (".csv", ".parquet"):
        raise InputError(f"--out: {out} is neither a .csv nor a .parquet file")
    if out.exists() and not force:
        raise InputError(f"--out: {out} exists; choose another file, or replace it with --force")
    if not out.parent.is_dir():
        raise InputError(f"--out: there is no folder {out.parent}")
    schema = _schema(folder)
    files = files_of(source, "INPUT")
    for file in files:
        check(file, "INPUT", schema["missing"])
        names = scan(file, "INPUT", schema["missing"]).collect_schema().names()
        for column in [*(each["name"] for each in schema["inputs"]), *ids]:
            if column not in names:
                raise InputError(f"INPUT: {file} has no column {column!r}; {nearest(column, names, 'columns')}")
    predictor = _load(folder, schema)
    rows = 0
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as beside:
        parts: list[Path] = []
        for frame in _blocks(predictor, files, ids):
            parts.append(Path(beside) / f"{len(parts):06d}.parquet")
            frame.write_parquet(parts[-1])
            rows += len(frame)
            shown(rows)
        _join(parts, Path(beside) / f"whole{out.suffix}").replace(out)
    return rows


def _schema(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise InputError(f"RUN_DIR: there is no folder {folder}")
    for name in ("model.keras", "columns.json"):
        if not (folder / name).is_file():
            more = "; only a finished run with data=table has one" if (folder / "summary.json").exists() else ""
            raise InputError(f"RUN_DIR: {folder} has no {name}{more}")
    try:
        schema: dict[str, Any] = json.loads((folder / "columns.json").read_text())
    except ValueError as error:
        raise InputError(f"RUN_DIR: {folder / 'columns.json'} is not JSON: {error}") from error
    return schema


def _load(folder: Path, schema: dict[str, Any]) -> Predictor:
    start("auto")
    with allowing_any_column():
        model = keras.saving.load_model(folder / "model.keras")
    call = tf.function(lambda rows: model(rows, training=False), reduce_retracing=True)
    inputs = [Input(**each) for each in schema["inputs"]]
    return Predictor(call, inputs, schema["tasks"], schema["date_format"], schema["missing"])


def _blocks(predictor: Predictor, files: Sequence[Path], ids: Sequence[str]) -> Iterator[Frame]:
    """Yields the predictions, block by block, after the columns that are kept."""
    import polars as pl

    needed = list(dict.fromkeys([*ids, *(each.name for each in predictor.inputs)]))
    for file in files:
        first = 0
        lazy = scan(file, "INPUT", predictor.missing).select(needed)
        for batch in lazy.collect_batches(chunk_size=BLOCK):
            for frame in batch.iter_slices(BLOCK):
                if len(frame):
                    made = predictor.columns(frame, first, file)
                    twice = [name for name in ids if name in made]
                    if twice:
                        raise InputError(f"--id: {twice[0]!r} is the name of a column of predictions as well")
                    yield frame.select(ids).hstack(pl.DataFrame(made))
                    first += len(frame)


def _join(parts: list[Path], whole: Path) -> Path:
    import polars as pl

    lazy = pl.scan_parquet(parts)
    if whole.suffix == ".csv":
        lazy.sink_csv(whole)
    else:
        lazy.sink_parquet(whole)
    return whole


def _named(name: str, task: dict[str, Any], values: Any) -> dict[str, Any]:
    """Returns a task's predictions [rows, U] by column."""
    import polars as pl

    classes, columns = task["classes"], task["columns"]
    if task["kind"] == "regression" or not classes:
        names = [name] if len(columns) == 1 else [f"{name}_{column}" for column in columns]
        return {each: values[:, i] for i, each in enumerate(names)}
    if task["kind"] == "binary":
        chosen, probabilities = (values[:, 0] > 0.5).astype(np.int64), {f"{name}_{classes[1]}": values[:, 0]}
    else:
        chosen = values[:, : len(classes)].argmax(axis=1)
        probabilities = {f"{name}_{each}": values[:, i] for i, each in enumerate(classes)}
    labels = pl.Series(classes)
    if all(each.lstrip("-").isdecimal() for each in classes):
        labels = labels.cast(pl.Int64)
    return {name: labels.gather(chosen), **probabilities}
