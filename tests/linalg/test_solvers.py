"""The problems on the Gram matrix: optimality conditions, residuals, and SciPy's answers."""

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from mtl_cli.backend import tf
from mtl_cli.linalg import gram, solvers
from mtl_cli.linalg.gram import Gram
from mtl_cli.linalg.solvers import KNOWN, RIDGE, psd_pinv_power
from tests.support import references as ref
from tests.support.references import Array

seeds = st.integers(0, 2**32 - 1)
WIDTH = 12


@cache
def compiled(function: Any) -> Any:
    """Returns the function compiled as in training; each number of tasks is another program."""
    return tf.function(function, jit_compile=True, autograph=False)


def solve(function: Any, *arguments: Any) -> Any:
    result = compiled(function)(*(tf.constant(argument, tf.float64) for argument in arguments))
    return tf.nest.map_structure(lambda tensor: tensor.numpy(), result)


def unit_gradients(tasks: int, seed: int) -> Array:
    """Returns unit gradients of some rank; some are the opposite or the same as another, or nearly so, some are 0."""
    random = np.random.default_rng(seed)
    rank = random.integers(1, min(tasks, WIDTH) + 1)
    rows = random.normal(size=(tasks, rank))
    for i in range(1, tasks):
        other = rows[random.integers(i)]
        kind = random.integers(12)
        if kind < 4:
            rows[i] = other * (-1) ** kind + (kind > 1) * 10 ** random.uniform(-8, -1) * rows[i]
        elif kind == 4:
            rows[i] = 0
    return ref.units(rows)


def cosines(rows: Array) -> Array:
    """Returns their cosines as they are known from gradients in float32."""
    unit = ref.units(rows.astype(np.float32).astype(np.float64))
    return (unit @ unit.T).clip(-1, 1)


def ridged(C: Array, ridge: float = RIDGE) -> Array:
    return C + ridge * np.eye(len(C))


@pytest.mark.parametrize("tasks", [2, 8, 50])
@settings(max_examples=30)
@given(seed=seeds, exponent=st.floats(-20, 20), inside=st.booleans())
@example(seed=215379116, exponent=0.0, inside=True)
@example(seed=2002222, exponent=-16.48366444514713, inside=True)
def test_nonnegative_is_optimal(tasks: int, seed: int, exponent: float, inside: bool) -> None:
    """u >= 0, (C + RIDGE I) u + q >= 0 and their product 0, to 1e-9 of q and u; SciPy finds the same."""
    rows, random = unit_gradients(tasks, seed), np.random.default_rng(seed)
    C, x = cosines(rows), random.normal(size=(3, rows.shape[1])) * 10**exponent
    q = x @ rows.T if inside else random.normal(size=(3, tasks)) * 10**exponent
    for u, of_q in zip(solve(solvers.nonnegative_qp, C, q), q, strict=True):
        pull = ridged(C) @ u + of_q
        size = np.abs(of_q).max() + u.sum()
        assert (u >= 0).all()
        assert (pull >= -1e-9 * size).all()
        assert (np.minimum(u, pull) <= 1e-9 * size).all()
    if inside:
        stacked = np.vstack([rows.T, math.sqrt(RIDGE) * np.eye(tasks)])
        size = np.abs(x[2]).max()  # SciPy's tolerance doesn't scale
        expected = size * nnls(stacked, np.append(-x[2] / size, np.zeros(tasks)))[0]
        exactly = solve(solvers.nonnegative_qp, rows @ rows.T, q)[2]
        most = 1e-7 * math.hypot(*x[2]) + 2e-9 * exactly.sum()  # u may be large where gradients depend on each other
        assert math.dist(stacked @ exactly, stacked @ expected) <= most


def test_pivoting_ends_where_there_is_no_minimum() -> None:
    """Of what is no matrix of cosines: these two variables would change places for ever."""
    q = np.array([[-2.0, 0.0]])
    assert solve(solvers.nonnegative_qp, np.array([[1.0, -2.0], [-2.0, 1.0]]), q).shape == q.shape


