"""Finds the members of a family: one file of a package is one member, and the folder is the registry."""

from importlib import import_module
from inspect import isabstract
from pkgutil import iter_modules
from types import ModuleType
from typing import Annotated, Any, Union

from pydantic import Field

from mtl_cli.settings import Settings


def members(package: ModuleType, base: type[Settings]) -> tuple[type[Settings], ...]:
    """Returns the final classes of `base` in the modules of `package`, one for each module but `base` itself."""
    found: list[type[Settings]] = []
    for info in iter_modules(package.__path__):
        if info.name != "base":
            found += members_of(import_module(f"{package.__name__}.{info.name}"), base)
    return tuple(found)


def members_of(module: ModuleType, base: type[Settings]) -> tuple[type[Settings], ...]:
    """Returns the final classes of `base` that are defined in `module`, in the order they stand there."""
    return tuple(
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, base)
        and not isabstract(value)
        and value.__module__ == module.__name__
    )


def any_of(classes: tuple[type[Settings], ...], key: str = "name") -> Any:
    """Returns the type "one of these classes, told apart by the field `key`", for use as an annotation."""
    if len(classes) == 1:
        return classes[0]
    return Annotated[Union[classes], Field(discriminator=key)]  # noqa: UP007 (built at run time)
