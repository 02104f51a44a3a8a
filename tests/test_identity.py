"""What counts as the same follows from the marks: each key sees or ignores a new field as its mark says."""

import json
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from pydantic import create_model

from mtl_cli import identity
from mtl_cli.config import Config
from mtl_cli.data.synthetic import Synthetic
from mtl_cli.identity import (
    baseline_key,
    changes,
    config_hash,
    data_description_key,
    data_key,
    decisive,
    draws_key,
    is_marked,
    keys,
    program_key,
)
from mtl_cli.settings import (
    Balance,
    Cosmetic,
    Extends,
    Host,
    Number,
    Repeat,
    Rollback,
    Settings,
    Undrawn,
    marked,
    numbers,
    signature,
    without,
)
from mtl_cli.tasks import Regression
from tests.support.configs import composed

KEYS: dict[str, Callable[[Config], str]] = {
    "program": program_key,
    "data": data_key,
    "description": data_description_key,
    "draws": draws_key,
    "results": config_hash,
    "baseline": lambda config: baseline_key(config.model_dump(mode="json")),
    "resumed": lambda config: json.dumps(
        changes(decisive(composed(f"data={config.data.name}")), decisive(config))  # of another choice no key is told
    ),
}
"""What can be the same for two runs: two configs agree in a key if, and only if, it is."""

IN_CONFIG: dict[type | None, set[str]] = {
    None: {"program", "draws", "results", "baseline", "resumed"},
    Host: {"draws", "results", "baseline", "resumed"},
    Repeat: {"draws", "results", "baseline", "resumed"},
    Extends: {"draws", "results", "baseline"},
    Cosmetic: {"draws"},
    Rollback: {"draws", "baseline"},
    Balance: {"program", "draws", "results", "resumed"},
    Undrawn: {"program", "results", "baseline", "resumed"},
}
"""By the mark of a new field of the config itself, the keys that change with its value."""
IN_DATA: dict[type | None, set[str]] = {
    None: {"data", "description", "draws", "results", "baseline", "resumed", "program"},
    Repeat: {"data", "draws", "results", "baseline", "resumed"},
}
IN_TASKS: dict[type | None, set[str]] = {
    None: {"program", "data", "description", "draws", "results", "baseline", "resumed"},
    Host: {"data", "description", "draws", "results", "baseline", "resumed"},
    Balance: {"program", "draws", "results", "resumed"},
}


def wider(base: type[Settings], mark: type | None) -> type[Any]:
    """Returns a settings class with another field, which has the mark."""
    kind: Any = int if mark is None else Annotated[int, mark()]
    return create_model(f"Wider{base.__name__}", __base__=base, extra=(kind, 0))


def config(cls: type[Config], *overrides: str, **changed: Any) -> Config:
    """Returns a composed config as one of a class with further fields."""
    return cls.model_validate(composed(*overrides).model_dump() | changed)


def changing(monkeypatch: pytest.MonkeyPatch, cls: type[Config], one: Config, other: Config) -> set[str]:
    """Returns which keys tell two configs of a class apart."""
    monkeypatch.setattr(identity, "Config", cls)
    return {name for name, key in KEYS.items() if key(one) != key(other)}


@pytest.mark.parametrize("mark", IN_CONFIG, ids=str)
def test_a_field_of_the_config(mark: type | None, monkeypatch: pytest.MonkeyPatch) -> None:
    cls = wider(Config, mark)
    one, other = (config(cls, extra=value) for value in (1, 2))
    assert changing(monkeypatch, cls, one, other) == IN_CONFIG[mark]
    for each in filter(None, IN_CONFIG):
        assert ("extra" in keys(each)) == is_marked("extra", each) == (mark is not None and issubclass(mark, each))


@pytest.mark.parametrize("mark", IN_DATA, ids=str)
def test_a_field_of_the_data(mark: type | None, monkeypatch: pytest.MonkeyPatch) -> None:
    kind: Any = Annotated[wider(Synthetic, mark), Host()]
    cls = create_model("WiderConfig", __base__=Config, data=(kind, ...))
    one, other = (config(cls, "data=synthetic", data={"name": "synthetic", "extra": value}) for value in (1, 2))
    assert changing(monkeypatch, cls, one, other) == IN_DATA[mark]
    assert is_marked("data.extra", Repeat) == (mark is Repeat)


