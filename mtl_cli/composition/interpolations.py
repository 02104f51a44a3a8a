"""Interpolations of configs that others may have made, which may multiply each other: resolved in bounded time.

OmegaConf resolves one by one in one method, and calls resolvers in another; they count here. A clock would not do: what
a signal's handler raises is lost where Python happens to be in a callback of the garbage collector, and other threads
get no signal.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, Final

from omegaconf import Container, Node, OmegaConf
from omegaconf.errors import InterpolationResolutionError

from mtl_cli.composition.hydra_private import content_of, resolve_by

MOST_CHARACTERS: Final = 2**20
"""Of the interpolations in a config, and of what they come to; OmegaConf parses some 60,000 a second."""
MOST_OF_ONE: Final = 2**18
"""Of a value that is resolved later, alone."""


def size(value: Any, characters: int = 1) -> int:
    """Returns how large a value is, interpolations in it unresolved: 1, and 1 more for so many characters of a text."""
    content = content_of(value) if isinstance(value, Node) else value
    if isinstance(content, dict):
        return 1 + sum(size(key, characters) + size(inner, characters) for key, inner in content.items())
    if isinstance(content, list | tuple):
        return 1 + sum(size(inner, characters) for inner in content)
    return 1 + (len(content) // characters if isinstance(content, str) else 0)


class Bounds:
    """What interpolations may still take."""

    def __init__(self, most: int) -> None:
        """Takes nothing yet."""
        self._most = most
        self._taken = 0

    def take(self, value: Any) -> None:
        """Counts a value.

        Raises:
            InterpolationResolutionError: That is too much.
        """
        self._taken += size(value)
        if self._taken > self._most:
            raise InterpolationResolutionError(
                f"the config's interpolations come to more than {self._most:,} characters"
            )


_bounds: ContextVar[Bounds | None] = ContextVar("_bounds", default=None)


@contextmanager
def bounded(most: int = MOST_CHARACTERS) -> Iterator[Bounds]:
    """Has all interpolations that are resolved in a block share its bounds, or those of the block around it."""
    bounds = _bounds.get() or Bounds(most)
    token = _bounds.set(bounds)
    try:
        yield bounds
    finally:
        _bounds.reset(token)


def _counting(resolve: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(resolve)
    def counted(self: Container, parse_tree: Any, node: Any, *args: Any, **kwargs: Any) -> Any:
        with bounded(MOST_OF_ONE) as bounds:
            bounds.take(node)
            value = resolve(self, parse_tree, node, *args, **kwargs)
            bounds.take(value)
            return value

    return counted


def _counting_arguments(evaluate: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(evaluate)
    def counted(self: Container, *, inter_args: Sequence[Any], **kwargs: Any) -> Any:
        with bounded(MOST_OF_ONE) as bounds:
            bounds.take(inter_args)
            return evaluate(self, inter_args=inter_args, **kwargs)

    return counted


resolve_by(_counting, _counting_arguments)
OmegaConf.clear_resolver("oc.deprecated")  # it writes as much as a key's length times a text's on standard error
