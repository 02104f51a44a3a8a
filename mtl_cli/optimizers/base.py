"""Optimizers as pure update rules: `state, parameters, gradients -> state, parameters`.

The formulas are those of Keras 3 (each class names its paper); Adam with epsilon 1e-8 is also
`tf.compat.v1.train.AdamOptimizer`. `count` is the number of updates this state has seen, the t of bias corrections.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mtl_cli import schedules
from mtl_cli.backend import Tensor, tf
from mtl_cli.families import any_of, members
from mtl_cli.schedules.base import Schedule
from mtl_cli.schedules.constant import Constant
from mtl_cli.settings import Extends, Host, NonNegative, Positive, Settings

if TYPE_CHECKING:
    AnySchedule = Schedule
else:
    AnySchedule = any_of(members(schedules, Schedule))

OptState = dict[str, Any]
"""`count`, a float32 scalar, and under each slot's name one tensor a parameter."""


class Optimizer(Settings, ABC):
    """One update rule. A member gives its slots and how one parameter moves."""

    name: str
    learning_rate: Annotated[Positive, Host()] = 1e-3
    clip_norm: Positive | None = None
    schedule: Annotated[AnySchedule, Host()] = Constant()
    schedule_steps: Annotated[Annotated[int, Field(ge=1, le=2**31 - 1)] | None, Extends()] = None
    rate_after_schedule: Annotated[NonNegative | None, Extends()] = None

    slots: ClassVar[tuple[str, ...]] = ()

    def init(self, parameters: Sequence[Tensor]) -> OptState:
        """Returns the state before the first update."""
        zeros = {slot: [tf.fill(p.shape, self.slot_start()) for p in parameters] for slot in self.slots}
        return {"count": tf.zeros([]), **zeros}

    def slot_start(self) -> float:
        """Returns the value that fills a new slot."""
        return 0.0

    def clipped(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """Returns all the gradients g of an iteration, taken together scaled by c / max(||g||, c), c = `clip_norm`."""
        if self.clip_norm is None:
            return list(gradients)
        norm = tf.sqrt(tf.add_n([tf.reduce_sum(tf.square(g)) for g in gradients]))
        return [g * (self.clip_norm / tf.maximum(norm, self.clip_norm)) for g in gradients]

    def update(
        self, state: OptState, parameters: Sequence[Tensor], gradients: Sequence[Tensor], learning_rate: Tensor
    ) -> tuple[OptState, list[Tensor]]:
        """Returns the next state and parameters, by gradients that were clipped."""
        count = state["count"] + 1.0
        rate = self.rate(learning_rate, count)
        moved: list[Tensor] = []
        slots: dict[str, list[Tensor]] = {slot: [] for slot in self.slots}
        for i, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
            new, *values = self.move(parameter, gradient, rate, learning_rate, *(state[s][i] for s in self.slots))
            moved.append(new)
            for slot, value in zip(self.slots, values, strict=True):
                slots[slot].append(value)
        return {"count": count, **slots}, moved

    def rate(self, learning_rate: Tensor, count: Tensor) -> Tensor:
        """Returns the step size of update `count` = 1, 2, ..., computed once for all the parameters."""
        return learning_rate

    def learning_rates(self, steps: NDArray[np.int64], total: int) -> NDArray[np.float32]:
        """Returns the learning rate of each of the `steps` (counted from 0) of a run of `total`.

        The schedule takes `schedule_steps` for the whole run, and from there on `rate_after_schedule` counts; where
        these are null, the run's iterations, and the schedule.
        """
        whole = self.schedule_steps or total
        with np.errstate(over="ignore"):  # one that grows beyond all bounds diverges, and that is said
            rates: NDArray[np.float64] = self.learning_rate * self.schedule.factors(steps, whole)
            if self.rate_after_schedule is not None:
                rates = np.where(steps < whole, rates, self.rate_after_schedule)
            return rates.astype(np.float32)

    @abstractmethod
    def move(self, p: Tensor, g: Tensor, rate: Tensor, learning_rate: Tensor, *slots: Tensor) -> tuple[Tensor, ...]:
        """Returns the parameter p after a step along its gradient g, followed by its new slots."""


def bias_corrected(learning_rate: Tensor, count: Tensor, beta_1: Tensor, beta_2: Tensor) -> Tensor:
    """Returns a sqrt(1 - b2^t) / (1 - b1^t), the step size of update t = `count`."""
    return learning_rate * tf.sqrt(1.0 - beta_2**count) / (1.0 - beta_1**count)


def moments(g: Tensor, slots: Sequence[Tensor], beta_1: Tensor, beta_2: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the moving averages m of gradients and v of their squares after a gradient g."""
    m, v = slots
    return beta_1 * m + (1.0 - beta_1) * g, beta_2 * v + (1.0 - beta_2) * tf.square(g)
