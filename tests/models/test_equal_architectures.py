"""Architectures that come to the same where they should."""

from collections.abc import Callable
from typing import Any

from mtl_cli.networks.network import Network
from tests.support.architectures import built, equal, raw
from tests.support.network import WEIGHTS


def by_name(network: Network, values: Callable[[str], list[Any] | None]) -> Network:
    """Gives layers these weights."""
    for layer in network.model.layers:
        found = values(layer.name)
        if found is not None:
            layer.set_weights(found)
    return network


def test_one_gate_is_many_equal_ones() -> None:
    one = built("mmoe of one gate")
    weights = {layer.name: layer.get_weights() for layer in one.model.layers}
    many = by_name(built("mmoe"), lambda name: weights.get("gate" if name.endswith("_gate") else name))
    equal(raw(many), raw(one))


def test_film_begins_as_a_shared_bottom() -> None:
    film = built("film of two")
    weights = {layer.name: layer.get_weights() for layer in film.model.layers}
    equal(raw(by_name(built("shared_bottom", shared_layers=[4, 3]), weights.get)), raw(film))


def test_columns_that_arent_mixed_are_separate() -> None:
    stitched = built("cross_stitch", column_layers=[4, 3], stitch_self=1.0, shared_layers=[])
    weights = {layer.name: layer.get_weights() for layer in stitched.model.layers}
    places = {task: i for i, task in enumerate(WEIGHTS)}

    def own(name: str) -> Any:
        task, _, number = name.partition("_copy_")
        if not number:
            return weights[name]
        kernel, bias = weights[f"column_{number}"]
        return [kernel[:, places[task]] if number == "1" else kernel[places[task]], bias[places[task]]]

    separate = built("separate", shared_layers=[4, 3])
    equal(raw(by_name(separate, lambda name: own(name) if name != "features" else None)), raw(stitched))


def test_experts_in_another_order_change_nothing() -> None:
    network, order = built("mmoe"), [2, 0, 1]
    before = raw(network)

    def permuted(name: str) -> list[Any] | None:
        weights = network.model.get_layer(name).get_weights()
        if name == "expert_1":
            return [weights[0][:, order], weights[1][order]]
        return [weights[0][:, order]] if name.endswith("_gate") else None

    equal(raw(by_name(network, permuted)), before)
