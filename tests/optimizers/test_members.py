"""Update rules against Keras' optimizers and the article's Adam, also compiled with their numbers as arguments."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mtl_cli.backend import keras, tf
from mtl_cli.config import FAMILIES
from mtl_cli.optimizers.adagrad import Adagrad
from mtl_cli.optimizers.adam import Adam
from mtl_cli.optimizers.adamw import AdamW
from mtl_cli.optimizers.base import Optimizer
from mtl_cli.optimizers.lion import Lion
from mtl_cli.optimizers.rmsprop import RmsProp
from mtl_cli.optimizers.sgd import Sgd
from mtl_cli.settings import bind, numbers, signature

OPTIMIZERS = FAMILIES["optimizer"]
Array = NDArray[np.float32]

STEPS = 50
SHAPES: list[tuple[int, ...]] = [(), (3,), (4, 5), (2, 3, 4)]

CASES: list[tuple[Optimizer, str, dict[str, float]]] = [
    (Adam(), "Adam", {"epsilon": 1e-8}),
    (Adam(beta_1=0.8, beta_2=0.95, epsilon=1e-3), "Adam", {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3}),
    (AdamW(), "AdamW", {"epsilon": 1e-8, "weight_decay": 0.004}),
    (
        AdamW(beta_1=0.7, beta_2=0.9, epsilon=1e-2, weight_decay=1.5),
        "AdamW",
        {"beta_1": 0.7, "beta_2": 0.9, "epsilon": 1e-2, "weight_decay": 1.5},
    ),
    (Sgd(), "SGD", {}),
    (Sgd(momentum=0.9), "SGD", {"momentum": 0.9}),
    (Sgd(momentum=0.9, nesterov=True), "SGD", {"momentum": 0.9, "nesterov": True}),
    (RmsProp(), "RMSprop", {}),
    (RmsProp(rho=0.7, momentum=0.6, epsilon=1e-2), "RMSprop", {"rho": 0.7, "momentum": 0.6, "epsilon": 1e-2}),
    (Adagrad(), "Adagrad", {}),
    (
        Adagrad(initial_accumulator_value=0.5, epsilon=1e-2),
        "Adagrad",
        {"initial_accumulator_value": 0.5, "epsilon": 1e-2},
    ),
    (Lion(), "Lion", {}),
    (Lion(beta_1=0.6, beta_2=0.8), "Lion", {"beta_1": 0.6, "beta_2": 0.8}),
    (Adam(clip_norm=2.0), "Adam", {"epsilon": 1e-8, "global_clipnorm": 2.0}),
    (Sgd(momentum=0.5, clip_norm=5.0), "SGD", {"momentum": 0.5, "global_clipnorm": 5.0}),
]


def beginning(seed: int = 0) -> list[Array]:
    """Draws parameters of size 1."""
    random = np.random.default_rng(seed)
    return [np.asarray(random.normal(size=shape), np.float32) for shape in SHAPES]


def drawn_gradients(seed: int = 1) -> list[list[Array]]:
    """Draws gradients whose size changes from step to step and from parameter to parameter, some of them 0."""
    random = np.random.default_rng(seed)
    scales = random.uniform(0.1, 2.0, size=(STEPS, len(SHAPES)))
    scales[random.random(scales.shape) < 0.1] = 0.0
    return [
        [np.asarray(s * random.normal(size=shape), np.float32) for s, shape in zip(row, SHAPES, strict=True)]
        for row in scales
    ]


def drawn_rates(seed: int = 2) -> Array:
    return np.random.default_rng(seed).uniform(1e-3, 4e-3, STEPS).astype(np.float32)


def clip_and_update(optimizer: Optimizer, state: Any, parameters: Any, gradients: Any, rate: Any) -> Any:
    return optimizer.update(state, parameters, optimizer.clipped(gradients), rate)


def ours(optimizer: Optimizer, step: Any = None) -> list[list[Array]]:
    """Returns the parameters after every step, taken by `step` or else by the optimizer itself."""
    step = step or partial(clip_and_update, optimizer)
    parameters = [tf.constant(p) for p in beginning()]
    state, path = optimizer.init(parameters), []
    for gradients, rate in zip(drawn_gradients(), drawn_rates(), strict=True):
        state, parameters = step(state, parameters, [tf.constant(g) for g in gradients], tf.constant(rate))
        path.append([p.numpy() for p in parameters])
    assert float(state["count"]) == STEPS
    return path


def keras_path(kind: str, options: Mapping[str, Any]) -> list[list[Array]]:
    optimizer = getattr(keras.optimizers, kind)(**options)
    variables = [keras.Variable(p) for p in beginning()]
    path = []
    for gradients, rate in zip(drawn_gradients(), drawn_rates(), strict=True):
        optimizer.learning_rate = rate
        optimizer.apply([tf.constant(g) for g in gradients], variables)
        path.append([v.numpy() for v in variables])
    return path


def assert_close(path: Sequence[Sequence[Array]], expected: Sequence[Sequence[Array]]) -> None:
    for now, then in zip(path, expected, strict=True):
        for parameter, reference in zip(now, then, strict=True):
            np.testing.assert_allclose(parameter, reference, rtol=0, atol=1e-6)


def compiled(optimizer: Optimizer, values: Mapping[str, float]) -> Any:
    """Returns a compiled step of the optimizer whose numbers are arguments, here the `values`."""

    def update(tensors: Any, state: Any, parameters: Any, gradients: Any, rate: Any) -> Any:
        return clip_and_update(bind(optimizer, tensors), state, parameters, gradients, rate)

    tensors = {path: tf.constant(value, tf.float32) for path, value in values.items()}
    function = tf.function(update, jit_compile=True, autograph=False)
    return lambda *arguments: function(tensors, *arguments)


def test_every_optimizer_has_a_case() -> None:
    names = {optimizer.model_fields["name"].default for optimizer in OPTIMIZERS}
    assert names >= {"adam", "adamw", "sgd", "rmsprop", "adagrad", "lion"}
    assert {type(optimizer) for optimizer, _, _ in CASES} == set(OPTIMIZERS)


@pytest.mark.parametrize(("optimizer", "kind", "options"), CASES)
def test_update_is_keras(optimizer: Optimizer, kind: str, options: dict[str, float]) -> None:
    assert_close(ours(optimizer), keras_path(kind, options))


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_compiled_with_its_numbers_as_arguments(kind: type[Optimizer]) -> None:
    optimizer = kind.model_validate({"clip_norm": 3.0})
    others = {path: 0.9 * value + 0.05 for path, value in numbers(optimizer).items()}
    other = optimizer.model_copy(update=others)
    assert signature(other) == signature(optimizer)
    expected = ours(other)
    assert not np.allclose(expected[-1][2], ours(optimizer)[-1][2], rtol=0, atol=1e-4)
    assert_close(ours(other, compiled(optimizer, others)), expected)


def test_adam_is_the_articles() -> None:
    v1 = tf.compat.v1
    path = []
    with tf.Graph().as_default(), v1.Session() as session:
        variables = [v1.Variable(p, use_resource=True) for p in beginning()]
        gradients = [v1.placeholder(tf.float32, shape) for shape in SHAPES]
        rate = v1.placeholder(tf.float32, [])
        train = v1.train.AdamOptimizer(rate).apply_gradients(list(zip(gradients, variables, strict=True)))
        session.run(v1.global_variables_initializer())
        for values, number in zip(drawn_gradients(), drawn_rates(), strict=True):
            session.run(train, {rate: number, **dict(zip(gradients, values, strict=True))})
            path.append(session.run(variables))
    assert_close(ours(Adam()), path)
    assert_close(ours(Adam(), compiled(Adam(), numbers(Adam()))), path)


@pytest.mark.parametrize("clip_norm", [0.01, 1.0, 1e6])
def test_clipping_is_by_the_global_norm(clip_norm: float) -> None:
    optimizer = Sgd(clip_norm=clip_norm)
    zeros = [tf.zeros(shape) for shape in SHAPES]
    for gradients in [*drawn_gradients()[:5], zeros]:
        _, moved = clip_and_update(optimizer, optimizer.init(zeros), zeros, gradients, tf.constant(1.0))
        expected, _ = tf.clip_by_global_norm(gradients, clip_norm)
        for new, gradient in zip(moved, expected, strict=True):
            np.testing.assert_allclose(new.numpy(), -gradient.numpy(), rtol=1e-6, atol=1e-7 * clip_norm)
