"""The contract of a weighting method: what it sees of an iteration, and what it makes of it.

Shapes: T tasks, P shared parameters. A method is a pure function of its memory and of what it sees; it computes on
what it asks for, and only what it asks for is computed. Three kinds:

- `LossWeighting` gives a scalar function of the tasks' losses to minimise. One backward pass.
- `GradientWeighting` gives the weights of the tasks' gradients on the shared parameters from their Gram matrix. A
  task's own parameters get the gradient of weight * loss.
- anything else is a `Weighting` that gives an `Update` itself.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import model_validator

from mtl_cli.backend import Arrays, Tensor, keras, tf
from mtl_cli.linalg.gram import Gram
from mtl_cli.optimizers.adam import Adam
from mtl_cli.settings import Settings
from mtl_cli.tasks import Tasks

MethodState = dict[str, Any]
"""A method's own state, a nest of tensors that is part of the run's."""
On = Literal["parameters", "representation", "last_layer"]
"""Whose gradients: all shared parameters', the shared layers' output's for every row, or the last shared layer's."""


@dataclass(frozen=True)
class Observation:
    """What a method may look at in an iteration."""

    tasks: Tasks
    losses_T: Tensor
    """0 for a task without a label in this batch."""
    present_T: Tensor
    """Which tasks have a label in this batch, bool."""
    drawn: Mapping[str, Tensor]
    """What the method's `draw` drew for this iteration."""
    gradients: Callable[[On], list[Tensor]]
    """The tasks' gradients, for each tensor [T, ...]."""
    gram: Callable[[On], Gram]
    """Their Gram matrix, float64."""

    @property
    def weights_T(self) -> Tensor:
        """`tasks.<task>.weight`, which says how much the user wants of each task."""
        return tf.stack([tf.convert_to_tensor(task.weight, tf.float32) for task in self.tasks.values()])

    @property
    def log_losses_T(self) -> Tensor:
        """The losses' logarithms, 0 for a task without a label in this batch."""
        return tf.where(self.present_T, logarithms(self.losses_T), 0.0)

    @property
    def weighted_loss(self) -> Tensor:
        """The sum of weight * loss."""
        return tf.reduce_sum(self.weights_T * self.losses_T)


class Update(NamedTuple):
    """What becomes of the tasks' gradients."""

    joint_loss: Tensor
    """What is minimised, or the weighted sum of the losses where nothing is; for losses.csv only."""
    head_weights_T: Tensor
    """The factor of each task's gradient on its own parameters."""
    shared_weights_T: Tensor
    """The factor of each task's gradient on the shared ones; one backward pass where it is the same object as
    `head_weights_T`."""
    direction: list[Tensor] | None = None
    """The shared parameters' gradient instead, where a method makes no weighted sum; `shared_weights_T` is NaN then."""


class Weighting(Settings, ABC):
    """A way to combine the tasks' losses or gradients, as the user describes it under `weighting`."""

    name: str

    acts: ClassVar[str] = "combines the tasks' losses in mode=joint"
    """What it does, and where."""
    honours_weights: ClassVar[bool] = True
    """Whether `tasks.<task>.weight` has a meaning here; if not, unequal ones are refused, or null in a sweep beside
    methods for which it has one."""
    asks_gradients: ClassVar[bool] = False
    """Whether it acts on the tasks' gradients, so that there must be shared parameters."""
    neutral: ClassVar[bool] = False
    """Whether this is what stands in the config where no weighting takes place."""

    def init(self, tasks: int, shared: Sequence[Tensor]) -> MethodState:
        """Returns the memory before the first iteration, given the number of tasks and the shared parameters."""
        return {}

    def draw(self, random: np.random.Generator, n: int, tasks: int, shared: int) -> Arrays:
        """Draws on the host what the method needs for n iterations, each array [n, ...].

        Args:
            random: A generator of the method's own.
            n: How many iterations.
            tasks: T.
            shared: P.
        """
        return {}

    @model_validator(mode="before")
    @classmethod
    def _read_on(cls, plain: Any) -> Any:
        """Takes the key `on` as it is meant, which YAML reads as true where it isn't quoted."""
        if isinstance(plain, dict) and True in plain:
            return {key: value for key, value in plain.items() if key is not True} | {"on": plain[True]}
        return plain

    @property
    def compares_rows(self) -> bool:
        """Tells whether it needs all tasks' gradients on the same rows."""
        return getattr(self, "on", "parameters") == "representation"

    @abstractmethod
    def combine(self, memory: MethodState, seen: Observation) -> tuple[MethodState, Update]:
        """Returns the next memory, and what becomes of the gradients."""

    def after_update(self, memory: MethodState, seen: Observation, losses_after: Callable[[], Tensor]) -> MethodState:
        """Returns the memory after the update, given what computes the losses [T] on the same rows anew."""
        return memory


