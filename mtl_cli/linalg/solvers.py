"""Small problems on the tasks' Gram matrix, solved inside the compiled program in float64.

T tasks with gradients g_1 ... g_T; C is the matrix of their cosines. Everything here works on C, so that what the
gradients' lengths are (1e-15 or 1e15) makes no difference to how well a problem is solved. Where a problem has no
single solution, because gradients depend on each other, RIDGE or KNOWN on the diagonal of C chooses one.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Tensor, tf
from mtl_cli.linalg.gram import Gram

RIDGE: Final = 1e-6
"""Added to the cosines' diagonal, relative to its ones."""
KNOWN: Final = 1e-12
"""The square of the part of its length, 1e-6, to which a gradient is known that backpropagation computed in float32."""
ITERATIONS: Final = 120
"""The most steps of Newton's method; it takes about ten, forty where gradients differ by 1e10 in length."""


def pivoted(tableau: Tensor, chosen: Tensor) -> Tensor:
    """Returns the tableau of w = M u + q with w_k and u_k having changed places (a principal pivot).

    Args:
        tableau: [..., T, T + columns], M and one or more q.
        chosen: [..., T], 1 at k and else 0, or all 0: the tableau stays as it is.
    """
    tasks = tableau.shape[-2]
    row = tf.linalg.matvec(tableau, chosen, transpose_a=True)
    column = tf.linalg.matvec(tableau[..., :tasks], chosen)
    pivot = tf.reduce_sum(column * chosen, axis=-1)[..., None, None]
    there = tf.reduce_sum(chosen, axis=-1)[..., None, None]
    padding = [[0, 0]] * (chosen.shape.rank - 1) + [[0, tableau.shape[-1] - tasks]]
    change = (column + chosen)[..., None] * (row - tf.pad(chosen, padding))[..., None, :]
    return tableau - change * there / (pivot + 1.0 - there)


def nonnegative_qp(cosines_TT: Tensor, q_RT: Tensor) -> Tensor:
    """Returns for each row q the u >= 0 that minimises u'(C + RIDGE I)u / 2 + q'u, [R, T].

    Murty's principal pivoting (Opsearch 9, 1972): the first variable that is negative changes places with its
    complement until none is; finite for positive definite matrices, without ties to break. Exact but for rounding.

    >>> import numpy as np
    >>> c = tf.constant([[1.0, -0.8], [-0.8, 1.0]], tf.float64)
    >>> nonnegative_qp(c, c).numpy().round(4)  # what to add to each of two tasks so that it doesn't hurt the other
    array([[0. , 0.8],
           [0.8, 0. ]])
    """
    count, tasks = q_RT.shape
    ridged = cosines_TT + RIDGE * tf.eye(tasks, dtype=tf.float64)
    tableau = tf.concat([tf.repeat(ridged[None], count, axis=0), q_RT[:, :, None]], axis=2)
    tolerance_R1 = 1e-12 * tf.reduce_max(tf.abs(q_RT), axis=1, keepdims=True)

    def first_negative(tableau: Tensor) -> Tensor:
        negative = tf.cast(tableau[:, :, -1] < -tolerance_R1, tf.float64)
        return negative * tf.cast(tf.cumsum(negative, axis=1) <= 1.0, tf.float64)

    def body(k: Tensor, tableau: Tensor, basic: Tensor, chosen: Tensor) -> tuple[Tensor, ...]:
        tableau = pivoted(tableau, chosen)
        return k + 1, tableau, tf.abs(basic - chosen), first_negative(tableau)

    def goes_on(k: Tensor, tableau: Tensor, basic: Tensor, chosen: Tensor) -> Tensor:
        return tf.logical_and(k < 50 * tasks, tf.reduce_any(chosen > 0))

    start = (tf.constant(0), tableau, tf.zeros_like(q_RT), first_negative(tableau))
    _, tableau, basic, _ = tf.while_loop(goes_on, body, start)
    return tf.maximum(tableau[:, :, -1], 0.0) * basic


def solve_spd(matrix_TT: Tensor, right_T: Tensor) -> Tensor:
    """Returns x with A x = b for a positive definite A, by Gauss and Jordan's elimination on a diagonal of ones."""
    tasks = matrix_TT.shape[0]
    sizes_T = tf.sqrt(tf.linalg.diag_part(matrix_TT))
    tableau = tf.concat([matrix_TT / sizes_T[:, None] / sizes_T, (right_T / sizes_T)[:, None]], axis=1)

    def body(k: Tensor, tableau: Tensor) -> tuple[Tensor, Tensor]:
        row = tableau[k] / tableau[k, k]
        column = tableau[:, k] - tf.one_hot(k, tasks, dtype=tf.float64)
        return k + 1, tableau - column[:, None] * row

    return tf.while_loop(lambda k, _: k < tasks, body, (tf.constant(0), tableau))[1][:, -1] / sizes_T


