"""The base of every config class, and the marks that decide what is compiled in and what is an argument.

A field marked `Number` (or one of its narrower forms below) changes no shape: its value enters the compiled
program as an argument. A field marked `Host` doesn't reach it at all. Three walks over a settings tree rest on them:

- `signature(tree)` is everything else, what is compiled in: equal signatures share one compiled program;
- `numbers(tree)` is all the numbers, by path;
- `bind(tree, tensors)` is the tree with tensors in the numbers' places, so that compiled code reads
  `self.beta_1` and gets the argument, never a baked-in constant.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class _NumberMark:
    """Marks a field whose value is an argument of the compiled program."""


class Host:
    """Marks a field that only the host uses: the compiled program neither depends on it nor gets it."""


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
Share = Annotated[Number, Field(ge=0, le=1)]
"""A number in [0, 1]."""


class Settings(BaseModel):
    """A frozen, strict piece of the config: unknown keys and wrong types are refused, ranges are checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)


Tree = TypeVar("Tree", bound=Settings | Mapping[str, Any])


def _children(tree: Any) -> Iterator[tuple[str, Any, bool]]:
    """Yields (key, value, is a number) for every entry of a settings object or mapping that the program may use."""
    if isinstance(tree, Settings):
        for key, field in type(tree).model_fields.items():
            marks = {type(mark) for mark in _marks(field)}
            if Host not in marks:
                value = getattr(tree, key)
                yield key, value, value is not None and _NumberMark in marks
    else:
        for key, value in tree.items():
            yield key, value, False


def _marks(field: Any) -> Iterator[Any]:
    """Yields the metadata of a field, also where the number may be null (`Number | None`)."""
    yield from field.metadata
    for part in getattr(field.annotation, "__args__", ()):
        yield from getattr(part, "__metadata__", ())


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
