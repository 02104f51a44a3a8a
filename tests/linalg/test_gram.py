"""Cosines of gradients are cosines. That the Gram matrix is NumPy's is tested with the solvers, on what they get."""

import numpy as np

from mtl_cli.backend import tf
from mtl_cli.linalg.gram import gram

RANDOM = np.random.default_rng(0)


def test_cosines_are_between_minus_1_and_1() -> None:
    """Of opposite and of equal directions rounding alone makes some that are a little beyond."""
    for _ in range(100):
        gradient = RANDOM.normal(size=7)
        rows = np.stack([gradient, -gradient, 3 * gradient, -3 * gradient])
        cosines = gram([tf.constant(rows, tf.float32)]).cosines_TT
        assert np.abs(cosines).max() <= 1
        np.testing.assert_allclose(cosines, np.outer([1, -1, 1, -1], [1, -1, 1, -1]), atol=1e-6)
