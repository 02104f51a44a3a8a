"""What holds for every weighting method, whatever it computes; and the properties that some have."""

import math
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_cli.backend import keras
from mtl_cli.errors import InputError
from mtl_cli.settings import numbers
from mtl_cli.weighting.base import Weighting
from mtl_cli.weighting.cagrad import CaGrad
from mtl_cli.weighting.config_grad import ConfigGrad
from mtl_cli.weighting.dualproj import DualProj
from mtl_cli.weighting.fairgrad import FairGrad
from mtl_cli.weighting.fixed import Fixed
from mtl_cli.weighting.graddrop import GradDrop
from mtl_cli.weighting.imtl_g import ImtlG
from mtl_cli.weighting.mgda import Mgda
from mtl_cli.weighting.nash_mtl import NashMtl
from mtl_cli.weighting.pcgrad import PcGrad
from mtl_cli.weighting.rgw import Rgw
from mtl_cli.weighting.upgrad import UpGrad
from tests.support import references as ref
from tests.support.configs import composed
from tests.support.methods import METHODS, WIDTH, Array, Outcome, beginning, compiled, draw, make, run

NEUTRAL = [name for name, cls in METHODS.items() if cls.neutral]
HONOURING = [name for name, cls in METHODS.items() if cls.honours_weights]
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


def typical(tasks: int, seed: int = 0) -> Problem:
    random = np.random.default_rng(seed)
    losses = random.uniform(0.2, 2, tasks)
    return Problem(random.normal(size=(tasks, WIDTH)), losses, losses * random.uniform(0.5, 1, tasks), [True] * tasks)


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


REMEMBERING = [name for name in METHODS if beginning(make(name), 2)]


@pytest.mark.parametrize("name", REMEMBERING)
def test_what_is_remembered_of_a_task_stays_while_it_is_away(name: str) -> None:
    """Numbers that are learned, their moments, running means: all that the method keeps for each task."""
    method, problem = make(name), typical(3)
    memory = steps(method, problem, 4).memory
    away = np.array([1.0, 1.0, 0.0])
    J, losses, after = away[:, None] * problem.J, 0.5 * away * problem.losses, 0.4 * away * problem.after
    moved = run(method, J, losses, after=after, present=[True, True, False], memory=memory).memory
    changed = False
    for new, old in zip(keras.tree.flatten(moved), keras.tree.flatten(memory), strict=True):
        if np.shape(new)[:1] == (3,):
            np.testing.assert_array_equal(new[2], old[2])
            changed |= not np.array_equal(new[:2], old[:2])
    assert changed


@pytest.mark.parametrize("name", ["famo", "imtl", "imtl_l", "uncertainty"])
def test_what_is_learned_of_a_task_has_no_part_in_anything_while_it_is_away(name: str) -> None:
    method, problem = make(name), typical(3)
    memory = steps(method, problem, 4).memory
    away = np.array([1.0, 1.0, 0.0])
    seen = {"after": away * problem.after, "present": [True, True, False]}
    found = []
    for shift in (0.0, 5.0):
        (learned,) = {"log_scales", "log_variances", "logits"} & set(memory)
        other = memory | {learned: memory[learned] + np.array([0.0, 0.0, shift], np.float32)}
        found.append(run(method, away[:, None] * problem.J, away * problem.losses, memory=other, **seen))  # type: ignore[arg-type]
    assert found[0].joint_loss == pytest.approx(found[1].joint_loss, rel=1e-5)
    np.testing.assert_allclose(found[0].own[:2], found[1].own[:2], rtol=1e-5)


