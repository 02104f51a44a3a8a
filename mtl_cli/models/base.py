"""What every architecture gives: a Keras network whose parameters are shared or a task's own."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from mtl_cli.backend import Tensor, keras, tf
from mtl_cli.settings import NonNegative, Settings
from mtl_cli.tasks import Tasks

Variable = Any


class Params(NamedTuple):
    """Trainable tensors: the shared ones, and each task's own."""

    shared: list[Tensor]
    own: dict[str, list[Tensor]]

    def all(self) -> list[Tensor]:
        """Returns the shared ones, then each task's, in the tasks' order."""
        return [*self.shared, *(tensor for own in self.own.values() for tensor in own)]

    def like(self, tensors: Sequence[Tensor]) -> "Params":
        """Returns `tensors`, in the order of `all`, parted as these are."""
        rest = iter(tensors)
        shared = [next(rest) for _ in self.shared]
        return Params(shared, {task: [next(rest) for _ in own] for task, own in self.own.items()})


@dataclass(frozen=True)
class Network:
    """A Keras model and whose its variables are.

    Attributes:
        model: Features [B, F] to a dict of raw outputs [B, U] by task, as trained.
        inference: The same layers as a model of plain Keras layers, which any Keras can load.
        shared: Variables that several tasks use.
        own: Each task's own variables.
    """

    model: Any
    inference: Any
    shared: list[Variable]
    own: dict[str, list[Variable]]

    @cached_property
    def _parts(self) -> dict[str, Any]:
        return {task: keras.Model(self.model.input, output) for task, output in self.model.output.items()}

    def params(self) -> Params:
        """Returns the variables' values."""
        return Params(_values(self.shared), {task: _values(own) for task, own in self.own.items()})

    def extra(self) -> list[Tensor]:
        """Returns the values of the variables that are not trained (dropout's rate and random state)."""
        return _values(self.model.non_trainable_variables)

    def assign(self, params: Params) -> None:
        """Gives the variables the values of `params`."""
        for variable, value in zip(Params(self.shared, self.own).all(), params.all(), strict=True):
            variable.assign(value)

    def outputs(self, params: Params, extra: list[Tensor], features: Tensor) -> tuple[dict[str, Tensor], list[Tensor]]:
        """Returns every task's raw outputs in training, and the next `extra`; a pure function."""
        return _call(self.model, self._by_variable(params, extra), extra, self.model.non_trainable_variables, features)

    def output(self, params: Params, extra: list[Tensor], features: Tensor, task: str) -> tuple[Tensor, list[Tensor]]:
        """Returns one task's raw outputs in training, and the next `extra`, leaving the other tasks' layers out."""
        values = self._by_variable(params, extra)
        return _call(self._parts[task], values, extra, self.model.non_trainable_variables, features)

    def inferred(self, params: Params, features: Tensor) -> dict[str, Tensor]:
        """Returns every task's raw outputs in inference; a pure function."""
        values = self._by_variable(params, self.extra())
        outputs, _ = self.model.stateless_call(
            [values[id(v)] for v in self.model.trainable_variables], self.extra(), features, training=False
        )
        return dict(outputs)

    def _by_variable(self, params: Params, extra: list[Tensor]) -> dict[int, Tensor]:
        variables = [*Params(self.shared, self.own).all(), *self.model.non_trainable_variables]
        return {id(v): value for v, value in zip(variables, [*params.all(), *extra], strict=True)}


def _call(
    model: Any,
    values: Mapping[int, Tensor],
    extra: list[Tensor],
    all_extra: Sequence[Variable],
    features: Tensor,
) -> tuple[Any, list[Tensor]]:
    used = model.non_trainable_variables
    outputs, new = model.stateless_call(
        [values[id(v)] for v in model.trainable_variables],
        [values[id(v)] for v in used],
        features,
        training=True,
    )
    changed = {id(v): value for v, value in zip(used, new, strict=True)}
    return outputs, [changed.get(id(v), old) for v, old in zip(all_extra, extra, strict=True)]


def _values(variables: Iterable[Variable]) -> list[Tensor]:
    return [tf.convert_to_tensor(v.value) for v in variables]


class Model(Settings, ABC):
    """An architecture, as the user describes it under `model`."""

    name: str
    l2: NonNegative | None = None

    @abstractmethod
    def build(self, features: int, tasks: Tasks, seed: int) -> Network:
        """Returns a new network whose initial weights follow from the seed."""

    def penalty(self, params: Iterable[Tensor]) -> Tensor:
        """Returns l2 * the sum of squares of the kernels (the parameters of two or more axes), as Keras' `L2` does."""
        if self.l2 is None:
            return 0.0
        squares = [tf.reduce_sum(tf.square(p)) for p in params if len(p.shape) > 1]
        return self.l2 * tf.add_n(squares)
