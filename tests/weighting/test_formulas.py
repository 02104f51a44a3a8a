"""What each method computes: its paper's formula in NumPy on random matrices."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp, softmax

from mtl_cli.weighting.aligned_mtl import AlignedMtl
from mtl_cli.weighting.base import Weighting
from mtl_cli.weighting.cagrad import CaGrad
from mtl_cli.weighting.config_grad import ConfigGrad
from mtl_cli.weighting.dualproj import DualProj
from mtl_cli.weighting.dwa import Dwa
from mtl_cli.weighting.fairgrad import FairGrad
from mtl_cli.weighting.fixed import Fixed
from mtl_cli.weighting.geometric import Geometric
from mtl_cli.weighting.graddrop import LEVELS, GradDrop
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
from tests.support.methods import WIDTH, Array, Situation, run, shown, situation

seeds = st.integers(0, 2**32 - 1)

some_tasks = st.sampled_from([2, 3, 5, 8])


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


def test_a_task_of_weight_0_is_no_part_of_the_smooth_maximum() -> None:
    found = run(Stch(mu=0.5), np.eye(3), [1.0, 2.0, 3.0], [0.5, 0.5, 0.0])
    assert found.joint_loss == pytest.approx(0.5 * logsumexp([0.5 * 1.0 / 0.5, 0.5 * 2.0 / 0.5]), rel=1e-5)


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