@pytest.mark.parametrize("tasks", [2, 8, 50])
@settings(max_examples=100)
@given(seed=seeds, power=st.floats(0.2, 10), spread=st.floats(0, 10))
def test_balanced_converges(tasks: int, seed: int, power: float, spread: float) -> None:
    """To a relative residual of 1e-8, or to what rounding leaves of it, for r from 1e-10 to 1e10."""
    C = cosines(unit_gradients(tasks, seed))
    r = 10 ** np.random.default_rng(seed).uniform(-spread, spread, tasks)
    x = solve(solvers.solve_power_balance, C, r, power)
    target = r * x**-power
    assert (x > 0).all()
    A = ridged(C, KNOWN)
    assert (np.abs(A @ x - target) <= 1e-8 * target + 1e-13 * np.abs(A) @ x).all()


@pytest.mark.parametrize("tasks", [2, 8, 50])
@settings(max_examples=100)
@given(seed=seeds, spread=st.floats(0, 10), c=st.sampled_from([0.1, 0.4, 1.0, 2.0]))
def test_farthest_is_optimal_and_as_long_as_it_should_be(tasks: int, seed: int, spread: float, c: float) -> None:
    """y >= 0, (C + RIDGE I) y + against >= nu rates, equal where y > 0, and y'(C + RIDGE I)y = radius^2."""
    rows, random = unit_gradients(tasks, seed), np.random.default_rng(seed)
    rows[0] *= seed % 2
    there = rows.any(axis=1)
    C, lengths = cosines(rows), 10 ** random.uniform(-spread, spread, tasks)
    against = C @ (lengths * random.uniform(0.1, 1, tasks))
    rates = np.maximum(lengths.min() / lengths, 1e-10) * there
    radius = c * np.abs(against).max()
    y = solve(solvers.parametric_qp, C, against, rates, radius)
    size, accuracy = np.abs(against).max() + radius, 1e-6 if tasks <= 8 else 1e-5
    assert (y >= 0).all()
    assert not y[~there].any()
    if not there.any():
        return
    assert math.sqrt(y @ ridged(C) @ y) == pytest.approx(radius, abs=accuracy * size)
    part, pull = y > 1e-12 * y.max(), ridged(C) @ y + against
    nu = pull[part] @ rates[part] / (rates[part] @ rates[part])
    slack = pull - nu * rates
    assert np.abs(slack[part]).max() <= accuracy * size
    assert slack.min() >= -accuracy * size


