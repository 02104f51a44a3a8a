"""The first config for a table nobody knows: it trains, and says in comments what to look at."""

import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final, get_args

import yaml

from mtl_cli.config import RESERVED
from mtl_cli.data.table import MISSING_TEXTS
from mtl_cli.tables.delimited import Dialect
from mtl_cli.tables.doubts import AMOUNTS, LEAK, SKEWED, Doubt
from mtl_cli.tables.hints import Hint
from mtl_cli.tables.inspection import Column, Inspected
from mtl_cli.tasks import KINDS, TASK_NAME
from mtl_cli.untrusted.escaping import printable

FEW: Final = 20
"""Labelled rows under which nothing is split off."""
MANY: Final = 20_000
"""Rows above which the iterations that a table trains by itself are few passes."""
STEPS: Final = 4000
"""Those iterations, as in conf/data/table.yaml."""
OR_AMOUNTS: Final = "   # or regression (loss: mse, metric: rmse) where these are amounts"


def config_text(path: str, configs: str, table: Inspected, targets: Sequence[Column], doubts: Sequence[Doubt]) -> str:
    """Returns an experiment's YAML that trains on the table as it is.

    Args:
        path: The table's.
        configs: The folder of configs that it is written into.
        table: What is in the table.
        targets: The columns to predict.
        doubts: What to look at in it.
    """
    columns = table.columns
    stem, rows = stem_of(path), len(table.source.frame)
    hints = [hint for c in columns if c not in targets and c.usable for hint in c.hints]
    labelled = min(round(rows * (1 - column.missing)) for column in targets)
    batch = max(1, min(64 if rows <= MANY else 256, int(0.7 * labelled) // 4))
    taken: set[str] = set()
    lines = [
        "# @package _global_",
        f"# A first config for {printable(Path(path).name)}: {rows:,} rows, {len(columns)} columns.",
        f"#   mtl-train --config-dir {printable(shlex.quote(configs))} experiment={stem}",
        "defaults:",
        "  - override /data: table",
        "",
        f"name: {stem}",
        *_longer(rows, batch),
        f"batch_size: {batch}",
        "data:",
        f"  path: {_quoted(path)}",
        *_excluded([column for column in columns if column not in targets and not column.usable], rows, doubts),
        *_written(table.dialect),
        *_declared(hints, table.dialect),
        *_skewed([each for each in doubts if each.column not in [target.name for target in targets]]),
        *(["  split: {train: 1.0, val: 0.0, test: 0.0}   # too few rows for more"] if labelled < FEW else []),
        "tasks:",
        *(line for column in targets for line in _task(column, doubts, taken)),
    ]
    others = [c for c in columns if c not in targets and c.task and not c.id and not c.constant]
    if others:
        lines += ["# Other columns that could be tasks:", *(f"#   {_other_task(column, taken)}" for column in others)]
    return "\n".join(lines) + "\n"


def _excluded(columns: Sequence[Column], rows: int, doubts: Sequence[Doubt]) -> list[str]:
    """Returns what is left out, and in comments why, and what else might be: what nearly determines a label."""
    names = [column.name for column in columns]
    lines = [f"  exclude: {_list(names)}   # ids, constants, what can't be used"]
    lines += [f"  # {printable(f'{column.name}: {why}')}" for column in columns if (why := _why_left_out(column, rows))]
    leaks = [each for each in doubts if each.mark == LEAK]
    if leaks:
        more = _list([*names, *dict.fromkeys(each.column for each in leaks)])
        lines.append(f"  # exclude: {more}   # instead, where it isn't known before the label is:")
    return lines + [f"  #   {printable(f'{each.column} {each.why}')}" for each in leaks]


def _why_left_out(column: Column, rows: int) -> str | None:
    if column.constant:
        same = f"the same value ({column.example}) in all {rows:,} rows"
        return same if column.different else f"no value in any of {rows:,} rows"
    if column.id:
        cells = "texts" if column.type == "text" else column.type
        ids = f"{column.different:,} different {cells} in {rows:,} rows, as an id has"
        return f"{ids}; take it out of exclude if it is a feature"
    return None


def _skewed(doubts: Sequence[Doubt]) -> list[str]:
    """Returns comments on features of which the logarithm may be the better feature."""
    lines = [f"  #   {printable(f'{each.column} {each.why}')}" for each in doubts if each.mark == SKEWED]
    return ["  # A column of its logarithms, in the table, may be the better feature:", *lines] if lines else []


def _written(dialect: Dialect) -> list[str]:
    """Returns the keys that say how the file is written, where it isn't as usual."""
    missing = [text for text in dialect.missing if text not in MISSING_TEXTS]
    header = f"{_list(dialect.header)}" if isinstance(dialect.header, tuple) else "false   # the first row has values"
    lines = {
        f"  encoding: {dialect.encoding}   # look at letters with accents": dialect.encoding,
        f"  separator: {_quoted(dialect.separator or '')}": dialect.separator,
        f"  header: {header}": dialect.header is not True,
        "  decimal: ','": dialect.decimal == ",",
        f'  thousands: "{dialect.thousands}"': dialect.thousands,
        f"  missing: {_list(dialect.missing)}   # {_list(missing)} besides": missing,
    }
    return [line for line, needed in lines.items() if needed]


def _declared(hints: Sequence[Hint], dialect: Dialect) -> list[str]:
    """Returns the keys that say what columns hold, and in comments what else they may."""
    lines, missing = [], dialect.missing
    dates = [hint for hint in hints if hint.key == "date_format"]
    if dates:
        lines.append("  date_format:")
        for hint in dates:
            other = (
                f"   # or {_quoted(hint.other)}: no number is above 12, so look which the day is" if hint.other else ""
            )
            lines.append(f"    {_key(hint.column)}: {_quoted(hint.value)}{other}")
    types = [hint for hint in hints if hint.key == "types"]
    if types:
        mark = "" if any(hint.likely for hint in types) else "# "
        lines.append(f"  {mark}types:")
        for hint in sorted(types, key=lambda hint: not hint.likely):
            unsure = "" if hint.likely else f"   # {printable(hint.why)}"
            lines.append(f"  {'' if hint.likely else '# '}  {_key(hint.column)}: {hint.value}{unsure}")
    points = [f"{hint.column} {hint.why}" for hint in hints if hint.key == "decimal" and not hint.likely]
    if dialect.decimal == ",":
        lines += [f"  #   {printable(why)}" for why in points]
    else:
        lines += [f"  # decimal: ','   # {printable(why)}" for why in points[:1]]
    gaps = [hint for hint in hints if hint.key == "missing" and hint.value not in missing]
    if gaps:
        texts = _list([*missing, *dict.fromkeys(hint.value for hint in gaps)])
        instead = ", instead of the line above" if set(missing) - set(MISSING_TEXTS) else ""
        lines.append(f"  # missing: {texts}   # in all columns{instead}:")
    return lines + [f"  #   {printable(f'{hint.column} {hint.why}')}" for hint in gaps]


def _list(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(_quoted, texts))}]"


