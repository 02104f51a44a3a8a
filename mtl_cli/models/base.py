"""The contract of an architecture: it says how tensors flow, and the network is derived from that."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple

import numpy as np
from pydantic import Field, field_validator

from mtl_cli.backend import Tensor, keras, tf
from mtl_cli.datasets.encoder import FeatureEncoder
from mtl_cli.errors import InputError
from mtl_cli.networks.layers import Head, Kernel, Layers
from mtl_cli.networks.network import Network, Params
from mtl_cli.networks.ownership import owners
from mtl_cli.networks.sizing import factor_for
from mtl_cli.randomness import WEIGHTS, generator
from mtl_cli.settings import Balance, Fraction, Host, NonNegative, Number, Positive, Settings, without
from mtl_cli.tasks import Count, Regression, Task, Tasks

NOISE_LEVELS = 2**16
"""Dropout's noise is a whole number below this."""
WIDTHS: Final = ("shared_layers", "task_layers", "expert_layers", "column_layers", "gate_layers")
"""The keys with units of layers, which `parameters` scales."""
DEEP: Final = 4
"""Layers through which outputs grow a thousandfold where each has them ten times as large."""
Activation = Literal[
    "linear", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softplus", "tanh", "sigmoid"
]
Initializer = Literal[
    "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal",
    "random_uniform", "random_normal",
]  # fmt: skip
"""Keras' initialisers of kernels (Glorot and Bengio 2010, He et al. 2015, LeCun et al. 1998); biases begin at 0."""


class Outputs(NamedTuple):
    """What an architecture makes of a batch."""

    raw: dict[str, Any]
    """Every task's raw outputs [B, U]: predictions of a regression, logits of a classification."""
    cut: list[Any] | None = None
    """The tensors at which shared parameters end and the tasks' own begin; None where there is no such line."""
    last_layer: Sequence[str] = ()
    """The names of the layers that are the last shared one, where it isn't the one that was made last."""
    penalties: Mapping[str, Any] = MappingProxyType({})
    """What a row adds to what is minimised for a task, beside the task's loss, [B]."""