@pytest.mark.parametrize("name", sorted({*REMEMBERING} - {"dwa"}))
def test_a_task_that_is_always_away_changes_nothing(name: str) -> None:
    """But the scale, where weights have a fixed sum; `dwa` gives the absent task its part of it."""
    method, problem = make(name), typical(3)
    J, losses, after = (array[:2] for array in problem[:3])
    zero = np.zeros(1)
    both = memory = None
    for k in range(5):
        fall = 0.8**k * np.array([1.0, 0.5**k])
        drawn = draw(method, 3, k)
        more = (np.vstack([J, 0 * J[:1]]), np.append(fall * losses, zero), [0.5] * 3)
        then: dict[str, Any] = {"after": np.append(fall * after, zero), "present": [True, True, False], "drawn": drawn}
        memory = run(method, *more, memory=memory and memory.memory, **then)
        pairs = {key: order[:2][order[:2] < 2].reshape(2, -1) for key, order in drawn.items()}
        both = run(
            method, J, fall * losses, [0.5] * 2, after=fall * after, memory=both and both.memory, drawn=pairs or None
        )
        scale = 2 / 3 if name == "excess_mtl" else 1.0
        np.testing.assert_allclose(memory.own[:2], scale * both.own, rtol=1e-5)
        assert memory.joint_loss == pytest.approx(scale * both.joint_loss, rel=1e-5)
        np.testing.assert_allclose(memory.direction, scale * both.direction, rtol=1e-4, atol=1e-6)


def test_famo_takes_a_task_that_is_mostly_away_for_an_equal() -> None:
    """Three equal tasks, one with labels in every tenth batch only; that it gained nothing meanwhile is no fault."""
    method, memory = make("famo"), None
    for k in range(600):
        present = np.array([1.0, 1.0, k % 10 == 0])
        losses, J = 0.998**k * present, present[:, None] * typical(3).J
        found = run(method, J, losses, after=0.99 * losses, present=(present > 0).tolist(), memory=memory)
        memory = found.memory
    np.testing.assert_allclose(found.memory["logits"], found.memory["logits"][0], atol=0.01)


def parallel(one: Array, other: Array) -> bool:
    return math.dist(ref.units(one[None])[0], ref.units(other[None])[0]) < 1e-4


@ALL
def test_tasks_that_agree_are_followed(name: str) -> None:
    """The same gradient for all tasks, whatever its length is for each, gives its direction."""
    problem = typical(8)
    for lengths in (np.ones(8), np.linspace(0.1, 10, 8)):
        assert parallel(run(make(name), lengths[:, None] * problem.J[0], problem.losses).direction, problem.J[0])


@ALL
@settings(max_examples=5)
@given(seed=seeds)
def test_the_order_of_tasks_is_of_no_meaning(name: str, seed: int) -> None:
    method, problem, random = make(name), typical(8, seed), np.random.default_rng(seed)
    order = random.permutation(8)
    weights = random.uniform(0.2, 1, 8) if method.honours_weights else np.full(8, 1 / 8)
    drawn = draw(method, 8, seed)
    reordered = dict(drawn)
    if "orders" in drawn:
        reordered["orders"] = np.argsort(order)[drawn["orders"][order]].astype(np.int32)
    if "normals" in drawn:
        reordered["normals"] = drawn["normals"][order]
    one = run(method, problem.J, problem.losses, weights, drawn=drawn)
    other = run(method, problem.J[order], problem.losses[order], weights[order], drawn=reordered)
    assert math.dist(one.direction, other.direction) <= 1e-4 * math.hypot(*one.direction)
    np.testing.assert_allclose(one.own[order], other.own, rtol=1e-5)


def hurts_none(outcome: Outcome, J: Array) -> bool:
    """Tells whether no task's loss grows, to 1e-5 of what is added."""
    J = J.astype(np.float32).astype(np.float64)
    return bool((ref.units(J) @ (outcome.shared @ J) >= -1e-5 * np.abs(outcome.shared) @ ref.norms(J)).all())


@pytest.mark.parametrize(
    "method", [UpGrad(), Mgda(), DualProj(), NashMtl(), FairGrad(), CaGrad(c=1.0), CaGrad(c=2.0)], ids=str
)
@settings(max_examples=40)
@given(problem=problems())
def test_no_task_is_hurt(method: Weighting, problem: Problem) -> None:
    assert hurts_none(run(method, problem.J, problem.losses, present=problem.present), problem.J)


