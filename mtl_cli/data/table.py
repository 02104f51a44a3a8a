"""The user's own tables: one file with several labels, or a file for each task; features of any kind."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from mtl_cli.data.base import Data
from mtl_cli.datasets.dataset import Dataset, Labels, Scale, Split
from mtl_cli.datasets.in_memory import RowsDataset, RowsFeed
from mtl_cli.datasets.splits import SPLITS, Fractions, split_groups, split_rows, split_strata
from mtl_cli.errors import InputError, nearest
from mtl_cli.run_folder.atomic_files import fingerprint
from mtl_cli.settings import Repeat
from mtl_cli.tables import features as feature_columns
from mtl_cli.tables.dates import DateFormat
from mtl_cli.tables.delimited import Dialect, Encoding, Header, Separator, Thousands
from mtl_cli.tables.dtypes import Kind, floats, kind_of, refuse_cell
from mtl_cli.tables.duplicates import duplicates_note, firsts, with_duplicates
from mtl_cli.tables.features import FeatureColumns
from mtl_cli.tables.labels import Found, balance, check_learnable, find, labelled, prediction_names, scale_of
from mtl_cli.tables.reader import read_all
from mtl_cli.tables.sources import Source, join
from mtl_cli.tables.splits import named_splits, strata, with_every_class
from mtl_cli.tables.warnings import notes_on, notes_on_forms, notes_on_labels
from mtl_cli.tasks import Binary, Regression, Task, Tasks, Text

Paths = str | list[str]
MISSING_TEXTS = ["NA", "N/A", "NaN", "nan", "null", "NULL"]


class Part(NamedTuple):
    """A table, and what it is for."""

    source: Source
    tasks: tuple[str, ...]
    """Those whose labels it has."""
    split: str | None
    """What its rows are for, where the file says so."""


class Table(Data):
    """Tables whose first line names the columns.

    Features are all columns that nothing else names, or the ones listed. What is learned of them (means, categories)
    comes from the training rows, and the saved model does the same to the raw columns it is given.
    """

    name: Literal["table"] = "table"
    path: Paths | None = None
    val_path: Paths | None = None
    test_path: Paths | None = None
    missing: list[Text] = MISSING_TEXTS
    encoding: Encoding | None = None
    separator: Separator | None = None
    header: Header = True
    decimal: Literal[".", ","] | None = None
    thousands: Thousands | None = None
    features: list[str] | None = None
    exclude: list[str] = []
    dropped_labels: list[str] = []
    types: dict[str, Kind] = {}
    date_format: DateFormat | None = None
    min_count: Annotated[int, Field(ge=1)] = 2
    embed_above: Annotated[int, Field(ge=1)] = 16
    weight_column: str | None = None
    split: Fractions = Fractions()
    split_column: str | None = None
    group_column: str | None = None
    duplicates: Literal["keep", "one_split", "drop"] = "keep"
    split_seed: Annotated[Annotated[int, Field(ge=0)] | None, Repeat()] = None

    @property
    def dialect(self) -> Dialect:
        """How the text files among the tables are written."""
        missing = tuple(self.missing)
        return Dialect(missing, self.encoding, self.separator, self.header, self.decimal, self.thousands)

    @property
    def _dates(self) -> Mapping[str, str]:
        """Columns whose dates have a form of their own."""
        return self.date_format if isinstance(self.date_format, Mapping) else {}

    @model_validator(mode="after")
    def _check_marks(self) -> Self:
        if self.thousands is not None and self.thousands == (self.decimal or "?"):
            raise ValueError(f"thousands: {self.thousands!r} is the decimal mark as well")
        return self

    def load(self, tasks: Tasks, seed: int, batch_size: int) -> Dataset:
        """Returns the tables' rows for these tasks, split."""
        sources = self._sources(tasks)
        wanted = {name: _label_columns(name, task) for name, task in tasks.items()}
        kinds = self._kinds(sources, wanted)
        special = [c for c in (self.split_column, self.group_column, self.weight_column) if c is not None]
        rows = join([source for source, _, _ in sources], list(dict.fromkeys([*kinds, *special])))
        rows = rows.understood(column for column, kind in kinds.items() if kind == "number")
        cells = {name: _label_cells(name, task, wanted[name], sources) for name, task in tasks.items()}
        found = {name: find(name, task, cells[name], rows.place) for name, task in tasks.items()}
        weights = self._weights(rows)
        first = firsts(rows.frame, list(kinds), found)
        dealt = self._deal(sources, rows, found, first, seed if self.split_seed is None else self.split_seed)

        known = {
            name: {split: part[labels.known[part] & (weights[part] > 0)] for split, part in dealt.items()}
            for name, labels in found.items()
        }
        for name, parts in known.items():
            check_learnable(name, found[name], wanted[name], parts, rows.place)
        most = max(len(parts["train"]) for parts in known.values())
        if batch_size > most:
            raise InputError(f"batch_size: {batch_size} is more than the {most} rows of the training split")
        columns = feature_columns.fit(
            rows.frame, kinds, dealt["train"], rows.place,
            date_format=self.date_format, min_count=self.min_count, embed_above=self.embed_above,
        )  # fmt: skip
        notes = [
            f"column {column!r} is the label of a task that is left out, so it is no feature of the others; "
            "data.features lists the columns to learn from, where it is meant as one"
            for column in self.dropped_labels
            if self.features is None and column not in {each for of in wanted.values() for each in of}
        ]
        notes += notes_on_forms([source for source, _, _ in sources], self.dialect)
        notes += [
            f"{source.name}: its first column has no name, as an index has that pandas writes; it is left out "
            f"(data.features can list it, as {source.index})"
            for source, _, _ in sources
            if source.index is not None and self.features is None
        ]
        notes += duplicates_note(dealt, first)
        notes += [note for name in tasks for note in notes_on_labels(name, cells[name])]
        trained = {name: parts["train"] for name, parts in known.items()}
        notes += notes_on(rows, columns, found, trained, {*self.types, *self._dates}, self.missing)
        matrix = columns.encode(rows.frame, rows.place)
        made = _dataset(columns, matrix, _task_groups(sources), found, known, dealt, weights)
        files = {name: fingerprint(Path(name)) for name, _ in rows.files}
        return replace(made, notes=notes, schema=self._schema(columns, made, wanted, sources[0].source), files=files)

    def _schema(
        self, columns: FeatureColumns, made: Dataset, wanted: Mapping[str, list[str]], first: Source
    ) -> dict[str, Any]:
        tasks: dict[str, Any] = {
            name: {"columns": wanted[name], "classes": classes, "probabilities": classes[isinstance(task, Binary) :]}
            for name, task in made.tasks.items()
            for classes in [made.classes.get(name, [])]
        }
        names: dict[str, str] = {}
        for name, task in tasks.items():
            for column in prediction_names(name, task["columns"], task["probabilities"]):
                if column in names:
                    raise InputError(
                        f"tasks.{name}: its predictions and those of tasks.{names[column]} would both have a column "
                        f"{column!r}; rename one of the tasks"
                    )
                names[column] = name
        inputs = [column._asdict() for column in columns.inputs()]
        decimal = "," if first.notation.decimal == "," else self.decimal
        written = {"encoding": self.encoding, "separator": self.separator, "header": self.header, "strip": True}
        written |= {"missing": self.missing, "decimal": decimal, "thousands": self.thousands}
        return {"inputs": inputs, "date_format": self.date_format, **written, "tasks": tasks}

    def _sources(self, tasks: Tasks) -> list[Part]:
        """Returns the tables, each with the tasks whose labels it has, and the split that its rows are."""
        own: dict[str, tuple[Paths, list[str]]] = {}
        for name, task in tasks.items():
            if task.path is not None:
                own.setdefault(repr(task.path), (task.path, []))[1].append(name)
        common = [name for name, task in tasks.items() if task.path is None]
        if common and self.path is None:
            raise InputError("data.path: data=table needs the file to read, e.g. data.path=people.csv")
        if not common and self.path is not None:
            raise InputError("data.path: every task has a path of its own, so no task is left for this file")
        wanted: list[tuple[Paths, str, list[str], str | None]] = []
        if self.path is not None:
            wanted.append((self.path, "data.path", common, None))
        wanted += [(path, f"tasks.{names[0]}.path", names, None) for path, names in own.values()]
        held_out = (("val", self.val_path), ("test", self.test_path))
        wanted += [(path, f"data.{split}_path", list(tasks), split) for split, path in held_out if path is not None]
        sources = read_all([(path, key) for path, key, _, _ in wanted], self.dialect)
        return [Part(s, tuple(names), split) for s, (_, _, names, split) in zip(sources, wanted, strict=True)]

    def _kinds(self, sources: Sequence[Part], wanted: Mapping[str, list[str]]) -> dict[str, Kind]:
        """Returns what each feature is."""
        labels = {column for columns in wanted.values() for column in columns}
        self._check_special(sources, wanted, labels)
        first = sources[0].source
        everywhere = {column for source, _, _ in sources for column in source.frame.columns}
        for column in self.exclude:
            if column not in everywhere:
                hint = nearest(column, everywhere, "columns")
                raise InputError(f"data.exclude: {first.name} has no column {column!r}; {hint}")
        left_out = labels | {self.split_column, self.group_column, self.weight_column} | set(self.exclude)
        left_out |= {*self.dropped_labels, *(source.index for source, _, _ in sources)}
        chosen = self._chosen(first, labels, left_out)
        for source, _, split in sources[1:]:
            source.need(chosen, source.key)
            more = [c for c in source.frame.columns if c not in left_out and c not in chosen]
            if more and self.features is None and split is None:
                raise InputError(
                    f"{source.key}: {source.name} has the column {more[0]!r}, which {first.name} lacks; features are "
                    "the same for all tasks, so list them in data.features, or the rest in data.exclude"
                )
        for key, declared in (("types", self.types), ("date_format", self._dates)):
            for column in declared:
                if column not in chosen:
                    hint = nearest(column, chosen, "features")
                    raise InputError(f"data.{key}.{column}: no feature has this name; {hint}")
        types: dict[str, Kind] = {**dict.fromkeys(self._dates, "date"), **self.types}
        return {c: types.get(c) or kind_of(first.frame[c], c, first.place) for c in chosen}

    def _check_special(self, sources: Sequence[Part], wanted: Mapping[str, list[str]], labels: set[str]) -> None:
        """Refuses tables without the columns that say labels, splits, groups or weights."""
        for source, tasks, split in sources:
            for name in tasks:
                source.need(wanted[name], f"tasks.{name}.column")
            keys = {"data.weight_column": self.weight_column}
            if split is None:
                keys |= {"data.split_column": self.split_column, "data.group_column": self.group_column}
            for key, column in keys.items():
                if column is None:
                    continue
                source.need([column], key)
                if column in labels:
                    raise InputError(f"{key}: {column!r} is a task's label")
                if source.frame[column].dtype.is_nested():
                    raise InputError(f"{key}: {column!r} holds {source.frame[column].dtype}")

    def _chosen(self, first: Source, labels: set[str], left_out: set[Any]) -> list[str]:
        """Returns the features' columns."""
        if self.features is None:
            chosen = [column for column in first.frame.columns if column not in left_out]
        else:
            first.need(self.features, "data.features")
            chosen = list(dict.fromkeys(self.features))
            for column in chosen:
                if column in labels:
                    raise InputError(f"data.features: {column!r} is a task's label; a label can't be a feature as well")
                if column in self.exclude:
                    raise InputError(f"data.features: {column!r} is in data.exclude, too")
        if not chosen:
            raise InputError(f"data.features: {first.name} has no columns left besides the labels {sorted(labels)}")
        return chosen

    def _weights(self, rows: Source) -> NDArray[np.float32]:
        """Returns how much each row counts; 0 is not at all."""
        if self.weight_column is None:
            return np.ones(len(rows.frame), np.float32)
        series = rows.frame[self.weight_column]
        weights = floats(series, self.weight_column, rows.place)
        bad = ~(weights >= 0)
        if bad.any():
            refuse_cell(series, int(bad.argmax()), self.weight_column, rows.place, "a weight, 0 or more")
        if not weights.any():
            raise InputError(f"data.weight_column: all weights in {self.weight_column!r} are 0")
        return weights

    def _deal(
        self,
        sources: Sequence[Part],
        rows: Source,
        found: Mapping[str, Found],
        first: NDArray[np.int64],
        seed: int,
    ) -> dict[str, NDArray[np.int64]]:
        """Returns the row numbers of each split; splits without rows are left out."""
        of_source = np.repeat(np.arange(len(sources)), [len(source.frame) for source, _, _ in sources])
        fixed = {split: i for i, (_, _, split) in enumerate(sources) if split is not None}
        free = np.flatnonzero(~np.isin(of_source, list(fixed.values())))
        if self.duplicates != "keep":
            given = {"data.split_column": self.split_column, "data.group_column": self.group_column}
            named = next((key for key, column in given.items() if column is not None), None)
            named = named or next((f"data.{split}_path" for split in fixed), None)
            if named is not None:
                raise InputError(
                    f"data.duplicates: {self.duplicates!r} needs a split by fractions, and {named} gives one"
                )
            free = free[first[free] == free]
        if self.split_column is not None:
            if fixed or self.group_column is not None:
                raise InputError("data.split_column: the split comes either from a column, from files or from groups")
            dealt = named_splits(rows, self.split_column)
        else:
            fractions = self.split.without(*fixed)
            if self.group_column is not None:
                codes = self._groups(rows, free)
                part = split_groups(codes[free], fractions, seed)
            else:
                kinds = strata(of_source, found)[free]
                alike = (kinds == kinds[0]).all()
                part = split_rows(len(free), fractions, seed) if alike else split_strata(kinds, fractions, seed)
            dealt = {split: free[numbers] for split, numbers in part.items()}
            if self.group_column is None:
                dealt = with_every_class(dealt, found)
            if self.duplicates == "one_split":
                dealt = with_duplicates(dealt, first)
        dealt |= {split: np.flatnonzero(of_source == i) for split, i in fixed.items()}
        return {split: numbers for split, numbers in dealt.items() if len(numbers)}

    def _groups(self, rows: Source, free: NDArray[np.int64]) -> NDArray[np.int64]:
        """Returns each row's group, as a number; no group may be among `free` rows and in a split's own file."""
        assert self.group_column is not None
        series = rows.frame[self.group_column]
        blank = series.is_null().to_numpy()[free]
        if blank.any():
            refuse_cell(series, int(free[blank.argmax()]), self.group_column, rows.place, "a group")
        codes: NDArray[np.int64] = series.rank("dense").fill_null(0).to_numpy().astype(np.int64)
        both = np.isin(codes, codes[free])
        both[free] = False
        if both.any():
            row = int(both.argmax())
            raise InputError(
                f"data.group_column: {rows.place(row)}, has the group {series[row]!r}, which is in another file, too; "
                "a group can't be in two splits"
            )
        return codes