@settings(max_examples=30)
@given(seed=seeds)
def test_solved_and_pivoted_are_linear_algebra(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows, sizes = random.normal(size=(5, WIDTH)), 10 ** random.uniform(-20, 20, 5)
    A, b = rows @ rows.T, random.normal(size=5)
    found = solve(solvers.solve_spd, sizes[:, None] * A * sizes, sizes * b)
    np.testing.assert_allclose(found * sizes, np.linalg.solve(A, b), rtol=1e-9)
    u, q, k = random.normal(size=5), random.normal(size=5), random.integers(5)
    w = A @ u + q
    tableau = solve(solvers.pivoted, np.column_stack([A, q]), np.eye(5)[k])
    u[k], w[k] = w[k], u[k]
    np.testing.assert_allclose(tableau[:, :5] @ u + tableau[:, 5], w, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(solve(solvers.pivoted, np.column_stack([A, q]), np.zeros(5)), np.column_stack([A, q]))


def test_altered_meets_the_others_in_order() -> None:
    """Each gradient gains the next number along what it meets, and never meets itself."""
    random = np.random.default_rng(0)
    rows = ref.units(random.normal(size=(4, WIDTH)))
    orders = solvers.orders(random, 1, 4)[0]
    assert np.sort(orders, axis=1).tolist() == [[0, 1, 2, 3]] * 4

    def change(cosines_T: Any, norms_T: Any, others_TT: Any) -> Any:
        return 0.1 * norms_T + cosines_T

    C, order = tf.constant(rows @ rows.T), tf.constant(orders)
    parts, met = solvers.project_in_turn(C, order, change)
    for i, g in enumerate(rows):
        for j in orders[i]:
            if i != j:
                cosine = g @ rows[j] / math.hypot(*g)
                assert float(met[i, j]) == pytest.approx(cosine)
                g = g + (0.1 * math.hypot(*g) + cosine) * rows[j]
        np.testing.assert_allclose(parts[i].numpy() @ rows, g)
        assert met[i, i] == 0


@pytest.mark.parametrize("tasks", [8, 50])
@pytest.mark.parametrize("power", [1.0, 0.5])
def test_inverse_is_a_pseudo_inverse(tasks: int, power: float) -> None:
    rows = np.random.default_rng(tasks).normal(size=(tasks, 5))
    found, least = tf.function(lambda A: solvers.psd_pinv_power(A, power), jit_compile=True)(tf.constant(rows @ rows.T))
    values, vectors = np.linalg.eigh(rows @ rows.T)
    values, vectors = values[-5:], vectors[:, -5:]
    np.testing.assert_allclose(found, (vectors * values**-power) @ vectors.T, rtol=0, atol=1e-8)
    assert float(least) == pytest.approx(values[0])


def test_impartial_gives_up_where_weights_cancel() -> None:
    opposite = Gram(tf.ones([2], tf.float64), tf.constant([[1, -1], [-1, 1]], tf.float64))
    assert solvers.equal_projection_weights(opposite).numpy().tolist() == [0, 0]
    nothing = Gram(tf.zeros([2], tf.float64), tf.zeros([2, 2], tf.float64))
    assert solvers.equal_projection_weights(nothing).numpy().tolist() == [0, 0]


@settings(max_examples=50)
@given(seed=seeds, exponents=st.lists(st.floats(-30, 30), min_size=3, max_size=3))
def test_gram_of_tiny_and_huge_gradients(seed: int, exponents: list[float]) -> None:
    """No square overflows or vanishes; a zero gradient has cosines of 0."""
    rows = np.random.default_rng(seed).normal(size=(4, 10)) * 10 ** np.array([*exponents, 0])[:, None]
    rows[3] = 0
    rows = rows.astype(np.float32).astype(np.float64)
    found = compiled(gram.gram)(
        [tf.constant(rows[:, :6].reshape(4, 2, 3), tf.float32), tf.constant(rows[:, 6:], tf.float32)]
    )
    np.testing.assert_allclose(found.norms_T, ref.norms(rows), rtol=1e-6)
    unit = ref.units(rows)
    np.testing.assert_allclose(found.cosines_TT, unit @ unit.T, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(np.diag(found.cosines_TT), [1, 1, 1, 0])
    np.testing.assert_allclose(
        found.products_TT, rows @ rows.T, rtol=1e-5, atol=1e-6 * np.outer(ref.norms(rows), ref.norms(rows)).max()
    )
    np.testing.assert_array_equal(found.lengths_T, np.where(found.norms_T > 0, found.norms_T, 1))
    without = found.scaled(tf.constant([2.0, 0.0, 1.0, 1.0], tf.float64))
    np.testing.assert_allclose(without.norms_T, np.array([2, 0, 1, 1]) * found.norms_T)
    assert not without.cosines_TT.numpy()[1].any()


def test_eigenvalues_count_from_tasks_times_1e_12_of_the_largest() -> None:
    for tasks in (2, 5):
        below, above = (np.diag([1.0] * (tasks - 1) + [factor * tasks * 1e-12]) for factor in (0.9, 1.1))
        found, least = psd_pinv_power(tf.constant(below), 0.5)
        np.testing.assert_allclose(found, np.diag([1.0] * (tasks - 1) + [0.0]), atol=1e-9)
        assert float(least) == pytest.approx(1.0)
        found, least = psd_pinv_power(tf.constant(above), 0.5)
        np.testing.assert_allclose(np.diag(found)[-1], (1.1 * tasks * 1e-12) ** -0.5, rtol=1e-6)
        assert float(least) == pytest.approx(1.1 * tasks * 1e-12)
