"""Aligned-MTL: gradients made orthogonal and equally long before they are added (Senushkin et al., arXiv 2305.19000).

With the Gram matrix G = V diag(l) V', the weights are sqrt(l_min) V diag(l^-1/2) V' w: the matrix of gradients gets
the condition number 1. w is `tasks.<task>.weight`; the default 1 / T is the paper's mean. Eigenvalues below T 1e-12 of
the largest count as zero (the authors cut at T 1.2e-7), and l_min is the least that doesn't. So a gradient 1e6 /
sqrt(T) times shorter than another, or that near to depending on others, counts for nothing, and the direction isn't as
short as it would make it: `condition_number` in diagnostics.csv says how near that is.
"""

from typing import Literal

from mtl_cli.backend import Tensor, tf
from mtl_cli.linalg.gram import Gram
from mtl_cli.linalg.solvers import psd_pinv_power
from mtl_cli.weighting.base import GradientWeighting, MethodState, Observation


class AlignedMtl(GradientWeighting):
    """The weighted sum of aligned gradients."""

    name: Literal["aligned_mtl"] = "aligned_mtl"

    def task_weights(
        self, memory: MethodState, seen: Observation, gram: Gram, weights_T: Tensor
    ) -> tuple[MethodState, Tensor]:
        """Returns sqrt(l_min) G^(-1/2) w."""
        root_TT, least = psd_pinv_power(gram.products_TT, 0.5)
        return memory, tf.sqrt(least) * tf.linalg.matvec(root_TT, weights_T)
