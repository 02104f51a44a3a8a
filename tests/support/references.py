"""The weighting methods' formulas in NumPy, in float64, to test the compiled ones against.

J [T, P] has a task's gradient in each row, w [T] are `tasks.<task>.weight`. Where the package solves on the Gram
matrix, these work on J itself; its quadratic programs are solved here by trying every active set or by non-negative
least squares, its bargaining problems in the direction instead of the weights. Slow, and for few tasks.
"""

import math
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.special import softmax

Array = NDArray[np.float64]

RANK = 1e-3
"""Singular values below this fraction of the largest count as 0, between float32's rounding and what is tested."""


def norms(J: Array) -> Array:
    return np.array([math.hypot(*row) for row in J])


def units(J: Array) -> Array:
    """Returns the gradients divided by their norms; one that is zero stays it."""
    lengths = norms(J)[:, None]
    return np.divide(J, lengths, out=np.zeros_like(J), where=lengths > 0)


def pseudo_inverse(A: Array) -> Array:
    return np.asarray(np.linalg.pinv(A, rcond=RANK))


def subsets(n: int) -> Iterator[list[int]]:
    for size in range(1, n + 1):
        yield from map(list, combinations(range(n), size))


def mgda(J: Array) -> Array:
    """Returns the shortest vector of the gradients' convex hull, by trying every face."""
    scale = np.abs(J).max()
    if scale == 0:
        return np.zeros(J.shape[1])
    best = J[0]
    for subset in subsets(len(J)):
        first, *others = J[subset] / scale
        edges = np.array(others).reshape(-1, J.shape[1]) - first
        parts = np.linalg.lstsq(edges.T, -first, rcond=1e-13)[0]
        found = scale * (first + parts @ edges)
        inside = (parts >= -1e-12).all() and parts.sum() <= 1 + 1e-12
        if inside and math.hypot(*found) < math.hypot(*best) * (1 - 1e-13):
            best = found
    return np.asarray(best)


def pcgrad(J: Array, orders: NDArray[Any]) -> Array:
    """Returns the sum of the projected gradients; `orders[i]` is the order in which task i meets the tasks."""
    total = np.zeros(J.shape[1])
    for i, g in enumerate(J):
        for j in orders[i]:
            if j != i and g @ J[j] < 0:
                g = g - (g @ units(J)[j]) * units(J)[j]
        total += g
    return total


def gradvac(J: Array, averages: Array, beta: float, orders: NDArray[Any]) -> tuple[Array, Array]:
    """Returns the sum of the turned gradients, and the averages [T, T] moved on.

    As geometry: what is orthogonal to g_j stays, and along g_j comes what makes the cosine the average.
    """
    total, new, unit = np.zeros(J.shape[1]), averages.copy(), units(J)
    for i, g in enumerate(J):
        for j in orders[i]:
            if j == i or not g.any() or not J[j].any():
                continue
            cosine, target = np.clip(g @ unit[j] / math.hypot(*g), -1, 1), averages[i, j]
            if cosine < target:
                across = g - (g @ unit[j]) * unit[j]
                g = across + target / math.sqrt(1 - target**2) * math.hypot(*across) * unit[j]
            new[i, j] = (1 - beta) * target + beta * cosine
        total += g
    return total, new


def graddrop(J: Array, uniform: Array, leak: float) -> Array:
    """Returns the sum of the gradients of one sign, from a number in (0, 1) for each parameter."""
    sizes = np.abs(J).sum(axis=0)
    positive = np.divide(J.sum(axis=0), sizes, out=np.zeros(len(sizes)), where=sizes > 0) / 2 + 0.5 > uniform
    kept: Array = np.where(np.sign(J) == np.where(positive, 1, -1), J, leak * J).sum(axis=0)
    return kept


def imtl_g(J: Array) -> Array:
    """Returns alpha: the shortest x that has projection 1 on every unit gradient, as a sum of gradients, scaled."""
    lengths, inverse = norms(J), pseudo_inverse(units(J))
    x = inverse @ np.ones(len(J))
    shares = np.divide(inverse.T @ x, lengths, out=np.zeros(len(J)), where=lengths > 0)
    alpha: Array = shares / shares.sum()
    return alpha


