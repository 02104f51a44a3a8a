"""What one step changes: gradients against central differences, the modes against each other."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from mtl_cli.backend import keras, tf
from mtl_cli.datasets.dataset import Plain
from mtl_cli.datasets.in_memory import RowsFeed
from mtl_cli.models.shared_bottom import SharedBottom
from mtl_cli.modes.alternating import SHARED, Alternating
from mtl_cli.modes.base import Mode, Parts, State
from mtl_cli.modes.joint import Joint
from mtl_cli.optimizers.adamw import AdamW
from mtl_cli.optimizers.base import Optimizer
from mtl_cli.optimizers.sgd import Sgd
from mtl_cli.tasks import Binary, Multiclass, Regression, Task
from mtl_cli.training.program import make_parts, settings_tree
from mtl_cli.weighting.base import Weighting
from mtl_cli.weighting.fixed import Fixed as FixedWeighting

Array = NDArray[np.float64]
Scope = Literal["per_task", "shared"]

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
) -> tuple[Parts, State]:
    """Returns the parts of a small network, and a state whose parameters, biases too, are random."""
    model = SharedBottom(shared_layers=[4], task_layers=[3], activation="tanh", l2=l2)
    network = model.build(Plain(FEATURES), members, seed=0)
    tree = settings_tree(mode, model, weighting or FixedWeighting(), optimizer or Sgd(), members)
    parts = make_parts(network, RowsFeed((tuple(members),)), tree)
    random, blank = np.random.default_rng(4), network.params()
    params = blank.like([tf.constant(random.normal(scale=0.7, size=p.shape), tf.float32) for p in blank.all()])
    return parts, mode.init(parts, params)


def take(mode: Mode, parts: Parts, state: State, pick: Any = 0, rate: float = 1.0) -> tuple[State, Any]:
    resident = {"features": tf.constant(X), "labels": {name: tf.constant(y) for name, y in LABELS.items()}}
    rows = DRAWN[None] if isinstance(mode, Joint) else DRAWN
    batch = {"rows": tf.constant(rows), "pick": tf.convert_to_tensor(pick, tf.int32)}
    return mode.step(parts, state, resident, batch, tf.constant(rate))[:2]


def arrays(tensors: Sequence[Any]) -> list[Array]:
    return [tensor.numpy().astype(np.float64) for tensor in tensors]


def descent(before: State, after: State) -> list[Array]:
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


@pytest.mark.parametrize(("l2", "halved_from"), [(None, 128), (0.03, 128), (None, len(DRAWN))])
@pytest.mark.parametrize(("loss", "kinks"), [("mse", []), ("mae", [0.0]), ("huber", [1.0]), ("l2", [])])
def test_joint_gradient_is_central_differences(
    loss: str, kinks: list[float], l2: float | None, halved_from: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mtl_cli.modes.base.HALVED_FROM", halved_from)
    parts, state = build(Joint(), tasks(loss), l2)
    after, losses = take(Joint(), parts, state)
    at = arrays(state.params.all())
    weights = np.array(list(WEIGHTS.values()))

    def objective(parameters: list[Array]) -> float:
        kernels = sum(float(np.sum(p**2)) for p in parameters if p.ndim == 2)
        return float(weights @ by_hand(parameters, loss)) + (l2 or 0.0) * kernels

    expected = by_hand(at, loss, kinks)
    np.testing.assert_allclose(losses, [weights @ expected, *expected], rtol=1e-5)
    for moved, gradient in zip(descent(state, after), central_differences(objective, at), strict=True):
        assert np.abs(gradient).max() > 1e-3
        np.testing.assert_allclose(moved, gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scope", ["per_task", "shared"])
@pytest.mark.parametrize("probs", [(0.5, 0.2, 0.3), (0.9, 0.1, 0.0)])
def test_expected_alternating_gradient_is_the_joint_one(probs: tuple[float, ...], scope: Scope) -> None:
    weights = dict(zip(WEIGHTS, probs, strict=True))
    parts, state = build(Joint(), tasks("huber", weights))
    after, joint_row = take(Joint(), parts, state)
    mode = Alternating(optimizer_scope=scope)
    parts, state = build(mode, tasks("huber"))
    mean = [np.zeros(p.shape) for p in state.params.all()]
    for number, prob in enumerate(probs):
        moved, row = take(mode, parts, state, number)
        assert [i for i, loss in enumerate(row.numpy()) if loss != 0.0] == [1 + number]
        np.testing.assert_allclose(row[1 + number], joint_row[1 + number], rtol=1e-6)
        mean = [total + prob * gradient for total, gradient in zip(mean, descent(state, moved), strict=True)]
    for expected, joint in zip(mean, descent(state, after), strict=True):
        np.testing.assert_allclose(joint, expected, rtol=0, atol=5e-7)


MODES = [(Joint(), 0), (Alternating(), 1), (Alternating(optimizer_scope="shared"), 2)]
"""Each with a task that it picks, if it does so."""


@pytest.mark.parametrize(("mode", "pick"), MODES)
def test_all_gradients_of_an_iteration_are_clipped_together(mode: Mode, pick: int) -> None:
    limit = 0.01
    parts, state = build(mode, tasks(), optimizer=Sgd(clip_norm=limit))
    after, _ = take(mode, parts, state, pick)
    length = np.sqrt(sum(np.sum(np.square(moved)) for moved in descent(state, after)))
    assert length == pytest.approx(limit, rel=1e-4)


@pytest.mark.parametrize(("mode", "pick"), MODES)
def test_l2_pulls_kernels_only(mode: Mode, pick: int) -> None:
    l2 = 0.25
    (parts, state), (parts_l2, state_l2) = build(mode, tasks()), build(mode, tasks(), l2)
    (after, row), (after_l2, row_l2) = take(mode, parts, state, pick), take(mode, parts_l2, state_l2, pick)
    np.testing.assert_array_equal(row, row_l2)
    pulled = list(WEIGHTS) if isinstance(mode, Joint) else [list(WEIGHTS)[pick]]
    for group in ("", *WEIGHTS):
        begun, plain, with_l2 = (
            arrays(s.params.own[group] if group else s.params.shared) for s in (state, after, after_l2)
        )
        for w, one, other in zip(begun, plain, with_l2, strict=True):
            if w.ndim == 2 and group in ("", *pulled):
                np.testing.assert_allclose(one - other, 2 * l2 * w, rtol=0, atol=1e-6)
            else:
                np.testing.assert_array_equal(one, other)


def same(one: Any, other: Any) -> list[bool]:
    """Tells for each tensor of two nests whether its bits are the same in both."""
    pairs = zip(keras.tree.flatten(one), keras.tree.flatten(other), strict=True)
    return [a.numpy().tobytes() == b.numpy().tobytes() for a, b in pairs]


@pytest.mark.parametrize("scope", ["per_task", "shared"])
def test_what_is_not_picked_is_left_alone(scope: Scope) -> None:
    mode, picks = Alternating(optimizer_scope=scope), [1, 1, 0, 1, 1, 0, 2, 1, 0, 2]
    parts, state = build(mode, tasks(), l2=0.1, optimizer=AdamW())
    step = tf.function(lambda s, pick: take(mode, parts, s, pick, 0.01), jit_compile=True, autograph=False)
    for pick in picks:
        before = state
        state, _ = step(before, tf.constant(pick))
        assert not any(same(before.params.shared, state.params.shared))
        for number, task in enumerate(WEIGHTS):
            own = same(before.params.own[task], state.params.own[task])
            memory = same(before.optimizers[task], state.optimizers[task])
            assert not any(own + memory) if number == pick else all(own + memory)
    counts = {name: float(optimizer["count"]) for name, optimizer in state.optimizers.items()}
    expected = {task: picks.count(number) for number, task in enumerate(WEIGHTS)}
    assert counts == (expected if scope == "per_task" else {SHARED: len(picks)} | expected)
