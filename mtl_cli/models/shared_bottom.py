"""Hard parameter sharing: all tasks share the first layers, and each has its own last ones.

h = f(... f(x W_1 + b_1) ...), and for each task its own hidden layers on h and a linear output layer (Caruana,
"Multitask Learning", Machine Learning 28, 1997). `output_activation` acts on regression outputs.
"""

from collections.abc import Callable
from itertools import accumulate
from typing import Annotated, Any, Final, Literal

from pydantic import Field, field_validator

from mtl_cli.backend import keras, tf
from mtl_cli.datasets.encoder import FeatureEncoder
from mtl_cli.models.base import Model, Network, Params
from mtl_cli.randomness import WEIGHTS, generator
from mtl_cli.settings import Host, Number, Positive
from mtl_cli.tasks import Count, Regression, Task, Tasks

Activation = Literal[
    "linear", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softplus", "tanh", "sigmoid"
]

DEEP: Final = 4
"""Layers through which outputs grow a thousandfold where each has them ten times as large."""
Initializer = Literal[
    "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal",
    "random_uniform", "random_normal",
]  # fmt: skip
"""Keras' initialisers of kernels (Glorot and Bengio 2010, He et al. 2015, LeCun et al. 1998); biases begin at 0."""


class SharedBottom(Model):
    """`shared_layers`, then `task_layers` (or the task's own `layers`) and an output layer for every task."""

    name: Literal["shared_bottom"] = "shared_bottom"
    shared_layers: list[Count] = [20]
    task_layers: list[Count] = []
    activation: Activation = "relu"
    output_activation: Activation = "linear"
    use_bias: bool = True
    initializer: Annotated[Initializer, Host()] = "glorot_uniform"
    initializer_range: Annotated[list[Number], Host(), Field(min_length=2, max_length=2)] = [-0.05, 0.05]
    initializer_stddev: Annotated[Positive, Host()] = 0.05

    @field_validator("initializer_range")
    @classmethod
    def _check_range(cls, bounds: list[float]) -> list[float]:
        if bounds[0] >= bounds[1]:
            raise ValueError(f"should be [lower, higher], got {bounds}")
        return bounds

    @property
    def advice(self) -> str:
        """Returns the initialiser, where its weights are as large whatever the widths, and layers multiply them."""
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
        """Returns the network; `dropout` follows every hidden layer."""
        random = generator(seed, WEIGHTS)

        def dense(units: int, activation: str, name: str) -> Any:
            initializer = self._initializer(int(random.integers(2**31)))
            return keras.layers.Dense(units, activation, self.use_bias, initializer, name=name)

        def hidden(widths: list[int], part: str) -> list[Any]:
            return [dense(units, self.activation, f"{part}_{i}") for i, units in enumerate(widths, 1)]

        trunk = hidden(self.shared_layers, "shared")
        heads = {name: hidden(self._head(task), f"{name}_hidden") for name, task in tasks.items()}
        outputs = {
            name: dense(task.units or 1, self._output_activation(task), f"{name}_raw") for name, task in tasks.items()
        }
        inputs = keras.Input((encoder.width,), name="features")
        units, first = encoder.units(inputs, random)
        widths = [layer.units for layer in [*trunk, *(layer for head in heads.values() for layer in head)]]
        dropped = sum(widths) if self.dropout is not None else 0

        def graph(extra: list[Any], drop: Callable[[Any], Any] | None) -> tuple[Any, Any]:
            def through(layers: list[Any], x: Any) -> Any:
                for layer in layers:
                    x = layer(x) if drop is None else drop(layer(x))
                return x

            bottom = through(trunk, units)
            raw = {name: outputs[name](through(heads[name], bottom)) for name in tasks}
            return keras.Model([inputs, *extra], raw), bottom

        model, bottom = graph([], None)
        inference = model
        if self.dropout is not None:
            rate, factors, place = self.dropout, keras.Input((dropped,), name="factors"), iter(_slices(widths))
            model, bottom = graph([factors], lambda x: x * factors[:, next(place)])
            inference, _ = graph([], lambda x: keras.layers.Dropout(rate)(x))
        own = {
            name: [v for layer in [*heads[name], outputs[name]] for v in layer.trainable_variables] for name in tasks
        }
        layers = [layer.trainable_variables for layer in [*first, *trunk]]
        shared = [v for variables in layers for v in variables]
        kernels = [layer.kernel for layer in [*trunk, *(layer for head in heads.values() for layer in head)]]
        kernels += [layer.kernel for layer in outputs.values()]

        def initial(seed: int) -> Params:
            random = generator(seed, WEIGHTS)
            drawn = {id(v): self._initializer(int(random.integers(2**31)))(v.shape, v.dtype) for v in kernels}
            embeddings = [v for layer in first for v in layer.trainable_variables]
            drawn |= {id(v): tf.constant(x) for v, x in zip(embeddings, encoder.initial(random), strict=True)}
            values = [drawn[id(v)] if id(v) in drawn else tf.zeros(v.shape) for v in Params(shared, own).all()]
            return Params(shared, own).like(values)

        return Network(model, inference, shared, own, bottom, len(layers[-1]) if layers else 0, initial, dropped)

    def _initializer(self, seed: int) -> Any:
        minval, maxval = self.initializer_range
        parameters = {
            "random_uniform": {"minval": minval, "maxval": maxval},
            "random_normal": {"stddev": self.initializer_stddev},
        }
        config = {"seed": seed, **parameters.get(self.initializer, {})}
        return keras.initializers.get({"class_name": self.initializer, "config": config})

    def _head(self, task: Task) -> list[int]:
        return self.task_layers if task.layers is None else task.layers

    def _output_activation(self, task: Task) -> str:
        return self.output_activation if isinstance(task, Regression) else "linear"


def _slices(widths: list[int]) -> list[slice]:
    ends = list(accumulate(widths))
    return [slice(end - width, end) for end, width in zip(ends, widths, strict=True)]
