"""Optimizers as pure update rules: `state, parameters, gradients -> state, parameters`.

The formulas are those of Keras 3 (each class names its paper); Adam with epsilon 1e-8 is also
`tf.compat.v1.train.AdamOptimizer`. `count` is the number of updates this state has seen, the t of bias corrections.
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mtl_cli.backend import Tensor, tf
from mtl_cli.families import any_of, members_of
from mtl_cli.schedules import AnySchedule, Constant
from mtl_cli.settings import Fraction, Host, NonNegative, Positive, Settings

State = dict[str, Any]
"""`count`, a float32 scalar, and under each slot's name one tensor a parameter."""


class Optimizer(Settings, ABC):
    """One update rule. A member gives its slots and how one parameter moves."""

    name: str
    learning_rate: Annotated[Positive, Host()] = 1e-3
    clip_norm: Positive | None = None
    schedule: Annotated[AnySchedule, Host()] = Constant()
    schedule_steps: Annotated[Annotated[int, Field(ge=1, le=2**31 - 1)] | None, Host()] = None
    rate_after_schedule: Annotated[NonNegative | None, Host()] = None

    slots: ClassVar[tuple[str, ...]] = ()

    def init(self, parameters: Sequence[Tensor]) -> State:
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
        self, state: State, parameters: Sequence[Tensor], gradients: Sequence[Tensor], learning_rate: Tensor
    ) -> tuple[State, list[Tensor]]:
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


class Adam(Optimizer):
    """m <- b1 m + (1-b1) g, v <- b2 v + (1-b2) g^2, p <- p - a sqrt(1-b2^t) / (1-b1^t) m / (sqrt(v) + epsilon).

    Kingma and Ba, arXiv 1412.6980, in the form before their section 2.1 (epsilon is not bias-corrected).
    """

    name: Literal["adam"] = "adam"
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: Positive = 1e-8

    slots = ("m", "v")

    def rate(self, learning_rate: Tensor, count: Tensor) -> Tensor:
        """Returns the bias-corrected step size."""
        return _bias_corrected(learning_rate, count, self.beta_1, self.beta_2)

    def move(self, p: Tensor, g: Tensor, rate: Tensor, learning_rate: Tensor, *slots: Tensor) -> tuple[Tensor, ...]:
        """Returns p, m, v."""
        m, v = _moments(g, slots, self.beta_1, self.beta_2)
        return p - rate * m / (tf.sqrt(v) + self.epsilon), m, v


class AdamW(Optimizer):
    """Adam after p <- p - a weight_decay p, on every parameter (Loshchilov and Hutter, arXiv 1711.05101)."""

    name: Literal["adamw"] = "adamw"
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: Positive = 1e-8
    weight_decay: NonNegative = 0.004

    slots = ("m", "v")

    def rate(self, learning_rate: Tensor, count: Tensor) -> Tensor:
        """Returns the bias-corrected step size."""
        return _bias_corrected(learning_rate, count, self.beta_1, self.beta_2)

    def move(self, p: Tensor, g: Tensor, rate: Tensor, learning_rate: Tensor, *slots: Tensor) -> tuple[Tensor, ...]:
        """Returns p, m, v."""
        m, v = _moments(g, slots, self.beta_1, self.beta_2)
        return p - learning_rate * self.weight_decay * p - rate * m / (tf.sqrt(v) + self.epsilon), m, v


class Sgd(Optimizer):
    """m <- momentum m - a g, p <- p + m; with `nesterov` p <- p + momentum m - a g.

    Polyak 1964; Nesterov's form after Sutskever et al., ICML 2013. Momentum 0 is plain gradient descent.
    """

    name: Literal["sgd"] = "sgd"
    momentum: Fraction = 0.0
    nesterov: bool = False

    slots = ("m",)

    def move(self, p: Tensor, g: Tensor, rate: Tensor, learning_rate: Tensor, *slots: Tensor) -> tuple[Tensor, ...]:
        """Returns p, m."""
        step = rate * g
        m = self.momentum * slots[0] - step
        return p + (self.momentum * m - step if self.nesterov else m), m


class RmsProp(Optimizer):
    """v <- rho v + (1-rho) g^2, m <- momentum m + a g / sqrt(v + epsilon), p <- p - m (Hinton's lecture 6e, 2012)."""

    name: Literal["rmsprop"] = "rmsprop"
    rho: Fraction = 0.9
    momentum: Fraction = 0.0
    epsilon: Positive = 1e-7

    slots = ("v", "m")

    def move(self, p: Tensor, g: Tensor, rate: Tensor, learning_rate: Tensor, *slots: Tensor) -> tuple[Tensor, ...]:
        """Returns p, v, m."""
        v = self.rho * slots[0] + (1.0 - self.rho) * tf.square(g)
        m = self.momentum * slots[1] + rate * g / tf.sqrt(v + self.epsilon)
        return p - m, v, m


class Adagrad(Optimizer):
    """v <- v + g^2, p <- p - a g / sqrt(v + epsilon) (Duchi et al., JMLR 2011)."""

    name: Literal["adagrad"] = "adagrad"
    initial_accumulator_value: NonNegative = 0.1
    epsilon: Positive = 1e-7

    slots = ("v",)

    def slot_start(self) -> float:
        """Returns the accumulator's first value."""
        return self.initial_accumulator_value

    def move(self, p: Tensor, g: Tensor, rate: Tensor, learning_rate: Tensor, *slots: Tensor) -> tuple[Tensor, ...]:
        """Returns p, v."""
        v = slots[0] + tf.square(g)
        return p - rate * g / tf.sqrt(v + self.epsilon), v


class Lion(Optimizer):
    """p <- p - a sign(b1 m + (1-b1) g), m <- b2 m + (1-b2) g (Chen et al., arXiv 2302.06675).

    Its steps are larger than Adam's: use a third to a tenth of Adam's learning rate.
    """

    name: Literal["lion"] = "lion"
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.99

    slots = ("m",)

    def move(self, p: Tensor, g: Tensor, rate: Tensor, learning_rate: Tensor, *slots: Tensor) -> tuple[Tensor, ...]:
        """Returns p, m."""
        m = slots[0]
        moved = p - rate * tf.sign(self.beta_1 * m + (1.0 - self.beta_1) * g)
        return moved, self.beta_2 * m + (1.0 - self.beta_2) * g


def _bias_corrected(learning_rate: Tensor, count: Tensor, beta_1: Tensor, beta_2: Tensor) -> Tensor:
    return learning_rate * tf.sqrt(1.0 - beta_2**count) / (1.0 - beta_1**count)


def _moments(g: Tensor, slots: Sequence[Tensor], beta_1: Tensor, beta_2: Tensor) -> tuple[Tensor, Tensor]:
    m, v = slots
    return beta_1 * m + (1.0 - beta_1) * g, beta_2 * v + (1.0 - beta_2) * tf.square(g)


OPTIMIZERS = members_of(sys.modules[__name__], Optimizer)
AnyOptimizer = any_of(OPTIMIZERS)
