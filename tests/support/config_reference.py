"""The reference of every config key in conf/README.md, from the schema and the comments of the YAML files.

Types and ranges are the classes', defaults and meanings those that the YAML files under conf/ give; where a nested key
has no comment of its own, the one of the key above it holds.
"""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from mtl_cli import schedules
from mtl_cli.config import FAMILIES, Config
from mtl_cli.families import members
from mtl_cli.schedules.base import Schedule
from mtl_cli.settings import Settings
from mtl_cli.tasks import KINDS

CONF = Path(__file__).resolve().parents[2] / "conf"
BEGIN, END = "<!-- keys: python tests/test_readme.py writes them -->\n", "<!-- end of the keys -->\n"
LARGE = 2**24
"""Upper bounds from here on are those of the number's type, and aren't shown."""
_LINE = re.compile(r"( *)\"?(\w+)\"?:(?: .*?)??(?: +# (.*))?")


class Key(NamedTuple):
    """A row of the reference."""

    name: str
    values: str
    default: str
    meaning: str


def with_reference(text: str) -> str:
    """Returns conf/README.md with the keys as they should be."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin
    assert end
    return before + begin + "\n" + "\n".join(reference()) + "\n" + end + after


def reference() -> Iterator[str]:
    """Yields the lines of all sections."""
    yield from ["## The run", ""]
    yield from _table(list(_keys(Config, CONF / "config.yaml", "", skip={*FAMILIES, "tasks"})))
    yield from _tasks()
    for group, classes in FAMILIES.items():
        yield from _group(group, group, classes)
    yield from _group("optimizer/schedule", "optimizer.schedule", members(schedules, Schedule))


def _group(group: str, prefix: str, classes: tuple[type[Settings], ...]) -> Iterator[str]:
    """Yields a group's section: its choices, then their keys, each once for all that have it alike."""
    choices: dict[Key, list[str]] = {}
    yield from [f"## {group}", ""]
    for cls in classes:
        file = CONF / group / f"{_name(cls)}.yaml"
        yield f"- `{_name(cls)}`: {_first_sentence(file)}{_also_sets(file, group)}"
        for key in _keys(cls, file, prefix, skip={"name", "schedule"}):
            choices.setdefault(key, []).append(_name(cls))
    rows = sorted(choices, key=lambda key: choices[key])
    yield from ["", *_table(rows, [_listed(choices[key], len(classes)) for key in rows])] if rows else [""]


def _listed(names: list[str], of: int) -> str:
    return "all" if len(names) == of else ", ".join(f"`{name}`" for name in names)


def _tasks() -> Iterator[str]:
    """Yields the section on the keys of a task, whose comments stand at the end of conf/data/table.yaml."""
    text = (CONF / "data" / "table.yaml").read_text()
    comments = dict(re.findall(r"^#   (\w+): (.*)$", text.partition("\ntasks:")[2], re.MULTILINE))
    yield from ["## tasks", ""]
    kinds: dict[Key, list[str]] = {}
    for cls in KINDS:
        yield f"- `kind: {_name(cls, 'kind')}`: {(cls.__doc__ or '').splitlines()[0]}"
        schema = cls.model_json_schema()
        for name, of in schema["properties"].items():
            if name != "kind":
                key = Key(
                    f"tasks.<task>.{name}", _values(of, schema), _shown(of.get("default")), _plain(comments[name])
                )
                kinds.setdefault(key, []).append(_name(cls, "kind"))
    yield from ["", *_table(list(kinds), [_listed(names, len(KINDS)) for names in kinds.values()])]


def _keys(cls: type[Settings], file: Path, prefix: str, skip: set[str]) -> Iterator[Key]:
    """Yields the keys of a class, as the YAML file has them."""
    plain = yaml.safe_load(file.read_text())
    inside = plain[prefix] if isinstance(plain.get(prefix), dict) else plain
    comments = _comments(file.read_text(), f"{prefix}." if inside is not plain else "")
    schema = cls.model_json_schema()

    def walk(properties: Mapping[str, Any], given: Mapping[str, Any], path: str, above: str) -> Iterator[Key]:
        for name, of in properties.items():
            if not path and name in skip:
                continue
            meaning = comments.get(path + name, above)
            nested = schema.get("$defs", {}).get(of.get("$ref", "").rpartition("/")[2])
            if nested:
                yield from walk(nested["properties"], given[name], f"{path}{name}.", meaning)
            else:
                assert meaning, f"{file}: {path}{name} has no comment"
                full = ".".join(filter(None, [prefix, path + name]))
                yield Key(full, _values(of, schema), _shown(given[name]), _plain(meaning))

    yield from walk(schema["properties"], inside, "", "")


