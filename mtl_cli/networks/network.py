"""A network: a Keras model whose parameters are shared or a task's own."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, NamedTuple

from mtl_cli.backend import Tensor, keras, tf
from mtl_cli.networks.layers import Gate, Kernel

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


class Training(NamedTuple):
    """What a pass in training gives."""

    raw: dict[str, Tensor]
    """Raw outputs [B, U], by task."""
    cut: list[Tensor] | None
    """The tensors at which shared parameters end and the tasks' own begin; None where there is no such line."""
    gates: dict[str, Tensor]
    """Weights of experts [B, E], by the gate's name."""
    penalties: list[Tensor]
    """What rows add to what is minimised, each [B]."""


@dataclass(frozen=True, eq=False)
class Network:
    """A Keras model and whose its variables are; runs that differ in numbers alone can have the same.

    Attributes:
        model: As trained: features [B, F], and where there is dropout the hidden units' factors [B, D], to a dict of
            raw outputs [B, U] by task.
        inference: The same layers without the factors, from features alone.
        looking: The same, to the weights of experts [B, E] by the gate's name; None where there are no gates.
        shared: Variables that several tasks use.
        own: Each task's own variables.
        cut: Tensors of `model` at which the shared variables end and the tasks' own begin: every path from a shared
            variable to a task's output goes through one of them, once. None where there is no such line.
        last_layer: The places in `shared` of the last shared layer's variables.
        kernels: By their ids, the variables that `l2` acts on.
        initial: The parameters that a network built with a seed begins with.
        dropped: D, how many hidden units dropout acts on; 0 without dropout.
        gated: How many experts may be left out of gates at random; 0 where none is.
        gates: Those of `model`, by name.
        penalties: What a row adds to what is minimised for a task, tensors [B] of `model`.
    """

    model: Any
    inference: Any
    looking: Any
    shared: list[Variable]
    own: dict[str, list[Variable]]
    cut: list[Any] | None
    last_layer: list[int]
    kernels: Mapping[int, Kernel]
    initial: Callable[[int], Params]
    dropped: int = 0
    gated: int = 0
    gates: Mapping[str, Gate] = field(default_factory=dict)
    penalties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many parameters it has."""
        return _size(self._variables())

    def sizes(self) -> dict[str, Any]:
        """Returns how many parameters are shared, and how many each task has of its own."""
        return {"shared": _size(self.shared), "own": {task: _size(own) for task, own in self.own.items()}}

    def params(self) -> Params:
        """Returns the variables' values."""
        return Params(_values(self.shared), {task: _values(own) for task, own in self.own.items()})

    def assign(self, params: Params) -> None:
        """Gives the variables the values of `params`."""
        for variable, value in zip(self._variables(), params.all(), strict=True):
            variable.assign(value)

    def outputs(self, params: Params, inputs: list[Tensor], tasks: Iterable[str]) -> Training:
        """Returns these tasks' outputs in training, leaving the other tasks' layers out, and what goes with them.

        A pure function of features, and factors if there are any.
        """
        raw = {task: self.model.output[task] for task in tasks}
        gates = {name: gate.weights for name, gate in self.gates.items() if gate.task is None or gate.task in raw}
        penalties = [tensor for task, tensor in self.penalties.items() if task in raw]
        found = self._call(keras.Model(self.model.inputs, [raw, self.cut or [], gates, penalties]), params, inputs)
        return Training(dict(found[0]), None if self.cut is None else list(found[1]), dict(found[2]), list(found[3]))

    def inferred(self, params: Params, features: Tensor) -> dict[str, Tensor]:
        """Returns every task's raw outputs in inference; a pure function."""
        return dict(self._call(self.inference, params, [features]))

    def weighed(self, params: Params, features: Tensor) -> dict[str, Tensor]:
        """Returns the weights of experts in inference, by the gate's name; a pure function."""
        return dict(self._call(self.looking, params, [features]))

    def decayed(self, params: Params, tasks: Iterable[str]) -> list[Tensor]:
        """Returns those of the shared parameters and of these tasks' own on which `l2` acts."""
        pairs = list(zip(self.shared, params.shared, strict=True))
        for task in tasks:
            pairs += zip(self.own[task], params.own[task], strict=True)
        return [tensor for variable, tensor in pairs if id(variable) in self.kernels]

    def _variables(self) -> list[Variable]:
        return Params(self.shared, self.own).all()

    def _call(self, model: Any, params: Params, inputs: list[Tensor]) -> Any:
        values = {id(v): value for v, value in zip(self._variables(), params.all(), strict=True)}
        trainable = [values[id(v)] for v in model.trainable_variables]
        fixed = [v.value for v in model.non_trainable_variables]
        outputs, _ = model.stateless_call(trainable, fixed, inputs if len(inputs) > 1 else inputs[0])
        return outputs


def _size(variables: Iterable[Variable]) -> int:
    return sum(prod(v.shape) for v in variables)


def _values(variables: Iterable[Variable]) -> list[Tensor]:
    return [tf.convert_to_tensor(v.value) for v in variables]
