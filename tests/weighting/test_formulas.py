"""What each method computes: published numbers, and its paper's formula in NumPy on random matrices."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

from mtl_cli.weighting.aligned_mtl import AlignedMtl
from mtl_cli.weighting.base import Weighting
from mtl_cli.weighting.cagrad import CaGrad
from mtl_cli.weighting.config_grad import ConfigGrad
from mtl_cli.weighting.db_mtl import DbMtl
from mtl_cli.weighting.dualproj import DualProj
from mtl_cli.weighting.dwa import Dwa
from mtl_cli.weighting.excess_mtl import ExcessMtl
from mtl_cli.weighting.fairgrad import FairGrad
from mtl_cli.weighting.famo import Famo
from mtl_cli.weighting.fixed import Fixed
from mtl_cli.weighting.geometric import Geometric
from mtl_cli.weighting.graddrop import LEVELS, GradDrop
from mtl_cli.weighting.gradnorm import GradNorm, targets
from mtl_cli.weighting.gradvac import GradVac
from mtl_cli.weighting.imtl import Imtl
from mtl_cli.weighting.imtl_g import ImtlG
from mtl_cli.weighting.imtl_l import ImtlL
from mtl_cli.weighting.log import Log
from mtl_cli.weighting.mgda import Mgda
from mtl_cli.weighting.nash_mtl import NashMtl
from mtl_cli.weighting.pcgrad import PcGrad
from mtl_cli.weighting.rgw import Rgw
from mtl_cli.weighting.rlw import Rlw
from mtl_cli.weighting.stch import Stch
from mtl_cli.weighting.uncertainty import Uncertainty
from mtl_cli.weighting.upgrad import UpGrad
from tests.support import references as ref
from tests.support.methods import WIDTH, Array, draw, run

A = np.array([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]])
"""Two gradients in conflict, cosine -0.841191."""
L = np.array([2.0, 8.0])
"""Two losses."""
seeds = st.integers(0, 2**32 - 1)


def shown(parameter: object) -> str:
    """Returns a test's part of a name, the same in every process; a function has none."""
    return "" if callable(parameter) else str(parameter)


some_tasks = st.sampled_from([2, 3, 5, 8])


@pytest.mark.parametrize(
    ("method", "weights", "shared", "direction"),
    [
        (Fixed(), [1, 1], [1, 1], [2, 2, 2]),
        (Fixed(), [1, 2], [1, 2], [8, 3, 3]),
        (Mgda(), None, [0.6, 0.4], [0, 1, 1]),
        (PcGrad(), [1, 1], [2.2222, 1.5789], [0.5848, 3.8012, 3.8012]),
        (GradVac(), [1, 1], [2.2222, 1.5789], [0.5848, 3.8012, 3.8012]),
        (UpGrad(), None, [1.1111, 0.7895], [0.2924, 1.9006, 1.9006]),
        (DualProj(), None, [0.6111, 0.5], [0.5556, 1.1111, 1.1111]),
        (ImtlG(), None, [0.5923, 0.4077], [0.0767, 1, 1]),
        (NashMtl(max_norm=None), None, [0.5915, 0.4071], [0.0766, 0.9985, 0.9985]),
        (NashMtl(), None, None, [0.0542, 0.7061, 0.7061]),
        (FairGrad(alpha=1.0), None, [0.5915, 0.4071], [0.0766, 0.9985, 0.9985]),
        (AlignedMtl(), None, [0.5591, 0.4083], [0.2133, 0.9673, 0.9673]),
        (AlignedMtl(), [1, 1], [1.1182, 0.8166], [0.4266, 1.9346, 1.9346]),
        (CaGrad(c=0.5), None, [0.7041, 0.5], [0.1835, 1.2041, 1.2041]),
        (CaGrad(c=0.5, rescale="1+c2"), None, None, [0.1468, 0.9633, 0.9633]),
        (CaGrad(c=0.5, rescale="1+c"), None, None, [0.1223, 0.8027, 0.8027]),
        (CaGrad(), None, [0.6633, 0.5], [0.3468, 1.1633, 1.1633]),
        (ConfigGrad(), [1, 1], None, [0.1588, 2.0706, 2.0706]),
    ],
    ids=shown,
)
def test_directions_of_the_example(
    method: Weighting, weights: list[float] | None, shared: list[float] | None, direction: list[float]
) -> None:
    found = run(method, A, weights=weights)
    np.testing.assert_allclose(found.direction[:3], direction, rtol=0, atol=1.1e-4)
    if shared is not None:
        np.testing.assert_allclose(found.shared, shared, rtol=0, atol=1.1e-4)


