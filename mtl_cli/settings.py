"""The base of every config class, and the marks on fields from which every notion of "the same" is derived.

A field marked `Number` (or one of its narrower forms below) changes no shape: its value enters the compiled
program as an argument. A field marked `Host` doesn't reach it at all. Three walks over a settings tree rest on them:

- `signature(tree)` is everything else, what is compiled in: equal signatures share one compiled program;
- `numbers(tree)` is all the numbers, by path;
- `bind(tree, tensors)` is the tree with tensors in the numbers' places, so that compiled code reads
  `self.beta_1` and gets the argument, never a baked-in constant.

The other marks say in what two runs may differ and yet have the same data, draws or results: `identity` derives its
keys from them. A field without one tells them apart.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, TypeVar, cast, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo


class _NumberMark:
    """Marks a field whose value is an argument of the compiled program."""


class Host:
    """Marks a field that only the host uses: the compiled program neither depends on it nor gets it."""


class Repeat(Host):
    """Marks a seed: runs that differ in it repeat the same setting."""


class Extends(Host):
    """Marks a field in which a resumed run may differ from what it was: what ends it, and the rates from there on."""


class Cosmetic(Host):
    """Marks a field that decides no result."""


class Rollback(Host):
    """Marks a field that decides no result but of a run that may go back to a checkpoint."""


class Balance:
    """Marks how much each task counts, or what finds that: it means nothing where one task is trained alone."""


class Undrawn:
    """Marks a field in which runs may differ that share what the host draws."""


def _fits_float32(value: float) -> float:
    """Refuses what float32, in which the program computes, would make infinite or zero."""
    if abs(value) > 3.4e38 or 0 < abs(value) < 1.2e-38:
        raise ValueError(f"should be 0 or between 1.2e-38 and 3.4e38 in size (float32), got {value!r}")
    return value


def _below_1(value: float) -> float:
    """Refuses what float32 would round to 1."""
    if value > 1 - 2**-24:
        raise ValueError(f"should be less than 1 in float32, got {value!r}")
    return value


Number = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_fits_float32), _NumberMark()]
Positive = Annotated[Number, Field(gt=0)]
NonNegative = Annotated[Number, Field(ge=0)]
Fraction = Annotated[Number, Field(ge=0, lt=1), AfterValidator(_below_1)]
"""A number in [0, 1)."""
Whole = Annotated[int, Field(ge=1, le=2**24), _NumberMark()]
"""A whole number that float32 holds exactly."""
UnitInterval = Annotated[Number, Field(ge=0, le=1)]
"""A number in [0, 1]."""


class Settings(BaseModel):
    """A frozen, strict piece of the config: unknown keys and wrong types are refused, ranges are checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True, defer_build=True)


Tree = TypeVar("Tree", bound=Settings | Mapping[str, Any])


def _children(tree: Any) -> Iterator[tuple[str, Any, bool]]:
    """Yields (key, value, is a number) for every entry of a settings object or mapping that the program may use."""
    if isinstance(tree, Settings):
        of_host, of_numbers = fields_with(type(tree), Host), fields_with(type(tree), _NumberMark)
        for key in type(tree).model_fields:
            if key not in of_host:
                value = getattr(tree, key)
                yield key, value, value is not None and key in of_numbers
    else:
        for key, value in tree.items():
            yield key, value, False


@cache
def fields_with(cls: type[Settings], *marks: type) -> frozenset[str]:
    """Returns a class's own fields that have one of these marks, also where it stands inside, as in `Number | None`."""

    def has_mark(field: FieldInfo) -> bool:
        inside = [mark for part in get_args(field.annotation) for mark in getattr(part, "__metadata__", ())]
        return any(isinstance(mark, marks) for mark in [*field.metadata, *inside])

    return frozenset(key for key, field in cls.model_fields.items() if has_mark(field))


def marked(settings: Settings, mark: type) -> dict[str, Any]:
    """Returns a settings object's own fields that have a mark, with their values."""
    return {key: getattr(settings, key) for key in fields_with(type(settings), mark)}


def without(settings: Settings, *marks: type) -> dict[str, Any]:
    """Returns a settings object as plain JSON, but for the fields anywhere in it that have one of these marks."""

    def kept(tree: Any, plain: Any) -> Any:
        if isinstance(tree, Settings):
            dropped = fields_with(type(tree), *marks)
            return {key: kept(getattr(tree, key), value) for key, value in plain.items() if key not in dropped}
        if isinstance(tree, Mapping):
            return {key: kept(tree[key], value) for key, value in plain.items()}
        return plain

    return cast(dict[str, Any], kept(settings, settings.model_dump(mode="json")))


def numbers(tree: Settings | Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Returns every marked number of the tree by its dotted path; a number that is null is no number."""
    found: dict[str, float] = {}
    for key, value, marked in _children(tree):
        if marked:
            found[prefix + key] = float(value)
        elif isinstance(value, Settings | Mapping):
            found |= numbers(value, f"{prefix}{key}.")
    return found


def bind(tree: Tree, tensors: Mapping[str, Any], prefix: str = "") -> Tree:
    """Returns a copy of the tree in which each marked number is the tensor of its path."""
    changed: dict[str, Any] = {}
    for key, value, marked in _children(tree):
        if marked:
            changed[key] = tensors[prefix + key]
        elif isinstance(value, Settings | Mapping):
            changed[key] = bind(value, tensors, f"{prefix}{key}.")
    bound: Any = tree.model_copy(update=changed) if isinstance(tree, Settings) else {**tree, **changed}
    return cast(Tree, bound)


def signature(tree: Settings | Mapping[str, Any]) -> str:
    """Returns a text that is equal for two trees if, and only if, they differ in numbers alone."""

    def without_numbers(part: Any) -> Any:
        if isinstance(part, Settings | Mapping):
            return {k: "number" if marked else without_numbers(v) for k, v, marked in _children(part)}
        return part

    return json.dumps(without_numbers(tree), sort_keys=True)
