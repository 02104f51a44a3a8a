"""Properties of directions that some methods have: none is hurt, order and lengths don't matter."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_cli.weighting.base import Weighting
from mtl_cli.weighting.cagrad import CaGrad
from mtl_cli.weighting.config_grad import ConfigGrad
from mtl_cli.weighting.dualproj import DualProj
from mtl_cli.weighting.fairgrad import FairGrad
from mtl_cli.weighting.fixed import Fixed
from mtl_cli.weighting.imtl_g import ImtlG
from mtl_cli.weighting.mgda import Mgda
from mtl_cli.weighting.nash_mtl import NashMtl
from mtl_cli.weighting.pcgrad import PcGrad
from mtl_cli.weighting.rgw import Rgw
from mtl_cli.weighting.upgrad import UpGrad
from tests.support import references as ref
from tests.support.methods import Array, Outcome, draw, make, run
from tests.support.problems import ALL, Problem, parallel, problems, seeds, typical


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
