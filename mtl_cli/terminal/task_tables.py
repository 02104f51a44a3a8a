"""Tables of a run's tasks: a row for each, or a block where a row is too wide. No name is ever cut. No TensorFlow."""

import sys
from collections.abc import Sequence
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from mtl_cli.terminal.formatting import filled, format_number
from mtl_cli.terminal.run_view import SHOWN_TASKS, Ending, RunHeader
from mtl_cli.untrusted.escaping import printable

NARROW: Final = 60
"""Columns of a terminal up to which every task is a block."""


def opening(plan: RunHeader, console: Console) -> list[RenderableType]:
    """Returns what is trained, the first few tasks."""
    rows, more = plan.tasks[:SHOWN_TASKS], len(plan.tasks) - SHOWN_TASKS
    last = [f"and {more} more"] if more > 0 else []
    headings = ["task", "kind", "loss", plan.share]
    table = _table(headings, [*rows, *([*last, "", "", ""] for _ in last)], names=len(headings))
    if _fits(table, console):
        return [table]
    blocks: list[RenderableType] = []
    for name, kind, loss, share in rows:
        blocks += [Text(printable(name)), Text("  " + printable(f"{kind}, loss {loss}, {plan.share} {share}"))]
    return [Text(), *blocks, *map(Text, last), Text()]


def closing(ending: Ending, console: Console) -> list[RenderableType]:
    """Returns what came of each task: its main metric and its loss by split, and a naive answer's on the last one."""
    columns = dict(ending.metrics)
    if ending.naive.get(ending.split):
        columns[f"naive {ending.split}"] = ending.naive[ending.split]
    shown = {task: list(dict.fromkeys((main, "loss"))) for task, main in ending.main_metrics.items()}
    rows = [
        [task if metric is metrics[0] else "", metric, *(format_number(of[task][metric]) for of in columns.values())]
        for task, metrics in shown.items()
        for metric in metrics
    ]
    table = _table(["task", "", *columns], rows, names=2)
    if _fits(table, console):
        return [table]
    blocks: list[RenderableType] = []
    for task, metrics in shown.items():
        of_task = [[split, *(format_number(of[task][metric]) for metric in metrics)] for split, of in columns.items()]
        blocks += [Text(printable(task)), _table(["", *metrics], of_task, names=1, indent=2)]
    return [Text(), *blocks, Text()]


def wrapped(text: str, console: Console, label: str = "") -> Text:
    """Returns the text behind a label, broken between words alone, and indented from the second line on."""
    width = max(console.width, 2 * len(label) + 1)
    return Text(filled(text, width, label, " " * len(label)))


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], names: int, indent: int = 0) -> Table:
    """Returns a table whose first columns, so many, are to the left, and none of whose cells is broken."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False) if not indent else Table.grid(padding=(0, 2, 0, 0))
    for i, heading in enumerate(headings):
        table.add_column(Text(printable(heading)), justify="left" if i < names else "right", no_wrap=True)
    if indent:
        rows = [headings, *rows]
    for first, *others in rows:
        table.add_row(Text(" " * indent + printable(first)), *(Text(printable(cell)) for cell in others))
    return table


def _fits(table: Table, console: Console) -> bool:
    unbounded = console.options.update(max_width=sys.maxsize)
    return NARROW < console.width >= console.measure(table, options=unbounded).maximum
