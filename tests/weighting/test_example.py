"""What each method computes of one example: numbers published, or worked out by hand."""

from typing import Any

import numpy as np
import pytest

from mtl_cli.weighting.aligned_mtl import AlignedMtl
from mtl_cli.weighting.base import Weighting
from mtl_cli.weighting.cagrad import CaGrad
from mtl_cli.weighting.config_grad import ConfigGrad
from mtl_cli.weighting.dualproj import DualProj
from mtl_cli.weighting.dwa import Dwa
from mtl_cli.weighting.fairgrad import FairGrad
from mtl_cli.weighting.famo import Famo
from mtl_cli.weighting.fixed import Fixed
from mtl_cli.weighting.geometric import Geometric
from mtl_cli.weighting.graddrop import LEVELS, GradDrop
from mtl_cli.weighting.gradnorm import GradNorm, targets
from mtl_cli.weighting.gradvac import GradVac
from mtl_cli.weighting.imtl_g import ImtlG
from mtl_cli.weighting.imtl_l import ImtlL
from mtl_cli.weighting.log import Log
from mtl_cli.weighting.mgda import Mgda
from mtl_cli.weighting.nash_mtl import NashMtl
from mtl_cli.weighting.pcgrad import PcGrad
from mtl_cli.weighting.stch import Stch
from mtl_cli.weighting.uncertainty import Uncertainty
from mtl_cli.weighting.upgrad import UpGrad
from tests.support.methods import WIDTH, Array, run, shown

A = np.array([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]])
"""Two gradients in conflict, cosine -0.841191."""
L = np.array([2.0, 8.0])
"""Two losses."""


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
