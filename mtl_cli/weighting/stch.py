"""Smooth Tchebycheff scalarization: a smooth maximum of the weighted losses (Lin et al., arXiv 2402.19078).

L = mu log sum_t exp(w_t (L_t - z_t) / mu), with the preferences w = `tasks.<task>.weight` and the ideal point z, here
one number for all tasks. As mu goes to 0 it is the worst weighted loss; unlike a weighted sum it can reach every
point of a front that isn't convex. (The authors' code first trains some epochs with equal weights, and divides the
losses by what they are then; here weights say what unit a loss is in.)
"""

from typing import Literal

from mtl_cli.backend import Tensor, tf
from mtl_cli.settings import Number, Positive
from mtl_cli.weighting.base import LossWeighting, MethodState, Observation


class Stch(LossWeighting):
    """A smooth maximum of weighted losses."""

    name: Literal["stch"] = "stch"
    mu: Positive = 1.0
    ideal: Number = 0.0

    def joint_loss(self, memory: MethodState, seen: Observation) -> tuple[MethodState, Tensor]:
        """Returns mu log sum_t exp(w_t (L_t - z) / mu), over the tasks that have labels in the batch."""
        counted_T = tf.logical_and(seen.present_T, seen.weights_T > 0)
        exponents_T = seen.weights_T * (seen.losses_T - self.ideal) / self.mu
        value = self.mu * tf.reduce_logsumexp(tf.where(counted_T, exponents_T, -1e30))
        return memory, tf.where(tf.reduce_any(counted_T), value, 0.0)