def cagrad(J: Array, w: Array, c: float) -> Array:
    """Returns the d with ||d - g_0|| <= c ||g_0|| whose least gain is largest, by trying every set of least gains.

    For each set of linearly independent gradients the radius makes a quadratic equation in their common gain. Where no
    set fits (a zero gradient, a stationary point) d isn't unique; this is the point of the dual cone nearest to g_0.
    """
    g_0 = w @ J
    radius, scale = c * math.hypot(*g_0), np.abs(J).max()
    if radius == 0:
        return g_0
    best, best_gain = dualproj(J, w), -math.inf
    for subset in subsets(len(J)):
        rows = J[subset]
        if len(subset) > J.shape[1] or np.linalg.svd(rows, compute_uv=False)[-1] <= 1e-10 * scale:
            continue
        inverse = np.linalg.pinv(rows)
        p, q = inverse.sum(axis=1), inverse @ (rows @ g_0)
        rest = q - (p @ q / (p @ p)) * p
        room = radius**2 - rest @ rest
        if room <= 0:
            continue
        step = (p @ q / (p @ p) + math.sqrt(room / (p @ p))) * p - q
        own, gains = inverse.T @ step, J @ (g_0 + step)
        least = gains[subset].mean() - 1e-10 * scale * radius / c
        if (own >= -1e-11 * np.abs(own).max()).all() and gains.min() >= least and gains.min() > best_gain:
            best, best_gain = g_0 + step, gains.min()
    return np.asarray(best)


def fairgrad(J: Array, p: Array, alpha: float) -> Array:
    """Returns the weights v_t = p_t (g_t . d)^-alpha of d = sum_t v_t g_t; alpha = 1 is Nash-MTL.

    d minimises ||d||^2 / 2 - sum_t p_t u(g_t . d) with u'(x) = x^-alpha, by Newton's method with halved steps in the
    row space, from the direction of the shortest vector of the unit gradients' hull, which must not be zero.
    """
    there, lengths = norms(J) > 0, norms(J)
    scale = lengths.max()
    rows, p = J[there] / scale, p[there]
    _, sizes, vectors = np.linalg.svd(rows, full_matrices=False)
    basis = vectors[sizes > 1e-14 * sizes[0]]
    A = rows @ basis.T

    def value(y: Array) -> float:
        x = A @ y
        if (x <= 0).any():
            return math.inf
        return float(y @ y / 2 - p @ (np.log(x) if alpha == 1 else x ** (1 - alpha) / (1 - alpha)))

    y = basis @ mgda(units(rows))
    y *= (p @ (A @ y) ** (1 - alpha) / (y @ y)) ** (1 / (1 + alpha))
    for _ in range(500):
        x = A @ y
        slope = y - A.T @ (p * x**-alpha)
        step = -np.linalg.solve(np.eye(len(y)) + (A.T * (p * alpha * x ** (-alpha - 1))) @ A, slope)
        if -slope @ step < 1e-24 * (y @ y):
            break
        part = 1.0
        while part > 1e-9 and value(y + part * step) > value(y) + 1e-4 * part * (slope @ step):
            part /= 2
        y = y + part * step if part > 1e-9 else y + step
    weights = np.zeros(len(J))
    weights[there] = p * (A @ y * scale ** (2 / (1 + alpha))) ** -alpha
    return weights


def aligned_mtl(J: Array, w: Array, rank: float = RANK) -> Array:
    """Returns the direction: J = U S V' becomes s_min U V'."""
    u, s, vt = np.linalg.svd(J, full_matrices=False)
    there = s > rank * s[0]
    direction: Array = s[there][-1] * vt[there].T @ (u[:, there].T @ w) if s[0] > 0 else np.zeros(J.shape[1])
    return direction


