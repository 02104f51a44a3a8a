"""One line for each thing that is wrong with a config: key, value, rule, nearest valid choice."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, get_args, get_origin

from pydantic_core import ErrorDetails

from mtl_cli.errors import closest, nearest
from mtl_cli.settings import Settings

_RULES: Final = {
    "int_type": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "bool_type": "should be true or false",
    "string_type": "should be a text",
    "list_type": "should be a list, in brackets",
}
"""What pydantic says in words of its own."""
_EPOCHS: Final = re.compile(r"(num_|n_|nb_|max_|total_|train_)?epochs?")
_MOST_NAMED: Final = 4
"""Keys of one name that a hint lists."""


def describe(root: type[Settings], detail: ErrorDetails) -> str:
    """Returns the line for one of pydantic's errors about a `root`."""
    key, siblings, classes = _place(root, [str(part) for part in detail["loc"]])
    value, context = detail["input"], detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            return f"{key}: there is no such key; {_suggestion(root, key, siblings)}"
        case "missing":
            return f"{key}: this key is missing{_choosing(key, classes)}"
        case "union_tag_not_found":
            given = ", ".join(value) if isinstance(value, dict) else in_yaml(value)
            return f"{key}.{context['discriminator']}: this key is missing (there is {given})".replace("'", "")
        case "union_tag_invalid":
            field = str(context["discriminator"]).strip("'")
            tag, tags = str(context["tag"]), _words(context["expected_tags"])
            return f"{key}.{field}: {'null' if tag == 'None' else repr(tag)} is not known; {nearest(tag, tags)}"
        case "literal_error":
            return f"{key}: {in_yaml(value)} is not valid; {nearest(str(value), _words(context['expected']))}"
        case "model_type" | "model_attributes_type" | "dict_type":
            hint = _choosing(key, classes) or _meaning(key, value, classes) or _setting(key, classes)
            return f"{key}: it has keys of its own, got {in_yaml(value)}{hint}"
        case "value_error":
            text = str(context["error"])
            return f"{key}: {text}" if key else text
    rule = _RULES.get(detail["type"]) or detail["msg"].removeprefix("Input ")
    is_whole = detail["type"] == "int_type" and isinstance(value, float) and value.is_integer()
    hint = f"; write it as {value:.0f}" if is_whole else ""
    return f"{key}: {rule[0].lower()}{rule[1:]}, got {in_yaml(value)}{hint}"


def in_yaml(value: Any) -> str:
    """Returns a value in words of YAML where Python has others.

    >>> [in_yaml(value) for value in (None, True, "a", 1.5)]
    ['null', 'true', "'a'", '1.5']
    """
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)


def known_key(root: type[Settings], word: str) -> str | None:
    """Returns the one key of a config made of `root` that a word stands for, exactly or by nearly its last part."""
    for key in _keys(root):
        if re.fullmatch(re.escape(key).replace(r"\*", r"\w+"), word):
            return word
    found = _named(root, word.rpartition(".")[2], cutoff=0.85)
    return found[0] if len(found) == 1 and "<" not in found[0] else None


def of_other_tools(key: str) -> str | None:
    """Returns the hint for a key that other tools have and a config here has not."""
    if not _EPOCHS.fullmatch(key):
        return None
    return "training is counted in iterations, as 'steps=N': an epoch of R rows is R / batch_size of them"


def suggest(root: type[Settings], key: str) -> str:
    """Returns the hint for a key that a config made of `root` can't have."""
    _, siblings, _ = _place(root, key.split("."), tags=False)
    if key.startswith("tasks.") and key.count(".") == 1:
        return f"a new task needs a plus, and a kind: '+{key}.kind=regression'"
    if key.startswith("tasks.") and key.count(".") == 2 and key.rpartition(".")[2] in siblings:
        return f"a new task's key needs a plus: '+{key}=...'"
    return _suggestion(root, key, siblings)


def _choosing(key: str, classes: Sequence[type[Settings]]) -> str:
    """Returns how a choice is made of what stands at a key, if that is a config group."""
    choices = [tag for cls in classes if "name" in cls.model_fields for tag in _tags(cls)]
    group = key.replace(".", "/")
    return f"; choose one, as '{group}={choices[0]}' or with 'override /{group}: ...' in defaults" if choices else ""


def _setting(key: str, classes: Sequence[type[Settings]]) -> str:
    """Returns how a key below another one is set."""
    names = list(dict.fromkeys(name for cls in classes for name in cls.model_fields))
    if not names:
        return ""
    shown = ["kind"] if "kind" in names else names if len(names) < _MOST_NAMED else names[:1]
    ways = [f"'{key}.{name}=...'" for name in shown]
    return f"; set them one by one, as {' or '.join(ways)}"


