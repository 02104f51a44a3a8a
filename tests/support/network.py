"""A small network with three tasks: its step, and its losses and gradients computed by hand."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import tf
from mtl_cli.datasets.encoder import PlainFeatures
from mtl_cli.datasets.in_memory import RowsFeed
from mtl_cli.models.base import Model
from mtl_cli.models.shared_bottom import SharedBottom
from mtl_cli.modes.base import Mode
from mtl_cli.modes.joint import Joint
from mtl_cli.optimizers.base import Optimizer
from mtl_cli.optimizers.sgd import Sgd
from mtl_cli.step.context import StepContext
from mtl_cli.step.state import TrainState
from mtl_cli.tasks import Binary, Multiclass, Regression, Task
from mtl_cli.training.program import settings_tree, step_context
from mtl_cli.weighting.base import Weighting
from mtl_cli.weighting.fixed import Fixed as FixedWeighting

Array = NDArray[np.float64]

FEATURES, ROWS = 3, 9
WEIGHTS = {"number": 0.5, "yes": 0.2, "kind": 0.3}
RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(ROWS, FEATURES)).astype(np.float32)
LABELS: dict[str, NDArray[Any]] = {
    "number": RANDOM.normal(scale=2.0, size=(ROWS, 2)).astype(np.float32),
    "yes": RANDOM.integers(2, size=(ROWS, 2)).astype(np.float32),
    "kind": RANDOM.integers(3, size=ROWS).astype(np.int32),
}
DRAWN = np.array([4, 0, 7, 7, 2, 1, 3], np.int32)
"""The rows of the batch, one of them twice."""


def tasks(loss: str = "mse", weights: Mapping[str, float] = WEIGHTS) -> dict[str, Task]:
    return {
        "number": Regression.model_validate({"units": 2, "loss": loss, "weight": weights["number"]}),
        "yes": Binary(units=2, weight=weights["yes"]),
        "kind": Multiclass(units=3, weight=weights["kind"]),
    }


def build(
    mode: Mode,
    members: Mapping[str, Task],
    l2: float | None = None,
    optimizer: Optimizer | None = None,
    weighting: Weighting | None = None,
    model: Model | None = None,
) -> tuple[StepContext, TrainState]:
    """Returns the parts of a small network, and a state whose parameters, biases too, are random."""
    model = model or SharedBottom(shared_layers=[4], task_layers=[3], activation="tanh", l2=l2)
    network = model.build(PlainFeatures(FEATURES), members, seed=0)
    tree = settings_tree(mode, model, weighting or FixedWeighting(), optimizer or Sgd(), members)
    parts = step_context(network, RowsFeed((tuple(members),)), tree)
    random, blank = np.random.default_rng(4), network.params()
    params = blank.like([tf.constant(random.normal(scale=0.7, size=p.shape), tf.float32) for p in blank.all()])
    return parts, mode.init(parts, params)


def take(mode: Mode, parts: StepContext, state: TrainState, pick: Any = 0, rate: float = 1.0) -> tuple[TrainState, Any]:
    device_data = {"features": tf.constant(X), "labels": {name: tf.constant(y) for name, y in LABELS.items()}}
    rows = DRAWN[None] if isinstance(mode, Joint) else DRAWN
    batch = {"rows": tf.constant(rows), "pick": tf.convert_to_tensor(pick, tf.int32)}
    return mode.step(parts, state, device_data, batch, tf.constant(rate))[:2]


def arrays(tensors: Sequence[Any]) -> list[Array]:
    return [tensor.numpy().astype(np.float64) for tensor in tensors]


def descent(before: TrainState, after: TrainState) -> list[Array]:
    """Returns what was subtracted from each parameter: the gradient, after a step of SGD with learning rate 1."""
    pairs = zip(arrays(before.params.all()), arrays(after.params.all()), strict=True)
    return [old - new for old, new in pairs]


def log_sum_exp(z: Array) -> Array:
    result: Array = np.log(np.exp(z).sum(axis=1))
    return result


REGRESSION_LOSSES: dict[str, Callable[[Array], Any]] = {
    "mse": lambda e: np.mean(e**2),
    "mae": lambda e: np.mean(np.abs(e)),
    "huber": lambda e: np.mean(np.where(np.abs(e) <= 1, e**2 / 2, np.abs(e) - 0.5)),
    "l2": lambda e: np.sum(e**2) / 2,
}


def by_hand(parameters: Sequence[Array], loss: str, far_from: Sequence[float] = ()) -> Array:
    """Returns the three tasks' losses on the batch, [T], in float64; no error may be at one of the loss' kinks."""
    w, b, *heads = parameters
    hidden = np.tanh(X[DRAWN] @ w + b)
    raw = {}
    for i, task in enumerate(WEIGHTS):
        w1, b1, w2, b2 = heads[4 * i : 4 * i + 4]
        raw[task] = np.tanh(hidden @ w1 + b1) @ w2 + b2
    errors = raw["number"] - LABELS["number"][DRAWN]
    assert all(np.abs(np.abs(errors) - kink).min() > 1e-4 for kink in far_from)
    yes, kinds = LABELS["yes"][DRAWN], LABELS["kind"][DRAWN]
    cross_entropy = log_sum_exp(raw["kind"]) - raw["kind"][np.arange(len(DRAWN)), kinds]
    likelihood = np.where(yes == 1, 1 / (1 + np.exp(-raw["yes"])), 1 / (1 + np.exp(raw["yes"])))
    return np.array([REGRESSION_LOSSES[loss](errors), -np.log(likelihood).mean(), cross_entropy.mean()])


def central_differences(function: Callable[[list[Array]], float], at: Sequence[Array]) -> list[Array]:
    """Returns the gradient of the function for every array, with an error of about 1e-9."""
    h, gradients = 1e-6, [np.zeros_like(array) for array in at]
    for i, gradient in enumerate(gradients):
        for place in np.ndindex(gradient.shape):
            values = []
            for shift in (h, -h):
                shifted = [array.copy() for array in at]
                shifted[i][place] += shift
                values.append(function(shifted))
            gradient[place] = (values[0] - values[1]) / (2 * h)
    return gradients
