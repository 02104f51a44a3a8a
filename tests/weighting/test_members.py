"""What holds for every weighting method, whatever it computes."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from mtl_cli.backend import keras
from mtl_cli.errors import InputError
from mtl_cli.settings import numbers
from mtl_cli.weighting.base import Weighting
from mtl_cli.weighting.cagrad import CaGrad
from mtl_cli.weighting.fairgrad import FairGrad
from mtl_cli.weighting.graddrop import GradDrop
from mtl_cli.weighting.mgda import Mgda
from mtl_cli.weighting.nash_mtl import NashMtl
from tests.support.configs import composed
from tests.support.methods import METHODS, beginning, compiled, make, run
from tests.support.problems import ALL, Problem, everything, layout, parallel, problems, steps, typical

NEUTRAL = [name for name, cls in METHODS.items() if cls.neutral]
HONOURING = [name for name, cls in METHODS.items() if cls.honours_weights]


def test_the_methods_are_found() -> None:
    assert len(METHODS) >= 26
    assert NEUTRAL == ["fixed"]
    assert len(HONOURING) >= 15


VARIANTS = [
    Mgda(normalize="loss+"),
    CaGrad(c=2.0, rescale="1+c"),
    NashMtl(max_norm=None),
    FairGrad(alpha=0.1),
    FairGrad(alpha=10.0),
    GradDrop(leak=0.5),
]


@pytest.mark.parametrize("method", VARIANTS, ids=str)
@settings(max_examples=15)
@given(problem=problems())
def test_other_settings_make_finite_updates_too(method: Weighting, problem: Problem) -> None:
    outcome = steps(method, problem, 2)
    assert np.isfinite(everything(outcome)).all()


@ALL
def test_what_was_learned_for_long_on_losses_of_0_stays_finite(name: str) -> None:
    """What a loss of exactly 0 drives on and on: every number that is learned has come to 200 in size."""
    method, problem = make(name), typical(2)
    memory = keras.tree.map_structure(lambda tensor: tensor.numpy(), beginning(method, 2))
    for key in {"log_scales", "log_variances", "logits"} & set(memory):
        memory[key] = np.array([200.0, -200.0], np.float32)
    for losses in ([0.0, 0.0], [1e-3, 10.0]):
        outcome = run(method, problem.J, losses, after=losses, memory=memory)
        memory = outcome.memory
        assert np.isfinite(everything(outcome)).all()


@ALL
@settings(max_examples=25)
@given(problem=problems())
def test_finite_gradients_make_finite_updates(name: str, problem: Problem) -> None:
    """And the memory keeps its structure, shapes and types."""
    method = make(name)
    outcome = steps(method, problem, 2)
    assert np.isfinite(everything(outcome)).all()
    assert np.isfinite(outcome.shared).all() or np.isnan(outcome.shared).all()
    before = keras.tree.map_structure(lambda tensor: tensor.numpy(), beginning(method, len(problem.J)))
    assert layout(outcome.memory) == layout(before)


ACTIVE: dict[str, dict[str, Any]] = {
    "dwa": {"window": 2},
    "gradnorm": {"learning_rate": 0.2},
    "nash_mtl": {"max_norm": 0.5},
}
"""Settings with which every number matters in the first iterations."""


@ALL
def test_every_number_is_an_argument(name: str) -> None:
    """Changing one changes what is computed, and compiles nothing."""
    method = make(name, **ACTIVE.get(name, {}))
    reference = everything(steps(method, typical(2), 8))
    for key, value in numbers(method).items():
        other = int(value) + 1 if isinstance(getattr(method, key), int) else 0.7 * value or 0.1
        changed = make(name, **ACTIVE.get(name, {}) | {key: other})
        assert not np.allclose(everything(steps(changed, typical(2), 8)), reference, rtol=1e-6, atol=0), key
        assert compiled(changed, 2) is compiled(method, 2)
    assert compiled(method, 2).traces == 1


@ALL
@pytest.mark.parametrize("tasks", [1, 3, 50])
def test_any_number_of_tasks(name: str, tasks: int) -> None:
    problem = typical(tasks)
    outcome = run(make(name), *problem[:2], eager=True)
    assert np.isfinite(everything(outcome)).all()
    assert tasks > 1 or parallel(outcome.direction, problem.J[0])


@pytest.mark.parametrize("name", HONOURING)
def test_a_weight_changes_the_update(name: str) -> None:
    J, losses, *_ = typical(8)
    w = np.full(8, 1 / 8)
    one, other = (run(make(name), J, losses, weights) for weights in (w, w * [2, 1, 1, 1, 1, 1, 1, 1]))
    assert math.dist(one.direction, other.direction) > 1e-3 * math.hypot(*one.direction)


@ALL
def test_unequal_weights_are_refused_where_they_mean_nothing(name: str) -> None:
    unequal = (f"weighting={name}", "tasks.y1.weight=0.3")
    assert composed(f"weighting={name}").weighting.name == name
    if METHODS[name].honours_weights:
        assert composed(*unequal).weighting.name == name
    else:
        with pytest.raises(InputError, match=rf"{name}.*unequal"):
            composed(*unequal)


@ALL
def test_no_weighting_stands_where_none_takes_place(name: str) -> None:
    overrides = (f"weighting={name}", "mode=alternating")
    if METHODS[name].neutral:
        assert composed(*overrides).weighting.name == name
    else:
        with pytest.raises(InputError, match=rf"{name}.*mode=joint"):
            composed(*overrides)
