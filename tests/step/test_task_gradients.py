"""From a weighting's update to the parameters: the joint step on a small network, and every method in a whole run."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from mtl_cli.backend import tf
from mtl_cli.datasets.encoder import PlainFeatures
from mtl_cli.datasets.in_memory import RowsFeed
from mtl_cli.models.shared_bottom import SharedBottom
from mtl_cli.modes.joint import Joint
from mtl_cli.optimizers.sgd import Sgd
from mtl_cli.settings import numbers
from mtl_cli.step.context import StepContext
from mtl_cli.step.state import TrainState
from mtl_cli.training import program
from mtl_cli.training.program import settings_tree, step_context
from mtl_cli.weighting.base import MethodState, Observation, On, Update, Weighting
from mtl_cli.weighting.imtl_g import ImtlG
from mtl_cli.weighting.mgda import Mgda
from tests.support import references as ref
from tests.support.configs import composed
from tests.support.methods import METHODS
from tests.support.network import (
    DRAWN,
    FEATURES,
    LABELS,
    WEIGHTS,
    Array,
    X,
    arrays,
    build,
    by_hand,
    central_differences,
    descent,
    take,
    tasks,
)
from tests.support.runs import losses

OWN, SHARED = np.array([2.0, -1.0, 0.5]), np.array([0.3, 0.7, -2.0])


class Told(Weighting):
    """Gives the factors OWN and SHARED, after it has asked for gradients."""

    name: Literal["told"] = "told"
    asks: list[On] = []
    whole: bool = False
    """Whether it gives a direction."""

    def combine(self, memory: MethodState, seen: Observation) -> tuple[MethodState, Update]:
        """Returns an update without memory."""
        for on in self.asks:
            seen.gram(on)
        direction = None
        if self.whole:
            direction = [tf.tensordot(tf.constant(SHARED, tf.float32), row, 1) for row in seen.gradients("parameters")]
        return memory, Update(
            seen.weighted_loss, tf.constant(OWN, tf.float32), tf.constant(SHARED, tf.float32), direction
        )


def compiled_descent(parts: StepContext, state: TrainState) -> list[Array]:
    step = tf.function(lambda begun: take(Joint(), parts, begun)[0], jit_compile=True, autograph=False)
    return descent(state, step(state))


@pytest.mark.parametrize("halved_from", [128, len(DRAWN)])
@pytest.mark.parametrize("l2", [None, 0.03])
@pytest.mark.parametrize(
    "weighting",
    [Told(), Told(asks=["parameters"]), Told(asks=["representation", "last_layer"]), Told(whole=True)],
    ids=str,
)
def test_an_update_is_carried_out(
    weighting: Weighting, l2: float | None, halved_from: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shared parameters and tasks' own get the sums of their factors times the losses' central differences."""
    monkeypatch.setattr("mtl_cli.step.context.HALVED_FROM", halved_from)
    parts, state = build(Joint(), tasks(), l2, weighting=weighting)
    at = arrays(state.params.all())
    shared = len(state.params.shared)

    def objective(factors: Array, parameters: Sequence[Array]) -> float:
        kernels = sum(float(np.sum(p**2)) for p in parameters if p.ndim == 2)
        return float(factors @ by_hand(parameters, "mse")) + (l2 or 0.0) * kernels

    below = central_differences(lambda p: objective(SHARED, p), at)[:shared]
    above = central_differences(lambda p: objective(OWN, p), at)[shared:]
    for moved, gradient in zip(compiled_descent(parts, state), below + above, strict=True):
        assert np.abs(gradient).max() > 1e-3
        np.testing.assert_allclose(moved, gradient, rtol=1e-5, atol=2e-6)


def separately(parts: StepContext, state: TrainState) -> dict[On, Array]:
    """Returns each task's gradient, [T, ...], from a tape and a forward pass of its own."""
    rows = parts.feed.joint(
        {"features": tf.constant(X), "labels": {name: tf.constant(y) for name, y in LABELS.items()}},
        {"rows": tf.constant(DRAWN[None])},
    )
    found: dict[On, list[Array]] = {"parameters": [], "representation": [], "last_layer": []}
    for task in WEIGHTS:
        with tf.GradientTape() as tape:
            tape.watch(state.params.shared)
            values, cut, *_ = parts.forward(state.params, rows, {})
        of_task = tape.gradient(values[task], [*state.params.shared, *(cut or [])])
        flat = [tensor.numpy().ravel() for tensor in of_task]
        below = len(state.params.shared)
        found["parameters"].append(np.concatenate(flat[:below]))
        found["last_layer"].append(np.concatenate([flat[place] for place in parts.network.last_layer]))
        found["representation"].append(np.concatenate(flat[below:]))
    return {on: np.array(by_task, np.float64) for on, by_task in found.items()}


