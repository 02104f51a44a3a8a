"""What looks odd in a table, said before training: it may be meant, so nothing is refused."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mtl_cli.tables import remedies
from mtl_cli.tables.delimited import Dialect
from mtl_cli.tables.dtypes import Series, numbers
from mtl_cli.tables.features import FeatureColumns
from mtl_cli.tables.hints import FEW_NUMBERS, Hint, hints_on, is_like_id
from mtl_cli.tables.labels import Found
from mtl_cli.tables.sources import NO_NAMES, Source

LOOKED_AT = 10_000
"""Training rows that are compared with labels."""
NAMES = {"\t": "a tab separates", "tab": "a tab separates", "whitespace": "blanks separate"}
SHOWN = 5
"""Columns that a note names."""


def notes_on(
    rows: Source,
    columns: FeatureColumns,
    found: Mapping[str, Found],
    train: Mapping[str, NDArray[np.int64]],
    declared: Collection[str],
    missing: Sequence[str],
) -> list[str]:
    """Returns a line for each odd feature: constant, like an id, equal to a label, or perhaps something else.

    Args:
        rows: The table.
        columns: Its features.
        found: The tasks' labels.
        train: The numbers of the training rows with a label, by task.
        declared: The features of which the config says what they are.
        missing: Texts that stand for missing values.
    """
    names = [*(number.name for number in columns.numbers), *(category.name for category in columns.categories)]
    hints = [
        hint
        for name in names
        for hint in hints_on(rows.frame[name], zeros=name in rows.zeros, grouped=name in rows.grouped)
    ]
    hints = [hint for hint in hints if hint.key in ("missing", "decimal") or hint.column not in declared]
    ids = [name for name in names if is_like_id(rows.frame[name])]
    hints = [hint for hint in hints if hint.key == "missing" or hint.column not in ids]
    notes = [*_left_out(_constant(columns), [rows.frame[name] for name in ids]), *_worded(hints, missing)]
    for task, labels in found.items():
        notes += _leaks(rows, columns, task, labels, train[task][:LOOKED_AT])
    return notes


def notes_on_labels(name: str, cells: Mapping[str, Series]) -> list[str]:
    """Returns a line for each value of a task's label columns that may stand for none."""
    hints = [hint for series in cells.values() for hint in hints_on(series) if hint.key == "missing"]
    if not hints:
        return []
    say = (
        f"if that stands for no label, say {remedies.missing(f'tasks.{name}.missing', [hint.value for hint in hints])}"
    )
    return [f"column {hint.column!r} {hint.why}; {say}" for hint in hints]


def notes_on_forms(sources: Sequence[Source], dialect: Dialect) -> list[str]:
    """Returns a line for each form in which text files were found to be written, where nobody said so."""
    notes: dict[str, str] = {}
    for source in sources:
        for file in source.forms:
            found = []
            if dialect.encoding is None and file.encoding != "utf-8":
                found.append(f"it is in {file.encoding.upper()}")
            if dialect.separator is None and file.unusual:
                found.append(f"{NAMES.get(file.separator, f'{file.separator!r} separates')} cells")
            if file.quoted:
                found.append("whole rows are in quotes")
            if dialect.decimal is None and source.notation.decimal == ",":
                found.append("numbers have a decimal comma")
            if found:
                notes.setdefault(", ".join(found), file.path.name)
            if file.nameless:
                first = ", ".join(file.names[:3])
                notes.setdefault(
                    f"the first row, taken for names, looks like values ({first[:40]}); {NO_NAMES}", str(file.path)
                )
    return [f"{name}: {found}" for found, name in notes.items()]


def _constant(columns: FeatureColumns) -> list[str]:
    return [n.name for n in columns.numbers if n.constant] + [c.name for c in columns.categories if len(c.seen) < 2]


def _left_out(constant: Sequence[str], ids: Sequence[Series]) -> list[str]:
    """Returns a line for each feature that is better left out, with what leaves all of them out."""
    say = f"leave it out with {remedies.exclude(*dict.fromkeys([*constant, *(series.name for series in ids)]))}"
    notes = [f"column {name!r} is the same in all training rows; {say}" for name in constant]
    for series in ids:
        different = f"{series.n_unique():,} different values in {len(series):,} rows"
        notes.append(f"column {series.name!r} looks like an id ({different}); {say}")
    return notes


def _worded(hints: Sequence[Hint], missing: Sequence[str]) -> list[str]:
    """Returns a line for each hint; one for all columns with the same mark, and one for those that may be codes."""
    few = [hint for hint in hints if hint.why.startswith(FEW_NUMBERS)]
    dates = {hint.column: hint.value for hint in hints if hint.key == "date_format"}
    notes, said = [], set[str]()
    for hint in hints:
        marks = [each for each in hints if each.key == "missing" and not each.among_numbers]
        alike = [each.column for each in marks if hint in marks and each.value == hint.value]
        if len(alike) > 1:
            listed = ", ".join(map(repr, alike[:SHOWN])) + f" and {len(alike) - SHOWN} more" * (len(alike) > SHOWN)
            what = f"columns {listed} have {hint.value!r}, as a mark"
        else:
            what = f"column {hint.column!r} {hint.why}"
        if hint not in few and what not in said:
            said.add(what)
            notes.append(f"{what}; {hint.remedy(missing, dates)}")
    if few:
        listed = ", ".join(repr(hint.column) for hint in few[:SHOWN])
        more = f" and {len(few) - SHOWN} more" * (len(few) > SHOWN)
        what = f"column {listed} holds" if len(few) == 1 else f"columns {listed}{more} hold"
        remedy = f"where these are codes, say {remedies.types(few[0].column, 'category')}"
        notes.append(f"{what} few different whole numbers; {remedy}")
    return notes


def _leaks(rows: Source, columns: FeatureColumns, task: str, found: Found, train: NDArray[np.int64]) -> list[str]:
    """Finds features that are a label: numbers of correlation 1, categories that stand for its classes one by one."""
    frame, notes = rows.frame[train], []
    labels = found.values[train].reshape(len(train), -1).astype(np.float64)
    for number in columns.numbers:
        x = numbers(frame[number.name], number.name, rows.place)
        known = ~np.isnan(x)
        x = x[known] - x[known].mean() if known.sum() > 2 else np.zeros(1)
        for y in labels[known].T if known.sum() > 2 else ():
            scale = np.sqrt((x**2).sum() * ((y - y.mean()) ** 2).sum())
            if scale > 0 and abs((x * (y - y.mean())).sum()) / scale > 1 - 1e-6:
                notes.append(_leak(number.name, task, "correlation 1"))
                break
    if found.classes:
        for category in columns.categories:
            codes = category.encode(frame[category.name], rows.place)
            pairs = len(np.unique(np.stack([codes, labels[:, 0]]), axis=1).T)
            if pairs == len(np.unique(codes)) == len(np.unique(labels[:, 0])) > 1:
                notes.append(_leak(category.name, task, "its values are the classes"))
    return notes


def _leak(column: str, task: str, why: str) -> str:
    return f"column {column!r} equals the label of task {task} ({why}); leave it out with {remedies.exclude(column)}"
