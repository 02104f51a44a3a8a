"""Every config key, and every group with its choices.

Types and ranges are the classes', defaults and meanings those that the YAML files under conf/ give; where a nested key
has no comment of its own, the one of the key above it holds. What stands in backticks is code, as in Markdown.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from mtl_cli.config import FAMILIES, GROUPS, Config
from mtl_cli.reference.files import commands, comments, first_sentence, settings, shipped_configs
from mtl_cli.reference.values import code, values
from mtl_cli.settings import Settings
from mtl_cli.tasks import KINDS

DATA: Final = "data"
"""The group whose choices set other keys as well, from which a run's defaults are then."""


class Key(NamedTuple):
    """A config key, of the choices that have it alike."""

    name: str
    values: str
    default: str
    meaning: str


@dataclass(frozen=True)
class Choice:
    """A choice of a group."""

    name: str
    meaning: str
    commands: Sequence[str] = ()
    keys: Sequence[Key] = ()
    sets: Mapping[str, str] = field(default_factory=dict)
    """Keys that aren't its group's, and what stands behind the `=` of their overrides."""


@dataclass(frozen=True)
class Group:
    """A part of the config with several members, one of which is chosen."""

    name: str
    """As in `optimizer/schedule=cosine`."""
    choices: Sequence[Choice]
    default: str | None = None

    def all_keys(self) -> dict[Key, list[str]]:
        """Returns the keys of its choices, and which of them have each alike."""
        found: dict[Key, list[str]] = {}
        for choice in self.choices:
            for key in choice.keys:
                found.setdefault(key, []).append(choice.name)
        return found


def run_keys() -> list[Key]:
    """Returns the keys that belong to no group, and to no task."""
    return list(_keys(Config, shipped_configs() / "config.yaml", "", skip={*FAMILIES, "tasks"}))


@cache
def groups() -> tuple[Group, ...]:
    """Returns the groups whose choices have keys."""
    return tuple(_group(name, name.replace("/", "."), classes) for name, classes in GROUPS.items())


def setting_groups() -> list[Group]:
    """Returns the groups whose choices have no keys, and set others'."""
    names = sorted(folder.name for folder in shipped_configs().iterdir() if folder.is_dir())
    return [
        Group(name, [_choice(file, settings(file.read_text())) for file in _files(name)])
        for name in names
        if name not in (*FAMILIES, "hydra")
    ]


def kinds() -> Group:
    """Returns the kinds of tasks; the comments on their keys stand at the end of conf/data/table.yaml."""
    text = (shipped_configs() / "data" / "table.yaml").read_text()
    meanings = dict(re.findall(r"^#   (\w+): (.*)$", text.partition("\ntasks:")[2], re.MULTILINE))
    choices = []
    for cls in KINDS:
        schema = cls.model_json_schema()
        keys = [
            Key(f"tasks.<task>.{name}", values(of, schema), code(of.get("default")), meanings[name])
            for name, of in schema["properties"].items()
            if name != "kind"
        ]
        choices.append(Choice(_name(cls, "kind"), (cls.__doc__ or "").splitlines()[0], keys=keys))
    return Group("tasks.<task>.kind", choices)


@cache
def data_defaults() -> Mapping[str, Mapping[str, str]]:
    """Returns, for each choice of data that has defaults of its own for the rest of the config, what they are."""
    found = {file.stem: settings(file.read_text()) for file in _files(DATA)}
    outside = {
        name: {key: value for key, value in given.items() if key.partition(".")[0] not in (DATA, "tasks")}
        for name, given in found.items()
    }
    return {name: given for name, given in outside.items() if given}


def whose(data: str) -> str:
    """Returns a choice of data with whose it is, in the first words of its file.

    >>> whose("table")
    'data=table (your own tables)'
    """
    said = first_sentence((shipped_configs() / DATA / f"{data}.yaml").read_text())
    (words, *_) = re.findall(r"^[^:;,.(]*", said)
    return f"{DATA}={data} ({words[0].lower()}{words[1:].strip()})"


def _group(group: str, prefix: str, classes: Sequence[type[Settings]]) -> Group:
    choices = []
    for cls in classes:
        file = shipped_configs() / group / f"{_name(cls)}.yaml"
        sets = data_defaults().get(_name(cls), {}) if group == DATA else {}
        choices.append(_choice(file, sets, list(_keys(cls, file, prefix, skip={"name", "schedule"}))))
    return Group(group, choices, _default(group))


def _choice(file: Path, sets: Mapping[str, str], keys: Sequence[Key] = ()) -> Choice:
    text = file.read_text()
    return Choice(file.stem, first_sentence(text), commands(text), keys, sets)


@cache
def _default(group: str) -> str | None:
    """Returns the choice that a main config, or the one of the group above, makes."""
    above, _, last = group.rpartition("/")
    name = f"{above}/{_default(above)}" if above else "config"
    defaults = yaml.safe_load((shipped_configs() / f"{name}.yaml").read_text())["defaults"]
    return next((item[last] for item in defaults if isinstance(item, Mapping) and last in item), None)


def _files(group: str) -> list[Path]:
    return sorted((shipped_configs() / group).glob("*.yaml"))


def _keys(cls: type[Settings], file: Path, prefix: str, skip: set[str]) -> Iterator[Key]:
    """Yields the keys of a class, as the YAML file has them."""
    text = file.read_text()
    plain = yaml.safe_load(text)
    inside = plain[prefix] if isinstance(plain.get(prefix), dict) else plain
    meanings = comments(text, f"{prefix}." if inside is not plain else "")
    schema = cls.model_json_schema()

    def walk(properties: Mapping[str, Any], given: Mapping[str, Any], path: str, above: str) -> Iterator[Key]:
        for name, of in properties.items():
            if not path and name in skip:
                continue
            meaning = meanings.get(path + name, above)
            nested = schema.get("$defs", {}).get(of.get("$ref", "").rpartition("/")[2])
            if nested:
                yield from walk(nested["properties"], given[name], f"{path}{name}.", meaning)
            else:
                assert meaning, f"{file}: {path}{name} has no comment"
                full = ".".join(filter(None, [prefix, path + name]))
                yield Key(full, values(of, schema), code(given[name]), meaning)

    yield from walk(schema["properties"], inside, "", "")


def _name(cls: type[Settings], key: str = "name") -> str:
    return str(cls.model_fields[key].default)
