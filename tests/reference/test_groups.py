"""What the reference says of keys is what Hydra composes, and what the classes take."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from mtl_cli.reference.groups import data_defaults, groups, kinds, run_keys, setting_groups
from tests.support.configs import composed

NOT_KEYS = {f"{group.name.replace('/', '.')}.name" for group in groups()}
"""They tell which choice it is."""


def leaves(plain: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in plain.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{path}{key}.")
        else:
            yield path + key, value


def value_of(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


@pytest.mark.parametrize("data", ["seed", "digits", "table"])
def test_every_key_of_a_config_is_there_with_its_default(data: str) -> None:
    config = composed(f"data={data}", *(["+tasks.a.kind=binary"] if data == "table" else []))
    plain = config.model_dump(mode="json", exclude={"tasks"})
    chosen = {"data": data} | {group.name: group.default for group in groups() if group.name != "data"}
    defaults = {key.name: key.default for key in run_keys()}
    for group in groups():
        (choice,) = (choice for choice in group.choices if choice.name == chosen[group.name])
        defaults |= {key.name: key.default for key in choice.keys}
    defaults |= data_defaults().get(data, {})
    found = {name: value for name, value in leaves(plain) if name not in NOT_KEYS}
    assert {name: value_of(text.strip("`")) for name, text in defaults.items()} == found


def test_a_choice_of_every_group_is_the_default() -> None:
    assert len(groups()) >= 7
    for group in groups():
        assert group.default in {choice.name for choice in group.choices}, group.name


def test_every_experiment_says_what_it_is_and_sets() -> None:
    (experiments,) = (group for group in setting_groups() if group.name == "experiment")
    assert len(experiments.choices) >= 5
    for choice in experiments.choices:
        assert choice.meaning[-1] in ".?"
        assert choice.commands[0].startswith(f"mtl-train experiment={choice.name}")
        config = composed(f"experiment={choice.name}")
        assert choice.sets["name"] == config.name == choice.name
        assert choice.sets["steps"] == str(config.steps)


def test_keys_of_tasks_have_the_kinds_that_have_them() -> None:
    keys = {(key.name, *of) for key, of in kinds().all_keys().items()}
    assert ("tasks.<task>.weight", "regression", "binary", "multiclass") in keys
    assert ("tasks.<task>.pos_weight", "binary") in keys
