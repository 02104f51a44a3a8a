"""Warnings of what looks odd in a table, before training: it may be meant, so nothing is refused."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mtl_cli.tables import remedies
from mtl_cli.tables.delimited import Dialect
from mtl_cli.tables.dtypes import Series, to_float64
from mtl_cli.tables.duplicates import duplicates_note
from mtl_cli.tables.features import FeatureColumns
from mtl_cli.tables.hints import FEW_NUMBERS, Hint, hints_on, is_like_id
from mtl_cli.tables.labelled_rows import LabelledRows
from mtl_cli.tables.labels import TaskLabels
from mtl_cli.tables.sources import NO_NAMES, Source
from mtl_cli.tables.splits import SplitRows

LOOKED_AT = 10_000
"""Training rows that are compared with labels."""
NAMES = {"\t": "a tab separates", "tab": "a tab separates", "whitespace": "blanks separate"}
SHOWN = 5
"""Columns that a note names."""


def notes_on(split: SplitRows, features: FeatureColumns, dialect: Dialect) -> list[str]:
    """Returns a line for each thing that looks odd.

    Args:
        split: The rows.
        features: Their features.
        dialect: How the config says that text files are written.
    """
    rows = split.rows
    notes = [
        *_dropped_labels(rows), *_forms([table.source for table in rows.tables], dialect), *_indexes(rows),
        *duplicates_note(split.numbers, split.first),
    ]  # fmt: skip
    for task, labels in rows.labels.items():
        notes += _missing_labels(task, labels.cells)
    notes += _features(rows, features, dialect.missing)
    for task, labels in rows.labels.items():
        notes += _leaks(rows.source, features, task, labels, split.examples[task]["train"][:LOOKED_AT])
    return notes


def _dropped_labels(rows: LabelledRows) -> list[str]:
    """Returns a line for each column that would be a feature if a task that is left out had no label in it."""
    labels = {column for each in rows.labels.values() for column in each.cells}
    return [
        f"column {column!r} is the label of a task that is left out, so it is no feature of the others; "
        "data.features lists the columns to learn from, where it is meant as one"
        for column in rows.roles.dropped_labels
        if rows.roles.features is None and column not in labels
    ]


def _indexes(rows: LabelledRows) -> list[str]:
    """Returns a line for each table whose first column is left out because it has no name."""
    return [
        f"{source.name}: its first column has no name, as an index has that pandas writes; it is left out "
        f"(data.features can list it, as {source.index})"
        for source in (table.source for table in rows.tables)
        if source.index is not None and rows.roles.features is None
    ]


def _features(rows: LabelledRows, features: FeatureColumns, missing: Sequence[str]) -> list[str]:
    """Returns a line for each feature that is constant, like an id, or perhaps something else than it seems."""
    names = [*(number.name for number in features.numbers), *(category.name for category in features.categories)]
    frame, zeros, grouped = rows.source.understood(names).frame, rows.source.zeros, rows.source.grouped
    hints = [hint for name in names for hint in hints_on(frame[name], zeros=name in zeros, grouped=name in grouped)]
    declared = rows.roles.declared
    hints = [hint for hint in hints if hint.key in ("missing", "decimal") or hint.column not in declared]
    ids = [name for name in names if is_like_id(frame[name])]
    hints = [hint for hint in hints if hint.key == "missing" or hint.column not in ids]
    return [*_left_out(_constant(features), [frame[name] for name in ids]), *_worded(hints, missing)]


def _missing_labels(task: str, cells: Mapping[str, Series]) -> list[str]:
    """Returns a line for each value of a task's label columns that may stand for none."""
    hints = [hint for series in cells.values() for hint in hints_on(series) if hint.key == "missing"]
    if not hints:
        return []
    say = (
        f"if that stands for no label, say {remedies.missing(f'tasks.{task}.missing', [hint.value for hint in hints])}"
    )
    return [f"column {hint.column!r} {hint.why}; {say}" for hint in hints]


def _forms(sources: Sequence[Source], dialect: Dialect) -> list[str]:
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


def _leaks(rows: Source, columns: FeatureColumns, task: str, labels: TaskLabels, train: NDArray[np.int64]) -> list[str]:
    """Finds features that are a label: numbers of correlation 1, categories that stand for its classes one by one."""
    frame, notes = rows.frame[train], []
    targets = labels.values[train].reshape(len(train), -1).astype(np.float64)
    for number in columns.numbers:
        x = to_float64(frame[number.name], number.name, rows.place)
        known = ~np.isnan(x)
        if known.sum() <= 2:
            continue
        x = x[known] - x[known].mean()
        for y in targets[known].T:
            scale = np.sqrt((x**2).sum() * ((y - y.mean()) ** 2).sum())
            if scale > 0 and abs((x * (y - y.mean())).sum()) / scale > 1 - 1e-6:
                notes.append(_leak(number.name, task, "correlation 1"))
                break
    if labels.classes:
        for category in columns.categories:
            codes = category.encode(rows.frame[category.name], rows.place)[train]
            pairs = len(np.unique(np.stack([codes, targets[:, 0]]), axis=1).T)
            if pairs == len(np.unique(codes)) == len(np.unique(targets[:, 0])) > 1:
                notes.append(_leak(category.name, task, "its values are the classes"))
    return notes


def _leak(column: str, task: str, why: str) -> str:
    return f"column {column!r} equals the label of task {task} ({why}); leave it out with {remedies.exclude(column)}"
