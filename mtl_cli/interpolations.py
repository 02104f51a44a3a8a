"""Interpolations of configs that others may have made, which may multiply each other: resolved in bounded time.

OmegaConf resolves one by one, in one method; that one counts here. A clock would not do: what a signal's handler raises
is lost where Python happens to be in a callback of the garbage collector, and other threads get no signal.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, Final

from omegaconf import Container
from omegaconf.errors import InterpolationResolutionError

MOST_CHARACTERS: Final = 2**20
"""Of the interpolations in a config, and of what they come to; OmegaConf parses some 60,000 a second."""


def size(value: Any) -> int:
    """Returns the characters of a text, and the values of a list or a mapping, interpolations in it unresolved."""
    content = value._value() if hasattr(value, "_value") else value
    if isinstance(content, dict | list):
        return 1 + sum(size(inner) for inner in (content.values() if isinstance(content, dict) else content))
    return len(content) if isinstance(content, str) else 1


class Bounds:
    """What interpolations may still take."""

    def __init__(self) -> None:
        """Takes nothing yet."""
        self._taken = 0

    def take(self, characters: int) -> None:
        """Counts.

        Raises:
            InterpolationResolutionError: That is too much.
        """
        self._taken += characters
        if self._taken > MOST_CHARACTERS:
            raise InterpolationResolutionError(
                f"the config's interpolations come to more than {MOST_CHARACTERS:,} characters"
            )


_bounds: ContextVar[Bounds | None] = ContextVar("_bounds", default=None)


@contextmanager
def bounded() -> Iterator[Bounds]:
    """Has all interpolations that are resolved in a block share its bounds, or those of the block around it."""
    around = _bounds.get()
    bounds = around or Bounds()
    token = _bounds.set(bounds)
    try:
        yield bounds
    finally:
        _bounds.reset(token)


def _counting(resolve: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(resolve)
    def counted(self: Container, parse_tree: Any, node: Any, *args: Any, **kwargs: Any) -> Any:
        with bounded() as bounds:
            bounds.take(size(node))
            value = resolve(self, parse_tree, node, *args, **kwargs)
            bounds.take(size(value))
            return value

    return counted


Container.resolve_parse_tree = _counting(Container.resolve_parse_tree)  # type: ignore[method-assign]
