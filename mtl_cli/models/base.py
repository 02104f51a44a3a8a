"""What every architecture gives: a Keras network whose parameters are shared or a task's own."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from mtl_cli.backend import Tensor, keras, tf
from mtl_cli.datasets.encoder import FeatureEncoder
from mtl_cli.settings import Balance, Fraction, NonNegative, Settings, without
from mtl_cli.tasks import Tasks

Variable = Any

NOISE_LEVELS = 2**16
"""Dropout's noise is a whole number below this."""


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


@dataclass(frozen=True, eq=False)
class Network:
    """A Keras model and whose its variables are; runs that differ in numbers alone can have the same.

    Attributes:
        model: As trained: features [B, F], and where there is dropout the hidden units' factors [B, D], to a dict of
            raw outputs [B, U] by task.
        inference: The same layers without the factors, from features alone.
        shared: Variables that several tasks use.
        own: Each task's own variables.
        representation: What the shared layers give to the tasks' own, the tensor of `model`.
        last_layer: How many of the last `shared` variables are one layer's.
        initial: The parameters that a network built with a seed begins with.
        dropped: D, how many hidden units dropout acts on; 0 without dropout.
    """

    model: Any
    inference: Any
    shared: list[Variable]
    own: dict[str, list[Variable]]
    representation: Any
    last_layer: int
    initial: Callable[[int], Params]
    dropped: int = 0

    def params(self) -> Params:
        """Returns the variables' values."""
        return Params(_values(self.shared), {task: _values(own) for task, own in self.own.items()})

    def assign(self, params: Params) -> None:
        """Gives the variables the values of `params`."""
        for variable, value in zip(self._variables(), params.all(), strict=True):
            variable.assign(value)

    def outputs(self, params: Params, inputs: list[Tensor], tasks: Iterable[str]) -> tuple[dict[str, Tensor], Tensor]:
        """Returns these tasks' raw outputs in training, leaving the other tasks' layers out, and the representation.

        A pure function of features, and factors if there are any.
        """
        raw = {task: self.model.output[task] for task in tasks}
        outputs, representation = self._call(keras.Model(self.model.inputs, [raw, self.representation]), params, inputs)
        return dict(outputs), representation

    def inferred(self, params: Params, features: Tensor) -> dict[str, Tensor]:
        """Returns every task's raw outputs in inference; a pure function."""
        return dict(self._call(self.inference, params, [features]))

    def _variables(self) -> list[Variable]:
        return Params(self.shared, self.own).all()

    def _call(self, model: Any, params: Params, inputs: list[Tensor]) -> Any:
        values = {id(v): value for v, value in zip(self._variables(), params.all(), strict=True)}
        trainable = [values[id(v)] for v in model.trainable_variables]
        fixed = [v.value for v in model.non_trainable_variables]
        outputs, _ = model.stateless_call(trainable, fixed, inputs if len(inputs) > 1 else inputs[0])
        return outputs


def _values(variables: Iterable[Variable]) -> list[Tensor]:
    return [tf.convert_to_tensor(v.value) for v in variables]


class Model(Settings, ABC):
    """An architecture, as the user describes it under `model`."""

    name: str
    l2: NonNegative | None = None
    dropout: Fraction | None = None

    @property
    def advice(self) -> str:
        """Returns what to look at where a run diverges at once; nothing where the initial weights are no reason."""
        return ""

    @abstractmethod
    def build(self, encoder: FeatureEncoder, tasks: Tasks, seed: int) -> Network:
        """Returns a new network whose initial weights follow from the seed."""

    def penalty(self, params: Iterable[Tensor]) -> Tensor:
        """Returns l2 * the sum of squares of the kernels (the parameters of two or more axes), as Keras' `L2` does.

        In alternating mode an iteration's penalty is that of the parameters it trains, so that over many iterations a
        task's own layers feel it as often as the task is picked.
        """
        if self.l2 is None:
            return 0.0
        squares = [tf.reduce_sum(tf.square(p)) for p in params if len(p.shape) > 1]
        return self.l2 * tf.add_n(squares)

    def factors(self, noise: Tensor) -> Tensor:
        """Returns what dropout multiplies hidden units by: 0 with probability `dropout`, else 1 / (1 - dropout).

        Srivastava et al., JMLR 15, 2014 ("inverted", as in Keras).

        Args:
            noise: Uniform whole numbers from 0 to 65535, [B, D].
        """
        assert self.dropout is not None
        kept = tf.cast(noise, tf.float32) >= self.dropout * float(NOISE_LEVELS)
        return tf.where(kept, 1.0 / (1.0 - self.dropout), 0.0)


_networks: dict[str, Network] = {}


def network_for(model: Model, encoder: FeatureEncoder, tasks: Tasks, seed: int) -> tuple[Network, Params]:
    """Returns the network of these settings, the one there is or a new one, and the parameters that a run begins with.

    Building one takes longer than many a short run's iterations.
    """
    of_tasks = {name: without(task, Balance) for name, task in tasks.items()}
    key = json.dumps([model.model_dump(mode="json"), encoder.structure, of_tasks])
    if key not in _networks:
        _networks[key] = model.build(encoder, tasks, seed)
    return _networks[key], _networks[key].initial(seed)
