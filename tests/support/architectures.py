"""Small models of every architecture, with smooth hidden layers, and what they make of a few rows."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from mtl_cli.backend import tf
from mtl_cli.config import FAMILIES
from mtl_cli.datasets.encoder import PlainFeatures
from mtl_cli.models.base import Model
from mtl_cli.modes.joint import Joint
from mtl_cli.networks.network import Network
from mtl_cli.step.context import StepContext
from mtl_cli.step.state import TrainState
from mtl_cli.tasks import Task
from tests.support.network import DRAWN, FEATURES, LABELS, X, build, tasks

MODELS: dict[str, type[Model]] = {
    cls.model_fields["name"].default: cls for cls in FAMILIES["model"] if issubclass(cls, Model)
}
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    **{name: {} for name in MODELS},
    "shared_bottom of nothing": {"shared_layers": []},
    "mmoe of one gate": {"multi_gate": False},
    "mmoe with hidden gates": {"gate_layers": [3], "gate_bias": True, "expert_layers": [4, 3]},
    "cgc of two": {"shared_experts": 2, "task_experts": 2},
    "ple of one": {"levels": 1},
    "ple of three": {"levels": 3, "task_experts": 2},
    "cross_stitch by unit": {"stitch": "unit", "column_layers": [4, 3]},
    "dselect_k by task": {"routing": "task", "experts": 3, "gamma": 20.0},
    "adatt of one": {"levels": 1, "task_experts": 2},
    "mtan of two": {"shared_layers": [4, 3], "attention_units": 2},
    "film of two": {"shared_layers": [4, 3]},
}
SIZES = {"experts": 3, "expert_layers": [4], "column_layers": [4], "task_layers": [3], "activation": "tanh"}


def model(variant: str, **changed: Any) -> Model:
    """Returns a small model of every kind, with smooth hidden layers behind shared ones."""
    cls = MODELS[variant.split()[0]]
    sizes = {key: value for key, value in SIZES.items() if key in cls.model_fields}
    return cls.model_validate({**sizes, "shared_layers": [5], **VARIANTS[variant], **changed})


def of_all(members: Mapping[str, Task] | None = None, mode: Any = None, **given: Any) -> Any:
    return build(mode or Joint(), members or tasks(), **given)


@cache
def parts(variant: str) -> tuple[StepContext, TrainState]:
    found: tuple[StepContext, TrainState] = of_all(model=model(variant))
    return found


def rows(context: StepContext) -> Any:
    device_data = {"features": tf.constant(X), "labels": {name: tf.constant(y) for name, y in LABELS.items()}}
    return context.feed.joint(device_data, {"rows": tf.constant(DRAWN[None])})


def forward(context: StepContext, state: TrainState) -> tuple[Any, Any]:
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(state.params.all())
        found = context.forward(state.params, rows(context), {})
    return tape, found


def flat(tensors: Sequence[Any]) -> Any:
    return np.concatenate([np.asarray(each, np.float64).ravel() for each in tensors]) if tensors else np.zeros(0)


def variables(network: Network) -> list[Any]:
    return [*network.shared, *(v for own in network.own.values() for v in own)]


def raw(network: Network, x: Any = X) -> dict[str, Any]:
    found = network.inferred(network.params(), tf.constant(x))
    return {task: values.numpy() for task, values in found.items()}


def built(variant: str, **changed: Any) -> Network:
    return model(variant, **changed).build(PlainFeatures(FEATURES), tasks(), 0)


def equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    for task, values in one.items():
        np.testing.assert_allclose(values, other[task], rtol=1e-4, atol=1e-5)
