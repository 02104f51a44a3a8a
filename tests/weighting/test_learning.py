"""What methods learn from one iteration to the next, against their papers' formulas in NumPy."""

import math

import numpy as np
import pytest
from scipy.special import softmax

from mtl_cli.weighting.base import Weighting
from mtl_cli.weighting.db_mtl import DbMtl
from mtl_cli.weighting.dwa import Dwa
from mtl_cli.weighting.excess_mtl import ExcessMtl
from mtl_cli.weighting.famo import Famo
from mtl_cli.weighting.gradnorm import GradNorm
from mtl_cli.weighting.gradvac import GradVac
from mtl_cli.weighting.imtl import Imtl
from mtl_cli.weighting.imtl_l import ImtlL
from mtl_cli.weighting.uncertainty import Uncertainty
from tests.support import references as ref
from tests.support.methods import Situation, draw, run, situation

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


def test_gradvac_turns_to_no_cosine_of_1() -> None:
    """An average of 1 counts as 0.999, as gradients that were the same for long have it."""
    method, J = GradVac(beta=0.0), np.array([[1.0, 0.0], [1.0, 1.0]])
    drawn = draw(method, 2)
    found = run(method, J, weights=[1.0, 1.0], memory={"averages": np.ones((2, 2), np.float32)}, drawn=drawn)
    expected, _ = ref.gradvac(J, np.full((2, 2), 0.999), 0.0, drawn["orders"])
    np.testing.assert_allclose(found.direction[:2], expected, rtol=1e-4)
