"""How wide layers are to be, so that a network has about so many parameters."""

from collections.abc import Callable
from typing import Final

CLOSE: Final = 0.005
"""A number of parameters is taken that is as close, as a part of what was asked for."""
MOST_TRIES: Final = 20


def factor_for(parameters: int, count: Callable[[float], int]) -> float:
    """Returns the factor of all units by which a network comes closest to so many parameters, by bisection.

    Args:
        parameters: How many, at least as many as with the factor 0.
        count: Counts them for a factor; never less for a larger one.

    >>> factor_for(2500, lambda factor: round(100 * factor) ** 2)
    0.5
    """
    low, high, tried = 0.0, 0.0, {0.0: count(0.0)}
    factor = 1.0
    for _ in range(MOST_TRIES):
        tried[factor] = count(factor)
        if abs(tried[factor] - parameters) <= CLOSE * parameters:
            break
        if tried[factor] < parameters:
            low = factor
        else:
            high = factor
        factor = (low + high) / 2 if high else 2 * factor
    return min(tried, key=lambda factor: abs(tried[factor] - parameters))
