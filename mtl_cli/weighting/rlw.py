"""Random loss weighting: new random weights in every iteration (Lin et al., arXiv 2111.10603).

L = sum_t w_t lambda_t L_t with lambda = T softmax(z), z ~ N(0, 1) drawn anew in each iteration. The factors' mean is
1, so that `tasks.<task>.weight` means what it does in `fixed`; with the default weights 1 / T it is the paper's
softmax.
"""

from typing import Literal

import numpy as np

from mtl_cli.backend import Arrays, Tensor, tf
from mtl_cli.weighting.base import LossWeighting, MethodState, Observation


class Rlw(LossWeighting):
    """The weighted sum times random factors."""

    name: Literal["rlw"] = "rlw"

    def draw(self, random: np.random.Generator, n: int, tasks: int, shared: int) -> Arrays:
        """Draws `normals` [n, T]."""
        return {"normals": random.standard_normal((n, tasks), np.float32)}

    def joint_loss(self, memory: MethodState, seen: Observation) -> tuple[MethodState, Tensor]:
        """Returns sum_t w_t lambda_t L_t."""
        factors_T = len(seen.tasks) * tf.nn.softmax(seen.drawn["normals"])
        return memory, tf.reduce_sum(factors_T * seen.weights_T * seen.losses_T)
