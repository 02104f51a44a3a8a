"""A learning rate that rises, and falls along half a cosine."""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mtl_cli.schedules.base import Schedule
from mtl_cli.settings import UnitInterval


class Cosine(Schedule):
    """A linear rise over `warmup_steps`, then half a cosine down to `alpha` over `decay_steps`.

    For u = (s - warmup_steps) / decay_steps, at most 1: (1 - alpha) (1 + cos(pi u)) / 2 + alpha
    (Loshchilov and Hutter, arXiv 1608.03983, without restarts). `decay_steps: null` is the rest of the run.
    """

    name: Literal["cosine"] = "cosine"
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    decay_steps: Annotated[int, Field(ge=1)] | None = None
    alpha: UnitInterval = 0.0

    def factors(self, steps: NDArray[np.int64], total: int) -> NDArray[np.float64]:
        """Returns the rise and the half cosine."""
        decay_steps = self.decay_steps or max(total - self.warmup_steps, 1)
        part = np.minimum((steps - self.warmup_steps) / decay_steps, 1.0)
        decayed = (1 - self.alpha) * 0.5 * (1 + np.cos(np.pi * part)) + self.alpha
        return np.where(steps < self.warmup_steps, steps / max(self.warmup_steps, 1), decayed)
