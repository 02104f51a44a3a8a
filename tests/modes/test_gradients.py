"""What one step changes: gradients against central differences, the modes against each other."""

from typing import Any, Literal

import numpy as np
import pytest

from mtl_cli.backend import keras, tf
from mtl_cli.modes.alternating import SHARED, Alternating
from mtl_cli.modes.base import Mode
from mtl_cli.modes.joint import Joint
from mtl_cli.optimizers.adamw import AdamW
from mtl_cli.optimizers.sgd import Sgd
from tests.support.network import (
    DRAWN,
    WEIGHTS,
    Array,
    arrays,
    build,
    by_hand,
    central_differences,
    descent,
    take,
    tasks,
)

Scope = Literal["per_task", "shared"]


@pytest.mark.parametrize(("l2", "halved_from"), [(None, 128), (0.03, 128), (None, len(DRAWN))])
@pytest.mark.parametrize(("loss", "kinks"), [("mse", []), ("mae", [0.0]), ("huber", [1.0]), ("l2", [])])
def test_joint_gradient_is_central_differences(
    loss: str, kinks: list[float], l2: float | None, halved_from: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mtl_cli.step.context.HALVED_FROM", halved_from)
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
