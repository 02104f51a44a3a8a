"""Runs trained together, in one program mapped over them, against each trained alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from mtl_cli.backend import keras, quiet, start, tf
from mtl_cli.config import FAMILIES
from mtl_cli.training.dataset_cache import load
from mtl_cli.training.setup import Setup, set_up
from tests.support.configs import composed

STEPS = 200
DIGITS = [
    "data=digits", "data.examples={train: 300, val: 20, test: 20}", "batch_size=8", "model.shared_layers=[12]",
    "model.task_layers=[6]", "model.dropout=0.2", "model.l2=1e-4",
]  # fmt: skip
OPTIMIZERS = [f"optimizer={cls.model_fields['name'].default}" for cls in FAMILIES["optimizer"]]
WEIGHTINGS = {str(cls.model_fields["name"].default) for cls in FAMILIES["weighting"]}
LOOPING = {"cagrad", "dualproj", "fairgrad", "mgda", "nash_mtl", "upgrad"}
"""They iterate as long as each run needs, which can't be mapped: sweeps train each alone."""


def ready(*overrides: str) -> Setup:
    config = composed(f"steps={STEPS}", *overrides)
    return set_up(config, load(config), start("cpu"))


def alone(run: Setup) -> tuple[Any, np.ndarray[Any, Any]]:
    """Returns the last state, and the losses [n, 1 + T]."""
    state, draws, rows, done = run.state, run.draws(), [], 0
    while done < STEPS:
        count = min(run.program.capacity, STEPS - done)
        result = run.train(state, run.chunk(draws, np.arange(done + 1, done + count + 1)))
        state, done = result.state, done + count
        rows.append(result.losses)
    return state, np.concatenate(rows)


def together(runs: Sequence[Setup], *, own_rows: bool) -> tuple[Any, np.ndarray[Any, Any]]:
    """Returns the last states [R, ...], and the losses [n, R, 1 + T]."""

    def stack(parts: Sequence[Any]) -> Any:
        return keras.tree.map_structure(lambda *of_runs: tf.stack(of_runs), *parts)

    states, values = stack([run.state for run in runs]), stack([run.numbers for run in runs])
    device_data = stack([run.device_data for run in runs]) if own_rows else runs[0].device_data
    program, rows, done = runs[0].program.vectorized(len(runs), own_rows=own_rows), [], 0
    draws = [run.draws() for run in runs]
    memory = program.buffers()
    while done < STEPS:
        count = min(program.capacity, STEPS - done)
        iterations = np.arange(done + 1, done + count + 1)
        chunks = {i: run.chunk(draws[i], iterations) for i, run in enumerate(runs)}
        states, losses, _, _ = program.train(states, values, device_data, chunks, memory)
        done += count
        rows.append(losses)
    assert program.traces == 1
    return states, np.concatenate(rows)


def compared(overrides: Sequence[str], *variants: Sequence[str], rtol: float) -> None:
    """Trains the variants together, and those of the first and last place alone."""
    runs = [ready(*overrides, *variant) for variant in variants]
    assert len({id(run.program) for run in runs}) == 1
    states, losses = together(runs, own_rows=bool(runs[0].device_data))
    for place in (0, len(runs) - 1):
        fresh = ready(*overrides, *variants[place])
        state, expected = alone(fresh)
        np.testing.assert_allclose(losses[:, place], expected, rtol=rtol, atol=1e-6)
        for one, of_all in zip(keras.tree.flatten(state.params), keras.tree.flatten(states.params), strict=True):
            np.testing.assert_allclose(of_all[place], one, rtol=10 * rtol, atol=1e-6)
    assert np.abs(losses[:, 0] - losses[:, -1]).max() > 1e-3


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("mode", ["mode=joint", "mode=alternating", "mode=alternating mode.optimizer_scope=shared"])
def test_every_mode_and_optimizer(mode: str, optimizer: str) -> None:
    """With other seeds, data, shares and learning rates, dropout and L2; the picks are the draws' and thus the same."""
    share = "weight" if mode == "mode=joint" else "prob"
    variants = [
        (f"seed={i}", f"tasks.left.{share}={0.2 + 0.2 * i}", f"optimizer.learning_rate={2.0**i * 1e-3}")
        for i in range(3)
    ]
    compared([*DIGITS, *mode.split(), optimizer], *variants, rtol=2e-6)


@pytest.mark.parametrize("weighting", sorted(WEIGHTINGS - LOOPING))
def test_every_weighting_that_can_be_mapped(weighting: str) -> None:
    variants = ("seed=1",), ("seed=2", "optimizer.learning_rate=0.003")
    compared([*DIGITS, f"weighting={weighting}"], *variants, rtol=2e-6)


@pytest.mark.parametrize("weighting", sorted(LOOPING))
def test_the_others_say_so_before_they_train(weighting: str) -> None:
    assert weighting in WEIGHTINGS
    runs = [ready(*DIGITS, f"weighting={weighting}", f"seed={seed}") for seed in (1, 2)]
    with quiet(), pytest.raises(tf.errors.InvalidArgumentError):
        together(runs, own_rows=True)


@pytest.mark.parametrize("mode", ["joint", "alternating"])
def test_the_source_article(mode: str) -> None:
    """Without rows on the device."""
    compared([f"experiment=seed_{mode}"], *[(f"seed={i}",) for i in range(5)], rtol=2e-6)


@pytest.mark.parametrize(
    ("overrides", "fewer"),
    [
        (DIGITS, 3),
        ([*DIGITS, "mode=alternating"], 3),
        ([*DIGITS, "weighting=uncertainty"], 3),
        (["experiment=seed_joint"], 3),
        (["experiment=seed_alternating"], 3),
        ([*DIGITS, "batch_size=32", "model.shared_layers=[64,32]"], 20),
    ],
)
def test_companions_and_place_change_no_bit(overrides: Sequence[str], fewer: int) -> None:
    """Nor does the number of places as long as layers are small; XLA multiplies larger matrices otherwise."""
    found = set()
    for places, place, companions in ((20, 0, 100), (20, 13, 100), (20, 13, 200), (fewer, 2, 100)):
        seeds = [5 if i == place else companions + i for i in range(places)]
        runs = [ready(*overrides, f"seed={seed}", f"optimizer.learning_rate={seed * 1e-4}") for seed in seeds]
        states, losses = together(runs, own_rows=bool(runs[0].device_data))
        found.add(losses[:, place].tobytes() + b"".join(p[place].numpy().tobytes() for p in states.params.all()))
    assert len(found) == 1