def _longer(rows: int, batch: int) -> list[str]:
    """Returns more iterations than a table's default, and fewer evaluations, where rows are many: ten passes."""
    if rows <= MANY:
        return []
    steps = max(STEPS, int(round(10 * 0.7 * rows / batch, -3)))
    return [f"steps: {steps}", "eval:", f"  every: {steps // 100}"]


def stem_of(path: str) -> str:
    """Returns a name for the experiment: the file's, without what can't stand in a config's name.

    >>> stem_of("My homes.csv"), stem_of("2024.csv"), stem_of("on.csv")
    ('My_homes', 'table_2024', 'table_on')
    """
    stem = re.sub(r"[^A-Za-z0-9_]+", "_", Path(path).name.split(".")[0]).strip("_")
    return stem if TASK_NAME.fullmatch(stem) and isinstance(yaml.safe_load(stem), str) else f"table_{stem}".strip("_")


def _task(column: Column, doubts: Sequence[Doubt], taken: set[str]) -> list[str]:
    """Returns a task's lines: its keys at their defaults, and in comments what else they might be."""
    own = [each for each in doubts if each.column == column.name]
    name = _task_name(column, taken)
    (kind,) = (each for each in KINDS if each.model_fields["kind"].default == column.task)
    choices = {key: (field.default, get_args(field.annotation)) for key, field in kind.model_fields.items()}
    lines = [
        f"  {name}:",
        f"    kind: {column.task}" + OR_AMOUNTS * any(each.mark == AMOUNTS for each in own),
        *([] if name == column.name else [f"    column: {_quoted(column.name)}"]),
    ]
    for key in ("loss", "metric"):
        default, values = choices[key]
        others = [value for value in values if value != default]
        lines.append(f"    {key}: {default}" + (f"   # or {', '.join(others)}" if others else ""))
    lines += [
        f"    # loss: huber   # its few large labels would count less; it {_said(each)}"
        for each in own
        if each.mark == SKEWED
    ]
    lines.append("    weight: null   # its share in joint training; null: a part of what the given ones leave of 1")
    lines.append("    layers: null   # units of its hidden layers, as [64]; null: model.task_layers")
    gaps = [hint for hint in column.hints if hint.key == "missing"]
    if gaps:
        lines.append(f"    # missing: {_list([hint.value for hint in gaps])}   # where that is no label:")
    return lines + [f"    #   it {printable(hint.why)}" for hint in gaps]


def _other_task(column: Column, taken: set[str]) -> str:
    name = _task_name(column, taken)
    source = "" if name == column.name else f", column: {_quoted(column.name)}"
    return f"{name}: {{kind: {column.task}{source}}}"


def _task_name(column: Column, taken: set[str]) -> str:
    """Returns a task's name: the column's, or another one where that can't be a task's."""
    name = re.sub(r"\W+", "_", column.name, flags=re.ASCII).strip("_") or "task"
    name = name if TASK_NAME.fullmatch(name) and name not in RESERVED else f"task_{name}"
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _said(doubt: Doubt) -> str:
    return printable(doubt.why)


def _quoted(text: str) -> str:
    """Returns a text as a value in YAML, with OmegaConf's interpolations as they stand."""
    return _key(re.sub(r"(\\*)\$\{", r"\1\1\\${", text))


def _key(text: str) -> str:
    """Returns a text as YAML reads it back; in a mapping's keys OmegaConf has no interpolations."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_./-]*", text) and yaml.safe_load(text) == text and len(text) > 1:
        return text
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in json.dumps(text, ensure_ascii=False))
