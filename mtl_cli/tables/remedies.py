"""How to say on the command line what a column holds, whatever its name is."""

import json
import re
import shlex
from collections.abc import Sequence

PLAIN = re.compile(r"[A-Za-z_]\w*", re.ASCII)
"""Names that Hydra takes as they are."""
WORDS = re.compile(r"[A-Za-z_][\w ]*\w", re.ASCII)
"""Names that it takes as keys of a mapping."""


def types(column: str, kind: str) -> str:
    """Returns how to say what a feature is.

    >>> print(types("zip", "category"))
    '+data.types.zip=category'
    >>> print(types("Zip Code", "category"))
    '+data.types={Zip Code: category}'
    >>> print(types("Größe", "number"))
    data: {types: {"Größe": number}} in a config file
    """
    return f"'+data.types.{column}={kind}'" if PLAIN.fullmatch(column) else _mapping("types", column, kind)


def date_format(column: str, form: str) -> str:
    """Returns how to say in what form a column's dates are.

    >>> print(date_format("built", "%d.%m.%Y"))
    'data.date_format={built: "%d.%m.%Y"}'
    """
    return _mapping("date_format", column, f'"{form}"')


def exclude(column: str) -> str:
    """Returns how to leave a column out.

    >>> print(exclude("id"), exclude("Unit price, net"))
    'data.exclude=[id]' 'data.exclude=["Unit price, net"]'
    """
    return shlex.quote(f"data.exclude=[{_text(column)}]")


def missing(key: str, texts: Sequence[str]) -> str:
    r"""Returns how to say which values stand for none.

    >>> print(missing("tasks.y.missing", ["?", "-9"]))
    'tasks.y.missing=["?",-9]'
    """
    return shlex.quote(f"{key}=[{','.join(map(_text, texts))}]")


def _mapping(key: str, column: str, value: str) -> str:
    if WORDS.fullmatch(column):
        return shlex.quote(f"{'+' * (key == 'types')}data.{key}={{{column}: {value}}}")
    return f"data: {{{key}: {{{json.dumps(column, ensure_ascii=False)}: {value}}}}} in a config file"


def _text(text: str) -> str:
    plain = PLAIN.fullmatch(text) and text.lower() not in ("null", "true", "false", "nan", "inf")
    return text if plain or re.fullmatch(r"-?\d+", text) else '"' + text.replace('"', '\\"') + '"'
