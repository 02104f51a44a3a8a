"""The YAML files under conf/ and the classes they describe say the same."""

from typing import Any

import pytest
import yaml

from mtl_cli import schedules
from mtl_cli.config import FAMILIES
from mtl_cli.families import members
from mtl_cli.schedules.base import Schedule
from mtl_cli.settings import Settings
from tests.support.configs import CONF, composed

MEMBERS = [(family, cls) for family, classes in FAMILIES.items() for cls in classes]
MEMBERS += [("optimizer/schedule", cls) for cls in members(schedules, Schedule)]


def test_the_members_are_found() -> None:
    names = {family: {_name(cls) for cls in classes} for family, classes in FAMILIES.items()}
    assert names["mode"] == {"joint", "alternating"}
    assert names["data"] >= {"seed", "digits", "synthetic", "scaled_tanh", "table"}
    assert names["optimizer"] >= {"adam", "adamw", "sgd", "rmsprop", "adagrad", "lion"}
    assert names["sampling"] >= {"fixed", "round_robin", "uniform", "proportional", "temperature", "annealed"}
    assert names["weighting"] >= {"fixed"}
    assert names["model"] >= {"shared_bottom"}


@pytest.mark.parametrize(("family", "cls"), MEMBERS, ids=lambda value: str(value))
def test_a_yaml_lists_every_key_of_its_class_with_its_default(family: str, cls: type[Settings]) -> None:
    text = yaml.safe_load((CONF / family / f"{_name(cls)}.yaml").read_text())
    section: dict[str, Any] = text.get(family, text)
    section.pop("defaults", None)
    fields = cls.model_fields
    listed = set(section) | ({"schedule"} & set(fields))
    assert listed == set(fields)
    for key, value in section.items():
        if key not in ("name", "learning_rate"):
            default = fields[key].default
            assert value == (default.model_dump() if isinstance(default, Settings) else default), key


@pytest.mark.parametrize("family", FAMILIES)
def test_every_choice_composes(family: str) -> None:
    stems = sorted(path.stem for path in (CONF / family).glob("*.yaml"))
    assert {_name(cls) for cls in FAMILIES[family]} == set(stems)
    acts_in = [f"mode={_name(mode)}" for mode in FAMILIES["mode"] if getattr(mode, "chooser", None) == family]
    for stem in stems:
        task = ["+tasks.a.kind=binary"] if stem == "table" else []
        assert getattr(composed(f"{family}={stem}", *task, *acts_in), family).name == stem


@pytest.mark.parametrize("experiment", [path.stem for path in (CONF / "experiment").glob("*.yaml")])
def test_every_experiment_composes_and_says_what_to_expect(experiment: str) -> None:
    assert composed(f"experiment={experiment}").name == experiment
    assert "# Expected" in (CONF / "experiment" / f"{experiment}.yaml").read_text()


@pytest.mark.parametrize("schedule", ["constant", "cosine", "exponential", "piecewise"])
def test_every_schedule_composes(schedule: str) -> None:
    assert composed(f"optimizer/schedule={schedule}").optimizer.schedule.name == schedule


def test_the_defaults_are_the_articles_joint_experiment() -> None:
    assert composed().model_copy(update={"name": "seed_joint"}) == composed("experiment=seed_joint")


def test_every_yaml_begins_with_what_it_is_and_its_command() -> None:
    files = [path for path in CONF.rglob("*.yaml") if path.name != "config.yaml"]
    assert len(files) > 20
    for path in files:
        lines = [line for line in path.read_text().splitlines() if line != "# @package _global_"]
        assert lines[0].startswith("# "), path
        comments = " ".join(line for line in lines if line.startswith("#"))
        assert "mtl-train" in comments or path.parent.name == "schedule", path


def _name(cls: type[Settings]) -> str:
    return str(cls.model_fields["name"].default)
