"""Random problems for weighting methods, and steps on them."""

import math
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import strategies as st

from mtl_cli.backend import keras
from mtl_cli.weighting.base import Weighting
from tests.support import references as ref
from tests.support.methods import METHODS, WIDTH, Array, Outcome, run

ALL = pytest.mark.parametrize("name", METHODS)
seeds = st.integers(0, 2**32 - 1)


class Problem(NamedTuple):
    """Gradients, and the losses before and after an update."""

    J: Array
    losses: Array
    after: Array
    present: list[bool]


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Draws gradients of any rank, each 1e-10 to 1e10 long, some zero or parallel to another, some tasks absent."""
    tasks, random = draw(st.sampled_from([2, 3, 5, 8])), np.random.default_rng(draw(seeds))
    rank = draw(st.integers(1, tasks))
    J = random.normal(size=(tasks, rank)) @ random.normal(size=(rank, WIDTH))
    kinds = draw(
        st.lists(st.sampled_from(["own", "zero", "same", "opposite", "absent"]), min_size=tasks, max_size=tasks)
    )
    factor = {"own": 1.0, "zero": 0.0, "same": 1.0, "opposite": -1.0, "absent": 0.0}
    for i, kind in enumerate(kinds):
        J[i] = (J[i] if kind == "own" else J[0]) * factor[kind]
    exponents = st.one_of(st.floats(-10, 10), st.just(0.0))
    J *= 10 ** np.array([draw(exponents) for _ in range(tasks)])[:, None]
    sizes = np.array([draw(exponents) for _ in range(tasks)])
    losses = np.where([kind == "absent" or (kind == "zero" and sizes[0] > 5) for kind in kinds], 0.0, 10**sizes)
    return Problem(J, losses, losses * random.uniform(0.1, 2, tasks), [kind != "absent" for kind in kinds])


def everything(outcome: Outcome) -> Array:
    """Returns all that a method computed, but the NaN of `shared` where there is a direction."""
    return np.concatenate([np.ravel(array) for array in keras.tree.flatten(outcome._replace(shared=np.zeros(0)))])


def layout(memory: Any) -> Any:
    return keras.tree.map_structure(lambda array: (array.dtype.name, array.shape), memory)


def steps(method: Weighting, problem: Problem, count: int) -> Outcome:
    """Returns what comes of some iterations, in which losses fall at different rates."""
    J, losses, after, present = problem
    outcome = run(method, J, losses, after=after, present=present)
    for k in range(1, count):
        rates = np.linspace(0.7, 0.9, len(J)) ** k
        outcome = run(method, J, rates * losses, after=rates * after, present=present, memory=outcome.memory)
    return outcome


def typical(tasks: int, seed: int = 0) -> Problem:
    random = np.random.default_rng(seed)
    losses = random.uniform(0.2, 2, tasks)
    return Problem(random.normal(size=(tasks, WIDTH)), losses, losses * random.uniform(0.5, 1, tasks), [True] * tasks)


def parallel(one: Array, other: Array) -> bool:
    return math.dist(ref.units(one[None])[0], ref.units(other[None])[0]) < 1e-4