def test_two_tasks_are_projected_alike() -> None:
    """PCGrad's direction for two tasks is UPGrad's, which hurts none; for more it may hurt some."""
    for seed in range(10):
        J, w = typical(2, seed).J - 0.5, np.array([0.3, 1.1])
        outcome = run(PcGrad(), J, weights=w)
        np.testing.assert_allclose(outcome.direction, run(UpGrad(), J, weights=w).direction, rtol=0, atol=1e-5)
        assert hurts_none(outcome, J)
    crowded = [typical(8, seed).J[:, :4] for seed in range(10)]
    for method in (PcGrad(), Fixed()):
        assert not all(hurts_none(run(method, J), J) for J in crowded)


@pytest.mark.parametrize("method", [PcGrad(), UpGrad(), DualProj(), Fixed()], ids=str)
def test_without_conflict_it_is_the_weighted_sum(method: Weighting) -> None:
    J, w = np.abs(typical(8).J), np.linspace(0.1, 1, 8)
    np.testing.assert_allclose(run(method, J, weights=w).direction, w @ J, rtol=1e-5)


@pytest.mark.parametrize("method", [PcGrad(), UpGrad(), Fixed(), ConfigGrad(), Rgw()], ids=str)
@settings(max_examples=10)
@given(seed=seeds)
def test_linear_in_the_gradients_lengths(method: Weighting, seed: int) -> None:
    J, random = typical(8, seed).J, np.random.default_rng(seed)
    one, other = random.uniform(0.1, 2, (2, 8, 1))
    parts = run(method, one * J).direction + run(method, other * J).direction
    together = run(method, (one + other) * J).direction
    assert math.dist(together, parts) <= 1e-4 * math.hypot(*together)


@pytest.mark.parametrize("method", [UpGrad(), DualProj(), Mgda(), Fixed(), CaGrad(c=1.0)], ids=str)
@settings(max_examples=10)
@given(tasks=st.sampled_from([2, 8]), seed=seeds)
def test_nothing_moves_where_the_mean_gradient_vanishes(method: Weighting, tasks: int, seed: int) -> None:
    """A strongly stationary point: some weighted sum with weights above 0 is 0; here it is the plain one."""
    J = typical(tasks, seed).J
    J[-1] = -J[:-1].sum(axis=0)
    outcome = run(method, J)
    assert math.hypot(*outcome.direction) <= 1e-3 * np.abs(outcome.shared) @ ref.norms(J)


@pytest.mark.parametrize("method", [UpGrad(), DualProj(), Fixed(), Rgw()], ids=str)
@settings(max_examples=10)
@given(tasks=st.sampled_from([2, 8]), seed=seeds, stationary=st.booleans())
def test_something_moves_where_no_sum_with_weights_above_0_vanishes(
    method: Weighting, tasks: int, seed: int, stationary: bool
) -> None:
    """What the paper of UPGrad calls strongly stationary; it may be stationary with some weights 0."""
    J = typical(tasks, seed).J
    if stationary:  # the first two alone vanish in a sum, and the others point elsewhere
        J[1] = -0.5 * J[0]
        J[2:] = J[2:] - np.outer(J[2:] @ J[0], J[0]) / (J[0] @ J[0])
        J[2:] *= np.sign(J[2:] @ J[2:].sum(axis=0))[:, None]
    J = np.abs(J) if not stationary else J
    if tasks > 2 or not stationary:
        assert math.hypot(*run(method, J).direction) >= 5e-3 * ref.norms(J).min()


@pytest.mark.parametrize("method", [NashMtl(max_norm=None), ImtlG()], ids=str)
def test_lengths_make_no_difference(method: Weighting) -> None:
    J = typical(8).J
    expected = run(method, J).direction
    assert parallel(run(method, np.geomspace(1e-8, 1e8, 8)[:, None] * J).direction, expected)


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
