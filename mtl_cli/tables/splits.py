"""Splits of a table's rows: by a column, by files, by groups, or at random within strata of classes."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from mtl_cli.datasets.splits import SPLITS, Fractions, split_groups, split_rows, split_strata
from mtl_cli.errors import InputError
from mtl_cli.tables.dtypes import Place, refuse_cell
from mtl_cli.tables.duplicates import first_occurrences, with_duplicates
from mtl_cli.tables.labelled_rows import LabelledRows
from mtl_cli.tables.labels import TaskLabels
from mtl_cli.tables.roles import Roles
from mtl_cli.tables.sources import Source

RowNumbers = NDArray[np.int64]
Duplicates = Literal["keep", "one_split", "drop"]
SPLIT_NAMES: Final = {
    "train": "train", "val": "val", "test": "test", "valid": "val", "validation": "val", "dev": "val",
}  # fmt: skip
"""What a split column may say, and the split that it means."""


@dataclass(frozen=True)
class SplitRows:
    """Rows, N in all, and the splits that they are in.

    Attributes:
        rows: The rows.
        first: For each the number of the first one with the same features and labels, [N].
        numbers: The numbers of the rows by split; a split without any is left out.
        examples: Of these the ones with a label and a weight above 0, by task and split.
    """

    rows: LabelledRows
    first: RowNumbers
    numbers: Mapping[str, RowNumbers]
    examples: Mapping[str, Mapping[str, RowNumbers]]


def assign_splits(rows: LabelledRows, fractions: Fractions, duplicates: Duplicates, seed: int) -> SplitRows:
    """Returns the rows in splits: as files or a column say, else in fractions, groups whole or classes alike.

    Args:
        rows: The rows.
        fractions: The splits' parts of the rows that no file of its own says the split of.
        duplicates: What becomes of rows that occur again: kept as any other, in the first one's split, or left out.
        seed: Decides which rows.

    Raises:
        InputError: A split has no row, a cell names no split or group, or the settings exclude each other.
    """
    first = first_occurrences(rows.source.frame, list(rows.kinds), rows.labels)
    table_numbers, roles = rows.table_numbers, rows.roles
    held_out = {table.split: i for i, table in enumerate(rows.tables) if table.split is not None}
    free = np.flatnonzero(~np.isin(table_numbers, list(held_out.values())))
    if duplicates != "keep":
        _check_fractions_alone(duplicates, roles, held_out)
        free = free[first[free] == free]
    if roles.split is not None:
        if held_out or roles.group is not None:
            raise InputError("data.split_column: the split comes either from a column, from files or from groups")
        numbers = named_splits(rows.source, roles.split)
    else:
        fractions = fractions.without(*held_out)
        if roles.group is not None:
            parts = split_groups(group_codes(rows.source, roles.group, free)[free], fractions, seed)
            numbers = {split: free[part] for split, part in parts.items()}
        else:
            stratum = strata(table_numbers, rows.labels)[free]
            alike = (stratum == stratum[0]).all()
            parts = split_rows(len(free), fractions, seed) if alike else split_strata(stratum, fractions, seed)
            numbers = with_every_class({split: free[part] for split, part in parts.items()}, rows.labels)
        if duplicates == "one_split":
            numbers = with_duplicates(numbers, first)
    numbers |= {split: np.flatnonzero(table_numbers == i) for split, i in held_out.items()}
    numbers = {split: part for split, part in numbers.items() if len(part)}
    examples = {
        task: {split: part[labels.known[part] & (rows.weights[part] > 0)] for split, part in numbers.items()}
        for task, labels in rows.labels.items()
    }
    return SplitRows(rows, first, numbers, examples)


def check_learnable(split: SplitRows, batch_size: int) -> None:
    """Refuses rows from which, split as they are, nothing can be learned or told.

    Raises:
        InputError: A split without a label, training labels that are all equal, a class that training rows lack, or
            fewer training rows than a batch has.
    """
    for task, labels in split.rows.labels.items():
        _check_labels(task, labels, split.examples[task], split.rows.source.place)
    counts = {task: len(examples["train"]) for task, examples in split.examples.items()}
    most = max(counts, key=lambda task: counts[task])
    if batch_size > counts[most]:
        of_all = sum(map(len, split.numbers.values()))
        raise InputError(
            f"batch_size: {batch_size} is more than the {counts[most]} rows of the training split with a label of "
            f"{most}, the task with most; of the {of_all:,} rows in all splits only labelled training rows count"
        )


def _check_labels(task: str, labels: TaskLabels, examples: Mapping[str, RowNumbers], place: Place) -> None:
    where, columns = f"tasks.{task}", list(labels.cells)
    for split, rows in examples.items():
        if not len(rows):
            raise InputError(
                f"{where}: none of the {split} rows has a label in {columns} "
                f"({int(labels.known.sum())} rows have one in all); change data.split"
            )
    train = labels.values[examples["train"]].reshape(len(examples["train"]), -1)
    same = (train == train[0]).all(axis=0) & (len(train) > 1)
    if same.any():
        value, column = train[0, int(same.argmax())], columns[int(same.argmax())]
        shown = repr(labels.classes[int(value)]) if labels.classes else f"{value:g}"
        raise InputError(
            f"{where}: the label {column!r} is {shown} in all {len(train)} training rows; nothing to learn"
        )
    if not labels.classes:
        return
    known = np.unique(train)
    for split, rows in examples.items():
        new = ~np.isin(labels.values[rows].reshape(-1), known)
        if new.any():
            row = int(rows[new.argmax()])
            label = labels.classes[int(labels.values[row].reshape(-1)[0])]
            raise InputError(
                f"{where}: {place(row)}, a {split} row, has the class {label!r}, which no training row has"
            )


def _check_fractions_alone(duplicates: Duplicates, roles: Roles, held_out: Collection[str]) -> None:
    """Refuses to move or drop rows that something else than fractions has put where they are."""
    given = {"data.split_column": roles.split, "data.group_column": roles.group}
    named = next((key for key, column in given.items() if column is not None), None)
    named = named or next((f"data.{split}_path" for split in held_out), None)
    if named is not None:
        raise InputError(f"data.duplicates: {duplicates!r} needs a split by fractions, and {named} gives one")


def strata(table_numbers: RowNumbers, labels: Mapping[str, TaskLabels]) -> RowNumbers:
    """Returns a number for each combination of table, classes and missing labels, [N]."""
    strata = table_numbers
    for each in labels.values():
        classes = each.values.reshape(-1).astype(np.int64) if each.classes else 0
        codes = np.where(each.known, classes + 1, 0)
        strata = np.unique(strata * (int(codes.max()) + 1) + codes, return_inverse=True)[1]
    return strata


def with_every_class(numbers: dict[str, RowNumbers], labels: Mapping[str, TaskLabels]) -> dict[str, RowNumbers]:
    """Returns the splits in which a row of each class is a training row: where none is, one changes places.

    The training row that goes has only classes that other training rows have, too.
    """
    named = [each for each in labels.values() if each.classes]
    codes = [np.where(each.known, each.values.reshape(-1).astype(np.int64), -1) for each in named]
    counts = [np.bincount(code[numbers["train"]] + 1, minlength=code.max() + 2) for code in codes]
    for code, count in zip(codes, counts, strict=True):
        for new in [value for value in _classes_in(code, numbers) if not count[value + 1]]:
            split = next(name for name in ("val", "test") if (code[numbers[name]] == new).any())
            place = int((code[numbers[split]] == new).argmax())
            kept = [
                (c[numbers["train"]] < 0) | (n[c[numbers["train"]] + 1] > 1) for c, n in zip(codes, counts, strict=True)
            ]
            spare = np.logical_and.reduce(kept)
            if not spare.any():
                continue
            at = int(spare.argmax())
            leaving, coming = numbers["train"][at], numbers[split][place]
            numbers["train"][at], numbers[split][place] = coming, leaving
            for c, n in zip(codes, counts, strict=True):
                n[c[leaving] + 1] -= 1
                n[c[coming] + 1] += 1
    return numbers


def _classes_in(codes: RowNumbers, numbers: Mapping[str, RowNumbers]) -> RowNumbers:
    """Returns the classes of the rows that are in a split."""
    found = np.unique(codes[np.concatenate(list(numbers.values()))])
    return found[found >= 0]


def named_splits(source: Source, column: str) -> dict[str, RowNumbers]:
    """Returns the splits that a column names.

    Raises:
        InputError: A cell names none, or none names `train`.
    """
    import polars as pl

    cells = source.frame[column].cast(pl.String)
    named = cells.str.strip_chars().str.to_lowercase().replace_strict(SPLIT_NAMES, default=None)
    if named.null_count():
        row = int(named.is_null().arg_max() or 0)
        refuse_cell(cells, row, column, source.place, f"the name of a split ({', '.join(SPLIT_NAMES)})")
    numbers = {split: np.flatnonzero((named == split).to_numpy()) for split in SPLITS}
    if not len(numbers["train"]):
        raise InputError(f"data.split_column: no row of {source.name} is 'train' in {column!r}")
    return numbers


def group_codes(source: Source, column: str, free: RowNumbers) -> RowNumbers:
    """Returns each row's group as a number, [N].

    Raises:
        InputError: A row among the `free` ones has no group, or has one that is in a split's own file as well.
    """
    series = source.frame[column]
    blank = series.is_null().to_numpy()[free]
    if blank.any():
        refuse_cell(series, int(free[blank.argmax()]), column, source.place, "a group")
    codes: RowNumbers = series.rank("dense").fill_null(0).to_numpy().astype(np.int64)
    both = np.isin(codes, codes[free])
    both[free] = False
    if both.any():
        row = int(both.argmax())
        raise InputError(
            f"data.group_column: {source.place(row)}, has the group {series[row]!r}, which is in another file, too; "
            "a group can't be in two splits"
        )
    return codes