@pytest.mark.parametrize("mark", IN_TASKS, ids=str)
def test_a_field_of_a_task(mark: type | None, monkeypatch: pytest.MonkeyPatch) -> None:
    kind: Any = dict[str, wider(Regression, mark)]  # type: ignore[misc]
    cls = create_model("WiderConfig", __base__=Config, tasks=(kind, ...))
    one, other = (config(cls, tasks={"y1": {"kind": "regression", "extra": value}}) for value in (1, 2))
    assert changing(monkeypatch, cls, one, other) == IN_TASKS[mark]
    assert is_marked("tasks.y1.extra", Balance) == (mark is Balance)


def test_the_data_s_own_seed_stands_for_the_run_s() -> None:
    runs = [data_key(composed("data=synthetic", f"seed={seed}")) for seed in (1, 2)]
    assert runs[0] != runs[1]
    own = [data_key(composed("data=synthetic", "data.split_seed=3", f"seed={seed}")) for seed in (1, 2)]
    assert own[0] == own[1] != runs[0]


def test_the_keys_of_each_mark() -> None:
    assert keys(Repeat) == ("seed", "data.split_seed")
    assert set(keys(Balance)) == {"weighting", "sampling", "tasks.*.weight", "tasks.*.prob"}
    assert set(keys(Cosmetic)) == {"name", "max_time", "sweep", "log", "device", "data.text_dates"}
    assert keys(Rollback) == ("checkpoint",)
    assert set(keys(Undrawn)) == {*keys(Cosmetic), "eval", "optimizer", "tasks.*.weight"} - {
        "max_time",
        "data.text_dates",
    }


@pytest.mark.parametrize("key", ["tasks.y1", "tasks.y1.weights", "tasks.weight", "weight", "weightings", "~weighting"])
def test_what_is_no_marked_key(key: str) -> None:
    assert not is_marked(key, Balance)


def test_what_is_inside_a_marked_section_has_its_mark() -> None:
    assert is_marked("log.every", Cosmetic)
    assert is_marked("weighting.alpha", Repeat, Balance)


class Inner(Settings):
    """Has a field of each kind."""

    size: int = 1
    rate: Number = 0.5
    maybe: Annotated[Number | None, Balance()] = 0.5
    seed: Annotated[int, Repeat()] = 0


class Outer(Settings):
    """Holds others."""

    inner: Inner = Inner()
    by_name: dict[str, Inner] = {"a": Inner()}


def test_without_looks_into_everything_and_leaves_a_number_s_value() -> None:
    kept = {"size": 1, "rate": 0.5}
    assert without(Outer(), Repeat, Balance) == {"inner": kept, "by_name": {"a": kept}}
    assert marked(Inner(), Balance) == {"maybe": 0.5}


def test_a_mark_on_a_number_leaves_it_one() -> None:
    assert numbers(Inner()) == {"rate": 0.5, "maybe": 0.5}
    assert signature(Inner(maybe=0.1, seed=5)) == signature(Inner())
    assert signature(Inner(maybe=None)) != signature(Inner())


PRICES = ["data=table", "data.path=t.csv", "+tasks.price.kind=regression", "+tasks.sold.kind=binary"]
CHANGED = [
    (["+tasks.third.kind=binary"], ["tasks.third: it is a task more"]),
    (["~tasks.sold"], ["tasks.sold: it is gone"]),
    (["+tasks.sold.weight=0.9"], ["tasks.*.weight: it was 0.5 (price), 0.5 (sold) and is 0.1 (price), 0.9 (sold)"]),
    (["+tasks.sold.weight=3", "+tasks.price.weight=0.5"], ["tasks.*.weight: it was 0.5 (sold) and is 3 (sold)"]),
    (["tasks.sold.kind=regression"], ["tasks.sold: it was 'binary' and is 'regression'"]),
    (["weighting=cagrad"], ["weighting: it was 'fixed' and is 'cagrad'"]),
    (["optimizer.clip_norm=1"], ["optimizer.clip_norm: it was null and is 1.0"]),
    (["steps=11", "name=other", "early_stopping.patience=3"], []),
]


@pytest.mark.parametrize(("overrides", "lines"), CHANGED, ids=lambda value: str(value)[:40])
def test_a_line_for_each_thing_that_was_changed(overrides: list[str], lines: list[str]) -> None:
    assert changes(decisive(composed(*PRICES)), decisive(composed(*PRICES, *overrides))) == lines


def test_when_checkpoints_are_written_decides_where_a_run_goes_back_to_them() -> None:
    def of(divergence: str, steps: int) -> str:
        return config_hash(composed(f"on_divergence={divergence}", f"checkpoint.every_steps={steps}"))

    assert of("fail", 10) == of("fail", 20)
    assert of("restore", 10) != of("restore", 20)
