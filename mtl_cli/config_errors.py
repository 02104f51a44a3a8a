"""One line for each thing that is wrong with a config: key, value, rule, nearest valid choice."""

from collections.abc import Iterator, Sequence
from typing import Any, get_args, get_origin

from pydantic_core import ErrorDetails

from mtl_cli.errors import closest, nearest
from mtl_cli.settings import Settings


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
            given = ", ".join(value) if isinstance(value, dict) else repr(value)
            return f"{key}.{context['discriminator']}: this key is missing (there is {given})".replace("'", "")
        case "union_tag_invalid":
            tag = str(context["tag"])
            field = str(context["discriminator"]).strip("'")
            return f"{key}.{field}: {tag!r} is not known; {nearest(tag, _words(context['expected_tags']))}"
        case "literal_error":
            return f"{key}: {value!r} is not valid; {nearest(str(value), _words(context['expected']))}"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"{key}: it has keys of its own, got {value!r}{_choosing(key, classes) or _setting(key, classes)}"
        case "value_error":
            text = str(context["error"])
            return f"{key}: {text}" if key else text
    rule = detail["msg"].removeprefix("Input ")
    return f"{key}: {rule[0].lower()}{rule[1:]}, got {value!r}"


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
    names = [name for cls in classes for name in cls.model_fields]
    return f"; set them one by one, as '{key}.{'kind' if 'kind' in names else names[0]}=...'" if names else ""


def _suggestion(root: type[Settings], key: str, siblings: Sequence[str]) -> str:
    parent, dot, last = key.rpartition(".")
    if last in siblings and parent:
        return f"only other choices of {parent} have it"
    close = closest(last, siblings)
    if close is not None:
        return f"did you mean '{parent}{dot}{close}'?"
    elsewhere = {known.rpartition(".")[2]: known for known in _keys(root) if "*" not in known and known != key}
    close = closest(last, elsewhere, cutoff=0.7)
    if close is not None:
        return f"did you mean '{elsewhere[close]}'?"
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


def _keys(settings: type[Settings], prefix: str = "") -> Iterator[str]:
    """Yields every dotted key of a config, `*` standing for a task's name."""
    for name, field in settings.model_fields.items():
        yield prefix + name
        any_name = "*." if get_origin(field.annotation) is dict else ""
        for inner in _settings_in(field.annotation):
            yield from _keys(inner, f"{prefix}{name}.{any_name}")


def _settings_in(annotation: Any) -> Iterator[type[Settings]]:
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield annotation
    for argument in get_args(annotation):
        yield from _settings_in(argument)


def _words(listing: Any) -> list[str]:
    return [word.strip(" '") for word in str(listing).replace(" or ", ", ").split(",")]
