"""IMTL's gradient balance: a direction with the same projection on every task's gradient.

Source: Liu et al., "Towards Impartial Multi-task Learning", ICLR 2021.

alpha with sum 1 such that (sum_s alpha_s g_s) . g_t / ||g_t|| is the same for all t: alpha_t is proportional to (C^+
1)_t / ||g_t||, C the cosines. Weights may be negative, and are huge where the sum before scaling is near 0; where it
is below 1e-6 of its terms the direction is zero. `tasks.<task>.weight` has no meaning here. Gradients that are zero
take no part; among gradients that depend on each other it is the least-squares solution on unit gradients (others
take it on the gradients as they are).
"""

from typing import Literal

from mtl_cli.backend import Tensor
from mtl_cli.linalg.gram import Gram
from mtl_cli.linalg.solvers import equal_projection_weights
from mtl_cli.weighting.base import GradientWeighting, MethodState, Observation


class ImtlG(GradientWeighting):
    """Equal projections on all unit gradients."""

    name: Literal["imtl_g"] = "imtl_g"

    honours_weights = False

    def task_weights(
        self, memory: MethodState, seen: Observation, gram: Gram, weights_T: Tensor
    ) -> tuple[MethodState, Tensor]:
        """Returns alpha."""
        return memory, equal_projection_weights(gram)