def _label_columns(name: str, task: Task) -> list[str]:
    columns = task.column or name
    return columns if isinstance(columns, list) else [columns]


def _label_cells(name: str, task: Task, columns: list[str], sources: Sequence[Part]) -> dict[str, Any]:
    """Returns a task's label columns for all rows; it has no label in other tasks' tables."""
    import polars as pl

    def cells(column: str) -> Any:
        blank = pl.lit(None).alias(column)
        tables = [s if name in has else replace(s, frame=s.frame.with_columns(blank)) for s, has, _ in sources]
        joined = join(tables, [column]).understood([column] if isinstance(task, Regression) else [])
        return labelled(joined.frame[column], task.missing)

    return {column: cells(column) for column in columns}


def _task_groups(sources: Sequence[Part]) -> tuple[tuple[str, ...], ...]:
    return tuple(tasks for _, tasks, split in sources if split is None)


def _dataset(
    columns: FeatureColumns,
    matrix: NDArray[np.float32],
    groups: tuple[tuple[str, ...], ...],
    found: Mapping[str, Found],
    known: Mapping[str, Mapping[str, NDArray[np.int64]]],
    dealt: Mapping[str, NDArray[np.int64]],
    row_weights: NDArray[np.float32],
) -> Dataset:
    """Returns the dataset. Training rows, and the others, are row numbers of one matrix."""
    shared = [np.unique(np.concatenate([known[name]["train"] for name in group])).astype(np.int32) for group in groups]
    values, scales = _targets(found, known)
    counts = {name: _counts(of, known[name]["train"], row_weights) for name, of in found.items()}
    weighted = [name for name, of_task in counts.items() if of_task is not None]
    masked = [
        name
        for group, rows in zip(groups, shared, strict=True)
        for name in group
        if len(known[name]["train"]) < len(rows)
    ]
    weights = {}
    for name in dict.fromkeys([*weighted, *masked]):
        of_task = counts[name]
        weights[name] = np.zeros(len(matrix), np.float32)
        weights[name][known[name]["train"]] = 1.0 if of_task is None else of_task
    return RowsDataset(
        tasks={name: of.task for name, of in found.items()},
        entry=columns,
        feed=RowsFeed(groups, tuple(weighted), tuple(masked)),
        resident={"features": matrix, "labels": values, "weights": weights},
        splits={
            split: _split(split, matrix, dealt[split], values, known, row_weights)
            for split in dealt
            if split != "train"
        },
        rows={split: len(dealt[split]) for split in SPLITS if split in dealt},
        train=_split("train", matrix, dealt["train"], values, known, row_weights),
        scales=scales,
        classes={name: labels.classes for name, labels in found.items() if labels.classes},
        columns=columns.description,
        shared=shared,
        own={name: known[name]["train"].astype(np.int32) for name in found},
    )


