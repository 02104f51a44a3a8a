"""What a config key takes, in words, from its JSON schema: code in backticks, as in Markdown."""

import json
from collections.abc import Mapping
from typing import Any, Final

LARGE: Final = 2**24
"""Upper bounds from here on are those of the number's type, and aren't shown."""


def values(of: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Returns what a key takes whose JSON schema is a part of another one.

    >>> values({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}, {})
    'whole number >= 1 or `null`'
    """
    if "anyOf" in of:
        return " or ".join(dict.fromkeys(values(each, schema) for each in of["anyOf"]))
    if "enum" in of or "const" in of:
        return ", ".join(code(each) for each in of.get("enum", [of.get("const")]))
    kind = of.get("type", "")
    if kind == "array":
        return f"list of {values(of['items'], schema)}"
    if kind == "object":
        inside = of.get("additionalProperties")
        return f"map to {values(inside, schema)}" if isinstance(inside, Mapping) else "map"
    if kind in ("integer", "number"):
        return " ".join(filter(None, ["whole number" if kind == "integer" else "number", _range(of)]))
    return {"string": "text", "boolean": "`true`, `false`", "null": "`null`", "": "see its meaning"}[kind]


def code(value: Any) -> str:
    """Returns a value as YAML has it, in backticks.

    >>> code([20]), code(None), code("relu"), code(",")
    ('`[20]`', '`null`', '`relu`', '`","`')
    """
    is_word = isinstance(value, str) and any(map(str.isalnum, value))
    return f"`{value if is_word else json.dumps(value)}`"


def without_backticks(text: str) -> str:
    """Returns a text for a terminal."""
    return text.replace("`", "")


def _range(of: Mapping[str, Any]) -> str:
    """Returns a number's bounds."""
    least, above = of.get("minimum", of.get("ge")), of.get("exclusiveMinimum", of.get("gt"))
    most, below = of.get("maximum", of.get("le")), of.get("exclusiveMaximum", of.get("lt"))
    bounds = {">=": least, ">": above if least is None else None, "<=": most, "<": below}
    return ", ".join(f"{sign} {bound:g}" for sign, bound in bounds.items() if bound is not None and bound < LARGE)
