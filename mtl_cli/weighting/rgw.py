"""Random gradient weighting: the shared layers' gradients with new random weights in every iteration.

Source: Lin et al., arXiv 2111.10603.

d = sum_t w_t lambda_t g_t with lambda = T softmax(z), z ~ N(0, 1), and w `tasks.<task>.weight`; unlike `rlw` a task's
own layers get the gradient of w_t L_t, without the random factor. With the default weights 1 / T it is the paper's
softmax.
"""

from typing import Literal

import numpy as np

from mtl_cli.backend import Arrays, tf
from mtl_cli.weighting.base import MethodState, Observation, Update, Weighting


class Rgw(Weighting):
    """Weighted gradients times random factors."""

    name: Literal["rgw"] = "rgw"

    asks_gradients = True

    def draw(self, random: np.random.Generator, n: int, tasks: int, shared: int) -> Arrays:
        """Draws `normals` [n, T]."""
        return {"normals": random.standard_normal((n, tasks), np.float32)}

    def combine(self, memory: MethodState, seen: Observation) -> tuple[MethodState, Update]:
        """Returns w_t lambda_t for the shared parameters."""
        factors_T = len(seen.tasks) * tf.nn.softmax(seen.drawn["normals"])
        return memory, Update(seen.weighted_loss, seen.weights_T, factors_T * seen.weights_T)
