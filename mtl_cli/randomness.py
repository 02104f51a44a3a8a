"""What is random: a generator for each purpose, and how far one was drawn."""

from typing import Any

import numpy as np

SPLIT, WEIGHTS, ROWS, PICKS, DROPOUT, WEIGHTING, OBSERVING, SAMPLE = range(8)
"""What randomness is for: each purpose has its own generator, so none disturbs another."""


def generator(seed: int, purpose: int, *which: int) -> np.random.Generator:
    """Returns the random generator of one purpose of a run."""
    return np.random.default_rng([seed, purpose, *which])


Position = dict[str, Any]
"""How far a supply of random numbers was drawn, as JSON can hold it."""


def position_of(random: np.random.Generator) -> Position:
    """Returns where a generator is."""
    return dict(random.bit_generator.state)


def go_to(random: np.random.Generator, position: Position) -> None:
    """Sets a generator to where it, or another of its kind, was."""
    random.bit_generator.state = position
