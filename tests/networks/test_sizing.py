"""Widths by a number of parameters."""

from collections.abc import Mapping

import pytest

from mtl_cli.config import FAMILIES
from mtl_cli.datasets.encoder import PlainFeatures
from mtl_cli.errors import InputError
from mtl_cli.models.base import Model, network_for
from mtl_cli.networks.sizing import factor_for
from mtl_cli.tasks import Regression, Task

TASKS: Mapping[str, Task] = {"a": Regression(units=1), "b": Regression(units=2)}
MODELS = [cls for cls in FAMILIES["model"] if issubclass(cls, Model)]


@pytest.mark.parametrize("cls", MODELS, ids=lambda cls: str(cls.model_fields["name"].default))
def test_every_architecture_has_about_the_parameters_that_were_asked_for(cls: type[Model]) -> None:
    """Within the step from one unit to the next."""
    network, params = network_for(cls.model_validate({"parameters": 20_000}), PlainFeatures(50), TASKS, 0)
    assert network.size == sum(p.numpy().size for p in params.all()) == pytest.approx(20_000, rel=0.05)


def test_widths_keep_their_ratio_and_a_tasks_own_layers_their_units() -> None:
    (cls,) = (cls for cls in MODELS if cls.model_fields["name"].default == "shared_bottom")
    tasks = {**TASKS, "b": Regression(units=2, layers=[7])}
    model = cls.model_validate({"parameters": 5000, "shared_layers": [40, 20], "task_layers": [10]})
    network, _ = network_for(model, PlainFeatures(30), tasks, 0)
    first, _, second, *_ = (v.shape for v in network.shared)
    assert first[1] / second[1] == pytest.approx(2, rel=0.05)
    assert network.own["a"][0].shape[1] == pytest.approx(first[1] / 4, abs=0.51)
    assert network.own["b"][0].shape[1] == 7
    one, two, own = first[1], second[1], network.own["a"][0].shape[1]
    expected = 31 * one + (one + 1) * two + (two + 1) * own + own + 1 + (two + 1) * 7 + 8 * 2
    assert network.size == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"parameters": 30},
            r"model.parameters: 30 is too few: model=shared_bottom has 57 with one unit in",
        ),
        ({"parameters": 500, "shared_layers": []}, r"model.parameters: model=shared_bottom has no layers whose units"),
    ],
)
def test_what_no_widths_give_is_refused(given: dict[str, object], message: str) -> None:
    (cls,) = (cls for cls in MODELS if cls.model_fields["name"].default == "shared_bottom")
    with pytest.raises(InputError, match=message):
        network_for(cls.model_validate(given), PlainFeatures(50), TASKS, 0)


def test_a_factor_is_found_where_counts_jump() -> None:
    """The nearest of what there is, below and above 1."""
    for wanted, nearest in ((10, 9), (12, 9), (13, 16), (1000, 1024), (10**6, 10**6)):
        factor = factor_for(wanted, lambda factor: round(4 * factor) ** 2)
        assert round(4 * factor) ** 2 == nearest