def test_graddrop_keeps_the_positive_with_a_chance_of_three_fifths() -> None:
    levels = np.full(WIDTH, LEVELS // 2)
    for share, direction in ((0.5999, [6, 2, 2]), (0.6001, [-4, 2, 2])):
        levels[0] = share * LEVELS
        found = run(GradDrop(), A, weights=[1, 1], drawn={"levels": levels.astype(np.uint16)})
        assert found.direction[:3].tolist() == direction


@pytest.mark.parametrize(
    ("method", "weights", "value", "own"),
    [
        (Geometric(), None, 4.0, [1, 0.25]),
        (Log(), [1, 1], 2.7726, [0.5, 0.125]),
        (Uncertainty(), [1, 1], 5.0, [0.5, 0.5]),
        (ImtlL(), None, 10.0, [1, 1]),
        (Famo(), None, 4.43614, [0.8, 0.2]),
        (Stch(), None, 4.04859, [0.02371, 0.47629]),
        (Fixed(), [0.5, 0.5], 5.0, [0.5, 0.5]),
    ],
    ids=shown,
)
def test_losses_of_the_example(method: Weighting, weights: Any, value: float, own: list[float]) -> None:
    found = run(method, A, L, weights)
    np.testing.assert_allclose(found.joint_loss, value, rtol=0, atol=5e-5)
    np.testing.assert_allclose(found.own, own, rtol=0, atol=5e-6)
    np.testing.assert_array_equal(found.own, found.shared)


@pytest.mark.parametrize(
    ("method", "slot", "slopes"), [(Uncertainty(), "log_variances", [-0.5, -3.5]), (ImtlL(), "log_scales", [1, 7])]
)
def test_slopes_of_the_example(method: Weighting, slot: str, slopes: list[float]) -> None:
    """The first step of Adam is as long as the learning rate, and its first moment a tenth of the slope."""
    memory = run(method, A, L, [1, 1]).memory
    np.testing.assert_allclose(memory[slot], -0.025 * np.sign(slopes), rtol=1e-5)
    np.testing.assert_allclose(memory["adam"]["m"][0], 0.1 * np.array(slopes), rtol=1e-5)


@pytest.mark.parametrize(
    ("method", "slot", "optimum", "value"),
    [(Uncertainty(), "log_variances", np.log(L), 2.3863), (ImtlL(), "log_scales", -np.log(L), 4.7726)],
)
def test_optima_of_the_example(method: Weighting, slot: str, optimum: Array, value: float) -> None:
    memory = run(method, A, L).memory | {slot: optimum.astype(np.float32)}
    found = run(method, A, L, [1, 1], memory=memory)
    np.testing.assert_allclose(found.joint_loss, value, rtol=0, atol=5e-5)
    np.testing.assert_allclose(found.memory["adam"]["m"][0], 0.9 * memory["adam"]["m"][0], rtol=1e-6)


def test_famo_of_the_example() -> None:
    memory = run(Famo(), A, L, after=[1, 8]).memory
    np.testing.assert_allclose(memory["adam"]["m"][0], [0.01733, -0.01733], rtol=0, atol=5e-6)
    np.testing.assert_allclose(memory["logits"], [-0.025, 0.025], rtol=1e-5)


def test_dwa_of_the_example() -> None:
    memory = run(Dwa(window=1), A, [1, 3]).memory
    found = run(Dwa(), A, L, [1, 1], memory=memory | {"before": np.array([2, 3], np.float32)})
    np.testing.assert_allclose(found.own, [0.87565, 1.12435], rtol=0, atol=5e-6)


@pytest.mark.parametrize(("alpha", "slopes"), [(1.5, [-1, 4]), (0.12, [-1, 4]), (4.0, [1, -4])])
@pytest.mark.parametrize(("alpha_2", "distance"), [(1.5, 0.51183), (0.12, 2.79346), (0.0, 3.0)])
def test_gradnorm_of_the_example(alpha: float, slopes: list[float], alpha_2: float, distance: float) -> None:
    """Gradients of lengths 1 and 4, losses [0.5, 1] that began at 1."""
    norms = np.array([1.0, 4.0], np.float32)
    found_targets = targets(norms, np.array([0.5, 1.0], np.float32), np.array([True, True]), alpha_2)
    assert np.abs(norms - found_targets).sum() == pytest.approx(distance, abs=5e-6)
    memory = run(GradNorm(alpha=alpha), np.eye(2)).memory | {"initial": np.ones(2, np.float32)}
    found = run(GradNorm(alpha=alpha), [[1, 0], [0, 4]], [0.5, 1.0], memory=memory)
    moments = found.memory["adam"]["m"][0] - 0.9 * memory["adam"]["m"][0]
    np.testing.assert_allclose(moments, 0.1 * np.array(slopes), rtol=1e-5)


class Situation(NamedTuple):
    """What a method sees."""

    J: Array
    L: Array
    w: Array
    drawn: Mapping[str, NDArray[Any]]


def situation(method: Weighting, tasks: int, seed: int, rank: int = WIDTH) -> Situation:
    """Returns gradients whose lengths differ by up to 100, losses, and where the method takes them unequal weights."""
    random = np.random.default_rng(seed)
    basis = np.eye(WIDTH) if rank == WIDTH else random.normal(size=(rank, WIDTH))
    J = random.normal(size=(tasks, rank)) @ basis * 10 ** random.uniform(-1, 1, (tasks, 1))
    w = random.uniform(0.2, 1, tasks) if method.honours_weights else np.full(tasks, 1 / tasks)
    J, L, w = (array.astype(np.float32).astype(float) for array in (J, random.uniform(0.1, 3, tasks), w))
    return Situation(J, L, w, draw(method, tasks, seed))


def as_shares(w: Array) -> Array:
    return np.asarray(len(w) * w / w.sum())


def shortened(d: Array) -> Array:
    shorter: Array = d / max(1, math.hypot(*d))
    return shorter


DIRECTIONS: list[tuple[Weighting, Callable[[Situation], Array]]] = [
    (Mgda(), lambda s: ref.mgda(s.J)),
    (PcGrad(), lambda s: ref.pcgrad(s.w[:, None] * s.J, s.drawn["orders"])),
    (GradDrop(), lambda s: ref.graddrop(s.w[:, None] * s.J, (s.drawn["levels"] + 0.5) / LEVELS, 0)),
    (GradDrop(leak=0.3), lambda s: ref.graddrop(s.w[:, None] * s.J, (s.drawn["levels"] + 0.5) / LEVELS, 0.3)),
    (ImtlG(), lambda s: ref.imtl_g(s.J) @ s.J),
    (CaGrad(), lambda s: ref.cagrad(s.J, s.w, 0.4)),
    (CaGrad(c=1.5, rescale="1+c"), lambda s: ref.cagrad(s.J, s.w, 1.5) / 2.5),
    (CaGrad(c=0.1, rescale="1+c2"), lambda s: ref.cagrad(s.J, s.w, 0.1) / 1.01),
    (CaGrad(c=0.0), lambda s: s.w @ s.J),
    (NashMtl(max_norm=None), lambda s: ref.fairgrad(ref.units(s.J), as_shares(s.w), 1) @ ref.units(s.J)),
    (NashMtl(), lambda s: shortened(ref.fairgrad(s.J, as_shares(s.w), 1) @ s.J)),
    (FairGrad(), lambda s: ref.fairgrad(s.J, as_shares(s.w), 2) @ s.J),
    (FairGrad(alpha=0.5), lambda s: ref.fairgrad(s.J, as_shares(s.w), 0.5) @ s.J),
    (FairGrad(alpha=5.0), lambda s: ref.fairgrad(s.J, as_shares(s.w), 5) @ s.J),
    (AlignedMtl(), lambda s: ref.aligned_mtl(s.J, s.w)),
    (UpGrad(), lambda s: ref.upgrad(s.J, s.w)),
    (DualProj(), lambda s: ref.dualproj(s.J, s.w)),
    (ConfigGrad(), lambda s: ref.config_grad(s.J, s.w)),
    (Rgw(), lambda s: len(s.w) * softmax(s.drawn["normals"]) * s.w @ s.J),
    (Rlw(), lambda s: len(s.w) * softmax(s.drawn["normals"]) * s.w @ s.J),
]


def test_mgda_normalizes() -> None:
    for seed in range(5):
        seen = situation(Mgda(), 2, seed)
        divisors = {"l2": ref.norms(seen.J), "loss": seen.L, "loss+": ref.norms(seen.J) * seen.L}
        for normalize, by in divisors.items():
            alpha = run(Mgda.model_validate({"normalize": normalize}), seen.J, seen.L).shared
            expected = ref.mgda(seen.J / by[:, None])
            assert alpha.sum() == pytest.approx(1, abs=1e-5)
            assert math.dist(alpha @ (seen.J / by[:, None]), expected) <= 1e-4 * math.hypot(*expected)


@pytest.mark.parametrize(("method", "formula"), DIRECTIONS, ids=shown)
@settings(max_examples=15)
@given(tasks=some_tasks, seed=seeds)
def test_directions(method: Weighting, formula: Callable[[Situation], Array], tasks: int, seed: int) -> None:
    """To 1e-4, on gradients that don't depend on each other; for what needs G's own eigenvalues, to their rounding."""
    seen = situation(method, tasks, seed)
    found, expected = run(method, seen.J, seen.L, seen.w, drawn=seen.drawn).direction, formula(seen)
    rounding = 2e-7 * np.linalg.cond(seen.J) ** 2 if isinstance(method, AlignedMtl) else 0.0
    assume(rounding < 1e-2)
    assert math.dist(found, expected) <= (1e-4 + rounding) * math.hypot(*expected)


@pytest.mark.parametrize(
    ("method", "formula"),
    [
        (m, f)
        for m, f in DIRECTIONS
        if isinstance(m, Mgda | UpGrad | DualProj | CaGrad | PcGrad | AlignedMtl | ConfigGrad)
    ],
    ids=shown,
)
@settings(max_examples=15)
@given(tasks=some_tasks, seed=seeds, rank=st.integers(1, 4))
def test_directions_of_dependent_gradients(
    method: Weighting, formula: Callable[[Situation], Array], tasks: int, seed: int, rank: int
) -> None:
    """A direction that is unique whatever the rank is, to 1e-3 of what is added (1e-6 of the gradients: zero).

    Where no direction helps all tasks by a margin, the cone of those that hurt none may be as thin as rounding; there
    it is only asked for that none is hurt, in `test_no_task_is_hurt`. Nor is a rank compared that rounding may change.
    """
    seen = situation(method, tasks, seed, rank)
    margin = math.hypot(*ref.mgda(ref.units(seen.J)))
    if margin < 0.01 and isinstance(method, UpGrad | DualProj | CaGrad):
        return
    sizes = np.linalg.svd(ref.units(seen.J) if isinstance(method, ConfigGrad) else seen.J, compute_uv=False)
    if ((sizes > 1e-5 * sizes[0]) & (sizes < 2e-2 * sizes[0])).any() and isinstance(method, AlignedMtl | ConfigGrad):
        return
    found, lengths = run(method, seen.J, seen.L, seen.w, drawn=seen.drawn), ref.norms(seen.J)
    assert math.dist(found.direction, formula(seen)) <= 1e-3 * np.abs(found.shared) @ lengths + 1e-6 * lengths.max()


OPPOSED: list[tuple[Weighting, Callable[[Array, Array, Array], Array]]] = [
    (NashMtl(max_norm=None), lambda s, rows, lengths: math.sqrt(2) * s / math.hypot(*s)),
    (FairGrad(alpha=1.0), lambda s, rows, lengths: math.sqrt(2) * s / math.hypot(*s)),
    (ImtlG(), lambda s, rows, lengths: s / (1 / lengths).sum()),
    (ConfigGrad(), lambda s, rows, lengths: lengths.mean() * s / 2),
    (AlignedMtl(), lambda s, rows, lengths: ref.aligned_mtl(rows, np.full(2, 0.5), rank=0.0)),
]


@pytest.mark.parametrize(("method", "formula"), OPPOSED, ids=shown)
@pytest.mark.parametrize("apart", [0.3, 0.03, 3e-3, 3e-4, 3e-5])
def test_directions_of_nearly_opposed_gradients(
    method: Weighting, formula: Callable[[Array, Array, Array], Array], apart: float
) -> None:
    """As exact as gradients that are rounded to float32 allow, 1e-7 / |u_1 + u_2|, times 5.

    The formulas are the papers' for two gradients, by the sum s of the unit ones, which is exact in float64: 1 + c =
    s's / 2 for their cosine c. (Nash-MTL and FairGrad of alpha 1: x = 1 / sqrt(1 + c) for both.)
    """
    for seed in range(3):
        random = np.random.default_rng(seed)
        first, across = random.normal(size=(2, WIDTH))
        across -= (across @ first) / (first @ first) * first
        second = -1.7 * (first + apart * across * math.hypot(*first) / math.hypot(*across))
        rows = np.stack([first, second]).astype(np.float32).astype(float)
        lengths = ref.norms(rows)
        expected = formula(ref.units(rows).sum(axis=0), rows, lengths)
        found = run(method, rows, weights=np.full(2, 0.5)).direction
        assert math.dist(found, expected) <= 5e-7 / apart * math.hypot(*expected)


def test_what_a_task_of_weight_0_or_a_zero_gradient_changes_in_a_bargain() -> None:
    """Neither takes part."""
    for method in (NashMtl(), FairGrad()):
        seen = situation(method, 8, 1)
        w, J = np.where(np.arange(8) < 3, 0.0, 1 / 8), np.where(np.arange(8)[:, None] > 5, 0.0, seen.J)
        found = run(method, J, weights=w)
        assert np.flatnonzero(found.shared).tolist() == [3, 4, 5]
        np.testing.assert_allclose(
            found.direction, run(method, np.roll(J, 4, 0), weights=np.roll(w, 4)).direction, 1e-5
        )


LOSSES: list[tuple[Weighting, Callable[[Array, Array, Mapping[str, Any]], Any]]] = [
    (Fixed(), lambda L, w, _: w @ L),
    (Geometric(), lambda L, w, _: np.prod(L ** (w / w.sum()))),
    (Log(), lambda L, w, _: w @ np.log(L)),
    (Stch(mu=0.3, ideal=-0.2), lambda L, w, _: 0.3 * logsumexp(w * (L + 0.2) / 0.3)),
    (Rlw(), lambda L, w, drawn: len(w) * softmax(drawn["normals"]) * w @ L),
    (Uncertainty(initial_log_variance=0.7), lambda L, w, _: w @ (math.exp(-0.7) * L / 2 + 0.35)),
    (ImtlL(), lambda L, w, _: L.sum()),
    (Dwa(), lambda L, w, _: w @ L),
]


@pytest.mark.parametrize(("method", "formula"), LOSSES, ids=shown)
@settings(max_examples=15)
@given(tasks=some_tasks, seed=seeds)
def test_losses(method: Weighting, formula: Callable[..., float], tasks: int, seed: int) -> None:
    """The value is the formula's, and the tasks' weights are its derivatives."""
    _, losses, w, drawn = situation(method, tasks, seed)
    found = run(method, np.eye(tasks), losses, w, drawn=drawn)
    assert found.joint_loss == pytest.approx(formula(losses, w, drawn), rel=1e-5, abs=1e-5)
    for i, h in enumerate(1e-6 * np.eye(tasks)):
        slope = (formula(losses + h, w, drawn) - formula(losses - h, w, drawn)) / 2e-6
        assert found.own[i] == found.shared[i] == pytest.approx(slope, rel=1e-4, abs=1e-6)


STEPS = 8


def course(method: Weighting, tasks: int = 3) -> list[Situation]:
    """Returns what a method sees in some iterations, with the same weights in all."""
    seen = [situation(method, tasks, seed) for seed in range(STEPS)]
    return [one._replace(w=seen[0].w) for one in seen]


def test_uncertainty_and_imtl_l_learn_with_adam() -> None:
    for method in (Uncertainty(learning_rate=0.1), ImtlL(learning_rate=0.1)):
        for classification, k in ((False, 0.5), (True, 1.0)):
            s, adam, memory = np.zeros(3), ref.Adam(0.1), None
            for _, L, w, _ in course(method):
                found = run(method, np.eye(3), L, w, memory=memory, classification=classification)
                kendall = isinstance(method, Uncertainty)
                np.testing.assert_allclose(found.own, w * k * np.exp(-s) if kendall else np.exp(s), rtol=1e-4)
                slope = w * (0.5 - k * np.exp(-s) * L) if kendall else np.exp(s) * L - 1
                s, memory = s + adam.step(slope), found.memory


def test_imtl_balances_losses_and_gradients() -> None:
    s, adam, memory, method = np.zeros(3), ref.Adam(0.1), None, Imtl(learning_rate=0.1)
    for seen in course(method):
        found = run(method, seen.J, seen.L, memory=memory)
        scaled = np.exp(s)[:, None] * seen.J
        np.testing.assert_allclose(found.own, np.exp(s), rtol=1e-4)
        np.testing.assert_allclose(found.shared, ref.imtl_g(scaled) * np.exp(s), rtol=1e-3, atol=1e-5)
        assert found.joint_loss == pytest.approx(np.sum(np.exp(s) * seen.L - s), rel=1e-4)
        s, memory = s + adam.step(np.exp(s) * seen.L - 1), found.memory


def test_dwa_compares_windows() -> None:
    method = Dwa(window=2, temperature=0.7)
    seen, memory, factors = course(method), None, np.ones(3)
    for i, one in enumerate(seen):
        if i >= 4 and i % 2 == 0:
            last, before = (np.mean([seen[j].L for j in pair], axis=0) for pair in ((i - 2, i - 1), (i - 4, i - 3)))
            factors = 3 * softmax(last / before / 0.7)
        found = run(method, one.J, one.L, one.w, memory=memory)
        np.testing.assert_allclose(found.own, factors * one.w, rtol=1e-5)
        memory = found.memory


def test_famo_looks_back() -> None:
    method, memory = Famo(learning_rate=0.3, weight_decay=0.1), None
    expected = ref.Famo(3, 0.3, 0.1)
    for seen in course(method):
        after = seen.L * np.random.default_rng(len(seen.L)).uniform(0.5, 1.1, 3)
        found = run(method, seen.J, seen.L, memory=memory, after=after)
        np.testing.assert_allclose(found.own, expected.weights(seen.L), rtol=1e-4)
        expected.update(seen.L, after)
        memory = found.memory


def test_gradnorm_moves_weights_towards_equal_rates() -> None:
    method, memory = GradNorm(alpha=0.8, learning_rate=0.05), None
    expected = ref.GradNorm(3, 0.8, 0.05)
    for seen in course(method):
        found = run(method, seen.J, seen.L, memory=memory)
        np.testing.assert_allclose(found.own, expected.weights, rtol=1e-4)
        expected.update(ref.norms(seen.J), seen.L)
        memory = found.memory


def test_excess_mtl_moves_weights_to_what_lags() -> None:
    method, memory = ExcessMtl(step_size=0.4), None
    expected = ref.ExcessMtl(3, 0.4)
    for seen in course(method):
        found = run(method, seen.J, seen.L, memory=memory)
        expected.update(seen.J)
        np.testing.assert_allclose(found.own, expected.weights, rtol=1e-4)
        memory = found.memory


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_db_mtl_smooths_and_evens_out(decay: float) -> None:
    method, memory = DbMtl(beta=0.7, decay=decay), None
    expected = ref.DbMtl(0.7, decay)
    for seen in course(method):
        found = run(method, seen.J, seen.L, seen.w, memory=memory)
        direction = expected.update(seen.J, seen.L, seen.w)
        assert math.dist(found.direction, direction) < 1e-5 * math.hypot(*direction)
        np.testing.assert_allclose(found.own, seen.w / seen.L, rtol=1e-5)
        memory = found.memory


def test_gradvac_turns_gradients_to_their_averages() -> None:
    method, memory = GradVac(beta=0.3), None
    averages = np.zeros((3, 3))
    for seen in course(method):
        found = run(method, seen.J, seen.L, seen.w, memory=memory, drawn=seen.drawn)
        direction, averages = ref.gradvac(seen.w[:, None] * seen.J, averages, 0.3, seen.drawn["orders"])
        assert math.dist(found.direction, direction) < 1e-4 * math.hypot(*direction)
        np.testing.assert_allclose(found.memory["averages"], averages, rtol=0, atol=1e-5)
        memory = found.memory


def test_dwa_keeps_the_means_of_a_task_without_a_label_in_a_window() -> None:
    method, memory = Dwa(window=1, temperature=1.0), None
    for losses, present in (([4, 8], [True, True]), ([2, 2], [True, True]), ([3, 0], [True, False])):
        memory = run(method, np.eye(2), losses, [1, 1], present=present, memory=memory).memory
    found = run(method, np.eye(2), [1, 1], [1, 1], memory=memory)
    np.testing.assert_allclose(found.own, 2 * softmax([3 / 2, 2 / 8]), rtol=1e-5)


def test_dwas_means_are_over_the_batches_with_a_label() -> None:
    method, memory = Dwa(window=2, temperature=1.0), None
    both, one = [True, True], [True, False]
    for losses, present in (([4, 8], both), ([4, 8], both), ([3, 2], both), ([3, 0], one)):
        memory = run(method, np.eye(2), losses, [1, 1], present=present, memory=memory).memory
    found = run(method, np.eye(2), [1, 1], [1, 1], memory=memory)
    np.testing.assert_allclose(found.own, 2 * softmax([3 / 4, 2 / 8]), rtol=1e-5)


def test_no_weight_of_gradnorm_falls_below_its_floor() -> None:
    """Adam's first step is as long as its learning rate: 1 - 5 counts as 1e-4, beside 1 + 5."""
    found = run(GradNorm(alpha=0.0, learning_rate=5.0), [[4.0, 0.0], [0.0, 1.0]], [1.0, 1.0])
    np.testing.assert_allclose(found.memory["weights"], 2 * np.array([1e-4, 6.0]) / 6.0001, rtol=1e-5)


def test_a_task_of_weight_0_is_no_part_of_the_smooth_maximum() -> None:
    found = run(Stch(mu=0.5), np.eye(3), [1.0, 2.0, 3.0], [0.5, 0.5, 0.0])
    assert found.joint_loss == pytest.approx(0.5 * logsumexp([0.5 * 1.0 / 0.5, 0.5 * 2.0 / 0.5]), rel=1e-5)


def test_gradvac_turns_to_no_cosine_of_1() -> None:
    """An average of 1 counts as 0.999, as gradients that were the same for long have it."""
    method, J = GradVac(beta=0.0), np.array([[1.0, 0.0], [1.0, 1.0]])
    drawn = draw(method, 2)
    found = run(method, J, weights=[1.0, 1.0], memory={"averages": np.ones((2, 2), np.float32)}, drawn=drawn)
    expected, _ = ref.gradvac(J, np.full((2, 2), 0.999), 0.0, drawn["orders"])
    np.testing.assert_allclose(found.direction[:2], expected, rtol=1e-4)


ONE_AWAY = [True, True, False]


def test_the_geometric_mean_is_of_the_tasks_in_the_batch() -> None:
    found = run(Geometric(), np.eye(3), [2.0, 8.0, 0.0], [0.3, 0.3, 0.4], present=ONE_AWAY)
    assert found.joint_loss == pytest.approx(4.0, rel=1e-5)
    np.testing.assert_allclose(found.own[:2], [0.5 * 4 / 2, 0.5 * 4 / 8], rtol=1e-5)


def test_the_smooth_maximum_is_of_the_tasks_in_the_batch() -> None:
    found = run(Stch(mu=0.5, ideal=-3.0), np.eye(3), [1.0, 2.0, 0.0], [0.5, 0.5, 1.0], present=ONE_AWAY)
    assert found.joint_loss == pytest.approx(0.5 * logsumexp([0.5 * 4.0 / 0.5, 0.5 * 5.0 / 0.5]), rel=1e-5)


@pytest.mark.parametrize("normalize", ["none", "loss"])
def test_the_shortest_combination_is_of_the_tasks_in_the_batch(normalize: str) -> None:
    method, seen = Mgda.model_validate({"normalize": normalize}), situation(Mgda(), 3, 1)
    by = seen.L[:2, None] if normalize == "loss" else np.ones((2, 1))
    alpha = run(method, seen.J * np.array(ONE_AWAY)[:, None], seen.L * ONE_AWAY, present=ONE_AWAY).shared
    expected = ref.mgda(seen.J[:2] / by)
    assert math.hypot(*expected) > 0.01
    assert math.dist(alpha[:2] @ (seen.J[:2] / by), expected) <= 1e-4 * math.hypot(*expected)
