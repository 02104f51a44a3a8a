"""What the YAML files under conf/ say of themselves: in their first comment, and beside their keys."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

import yaml

PACKAGE: Final = Path(__file__).parent.parent
_LINE: Final = re.compile(r"( *)\"?(\w+)\"?:(?: .*?)??(?: +# (.*))?")
_COMMAND: Final = re.compile(r"(?:^#|\S) {3,}(mtl-train .*)")
"""Behind some blanks, which tell it from a sentence that has the word."""


def shipped_configs() -> Path:
    """Returns the folder of the shipped configs: the wheel's, or the checkout's."""
    packaged = PACKAGE / "conf"
    return packaged if packaged.is_dir() else PACKAGE.parent / "conf"


def first_sentence(text: str) -> str:
    """Returns what the first comment of a YAML file says it is, before its command.

    >>> first_sentence("# Adam.   mtl-train optimizer=adam")
    'Adam.'
    """
    said = " ".join(line.removeprefix("#").strip() for line in _head(text)).partition("mtl-train")[0]
    said = said.strip().rstrip(".:")
    return said if said.endswith("?") else f"{said}."


def commands(text: str) -> list[str]:
    """Returns the commands in the first comment of a YAML file, some with what they do behind them.

    >>> commands("# Adam. mtl-train has it.   mtl-train optimizer=adam")
    ['mtl-train optimizer=adam']
    """
    return [found[1] for line in _head(text) if (found := _COMMAND.search(line))]


def comments(text: str, prefix: str = "") -> dict[str, str]:
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


def settings(text: str) -> dict[str, str]:
    """Returns what a YAML file sets, each as the part of an override behind its `=`; of its defaults list, the choices.

    >>> settings("{defaults: [override /data: digits], model: {shared_layers: [8, 4]}}")
    {'data': 'digits', 'model.shared_layers': '[8,4]'}
    """
    plain = yaml.safe_load(text)
    chosen = {
        group.removeprefix("override ").removeprefix("/"): str(choice)
        for item in plain.pop("defaults", ())
        if isinstance(item, Mapping)
        for group, choice in item.items()
    }
    return chosen | dict(_leaves(plain))


def _leaves(plain: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for key, value in plain.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{key}.")
        else:
            yield path + key, value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _head(text: str) -> Iterator[str]:
    lines = text.removeprefix("# @package _global_\n").splitlines()
    return takewhile(lambda line: line.startswith("#"), lines)