def _comments(text: str, prefix: str) -> dict[str, str]:
    """Returns the comments beside keys, by dotted path from the prefix; one that goes on in the next line is one."""
    found: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    last = ""
    for line in text.splitlines():
        more = re.fullmatch(r" +# (.*)", line)
        match = _LINE.fullmatch(line)
        if more and last in found:
            found[last] += f" {more[1]}"
        elif match:
            indent = len(match[1])
            path = [*(step for step in path if step[0] < indent), (indent, match[2])]
            last = ".".join(name for _, name in path).removeprefix(prefix)
            if match[3]:
                found[last] = match[3]
    return found


def _values(of: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Returns what a key takes, of its JSON schema."""
    if "anyOf" in of:
        return " or ".join(dict.fromkeys(_values(each, schema) for each in of["anyOf"]))
    if "enum" in of or "const" in of:
        return ", ".join(_shown(each) for each in of.get("enum", [of.get("const")]))
    kind = of.get("type", "")
    if kind == "array":
        return f"list of {_values(of['items'], schema)}"
    if kind == "object":
        inside = of.get("additionalProperties")
        return f"map to {_values(inside, schema)}" if isinstance(inside, Mapping) else "map"
    if kind in ("integer", "number"):
        return " ".join(filter(None, ["whole number" if kind == "integer" else "number", _range(of)]))
    return {"string": "text", "boolean": "`true`, `false`", "null": "`null`", "": "see its meaning"}[kind]


def _range(of: Mapping[str, Any]) -> str:
    """Returns a number's bounds."""
    least, above = of.get("minimum", of.get("ge")), of.get("exclusiveMinimum", of.get("gt"))
    most, below = of.get("maximum", of.get("le")), of.get("exclusiveMaximum", of.get("lt"))
    bounds = {">=": least, ">": above if least is None else None, "<=": most, "<": below}
    return ", ".join(f"{sign} {bound:g}" for sign, bound in bounds.items() if bound is not None and bound < LARGE)


def _shown(value: Any) -> str:
    """Returns a value as YAML has it."""
    text = value if isinstance(value, str) and value.strip() else json.dumps(value)
    return f"`{text}`"


def _table(keys: list[Key], choices: list[str] | None = None) -> Iterator[str]:
    """Yields the lines of a table, with a last column for the choices that have a key."""
    rows = [["key", "values", "default", "meaning"], *([f"`{key.name}`", *key[1:]] for key in keys)]
    if choices is not None:
        rows = [[*row, choice] for row, choice in zip(rows, ["of", *choices], strict=True)]
    rows.insert(1, ["---"] * len(rows[0]))
    yield from ("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
    yield ""


def _also_sets(file: Path, group: str) -> str:
    """Returns what a choice of data gives to the rest of the config."""
    plain = yaml.safe_load(file.read_text())
    if group not in plain:
        return ""
    rest = {key: value for key, value in plain.items() if key not in (group, "tasks", "defaults")}
    given = ", ".join(f"`{path}={json.dumps(value)}`" for path, value in _leaves(rest))
    return f" It also sets {given}." if given else ""


def _leaves(plain: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in plain.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{key}.")
        else:
            yield path + key, value


def _first_sentence(file: Path) -> str:
    """Returns what the first comment of a YAML file says it is, before its command."""
    lines = file.read_text().removeprefix("# @package _global_\n").splitlines()
    said = " ".join(line.removeprefix("#").strip() for line in takewhile(lambda line: line.startswith("#"), lines))
    said = said.partition("mtl-train")[0].strip().rstrip(".:")
    return _plain(said if said.endswith("?") else f"{said}.")


def _plain(text: str) -> str:
    """Returns a text as Markdown that shows it: `<task>` is no HTML."""
    return text.replace("<", "\\<")


def _name(cls: type[Settings], key: str = "name") -> str:
    return str(cls.model_fields[key].default)
