"""PCGrad: conflicting parts of gradients projected away (Yu et al., "Gradient Surgery", arXiv 2001.06782).

For each task i, g = w_i g_i loses, for the other tasks j in random order, its part along g_j where it conflicts: if g
. g_j < 0, g -= (g . g_j / ||g_j||^2) g_j, with the original g_j. The direction is the sum over i. It is `fixed` as
long as nothing conflicts; with weights of 1 it is the paper's. w is `tasks.<task>.weight`; a task of weight 0 still
turns the others. Zero gradients conflict with nothing.
"""

from typing import Literal

import numpy as np

from mtl_cli.backend import Arrays, Tensor, tf
from mtl_cli.linalg.gram import Gram
from mtl_cli.linalg.solvers import orders, project_in_turn
from mtl_cli.weighting.base import GradientWeighting, MethodState, Observation


class PcGrad(GradientWeighting):
    """The sum of the projected gradients."""

    name: Literal["pcgrad"] = "pcgrad"

    def draw(self, random: np.random.Generator, n: int, tasks: int, shared: int) -> Arrays:
        """Draws `orders` [n, T, T]: for each task the order in which it looks at the others."""
        return {"orders": orders(random, n, tasks)}

    def task_weights(
        self, memory: MethodState, seen: Observation, gram: Gram, weights_T: Tensor
    ) -> tuple[MethodState, Tensor]:
        """Returns the factors whose sum of gradients is the sum of the projected ones."""

        def change(cosines_T: Tensor, norms_T: Tensor, others_TT: Tensor) -> Tensor:
            return norms_T * tf.maximum(-cosines_T, 0.0)

        parts_TT, _ = project_in_turn(gram.cosines_TT, seen.drawn["orders"], change)
        return memory, tf.linalg.matvec(parts_TT, weights_T * gram.norms_T, transpose_a=True) / gram.lengths_T