SEEN: list[Observation] = []


class Watching(Weighting):
    """Keeps what it sees."""

    name: Literal["watching"] = "watching"

    def combine(self, memory: MethodState, seen: Observation) -> tuple[MethodState, Update]:
        """Returns an update without effect."""
        SEEN.append(seen)
        return memory, Update(seen.weighted_loss, seen.weights_T, seen.weights_T)


@pytest.mark.parametrize("halved_from", [128, len(DRAWN)])
def test_the_gradients_seen_are_those_of_separate_passes(halved_from: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtl_cli.step.context.HALVED_FROM", halved_from)
    parts, state = build(Joint(), tasks(), weighting=Watching())
    take(Joint(), parts, state)
    seen = SEEN.pop()
    for on, expected in separately(parts, state).items():
        found = np.concatenate([row.numpy().reshape(3, -1) for row in seen.gradients(on)], axis=1)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
        np.testing.assert_allclose(seen.gram(on).products_TT, expected @ expected.T, rtol=1e-5, atol=1e-6)
    assert seen.present_T.numpy().all()
    np.testing.assert_allclose(seen.losses_T, by_hand(arrays(state.params.all()), "mse"), rtol=1e-5)


@pytest.mark.parametrize("on", ["parameters", "representation"])
def test_weights_come_from_the_gradients_that_were_asked_for(on: On) -> None:
    parts, state = build(Joint(), tasks(), weighting=ImtlG.model_validate({"on": on}))
    of = separately(parts, state)
    moved = np.concatenate([array.ravel() for array in compiled_descent(parts, state)[: len(state.params.shared)]])
    np.testing.assert_allclose(moved, ref.imtl_g(of[on]) @ of["parameters"], rtol=1e-4, atol=1e-5)
    parts, state = build(Joint(), tasks(), weighting=Mgda.model_validate({"on": on, "normalize": "l2"}))
    share = np.linalg.lstsq(of[on].T / ref.norms(of[on]), ref.mgda(ref.units(of[on])))[0]
    moved = np.concatenate([array.ravel() for array in compiled_descent(parts, state)[: len(state.params.shared)]])
    np.testing.assert_allclose(moved, share @ of["parameters"], rtol=1e-4, atol=1e-5)


ACTIVE = {
    "dwa": ["weighting.window=2"],
    "gradnorm": ["steps=60"],
    "nash_mtl": ["weighting.max_norm=0.1"],
}
"""Settings with which every number matters in the first iterations."""


@pytest.mark.parametrize("name", METHODS)
def test_every_number_of_a_run_is_an_argument(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changing any number of a weighting changes the losses, and compiles nothing; neither does changing all."""
    monkeypatch.setattr(program, "_programs", {})
    overrides = [f"weighting={name}", "steps=12", "optimizer.learning_rate=0.05", *ACTIVE.get(name, [])]
    base = composed(*overrides)
    reference = losses(base, tmp_path)
    assert not {b"nan", b"inf"} & set(re.split(rb"[,\n]", reference))
    changes = []
    for key, value in numbers(base.weighting).items():
        whole = isinstance(getattr(base.weighting, key), int)
        changes.append(f"weighting.{key}={int(value) + 1 if whole else 0.7 * value or 0.1}")
        assert losses(composed(*overrides, changes[-1]), tmp_path) != reference, key
    changes += ["seed=1"] + ["tasks.y1.weight=0.3"] * METHODS[name].honours_weights
    assert losses(composed(*overrides, *changes), tmp_path) != reference
    (compiled,) = program._programs.values()
    assert compiled.traces == 1


def test_the_last_layer_is_the_last_one_of_several() -> None:
    """Its kernel and its bias alone: what `gradnorm` looks at by default."""
    members, mode = tasks(), Joint()
    model = SharedBottom(shared_layers=[5, 4], task_layers=[3])
    network = model.build(PlainFeatures(FEATURES), members, seed=0)
    tree = settings_tree(mode, model, Watching(), Sgd(), members)
    parts = step_context(network, RowsFeed((tuple(members),)), tree)
    take(mode, parts, mode.init(parts, network.params()))
    seen = SEEN.pop()
    assert [row.shape.as_list() for row in seen.gradients("last_layer")] == [[3, 5, 4], [3, 4]]
