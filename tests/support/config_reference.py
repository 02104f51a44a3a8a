"""The reference of every config key in conf/README.md, as Markdown."""

from collections.abc import Iterator

from mtl_cli.reference.groups import Choice, Group, Key, data_defaults, groups, kinds, run_keys
from mtl_cli.reference.values import code

BEGIN, END = "<!-- keys: python tests/test_readme.py writes them -->\n", "<!-- end of the keys -->\n"


def with_reference(text: str) -> str:
    """Returns conf/README.md with the keys as they should be."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin
    assert end
    return before + begin + "\n" + "\n".join(reference()) + "\n" + end + after


def reference() -> Iterator[str]:
    """Yields the lines of all sections."""
    yield from ["## The run", "", *_table(run_keys())]
    of_tasks = kinds()
    yield from ["## tasks", "", *(f"- `kind: {choice.name}`: {choice.meaning}" for choice in of_tasks.choices)]
    yield from ["", *_table_of(of_tasks, list(of_tasks.all_keys()))]
    for group in groups():
        yield from [f"## {group.name}", "", *(f"- `{choice.name}`: {_said(choice)}" for choice in group.choices)]
        keys = group.all_keys()
        yield from ["", *_table_of(group, sorted(keys, key=lambda key: keys[key]))] if keys else [""]


def _said(choice: Choice) -> str:
    given = ", ".join(f"`{key}={value}`" for key, value in choice.sets.items())
    return _plain(choice.meaning) + (f" It also sets {given}." if given else "")


def _table_of(group: Group, keys: list[Key]) -> Iterator[str]:
    """Yields the lines of a table of a group's keys, with a last column for the choices that have a key."""
    known = group.all_keys()
    everyone = len(group.choices)
    yield from _table(
        keys, ["all" if len(known[key]) == everyone else ", ".join(f"`{name}`" for name in known[key]) for key in keys]
    )


def _table(keys: list[Key], choices: list[str] | None = None) -> Iterator[str]:
    rows = [
        ["key", "values", "default", "meaning"],
        *([f"`{key.name}`", key.values, _default(key), _plain(key.meaning)] for key in keys),
    ]
    if choices is not None:
        rows = [[*row, choice] for row, choice in zip(rows, ["of", *choices], strict=True)]
    rows.insert(1, ["---"] * len(rows[0]))
    yield from ("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
    yield ""


def _default(key: Key) -> str:
    others = [f"`data={data}`: {code(given[key.name])}" for data, given in data_defaults().items() if key.name in given]
    return "; ".join([key.default, *others])


def _plain(text: str) -> str:
    """Returns a text as Markdown that shows it: `<task>` is no HTML."""
    return text.replace("<", "\\<")
