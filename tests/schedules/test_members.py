"""Learning-rate schedules against `keras.optimizers.schedules`, and what they refuse."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from mtl_cli import schedules
from mtl_cli.backend import keras
from mtl_cli.families import members
from mtl_cli.optimizers.sgd import Sgd
from mtl_cli.schedules.base import Schedule
from mtl_cli.schedules.constant import Constant
from mtl_cli.schedules.cosine import Cosine
from mtl_cli.schedules.exponential import Exponential
from mtl_cli.schedules.piecewise import Piecewise
from tests.support.command import MtlTrain

RATE = 0.8
TOTAL = 240
STEPS = np.arange(TOTAL + 40)
"""More than the run has: a decay that is over stays where it ended."""

CASES: list[tuple[Schedule, Callable[[Any], Any]]] = [
    (Constant(), lambda _: lambda step: RATE),
    (Cosine(), lambda k: k.CosineDecay(RATE, TOTAL)),
    (Cosine(decay_steps=100, alpha=0.25), lambda k: k.CosineDecay(RATE, 100, alpha=0.25)),
    (Cosine(warmup_steps=40), lambda k: k.CosineDecay(0.0, TOTAL - 40, warmup_target=RATE, warmup_steps=40)),
    (
        Cosine(warmup_steps=1, decay_steps=120, alpha=0.1),
        lambda k: k.CosineDecay(0.0, 120, alpha=0.1, warmup_target=RATE, warmup_steps=1),
    ),
    (Exponential(decay_steps=70, decay_rate=0.3), lambda k: k.ExponentialDecay(RATE, 70, 0.3)),
    (Exponential(decay_steps=70, decay_rate=0.3, staircase=True), lambda k: k.ExponentialDecay(RATE, 70, 0.3, True)),
    (Exponential(decay_steps=90, decay_rate=1.5), lambda k: k.ExponentialDecay(RATE, 90, 1.5)),
    (Piecewise(boundaries=[50], values=[1.0, 0.1]), lambda k: k.PiecewiseConstantDecay([50], [RATE, 0.1 * RATE])),
    (
        Piecewise(boundaries=[0, 100, 101], values=[0.5, 1.0, 0.0, 2.0]),
        lambda k: k.PiecewiseConstantDecay([0, 100, 101], [0.5 * RATE, RATE, 0.0, 2.0 * RATE]),
    ),
]


@pytest.mark.parametrize(("schedule", "theirs"), CASES, ids=[schedule.name for schedule, _ in CASES])
def test_schedule_is_keras(schedule: Schedule, theirs: Callable[[Any], Any]) -> None:
    reference = theirs(keras.optimizers.schedules)
    expected = [float(reference(int(step))) for step in STEPS]
    rates = Sgd(learning_rate=RATE, schedule=schedule).learning_rates(STEPS, TOTAL)
    assert rates.dtype == np.float32
    np.testing.assert_allclose(rates, expected, rtol=0, atol=1e-6)


def test_every_schedule_has_a_case() -> None:
    found = set(members(schedules, Schedule))
    assert found >= {Constant, Cosine, Exponential, Piecewise}
    assert {type(schedule) for schedule, _ in CASES} == found


def test_factors_do_not_depend_on_the_cut() -> None:
    for schedule, _ in CASES:
        whole = schedule.factors(STEPS, TOTAL)
        parts = [schedule.factors(part, TOTAL) for part in np.split(STEPS, [1, 57, 200])]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_cosine_ends_with_the_run() -> None:
    factors = Cosine(warmup_steps=TOTAL, alpha=0.5).factors(np.array([0, TOTAL // 2, TOTAL]), TOTAL)
    np.testing.assert_allclose(factors, [0.0, 0.5, 1.0])
    np.testing.assert_allclose(Cosine(alpha=0.5).factors(np.array([0, TOTAL // 2, TOTAL]), TOTAL), [1.0, 0.75, 0.5])


@pytest.mark.parametrize(
    ("boundaries", "values", "rule"),
    [
        ([10], [1.0], "1 boundaries need 2 values"),
        ([10, 20], [1.0, 0.5, 0.2, 0.1], "2 boundaries need 3 values"),
        ([20, 10], [1.0, 0.5, 0.2], "boundaries must rise"),
        ([10, 10], [1.0, 0.5, 0.2], "boundaries must rise"),
        ([-1], [1.0, 0.5], "greater than or equal to 0"),
        ([10], [1.0, -0.5], "greater than or equal to 0"),
        ([1.5], [1.0, 0.5], "valid integer"),
        ([10], [1.0, float("nan")], "finite number"),
    ],
)
def test_piecewise_refuses(boundaries: list[Any], values: list[float], rule: str) -> None:
    with pytest.raises(ValidationError, match=rule):
        Piecewise(boundaries=boundaries, values=values)


@pytest.mark.parametrize(
    ("schedule", "numbers"),
    [
        (Cosine, {"warmup_steps": -1}),
        (Cosine, {"decay_steps": 0}),
        (Cosine, {"alpha": 1.1}),
        (Exponential, {"decay_steps": 0}),
        (Exponential, {"decay_rate": 0.0}),
    ],
)
def test_numbers_out_of_range_are_refused(schedule: type[Schedule], numbers: dict[str, float]) -> None:
    (key,) = numbers
    with pytest.raises(ValidationError, match=key):
        schedule.model_validate(numbers)


def test_the_first_iteration_has_the_schedules_first_rate(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """Rate 0 from the second step on: three iterations come to what one does."""
    words = [
        "data=digits",
        "data.examples={train: 50, val: 10, test: 10}",
        "optimizer=sgd",
        "optimizer.learning_rate=0.1",
    ]
    piecewise = ["optimizer/schedule=piecewise", "optimizer.schedule.boundaries=[0]", "optimizer.schedule.values=[1,0]"]
    assert mtl_train(*words, "steps=1", "hydra.run.dir=one").status == 0
    assert mtl_train(*words, *piecewise, "steps=3", "hydra.run.dir=three").status == 0
    assert mtl_train(*words, "optimizer.learning_rate=1e-30", "steps=1", "hydra.run.dir=none").status == 0
    one, three, none = (
        keras.saving.load_model(tmp_path / name / "model.keras").get_weights() for name in ("one", "three", "none")
    )
    assert all(np.array_equal(a, b) for a, b in zip(one, three, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, none, strict=True))


def test_a_schedule_of_its_own_length_and_the_rate_after_it() -> None:
    optimizer = Sgd(learning_rate=0.1, schedule=Cosine(), schedule_steps=4, rate_after_schedule=0.5)
    expected = [*(0.05 * (1 + np.cos(np.pi * np.arange(4) / 4))), 0.5, 0.5]
    np.testing.assert_allclose(optimizer.learning_rates(np.arange(6), 10), expected, rtol=1e-6)
    for longer in ({"schedule_steps": 4}, {"schedule": Constant()}):
        other = Sgd.model_validate({"learning_rate": 0.1, "schedule": Cosine()} | longer)
        assert other.learning_rates(np.array([9]), 10)[0] == pytest.approx(0.0 if "schedule_steps" in longer else 0.1)