def _meaning(key: str, value: Any, classes: Sequence[type[Settings]]) -> str:
    """Returns which of the keys below another one a value was probably meant for."""
    for name, field in ((name, field) for cls in classes for name, field in cls.model_fields.items()):
        if isinstance(value, str) and value in get_args(field.annotation):
            return f"; did you mean '{'+' * (name == 'kind')}{key}.{name}={value}'?"
    return f"; '~{key}' leaves the task out" if value is None and re.fullmatch(r"tasks\.\w+", key) else ""


def _suggestion(root: type[Settings], key: str, siblings: Sequence[str]) -> str:
    """Returns the hint at a key of the same section, or at one elsewhere whose name is the same."""
    parent, dot, last = key.rpartition(".")
    owners = [cls for cls in _place(root, parent.split("."), tags=False)[2] if last in cls.model_fields]
    if owners:
        who = "tasks of another kind" if "kind" in owners[0].model_fields else f"other choices of {parent}"
        return f"only {who} have it: {', '.join(str(tag) for cls in owners for tag in _tags(cls))}"
    foreign, namesakes = of_other_tools(last), _named(root, last, cutoff=1.0)
    if foreign is not None:
        return foreign
    close = closest(last, siblings)
    if close is not None and not (namesakes and not parent):
        return f"did you mean '{parent}{dot}{close}'?"
    elsewhere = namesakes or ([] if parent else _named(root, last, cutoff=0.85))
    if elsewhere:
        *others, final = [f"'{known}'" for known in elsewhere[:_MOST_NAMED]]
        return f"did you mean {', '.join(others)}{' or ' * bool(others)}{final}?"
    return nearest(last, siblings, f"keys of {parent}" if parent else "keys")


def _place(
    root: type[Settings], location: Sequence[str], *, tags: bool = True
) -> tuple[str, list[str], list[type[Settings]]]:
    """Returns the dotted key of a location, the keys valid beside it, and what has keys of its own and can stand there.

    Pydantic's locations have union `tags` in them, which are no part of the key. A task or key may have a tag's name.
    """
    key: list[str] = []
    classes, siblings, any_name = [root], list(root.model_fields), False
    for part in location:
        tagged = [cls for cls in classes if len(classes) > 1 and part in _tags(cls)]
        if tagged and tags and not any_name:
            classes = tagged
            continue
        key.append(part)
        siblings = list(dict.fromkeys(name for cls in classes for name in cls.model_fields))
        if any_name:
            any_name = False
            continue
        annotations = [cls.model_fields[part].annotation for cls in classes if part in cls.model_fields]
        any_name = any(get_origin(annotation) in (dict, list) for annotation in annotations)
        classes = [cls for annotation in annotations for cls in _settings_in(annotation)]
    return ".".join(key), siblings, [] if any_name else classes


def _tags(settings: type[Settings]) -> tuple[Any, ...]:
    """Returns the values of the field that tells the class from the others of its union."""
    return tuple(
        value
        for name in ("name", "kind")
        if name in settings.model_fields
        for value in get_args(settings.model_fields[name].annotation)
    )


def _keys(settings: type[Settings], prefix: str = "", *, of_all: bool = False) -> Iterator[str]:
    """Yields every dotted key of a config, `*` standing for a task's name, or those that a group's choices all have."""
    for name, field in settings.model_fields.items():
        yield prefix + name
        any_name = "*." if get_origin(field.annotation) is dict else ""
        classes = list(_settings_in(field.annotation))
        within = f"{prefix}{name}.{any_name}"
        for key in dict.fromkeys(key for inner in classes for key in _keys(inner, within, of_all=of_all)):
            first = key.removeprefix(within).partition(".")[0]
            if not of_all or all(first in inner.model_fields for inner in classes):
                yield key


def _named(root: type[Settings], name: str, cutoff: float) -> list[str]:
    """Returns the keys of a config, in whatever section, whose last part is nearest to a name."""
    for of_all in (True, False):
        keys = [key.replace("*", "<task>") for key in _keys(root, of_all=of_all)]
        close = closest(name, [key.rpartition(".")[2] for key in keys], cutoff)
        if close is not None:
            return [key for key in keys if key.rpartition(".")[2] == close]
    return []


def _settings_in(annotation: Any) -> Iterator[type[Settings]]:
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield annotation
    for argument in get_args(annotation):
        yield from _settings_in(argument)


def _words(listing: Any) -> list[str]:
    return [word.strip(" '") for word in str(listing).replace(" or ", ", ").split(",")]
