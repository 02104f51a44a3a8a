"""The inner products of the tasks' gradients, in float64."""

from collections.abc import Sequence
from typing import NamedTuple

from mtl_cli.backend import Tensor, tf


class Gram(NamedTuple):
    """The inner products of T gradients, float64: g_i . g_j = norms[i] norms[j] cosines[i, j]."""

    norms_T: Tensor
    cosines_TT: Tensor
    """1 on the diagonal, but 0 in the row and the column of a gradient that is zero."""

    @property
    def lengths_T(self) -> Tensor:
        """The norms with 1 in the place of 0, to divide by."""
        return tf.where(self.norms_T > 0, self.norms_T, 1.0)

    @property
    def products_TT(self) -> Tensor:
        """The Gram matrix itself."""
        return self.norms_T[:, None] * self.cosines_TT * self.norms_T

    def scaled(self, factors_T: Tensor) -> "Gram":
        """Returns the Gram matrix of the gradients times factors >= 0."""
        norms_T = self.norms_T * factors_T
        there_T = tf.cast(norms_T > 0, tf.float64)
        return Gram(norms_T, self.cosines_TT * there_T[:, None] * there_T)


def gram(rows: Sequence[Tensor]) -> Gram:
    """Returns the Gram matrix of T gradients.

    Args:
        rows: For each parameter the tasks' gradients, [T, ...]. Each task's are scaled to 1 at most before they are
            multiplied, so that no square of a finite number overflows or vanishes.
    """
    tasks = rows[0].shape[0]
    flat = [tf.reshape(row, [tasks, -1]) for row in rows]
    largest = [tf.reduce_max(tf.abs(row), axis=1) for row in flat]
    sizes_T = tf.reduce_max(tf.stack(largest), axis=0)
    divisors_T = tf.where(sizes_T > 0, sizes_T, 1.0)
    unit = [tf.cast(row / divisors_T[:, None], tf.float64) for row in flat]
    products_TT = tf.add_n([tf.matmul(row, row, transpose_b=True) for row in unit])
    norms_T = tf.sqrt(tf.linalg.diag_part(products_TT))
    lengths_T = tf.where(norms_T > 0, norms_T, 1.0)
    cosines_TT = tf.clip_by_value(products_TT / (lengths_T[:, None] * lengths_T), -1.0, 1.0)
    ones_T = tf.cast(norms_T > 0, tf.float64)
    return Gram(norms_T * tf.cast(divisors_T, tf.float64), tf.linalg.set_diag(cosines_TT, ones_T))