def solve_power_balance(cosines_TT: Tensor, right_T: Tensor, power: Tensor) -> Tensor:
    """Returns the x > 0 with (C + KNOWN I) x = r x^-s, for r > 0 and s > 0.

    Newton's method on (C + KNOWN I) x = z and log z + s log x = log r, to a relative residual of 1e-9 or what rounding
    leaves. x and z move by factors, 1 + q, or exp(q) where they shrink by half or more, so that a number that is to
    shrink to 1e-50 gets there and holds no other up. (Elsewhere exp(q) would bend a long step that the gradients'
    dependence leaves open, and C x with it.)
    """
    tasks = cosines_TT.shape[0]
    ridged = cosines_TT + KNOWN * tf.eye(tasks, dtype=tf.float64)

    def moved(x: Tensor, q: Tensor) -> Tensor:
        return x * tf.where(q < -0.5, tf.exp(tf.maximum(q, -20.0)), 1.0 + q)

    def body(k: Tensor, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        error = tf.math.log(right_T / z) - power * tf.math.log(x)
        right = z * (1.0 + error) - tf.linalg.matvec(ridged, x)
        slope_TT = ridged + tf.linalg.diag(power * z / x)
        change = solve_spd(slope_TT, right) / x
        return k + 1, moved(x, change), moved(z, error - power * change)

    def goes_on(k: Tensor, x: Tensor, z: Tensor) -> Tensor:
        target = right_T * x**-power
        residual = tf.abs(tf.linalg.matvec(ridged, x) - target)
        rounding = 1e-15 * tf.linalg.matvec(tf.abs(ridged), x)
        return tf.logical_and(k < ITERATIONS, tf.reduce_any(residual > 1e-9 * target + rounding))

    x = (right_T / tf.linalg.diag_part(ridged)) ** (1.0 / (1.0 + power))
    return tf.while_loop(goes_on, body, (tf.constant(0), x, right_T * x**-power))[1]


def parametric_qp(cosines_TT: Tensor, against_T: Tensor, rates_T: Tensor, radius: Tensor) -> Tensor:
    """Returns the y >= 0 that minimises y'Cy / 2 + (against - nu rates)'y for the nu that makes y'Cy = radius^2.

    C has RIDGE on its diagonal. The minimum moves along straight lines as nu grows (parametric principal
    pivoting, Cottle 1972); they are followed from corner to corner. Exact but for rounding.

    Args:
        cosines_TT: C.
        against_T: The linear term.
        rates_T: How fast nu pulls each variable up; 0 for a zero gradient that takes no part. One below 1e-10 of
            the largest counts as that, since lines that move more slowly can't be told from those that don't move.
        radius: The length.
    """
    tasks = cosines_TT.shape[0]
    ridged = cosines_TT + RIDGE * tf.eye(tasks, dtype=tf.float64)
    scale = tf.maximum(tf.maximum(tf.reduce_max(tf.abs(against_T)), radius), 1e-300)
    rates_T /= tf.maximum(tf.reduce_max(rates_T), 1e-300)
    rates_T = tf.where(rates_T > 0, tf.maximum(rates_T, 1e-10), 0.0)
    columns = tf.stack([against_T / scale, -rates_T], axis=1)
    goal, infinite = tf.square(radius / scale), tf.constant(np.inf, tf.float64)

    def inspected(tableau: Tensor, basic: Tensor, low: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the nu at which the length is reached on this line, the line's end, and whose end it is."""
        fixed_T, slope_T = tableau[:, -2], tableau[:, -1]
        falling_T = slope_T < -1e-13
        ends_T = tf.where(falling_T, -fixed_T / tf.where(falling_T, slope_T, -1.0), np.inf)
        end = tf.maximum(tf.reduce_min(ends_T), low)
        still_T, moving_T = basic * fixed_T, basic * slope_T
        pull = tf.linalg.matvec(ridged, moving_T)
        a, b = tf.reduce_sum(moving_T * pull), tf.reduce_sum(still_T * pull)
        c = tf.reduce_sum(still_T * tf.linalg.matvec(ridged, still_T)) - goal
        root = (tf.sqrt(tf.maximum(b * b - a * c, 0.0)) - b) / tf.where(a > 0, a, 1.0)
        reached = tf.where(a > 0, tf.maximum(root, low), tf.where(c < 0, infinite, low))
        return reached, end, tf.one_hot(tf.argmin(ends_T), tasks, dtype=tf.float64)

    def body(k: Tensor, tableau: Tensor, basic: Tensor, low: Tensor) -> tuple[Tensor, ...]:
        _, end, chosen = inspected(tableau, basic, low)
        return k + 1, pivoted(tableau, chosen), tf.abs(basic - chosen), end

    def goes_on(k: Tensor, tableau: Tensor, basic: Tensor, low: Tensor) -> Tensor:
        reached, end, _ = inspected(tableau, basic, low)
        return tf.logical_and(k < 50 * tasks, end < reached)

    start = (tf.constant(0), tf.concat([ridged, columns], axis=1), tf.zeros_like(against_T), -infinite)
    _, tableau, basic, low = tf.while_loop(goes_on, body, start)
    reached, end, _ = inspected(tableau, basic, low)
    nu = tf.where(tf.math.is_finite(reached), reached, tf.where(tf.math.is_finite(end), end, 0.0))
    return scale * tf.maximum(basic * (tableau[:, -2] + nu * tableau[:, -1]), 0.0)


def project_in_turn(
    cosines_TT: Tensor, orders_TT: Tensor, change: Callable[[Tensor, Tensor, Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Returns what becomes of unit gradients that meet each other one by one, and the cosines they met with.

    Args:
        cosines_TT: C.
        orders_TT: Row i is the order in which gradient i meets the tasks; itself it skips.
        change: How much of the unit gradient met is added to each gradient, [T]: from their cosines [T], the
            gradients' norms by then [T], and which task each meets, [T, T] of ones and zeros.

    Returns:
        Parts [T, T]: gradient i became the sum over j of parts[i, j] times unit gradient j; and cosines [T, T].
    """
    tasks = cosines_TT.shape[0]
    one = tf.eye(tasks, dtype=tf.float64)

    def body(k: Tensor, parts_TT: Tensor, met_TT: Tensor) -> tuple[Tensor, ...]:
        others_TT = tf.one_hot(orders_TT[:, k], tasks, dtype=tf.float64) * (1.0 - one)
        products_TT = tf.matmul(parts_TT, cosines_TT)
        norms_T = tf.sqrt(tf.maximum(tf.reduce_sum(products_TT * parts_TT, axis=1), 0.0))
        dots_T = tf.reduce_sum(products_TT * others_TT, axis=1)
        cosines_T = tf.clip_by_value(tf.math.divide_no_nan(dots_T, norms_T), -1.0, 1.0)
        added_TT = others_TT * change(cosines_T, norms_T, others_TT)[:, None]
        return k + 1, parts_TT + added_TT, met_TT + others_TT * cosines_T[:, None]

    _, parts_TT, met_TT = tf.while_loop(lambda k, *_: k < tasks, body, (tf.constant(0), one, tf.zeros_like(one)))
    return parts_TT, met_TT


def orders(random: np.random.Generator, n: int, tasks: int) -> NDArray[np.int32]:
    """Draws for each of n iterations and each task a random order of all tasks, [n, T, T]."""
    return np.argsort(random.random((n, tasks, tasks), np.float32), axis=-1).astype(np.int32)


def psd_pinv_power(symmetric_TT: Tensor, power: float = 1.0) -> tuple[Tensor, Tensor]:
    """Returns the pseudo-inverse of a positive semi-definite matrix to a power, and its least eigenvalue that isn't 0.

    Eigenvalues below T KNOWN times the largest count as 0, since the gradients aren't known to that.
    """
    values, vectors = tf.linalg.eigh(symmetric_TT)
    largest = tf.reduce_max(values)
    there = values > largest * symmetric_TT.shape[0] * KNOWN
    inverted = tf.where(there, tf.where(there, values, 1.0) ** -power, 0.0)
    least = tf.reduce_min(tf.where(there, values, largest))
    return tf.matmul(vectors * inverted, vectors, transpose_b=True), tf.maximum(least, 0.0)


def equal_projection_weights(gram: Gram) -> Tensor:
    """Returns the weights, of sum 1, whose sum of gradients has the same projection on every unit gradient.

    alpha_t is proportional to (C^+ 1)_t / ||g_t||. Zeros where these add up to less than 1e-6 of their sizes.
    """
    inverse_TT, _ = psd_pinv_power(gram.cosines_TT)
    shares_T = tf.where(gram.norms_T > 0, tf.reduce_sum(inverse_TT, axis=1), 0.0) / gram.lengths_T
    total = tf.reduce_sum(shares_T)
    sensible = tf.abs(total) > 1e-6 * tf.reduce_sum(tf.abs(shares_T))
    return tf.where(sensible, shares_T / tf.where(sensible, total, 1.0), 0.0)