class Model(Settings, ABC):
    """An architecture, as the user describes it under `model`."""

    name: str
    l2: NonNegative | None = None
    dropout: Fraction | None = None
    shared_layers: list[Count] = []
    task_layers: list[Count] = []
    activation: Activation = "relu"
    output_activation: Activation = "linear"
    use_bias: bool = True
    initializer: Annotated[Initializer, Host()] = "glorot_uniform"
    initializer_range: Annotated[list[Number], Host(), Field(min_length=2, max_length=2)] = [-0.05, 0.05]
    initializer_stddev: Annotated[Positive, Host()] = 0.05
    parameters: Count | None = None

    begins_with_shared_layers: ClassVar[bool] = True
    """Whether `connect` gets what is behind `shared_layers`; else it makes them itself."""
    shares: ClassVar[bool] = True
    """Whether tasks share anything."""

    @field_validator("initializer_range")
    @classmethod
    def _check_range(cls, bounds: list[float]) -> list[float]:
        if bounds[0] >= bounds[1]:
            raise ValueError(f"should be [lower, higher], got {bounds}")
        return bounds

    @abstractmethod
    def connect(self, x: Any, tasks: Sequence[str], layers: Layers) -> Outputs:
        """Returns the outputs for units x [B, F], those behind `shared_layers`; a pure function of what `layers` gives.

        It is called a second time where training differs from inference.
        """

    @property
    def advice(self) -> str:
        """Returns the initialiser, where its weights are as large whatever the widths, and layers multiply them.

        It is what to look at where a run diverges at once; nothing where the initial weights are no reason.
        """
        layers = len(self.shared_layers) + len(self.task_layers) + 1
        if layers < DEEP or not self.initializer.startswith("random_"):
            return ""
        name, scale = ("initializer_range", self.initializer_range) if self.initializer == "random_uniform" else (
            "initializer_stddev", self.initializer_stddev
        )  # fmt: skip
        return (
            f"it did at once: weights by model.initializer={self.initializer} (model.{name}={scale}) let outputs grow "
            f"through {layers} layers; model.initializer=he_uniform keeps their size"
        )

    def build(self, encoder: FeatureEncoder, tasks: Tasks, seed: int) -> Network:
        """Returns a new network whose initial weights follow from the seed.

        Raises:
            InputError: The tasks are to share nothing, and the features have embeddings.
            AssertionError: `connect` leaves a variable unused, or has the cut elsewhere than between what tasks share
                and what is their own.
        """
        heads = {name: self._head(task) for name, task in tasks.items()}
        layers = Layers(self.activation, self.use_bias, self.dropout, heads, self.drops_experts)
        features = keras.Input((encoder.width,), name="features")
        units, embeddings = encoder.units(features, generator(seed, WEIGHTS))
        if embeddings and not self.shares:
            raise InputError(
                f"model={self.name} shares nothing, and embeddings of columns are shared; data.embed_above=N, with N "
                "at least the number of a column's values, makes them one-hot"
            )
        outputs = self._connected(units, tasks, layers)
        inference = keras.Model(features, outputs.raw)
        weights = {name: gate.weights for name, gate in layers.gates.items()}
        extra: list[Any] = []
        if layers.differs:
            extra = layers.begin_training()
            outputs = self._connected(units, tasks, layers)
        made = [layer.trainable_variables for layer in [*embeddings, *layers.all()]]
        shared, own, cut = owners(outputs.raw, outputs.cut, [v for variables in made for v in variables])
        of_embeddings = [v for layer in embeddings for v in layer.trainable_variables]

        def initial(seed: int) -> Params:
            random = generator(seed, WEIGHTS)
            drawn = layers.initial(random, self._initializer)
            drawn |= {id(v): x for v, x in zip(of_embeddings, encoder.initial(random), strict=True)}
            found = [drawn.get(id(v), np.zeros(v.shape, v.dtype)) for v in Params(shared, own).all()]
            return Params(shared, own).like([tf.convert_to_tensor(values) for values in found])

        network = Network(
            model=keras.Model([features, *extra], outputs.raw),
            inference=inference,
            looking=keras.Model(features, weights) if weights else None,
            shared=shared,
            own=own,
            cut=cut,
            last_layer=_last_layer([*embeddings, *layers.all()], shared, outputs.last_layer),
            kernels={id(of.variable): of for of in [*(Kernel(v) for v in of_embeddings), *layers.kernels]},
            initial=initial,
            dropped=layers.dropped,
            gated=layers.gated,
            gates=layers.gates,
            penalties=outputs.penalties,
        )
        network.assign(initial(seed))
        return network

    def sized(self, count: Callable[["Model"], int]) -> "Model":
        """Returns this model with the units of all its layers times one factor, so that it has about `parameters`.

        The factor is found by bisection; the tasks' own `layers` stay as they are.

        Args:
            count: Counts the parameters of a model.

        Raises:
            InputError: There are no layers, or one unit in each makes more parameters than were asked for.
        """
        if self.parameters is None:
            return self
        widths = {key: units for key in WIDTHS if (units := getattr(self, key, None))}
        if not widths:
            raise InputError(f"model.parameters: model={self.name} has no layers whose units could be chosen")

        def times(factor: float) -> Model:
            scaled = {key: [max(1, round(units * factor)) for units in of] for key, of in widths.items()}
            return self.model_copy(update=scaled)

        least, parameters = count(times(0.0)), self.parameters
        if least > parameters:
            raise InputError(
                f"model.parameters: {parameters:,} is too few: model={self.name} has {least:,} with one unit in each "
                f"of {', '.join(widths)}"
            )
        return times(factor_for(parameters, lambda factor: count(times(factor))))

    def penalty(self, kernels: Iterable[Tensor]) -> Tensor:
        """Returns l2 * the sum of squares of the kernels, embeddings among them, as Keras' `L2` does.

        In alternating mode an iteration's penalty is that of the parameters it trains, so that over many iterations a
        task's own layers feel it as often as the task is picked.
        """
        if self.l2 is None:
            return 0.0
        return self.l2 * tf.add_n([tf.reduce_sum(tf.square(kernel)) for kernel in kernels])

    @property
    def drops_experts(self) -> bool:
        """Tells whether gates leave out experts at random in training."""
        return False

    def extra(self, gates: Mapping[str, Tensor], penalties: Sequence[Tensor]) -> Tensor:
        """Returns what is added to what is minimised beside losses and `penalty`.

        Args:
            gates: The weights of experts of the whole batch, [B, E], by the gate's name.
            penalties: Those of the architecture's outputs, each [B].
        """
        return 0.0

    def masks(self, noise: Tensor, dropped: int) -> list[Tensor]:
        """Returns the inputs that training has beside features, of noise for `dropped` units and for experts."""
        return [self.factors(noise[:, :dropped])] if dropped else []

    def factors(self, noise: Tensor) -> Tensor:
        """Returns what dropout multiplies hidden units by: 0 with probability `dropout`, else 1 / (1 - dropout).

        Srivastava et al., JMLR 15, 2014 ("inverted", as in Keras).

        Args:
            noise: Uniform whole numbers from 0 to 65535, [B, D].
        """
        assert self.dropout is not None
        kept = tf.cast(noise, tf.float32) >= self.dropout * float(NOISE_LEVELS)
        return tf.where(kept, 1.0 / (1.0 - self.dropout), 0.0)

    def _connected(self, units: Any, tasks: Tasks, layers: Layers) -> Outputs:
        x = layers.mlp("shared", units, self.shared_layers) if self.begins_with_shared_layers else units
        return self.connect(x, list(tasks), layers)

    def _head(self, task: Task) -> Head:
        widths = self.task_layers if task.layers is None else task.layers
        activation = self.output_activation if isinstance(task, Regression) else "linear"
        return Head(widths, task.units or 1, activation)

    def _initializer(self, seed: int) -> Any:
        minval, maxval = self.initializer_range
        parameters = {
            "random_uniform": {"minval": minval, "maxval": maxval},
            "random_normal": {"stddev": self.initializer_stddev},
        }
        config = {"seed": seed, **parameters.get(self.initializer, {})}
        return keras.initializers.get({"class_name": self.initializer, "config": config})


def _last_layer(layers: Sequence[Any], shared: Sequence[Any], names: Sequence[str]) -> list[int]:
    """Returns the places among the shared variables of those of the named layers, or of the last one that has any."""
    places = {id(v): place for place, v in enumerate(shared)}
    found = {layer.name: [places[id(v)] for v in layer.trainable_variables if id(v) in places] for layer in layers}
    last = next((name for name in reversed(found) if found[name]), None)
    return [place for name in names or filter(None, [last]) for place in found[name]]


_networks: dict[str, Network] = {}


def network_for(model: Model, encoder: FeatureEncoder, tasks: Tasks, seed: int) -> tuple[Network, Params]:
    """Returns the network of these settings, the one there is or a new one, and the parameters that a run begins with.

    Building one takes longer than many a short run's iterations.
    """
    of_tasks = {name: without(task, Balance) for name, task in tasks.items()}
    key = json.dumps([model.model_dump(mode="json"), encoder.structure, of_tasks])
    if key not in _networks:
        _networks[key] = model.sized(lambda sized: sized.build(encoder, tasks, seed).size).build(encoder, tasks, seed)
    return _networks[key], _networks[key].initial(seed)
