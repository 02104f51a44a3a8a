"""Command-line overrides that say what a column holds, whatever its name is."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence

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
    return f"'+data.types.{column}={kind}'" if PLAIN.fullmatch(column) else _mapping("types", {column: kind})


def date_format(forms: Mapping[str, str]) -> str:
    """Returns how to say in what form each column's dates are.

    >>> print(date_format({"built": "%d.%m.%Y"}))
    'data.date_format={built: "%d.%m.%Y"}'
    """
    return _mapping("date_format", {column: f'"{form}"' for column, form in forms.items()})


def exclude(*columns: str) -> str:
    """Returns how to leave columns out.

    >>> print(exclude("id"), exclude("Unit price, net", "nr"))
    'data.exclude=[id]' 'data.exclude=["Unit price, net",nr]'
    """
    return shlex.quote(f"data.exclude=[{','.join(map(_text, columns))}]")


def missing(key: str, texts: Sequence[str]) -> str:
    r"""Returns how to say which values stand for none.

    >>> print(missing("tasks.y.missing", ["?", "-9"]))
    'tasks.y.missing=["?",-9]'
    """
    return shlex.quote(f"{key}=[{','.join(map(_text, texts))}]")


def _mapping(key: str, values: Mapping[str, str]) -> str:
    if all(WORDS.fullmatch(column) for column in values):
        listed = ", ".join(f"{column}: {value}" for column, value in values.items())
        return shlex.quote(f"{'+' * (key == 'types')}data.{key}={{{listed}}}")
    listed = ", ".join(f"{json.dumps(column, ensure_ascii=False)}: {value}" for column, value in values.items())
    return f"data: {{{key}: {{{listed}}}}} in a config file"


def _text(text: str) -> str:
    plain = PLAIN.fullmatch(text) and text.lower() not in ("null", "true", "false", "nan", "inf")
    return text if plain or re.fullmatch(r"-?\d+", text) else '"' + text.replace('"', '\\"') + '"'
