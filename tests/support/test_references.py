"""The references satisfy what defines each method, and the closed forms for two tasks."""

import math
from typing import Any

import numpy as np
import pytest
from scipy.optimize import nnls

from tests.support import references as ref
from tests.support.references import Array

RANDOM = np.random.default_rng(0)
FULL = [RANDOM.normal(size=(tasks, 6)) * 10 ** RANDOM.uniform(-1, 1, (tasks, 1)) for tasks in [2, 2, 3, 4] * 8]
DEPENDENT = [np.round(RANDOM.normal(size=(tasks, 2)), 1) for tasks in (2, 3, 4, 4) * 8]
PAIRS = [J for J in FULL if len(J) == 2]


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("J", FULL + DEPENDENT)
def test_the_quadratic_programs_are_solved(J: Array) -> None:
    shortest, w, scale = ref.mgda(J), np.arange(1.0, len(J) + 1), np.abs(J).max()
    _, outside = nnls(np.vstack([J.T / scale, np.ones(len(J))]), np.append(shortest / scale, 1.0))
    assert outside < 1e-8, "in the hull"
    assert (J @ shortest >= shortest @ shortest - 1e-9 * scale**2).all(), "nearest to 0"
    for x in (w @ J, J[0]):
        v = ref.projected(J, x)
        assert (J @ v >= -1e-8 * scale**2).all(), "in the dual cone"
        assert nnls(J.T, v - x)[1] < 1e-8 * scale, "by a push from the gradients"
        close((v - x) @ v / scale**2, 0.0)


@pytest.mark.parametrize("c", [0.2, 0.5, 2.0])
@pytest.mark.parametrize("J", FULL)
def test_cagrad_meets_its_dual(J: Array, c: float) -> None:
    """min_t g_t . d <= g_v . g_0 + radius ||g_v|| for every v of the simplex, with equality at the optimum only."""
    w = np.full(len(J), 1 / len(J))
    g_0, d = w @ J, ref.cagrad(J, w, c)
    radius = c * math.hypot(*g_0)
    close(math.hypot(*(d - g_0)), radius)
    v = nnls(J.T, d - g_0)[0]
    g_v = v / v.sum() @ J
    close((J @ d).min(), g_v @ g_0 + radius * math.hypot(*g_v))


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("J", FULL)
def test_fairgrad_solves_its_equation(J: Array, alpha: float) -> None:
    p = np.linspace(0.5, 1.5, len(J))
    v = ref.fairgrad(J, p, alpha)
    close(J @ J.T @ v / (v / p) ** (-1 / alpha), 1.0)


@pytest.mark.parametrize("J", PAIRS)
def test_two_tasks_have_closed_forms(J: Array) -> None:
    (n_1, n_2), G = ref.norms(J), J @ J.T
    half, ones = np.full(2, 0.5), np.ones(2)
    close(ref.fairgrad(J, ones, 1.0), np.array([1 / n_1, 1 / n_2]) / math.sqrt(1 + G[0, 1] / n_1 / n_2))
    share = np.clip((G[1, 1] - G[0, 1]) / (G[0, 0] + G[1, 1] - 2 * G[0, 1]), 0, 1)
    close(ref.mgda(J), share * J[0] + (1 - share) * J[1])
    close(ref.imtl_g(J), np.array([n_2, n_1]) / (n_1 + n_2))
    orders = np.array([[0, 1], [1, 0]])
    close(ref.pcgrad(J, orders), ref.upgrad(J, ones))
    close(ref.gradvac(J, np.zeros((2, 2)), 0.5, orders)[0], ref.pcgrad(J, orders))
    values, vectors = np.linalg.eigh(G)
    close(ref.aligned_mtl(J, half), math.sqrt(values[0]) * vectors @ np.diag(values**-0.5) @ vectors.T @ half @ J)
    x = ref.config_grad(J, ones)
    close(x @ J[0] / n_1, x @ J[1] / n_2)
    close(math.hypot(*x), (J @ x).sum() / math.hypot(*x))


@pytest.mark.parametrize("J", FULL)
def test_imtl_g_projects_equally(J: Array) -> None:
    alpha = ref.imtl_g(J)
    close(alpha.sum(), 1.0)
    projections = J @ (alpha @ J) / ref.norms(J)
    close(projections, projections[0])
