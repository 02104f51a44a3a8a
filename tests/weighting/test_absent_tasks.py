"""Tasks without a row in a batch: every method goes on as if they weren't there."""

from typing import Any

import numpy as np
import pytest

from mtl_cli.backend import keras
from tests.support.methods import METHODS, beginning, draw, make, run
from tests.support.problems import steps, typical

REMEMBERING = [name for name in METHODS if beginning(make(name), 2)]


@pytest.mark.parametrize("name", REMEMBERING)
def test_what_is_remembered_of_a_task_stays_while_it_is_away(name: str) -> None:
    """Numbers that are learned, their moments, running means: all that the method keeps for each task."""
    method, problem = make(name), typical(3)
    memory = steps(method, problem, 4).memory
    away = np.array([1.0, 1.0, 0.0])
    J, losses, after = away[:, None] * problem.J, 0.5 * away * problem.losses, 0.4 * away * problem.after
    moved = run(method, J, losses, after=after, present=[True, True, False], memory=memory).memory
    changed = False
    for new, old in zip(keras.tree.flatten(moved), keras.tree.flatten(memory), strict=True):
        if np.shape(new)[:1] == (3,):
            np.testing.assert_array_equal(new[2], old[2])
            changed |= not np.array_equal(new[:2], old[:2])
    assert changed


@pytest.mark.parametrize("name", ["famo", "imtl", "imtl_l", "uncertainty"])
def test_what_is_learned_of_a_task_has_no_part_in_anything_while_it_is_away(name: str) -> None:
    method, problem = make(name), typical(3)
    memory = steps(method, problem, 4).memory
    away = np.array([1.0, 1.0, 0.0])
    seen = {"after": away * problem.after, "present": [True, True, False]}
    found = []
    for shift in (0.0, 5.0):
        (learned,) = {"log_scales", "log_variances", "logits"} & set(memory)
        other = memory | {learned: memory[learned] + np.array([0.0, 0.0, shift], np.float32)}
        found.append(run(method, away[:, None] * problem.J, away * problem.losses, memory=other, **seen))  # type: ignore[arg-type]
    assert found[0].joint_loss == pytest.approx(found[1].joint_loss, rel=1e-5)
    np.testing.assert_allclose(found[0].own[:2], found[1].own[:2], rtol=1e-5)


@pytest.mark.parametrize("name", sorted({*REMEMBERING} - {"dwa"}))
def test_a_task_that_is_always_away_changes_nothing(name: str) -> None:
    """But the scale, where weights have a fixed sum; `dwa` gives the absent task its part of it."""
    method, problem = make(name), typical(3)
    J, losses, after = (array[:2] for array in problem[:3])
    zero = np.zeros(1)
    both = memory = None
    for k in range(5):
        fall = 0.8**k * np.array([1.0, 0.5**k])
        drawn = draw(method, 3, k)
        more = (np.vstack([J, 0 * J[:1]]), np.append(fall * losses, zero), [0.5] * 3)
        then: dict[str, Any] = {"after": np.append(fall * after, zero), "present": [True, True, False], "drawn": drawn}
        memory = run(method, *more, memory=memory and memory.memory, **then)
        pairs = {key: order[:2][order[:2] < 2].reshape(2, -1) for key, order in drawn.items()}
        both = run(
            method, J, fall * losses, [0.5] * 2, after=fall * after, memory=both and both.memory, drawn=pairs or None
        )
        scale = 2 / 3 if name == "excess_mtl" else 1.0
        np.testing.assert_allclose(memory.own[:2], scale * both.own, rtol=1e-5)
        assert memory.joint_loss == pytest.approx(scale * both.joint_loss, rel=1e-5)
        np.testing.assert_allclose(memory.direction, scale * both.direction, rtol=1e-4, atol=1e-6)


def test_famo_takes_a_task_that_is_mostly_away_for_an_equal() -> None:
    """Three equal tasks, one with labels in every tenth batch only; that it gained nothing meanwhile is no fault."""
    method, memory = make("famo"), None
    for k in range(600):
        present = np.array([1.0, 1.0, k % 10 == 0])
        losses, J = 0.998**k * present, present[:, None] * typical(3).J
        found = run(method, J, losses, after=0.99 * losses, present=(present > 0).tolist(), memory=memory)
        memory = found.memory
    np.testing.assert_allclose(found.memory["logits"], found.memory["logits"][0], atol=0.01)