def _targets(
    found: Mapping[str, Found], known: Mapping[str, Mapping[str, NDArray[np.int64]]]
) -> tuple[dict[str, Any], dict[str, Scale]]:
    """Returns the labels as the losses take them, and the scales of those that are standardised."""
    values: dict[str, Any] = {}
    scales: dict[str, Scale] = {}
    for name, of in found.items():
        values[name] = of.values
        if isinstance(of.task, Regression) and of.task.standardize:
            scale = scales[name] = scale_of(of.values[known[name]["train"]])
            values[name] = (of.values - scale.mean) / scale.deviation
        values[name] = values[name].astype(of.task.label_type)
    return values, scales


def _counts(found: Found, train: NDArray[np.int64], row_weights: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Returns how much each labelled training row counts, on average 1; None where all count alike."""
    counts = row_weights[train]
    balanced = getattr(found.task, "class_weight", None) is not None
    if balanced and found.classes:
        counts = counts * balance(found.values[train], len(found.classes))
    if not balanced and (counts == counts[0]).all():
        return None
    mean: NDArray[np.float32] = counts / counts.mean(dtype=np.float64)
    return mean.astype(np.float32)


def _split(
    split: str,
    matrix: NDArray[np.float32],
    rows: NDArray[np.int64],
    values: Mapping[str, Any],
    known: Mapping[str, Mapping[str, NDArray[np.int64]]],
    row_weights: NDArray[np.float32],
) -> Split:
    labels = {}
    for name, parts in known.items():
        of_task = parts[split]
        counts = row_weights[of_task]
        alike = (counts == counts[0]).all()
        inside = None if len(of_task) == len(rows) else np.flatnonzero(np.isin(rows, of_task))
        shares = counts / counts.mean(dtype=np.float64)
        labels[name] = Labels(values[name][of_task], inside, None if alike else shares.astype(np.float32))
    return Split(matrix, labels, rows)
