"""The first config for a table nobody knows: it trains, and says in comments what to look at."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml

from mtl_cli.config import RESERVED
from mtl_cli.data.table import MISSING_TEXTS
from mtl_cli.tables.delimited import Dialect
from mtl_cli.tables.hints import Hint
from mtl_cli.tables.inspection import Column, Inspected
from mtl_cli.tasks import TASK_NAME
from mtl_cli.untrusted.escaping import printable

FEW: Final = 20
"""Labelled rows under which nothing is split off."""
MANY: Final = 20_000
"""Rows above which the iterations that a table trains by itself are few passes."""
STEPS: Final = 4000
"""Those iterations, as in conf/data/table.yaml."""


def config_text(path: str, table: Inspected, targets: Sequence[Column]) -> str:
    """Returns an experiment's YAML that trains on the table as it is."""
    columns = table.columns
    stem, rows = stem_of(path), len(table.source.frame)
    excluded = [c.name for c in columns if c not in targets and not c.usable]
    hints = [hint for c in columns if c not in targets and c.usable for hint in c.hints]
    labelled = min(round(rows * (1 - column.missing)) for column in targets)
    batch = max(1, min(64 if rows <= MANY else 256, int(0.7 * labelled) // 4))
    taken: set[str] = set()
    lines = [
        "# @package _global_",
        f"# A first config for {printable(Path(path).name)}: {rows:,} rows, {len(columns)} columns.",
        f"#   mtl-train --config-dir configs experiment={stem}",
        "defaults:",
        "  - override /data: table",
        "",
        f"name: {stem}",
        *_longer(rows, batch),
        f"batch_size: {batch}",
        "data:",
        f"  path: {_quoted(path)}",
        f"  exclude: [{', '.join(map(_quoted, excluded))}]   # ids, constants, what can't be used",
        *_written(table.dialect),
        *_declared(hints, table.dialect.missing),
        *(["  split: {train: 1.0, val: 0.0, test: 0.0}   # too few rows for more"] if labelled < FEW else []),
        "tasks:",
        *(_task(column, taken) for column in targets),
    ]
    others = [c for c in columns if c not in targets and c.task and not c.id and not c.constant]
    if others:
        lines += ["# Other columns that could be tasks:", *(f"# {_task(column, taken)}" for column in others)]
    return "\n".join(lines) + "\n"


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


def _declared(hints: Sequence[Hint], missing: Sequence[str]) -> list[str]:
    """Returns the keys that say what columns hold, and in comments what else they may."""
    lines = []
    dates = [hint for hint in hints if hint.key == "date_format"]
    if dates:
        lines.append("  date_format:")
        for hint in dates:
            other = (
                f"   # or {_quoted(hint.other)}: no number is above 12, so look which the day is" if hint.other else ""
            )
            lines.append(f"    {_quoted(hint.column)}: {_quoted(hint.value)}{other}")
    types = [hint for hint in hints if hint.key == "types"]
    if types:
        mark = "" if any(hint.likely for hint in types) else "# "
        lines.append(f"  {mark}types:")
        for hint in sorted(types, key=lambda hint: not hint.likely):
            unsure = "" if hint.likely else f"   # {printable(hint.why)}"
            lines.append(f"  {'' if hint.likely else '# '}  {_quoted(hint.column)}: {hint.value}{unsure}")
    lines += [f"  # decimal: ','   # {printable(f'{h.column} {h.why}')}" for h in hints if h.key == "decimal"][:1]
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
    """Returns a name for the experiment: the file's, without what can't stand in a config's name."""
    stem = re.sub(r"[^A-Za-z0-9_]+", "_", Path(path).name.split(".")[0]).strip("_")
    return stem or "table"


def _task(column: Column, taken: set[str]) -> str:
    """Returns a task's line; a column whose name can't be a task's gets another one."""
    name = re.sub(r"\W+", "_", column.name, flags=re.ASCII).strip("_") or "task"
    name = name if TASK_NAME.fullmatch(name) and name not in RESERVED else f"task_{name}"
    while name in taken:
        name += "_"
    taken.add(name)
    source = "" if name == column.name else f", column: {_quoted(column.name)}"
    missing = [hint for hint in column.hints if hint.key == "missing"]
    look = "".join(
        f"   # {printable(hint.why)}; missing: {_list([hint.value])} where that is no label" for hint in missing
    )
    return f"  {name}: {{kind: {column.task}{source}}}{look}"


def _quoted(text: str) -> str:
    """Returns a text as YAML reads it back, and with OmegaConf's interpolations as they stand."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_./-]*", text) and yaml.safe_load(text) == text and len(text) > 1:
        return text
    quoted = json.dumps(re.sub(r"(\\*)\$\{", r"\1\1\\${", text), ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)
