"""Shares, and what stands behind them."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_cli.config import Config, parse
from mtl_cli.errors import InputError
from mtl_cli.identity import config_hash
from mtl_cli.settings import bind, numbers, signature
from tests.support.configs import composed

IN_FLOAT32 = st.one_of(st.just(0.0), st.floats(1e-37, 1))
"""Shares that the config takes; smaller ones than float32's smallest are refused."""
WEIGHTS = st.one_of(st.none(), IN_FLOAT32.map(lambda share: 2 * share))


def with_shares(key: str, values: list[float | None]) -> Config:
    """Returns a config whose tasks have these shares."""
    plain = composed().model_dump()
    plain["tasks"] = {f"t{i}": {"kind": "regression", key: value} for i, value in enumerate(values)}
    return parse(plain)


@given(st.lists(WEIGHTS, min_size=1, max_size=8))
def test_nulls_share_what_the_given_weights_leave_of_1(values: list[float | None]) -> None:
    given_sum = math.fsum(v for v in values if v is not None)
    nulls = values.count(None)
    if (nulls and given_sum >= 1) or (not nulls and given_sum == 0):
        with pytest.raises(InputError, match="weight"):
            with_shares("weight", values)
        return
    weights = [task.weight for task in with_shares("weight", values).tasks.values()]
    for value, weight in zip(values, weights, strict=True):
        assert weight == (pytest.approx((1 - given_sum) / nulls) if value is None else value)


@given(st.lists(st.one_of(st.none(), IN_FLOAT32), min_size=1, max_size=8))
def test_probabilities_always_add_up_to_1(values: list[float | None]) -> None:
    try:
        probs = [task.prob for task in with_shares("prob", values).tasks.values()]
    except InputError as error:
        total = math.fsum(v for v in values if v is not None)
        assert "prob" in str(error)
        assert total > 1 - 1e-5 if None in values else abs(total - 1) > 1e-7
    else:
        assert math.fsum(p for p in probs if p is not None) == pytest.approx(1, abs=2e-6)


def test_the_hash_is_of_what_decides_the_results() -> None:
    base = config_hash(composed())
    assert config_hash(composed("name=other", "log.console=quiet", "device=cpu")) == base
    assert config_hash(composed("tasks.y1.weight=0.5")) == base  # what null meant
    assert len({base, config_hash(composed("seed=1")), config_hash(composed("mode=alternating"))}) == 3


def test_numbers_are_not_part_of_the_signature_and_all_else_is() -> None:
    tree = composed("model.l2=0.1", "model.dropout=0.5", "optimizer.clip_norm=1").model_dump()
    base = parse(tree)
    other = composed("model.l2=0.2", "model.dropout=0.1", "optimizer.clip_norm=2", "optimizer.beta_1=0.5")
    for section in ("model", "optimizer", "mode", "weighting"):
        assert signature(getattr(base, section)) == signature(getattr(other, section))
    for change in ("model.shared_layers=[21]", "model.dropout=null", "model.l2=null", "model.activation=tanh"):
        assert signature(composed("model.l2=0.1", "model.dropout=0.5", change).model) != signature(base.model)
    assert signature(composed("tasks.y1.loss=mse").tasks) != signature(base.tasks)
    assert signature(composed("tasks.y1.prob=0.1").tasks) == signature(base.tasks)


def test_bind_puts_what_it_is_given_in_the_numbers_places() -> None:
    tree: dict[str, Any] = {"optimizer": composed("optimizer.clip_norm=1").optimizer, "tasks": composed().tasks}
    paths = numbers(tree)
    assert {"optimizer.beta_1", "optimizer.clip_norm", "tasks.y1.weight", "tasks.y2.weight"} <= set(paths)
    assert not any("learning_rate" in path or "prob" in path for path in paths)  # the host's
    bound = bind(tree, {path: path for path in paths})
    assert bound["optimizer"].beta_1 == "optimizer.beta_1"
    assert bound["tasks"]["y2"].weight == "tasks.y2.weight"
    assert tree["optimizer"].beta_1 == 0.9


def config(**changed: Any) -> Config:
    """Returns the default config with some values changed."""
    return parse(composed().model_dump() | changed)


@pytest.mark.parametrize(
    ("duration", "seconds"), [("2h", 7200), ("90m", 5400), ("1d12h", 129600), ("1h2m3s", 3723), (30, 30), (0.5, 0.5)]
)
def test_durations(duration: str | float, seconds: float) -> None:
    assert config(max_time=duration).max_time == seconds
    assert config_hash(config(max_time=duration)) == config_hash(config())


@pytest.mark.parametrize(
    "duration", ["", "2 h", "h", "2x", "3m2h", "-1h", "0s", 0, -3, float("inf"), float("nan"), True]
)
def test_what_is_no_duration(duration: Any) -> None:
    with pytest.raises(InputError, match=r"^max_time: .*got "):
        config(max_time=duration)


def test_where_a_run_goes_back_to_decides_its_results() -> None:
    """Where it goes back to a checkpoint at all; those are due by iterations alone then."""
    every = [{"every_steps": 10}, {"every_steps": 20}, {"every_steps": 10, "keep": 5}, {"every": 3.0}, {}]
    restore = [config_hash(config(on_divergence="restore", checkpoint=of)) for of in every]
    assert [restore.index(of) for of in restore] == [0, 1, 0, 3, 3]
    assert config_hash(config(on_divergence="restore", checkpoint={"every_steps": 10_000})) == restore[4]
    assert len({config_hash(config(checkpoint=of)) for of in every}) == 1