def projected(J: Array, x: Array) -> Array:
    """Returns the v nearest to x with J v >= 0."""
    length = math.hypot(*x)
    if length == 0 or not J.any():
        return x
    found: Array = x + length * units(J).T @ nnls(units(J).T, -x / length)[0]
    return found


def upgrad(J: Array, w: Array) -> Array:
    total: Array = np.sum([projected(J, w_t * g) for w_t, g in zip(w, J, strict=True)], axis=0)
    return total


def dualproj(J: Array, w: Array) -> Array:
    return projected(J, w @ J)


def config_grad(J: Array, w: Array) -> Array:
    x = pseudo_inverse(units(J)) @ (len(w) * w / w.sum())
    if math.hypot(*x) < 1e-6:
        return np.zeros(J.shape[1])
    direction: Array = (w @ J @ x) * x / (x @ x)
    return direction


class Adam:
    """Kingma and Ba, algorithm 1."""

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate, self.t = learning_rate, 0
        self.m: Any = 0.0
        self.v: Any = 0.0

    def step(self, slope: Array) -> Array:
        """Returns what is added to the parameter."""
        self.t += 1
        self.m, self.v = 0.9 * self.m + 0.1 * slope, 0.999 * self.v + 0.001 * slope**2
        m, v = self.m / (1 - 0.9**self.t), self.v / (1 - 0.999**self.t)
        change: Array = -self.learning_rate * m / (np.sqrt(v) + 1e-8)
        return change


class Famo:
    """Algorithm 2 with the authors' Adam, the decay part of the gradient."""

    def __init__(self, tasks: int, learning_rate: float, decay: float) -> None:
        self.xi, self.adam, self.decay = np.zeros(tasks), Adam(learning_rate), decay

    def weights(self, losses: Array) -> Array:
        z: Array = softmax(self.xi)
        return (z / losses) / np.sum(z / losses)

    def update(self, losses: Array, after: Array) -> None:
        z = softmax(self.xi)
        slope = (np.diag(z) - np.outer(z, z)) @ (np.log(losses) - np.log(after))
        self.xi = self.xi + self.adam.step(slope + self.decay * self.xi)


class GradNorm:
    """With Adam for the weights, as the paper's experiments."""

    def __init__(self, tasks: int, alpha: float, learning_rate: float) -> None:
        self.weights, self.alpha, self.adam = np.ones(tasks), alpha, Adam(learning_rate)
        self.initial: Array | None = None

    def update(self, lengths: Array, losses: Array) -> None:
        self.initial = losses if self.initial is None else self.initial
        rates = losses / self.initial / np.mean(losses / self.initial)
        targets = np.mean(self.weights * lengths) * rates**self.alpha
        moved = self.weights + self.adam.step(np.sign(self.weights * lengths - targets) * lengths)
        self.weights = len(moved) * moved / moved.sum()


class ExcessMtl:
    """Equations 6 to 9; the first call only stores the initial estimate, as in the authors' code."""

    def __init__(self, tasks: int, step_size: float) -> None:
        self.weights, self.step_size = np.full(tasks, 1 / tasks), step_size
        self.squares: Any = 0.0
        self.initial: Array | None = None

    def update(self, J: Array) -> None:
        self.squares = self.squares + J**2
        excess = np.sum(J**2 / np.sqrt(self.squares + 1e-7), axis=1)
        if self.initial is None:
            self.initial = excess
        else:
            moved = self.weights * np.exp(self.step_size * excess / self.initial)
            self.weights = moved / moved.sum()


class DbMtl:
    """m <- b m + (1 - b) grad log L with b = beta / t^decay; all as long as the longest."""

    def __init__(self, beta: float, decay: float) -> None:
        self.beta, self.decay, self.t = beta, decay, 0
        self.means: Any = 0.0

    def update(self, J: Array, losses: Array, w: Array) -> Array:
        self.t += 1
        b = self.beta / self.t**self.decay
        self.means = b * self.means + (1 - b) * J / losses[:, None]
        direction: Array = norms(self.means).max() * w @ units(self.means)
        return direction
