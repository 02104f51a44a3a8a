"""Tables of an experiment: the files of each, the tasks whose labels it has, the split that its rows are in."""

from collections.abc import Mapping
from dataclasses import dataclass

from mtl_cli.errors import InputError
from mtl_cli.tables.delimited import Dialect
from mtl_cli.tables.reader import read_all
from mtl_cli.tables.sources import Source
from mtl_cli.tasks import Tasks

Paths = str | list[str]


@dataclass(frozen=True)
class TaskTable:
    """A table with labels of some tasks.

    Attributes:
        source: Its rows.
        tasks: Those whose labels it has.
        split: The one that all its rows are in, where it is a file of validation or test rows.
    """

    source: Source
    tasks: tuple[str, ...]
    split: str | None


def read_tables(
    tasks: Tasks, path: Paths | None, held_out: Mapping[str, Paths | None], dialect: Dialect
) -> list[TaskTable]:
    """Returns the tables that the tasks are learned from: the common one, tasks' own ones, those of held-out rows.

    Args:
        tasks: The tasks, some of which may have a path of their own.
        path: The others' table.
        held_out: The tables of the splits that have one.
        dialect: How the text files among them are written.

    Raises:
        InputError: A path is missing or of no use, or a file can't be read.
    """
    own: dict[str, tuple[Paths, list[str]]] = {}
    for name, task in tasks.items():
        if task.path is not None:
            own.setdefault(repr(task.path), (task.path, []))[1].append(name)
    common = [name for name, task in tasks.items() if task.path is None]
    if common and path is None:
        raise InputError("data.path: data=table needs the file to read, e.g. data.path=people.csv")
    if not common and path is not None:
        raise InputError("data.path: every task has a path of its own, so no task is left for this file")
    wanted: list[tuple[Paths, str, list[str], str | None]] = []
    if path is not None:
        wanted.append((path, "data.path", common, None))
    wanted += [(paths, f"tasks.{names[0]}.path", names, None) for paths, names in own.values()]
    wanted += [
        (paths, f"data.{split}_path", list(tasks), split) for split, paths in held_out.items() if paths is not None
    ]
    sources = read_all([(paths, key) for paths, key, _, _ in wanted], dialect)
    return [
        TaskTable(source, tuple(names), split) for source, (_, _, names, split) in zip(sources, wanted, strict=True)
    ]
