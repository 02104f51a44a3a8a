"""The Gram matrix of gradients is NumPy's, whatever their sizes, and its cosines are cosines."""

import numpy as np
import pytest

from mtl_cli.backend import tf
from mtl_cli.linalg.gram import gram

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_inner_products_are_numpys(size: float) -> None:
    """Also where their squares are beyond float32; a gradient that is zero is orthogonal to all, itself included."""
    parts = [RANDOM.normal(size=(4, 3, 2)), RANDOM.normal(size=(4, 5))]
    for part in parts:
        part[2] = 0
    found = gram([tf.constant(size * part, tf.float32) for part in parts])
    flat = np.concatenate([part.reshape(4, -1) for part in parts], axis=1)
    norms = np.linalg.norm(flat, axis=1)
    np.testing.assert_allclose(found.norms_T, size * norms, rtol=1e-6)
    np.testing.assert_allclose(found.products_TT / size**2, flat @ flat.T, rtol=1e-5, atol=1e-6)
    assert found.cosines_TT.numpy()[2].tolist() == [0, 0, 0, 0]
    assert np.diag(found.cosines_TT).tolist() == [1, 1, 0, 1]
    factors = np.array([2.0, 0.0, 1.0, 0.5])
    scaled = found.scaled(tf.constant(factors, tf.float64))
    np.testing.assert_allclose(scaled.products_TT, found.products_TT * np.outer(factors, factors))


def test_cosines_are_between_minus_1_and_1() -> None:
    """Of opposite and of equal directions rounding alone makes some that are a little beyond."""
    for _ in range(100):
        gradient = RANDOM.normal(size=7)
        rows = np.stack([gradient, -gradient, 3 * gradient, -3 * gradient])
        cosines = gram([tf.constant(rows, tf.float32)]).cosines_TT
        assert np.abs(cosines).max() <= 1
        np.testing.assert_allclose(cosines, np.outer([1, -1, 1, -1], [1, -1, 1, -1]), atol=1e-6)