class LossWeighting(Weighting):
    """A method that minimises a function of the losses."""

    @abstractmethod
    def joint_loss(self, memory: MethodState, seen: Observation) -> tuple[MethodState, Tensor]:
        """Returns the next memory, and the scalar to minimise."""

    def combine(self, memory: MethodState, seen: Observation) -> tuple[MethodState, Update]:
        """Returns the next memory, and the function's derivatives by the losses as weights."""
        with tf.GradientTape() as tape:
            tape.watch(seen.losses_T)
            memory, joint_loss = self.joint_loss(memory, seen)
        weights_T = tape.gradient(joint_loss, seen.losses_T)
        return memory, Update(joint_loss, weights_T, weights_T)


class GradientWeighting(Weighting):
    """A method that weighs the tasks' gradients by their Gram matrix."""

    on: Literal["parameters", "representation"] = "parameters"

    asks_gradients = True

    @abstractmethod
    def task_weights(
        self, memory: MethodState, seen: Observation, gram: Gram, weights_T: Tensor
    ) -> tuple[MethodState, Tensor]:
        """Returns the next memory and the factors of the tasks' gradients on the shared parameters, [T] float64.

        Args:
            memory: The method's memory.
            seen: The rest of the iteration.
            gram: The inner products of the tasks' gradients.
            weights_T: `tasks.<task>.weight`, float64.
        """

    def combine(self, memory: MethodState, seen: Observation) -> tuple[MethodState, Update]:
        """Returns the next memory, the method's factors for shared parameters, and the weights for a task's own."""
        memory, shared_weights_T = self.task_weights(
            memory, seen, seen.gram(self.on), tf.cast(seen.weights_T, tf.float64)
        )
        return memory, Update(seen.weighted_loss, seen.weights_T, tf.cast(shared_weights_T, tf.float32))


def exponentials(logarithms_T: Tensor) -> Tensor:
    """Returns e^s, where an s beyond 30 in size counts as 30: a loss of exactly 0 would drive it on and on."""
    return tf.exp(tf.clip_by_value(logarithms_T, -30.0, 30.0))


def logarithms(losses_T: Tensor) -> Tensor:
    """Returns log L, where a loss below 1e-30 counts as 1e-30."""
    return tf.math.log(tf.maximum(losses_T, 1e-30))


def learning(memory: MethodState) -> MethodState:
    """Returns the memory with the moments that `learn` needs for the numbers in it, each [T]."""
    numbers = list(memory.values())
    return memory | {"adam": Adam().init(numbers) | {"count": tf.zeros_like(numbers[0])}}


def learn(memory: MethodState, slopes: Mapping[str, Tensor], learning_rate: Tensor, present_T: Tensor) -> MethodState:
    """Returns the memory after a step of Adam (Kingma and Ba, arXiv 1412.6980) for each number with a slope, [T].

    Those of a task without a label in the batch stay as they are, moments and count of steps too.
    """
    numbers = [memory[name] for name in slopes]
    adam, moved = Adam().update(memory["adam"], numbers, list(slopes.values()), learning_rate)
    new: MethodState = dict(zip(slopes, moved, strict=True)) | {"adam": adam}
    old = {name: memory[name] for name in new}
    new = keras.tree.map_structure(lambda after, before: tf.where(present_T, after, before), new, old)
    return memory | new
