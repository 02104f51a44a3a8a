"""What architectures make of two rows and given weights, against numbers of an independent implementation in NumPy."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from mtl_cli.backend import tf
from mtl_cli.datasets.encoder import PlainFeatures
from mtl_cli.models.adatt import AdaTT
from mtl_cli.models.base import Model
from mtl_cli.models.cgc import Cgc
from mtl_cli.models.cross_stitch import CrossStitch
from mtl_cli.models.dselect_k import DSelectK
from mtl_cli.models.expert_model import variation
from mtl_cli.models.film import Film
from mtl_cli.models.mmoe import Mmoe
from mtl_cli.models.mtan import Mtan
from mtl_cli.models.ple import Ple
from mtl_cli.networks.network import Network, Training
from mtl_cli.tasks import Regression, Task

TASKS: dict[str, Task] = {"a": Regression(units=2), "b": Regression(units=2)}


def table(text: str) -> Any:
    """Returns the array that is written in rows, `a b; c d`."""
    return np.array([row.split() for row in text.split(";")], np.float32)


X = table("1 -0.5; 0.3 0.8")
K = [table("0.5 -0.2; 0.1 0.4"), table("-0.3 0.6; 0.7 0.2"), table("0.2 0.1; -0.4 0.9")]
B = [table("0.1 0")[0], table("0 -0.1")[0], table("0.2 0.05")[0]]
M = [table("0.4 0.3; -0.2 0.5"), table("0.1 -0.6; 0.8 0.2"), table("-0.5 0.7; 0.6 0.1")]
N = [table("0 0.1")[0], table("0.05 0")[0], table("0 0.2")[0]]
IDENTITY = [np.eye(2, dtype=np.float32), np.zeros(2, np.float32)]
G1, G2 = table("0.6 -0.1 0.2; 0 0.3 -0.5"), table("-0.4 0.5 0.1; 0.2 -0.2 0.7")
TWO_GATES = {"a_gate": [table("0.6 -0.1; 0 0.3")], "b_gate": [table("-0.4 0.5; 0.2 -0.2")]}
LAST_GATES = {"a_gate": [table("0.2 -0.3; 0.4 0.1")], "b_gate": [table("-0.5 0.1; 0 0.6")]}


def stacked(kernels: list[Any], biases: list[Any], axis: int = 1) -> list[Any]:
    return [np.stack(kernels, axis), np.stack(biases)]


def one(kernels: list[Any], biases: list[Any], place: int, axis: int = 1) -> list[Any]:
    return stacked(kernels[place : place + 1], biases[place : place + 1], axis)


def built(
    model: Model, weights: Mapping[str, list[Any]], features: int = 2, tasks: Mapping[str, Task] = TASKS
) -> Network:
    """Returns a network with these weights by layer, whose raw outputs are what the heads get."""
    network = model.build(PlainFeatures(features), dict(tasks), seed=0)
    given = {"a_raw": IDENTITY, "b_raw": IDENTITY, **weights}
    trained = {layer.name for layer in network.model.layers if layer.trainable_variables}
    assert trained == set(given)
    for name, values in given.items():
        network.model.get_layer(name).set_weights(values)
    return network


def passed(network: Network, x: Any = X) -> Training:
    return network.outputs(network.params(), [tf.constant(x)], network.own)


def check(network: Network, a: str, b: str, tolerance: float = 2e-6) -> None:
    for found in (passed(network).raw, network.inferred(network.params(), tf.constant(X))):
        np.testing.assert_allclose(found["a"], table(a), atol=tolerance)
        np.testing.assert_allclose(found["b"], table(b), atol=tolerance)


MMOE = {"expert_1": stacked(K, B), "a_gate": [G1], "b_gate": [G2]}


def test_mmoe() -> None:
    network = built(Mmoe(experts=3, expert_layers=[2]), MMOE)
    check(network, ".46607 .074719; .310218 .374451", ".249691 .227236; .210906 .508863")
    gates = passed(network).gates
    np.testing.assert_allclose(gates["a_gate"], table(".437039 .186797 .376163; .380956 .392558 .226486"), atol=2e-6)
    np.testing.assert_allclose(gates["b_gate"], table(".189101 .568089 .24281; .271409 .258172 .47042"), atol=2e-6)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (".437039 .186797 .376163; .380956 .392558 .226486", 0.025966),
        (".189101 .568089 .24281; .271409 .258172 .47042", 0.052605),
        (".5 .3 .2; .1 .6 .3", 0.065),
        ("1 0 0; 1 0 0", 2.0),
    ],
)
def test_the_balance_of_experts_is_the_squared_variation_of_their_importance(weights: str, expected: float) -> None:
    gate = tf.constant(table(weights))
    assert float(variation(tf.reduce_sum(gate, axis=0))) == pytest.approx(expected, abs=2e-6)
    extra = Mmoe(load_balance=3.0).extra({"a": gate, "b": gate}, [])
    assert float(extra) == pytest.approx(6 * expected, abs=2e-5)


def test_gates_leave_experts_out() -> None:
    """Where all would be left out none is."""
    network = built(Mmoe(experts=3, expert_layers=[2], gate_dropout=0.5), MMOE)
    kept = tf.constant(table("1 0 1 1 1 1; 0 0 0 1 0 0"))
    found = network.outputs(network.params(), [tf.constant(X), kept], network.own).gates
    whole = table(".437039 .186797 .376163; .380956 .392558 .226486")
    shared = whole[0, [0, 2]] / whole[0, [0, 2]].sum()
    expected: Any = [[shared[0], 0, shared[1]], whole[1]]
    np.testing.assert_allclose(found["a_gate"], expected, atol=2e-6)
    alone: Any = [[0.189101, 0.568089, 0.24281], [1, 0, 0]]
    np.testing.assert_allclose(found["b_gate"], alone, atol=2e-6)


CGC = {"a_expert_1": one(K, B, 0), "b_expert_1": one(K, B, 1), "expert_1": one(K, B, 2), **TWO_GATES}


@pytest.mark.parametrize("model", [Cgc(expert_layers=[2]), Ple(levels=1, expert_layers=[2])], ids=["cgc", "ple of one"])
def test_cgc(model: Model) -> None:
    network = built(model, CGC)
    check(network, ".564972 0; .162525 .53405", ".450156 .099896; .240874 .513001")
    gates = passed(network).gates
    np.testing.assert_allclose(gates["a_gate"], table(".700567 .299433; .492501 .507499"), atol=2e-6)
    np.testing.assert_allclose(gates["b_gate"], table(".24974 .75026; .512497 .487503"), atol=2e-6)


def test_ple() -> None:
    weights = {f"level1_{name}": values for name, values in CGC.items()}
    weights |= {"level1_gate": [table("0.3 -0.2 0.5; 0.1 0.4 -0.6")], "level2_expert_1": one(M, N, 2)}
    weights |= {f"level2_{task}_expert_1": one(M, N, place) for place, task in enumerate("ab")}
    weights |= {f"level2_{name}": values for name, values in LAST_GATES.items()}
    network = built(Ple(levels=2, expert_layers=[2]), weights)
    check(network, ".128849 .389339; .029738 .433538", ".073162 .318988; .229689 .278791")
    gates = passed(network).gates
    np.testing.assert_allclose(
        gates["level1_gate"], table(".307191 .160368 .532441; .370274 .405144 .224582"), atol=2e-6
    )
    np.testing.assert_allclose(gates["level2_b_gate"], table(".418233 .581767; .388808 .611192"), atol=2e-6)


def test_adatt() -> None:
    weights = {f"level1_{name}": CGC[name] for name in ("a_expert_1", "b_expert_1", "a_gate", "b_gate")}
    last = {"a_expert_1": one(M, N, 0), "b_expert_1": one(M, N, 1), **LAST_GATES}
    one_level = built(AdaTT(levels=1, expert_layers=[2]), weights)
    check(one_level, ".935312 .119773; .73105 .50985", ".137357 .700104; .86825 .49025")
    network = built(AdaTT(expert_layers=[2]), weights | {f"level2_{name}": values for name, values in last.items()})
    check(network, ".803423 .736733; .507259 .934169", "1.144484 .259541; .954174 .17618")


def test_cross_stitch() -> None:
    weights = {"column_1": stacked(K[:2], B[:2]), "column_2": stacked(M[:2], N[:2], axis=0)}
    rows = {"a_stitch_1": [0.9, 0.1], "b_stitch_1": [0.1, 0.9], "a_stitch_2": [0.8, 0.3], "b_stitch_2": [-0.1, 0.7]}
    weights |= {name: [np.array(row, np.float32)] for name, row in rows.items()}
    network = built(CrossStitch(column_layers=[2, 2]), weights)
    check(network, ".25505 .2265; .15556 .26576", ".22145 .00045; .19384 -.03322")
    by_unit = weights | {name: [np.array([row, row], np.float32).T] for name, row in rows.items()}
    network = built(CrossStitch(column_layers=[2, 2], stitch="unit"), by_unit)
    check(network, ".25505 .2265; .15556 .26576", ".22145 .00045; .19384 -.03322")


def test_mtan() -> None:
    weights = {"shared_1": [K[0], B[0]], "shared_2": [K[1], B[1]], "passed_1": [K[2], B[2]]}
    masks = {
        "a_mask_1": ("0.5 -0.3; 0.2 0.4", "0 0.1", "0.6 -0.2; 0.3 0.5", "0 0"),
        "b_mask_1": ("-0.1 0.7; 0.4 0.2", "0.1 0", "0.2 0.9; -0.5 0.1", "0.2 -0.1"),
        "a_mask_2": ("0.3 0.1; -0.2 0.6; 0.5 -0.4; 0.7 0.2", "0 0", "0.4 0.1; -0.3 0.8", "0.1 0"),
        "b_mask_2": ("-0.6 0.2; 0.1 0.3; 0.4 0.5; -0.2 0.9", "0 0.2", "0.5 -0.7; 0.2 0.6", "0 -0.2"),
    }
    for name, (first, bias, second, other) in masks.items():
        weights |= {f"{name}_hidden": [table(first), table(bias)[0]], name: [table(second), table(other)[0]]}
    check(built(Mtan(shared_layers=[2, 2]), weights), "0 .117026; .044872 .080638", "0 .120905; .044038 .081265")


def test_film() -> None:
    weights = {"shared_1": [K[0], B[0]], "shared_2": [K[1], B[1]]}
    scales = {"a_film_1": ("1 1", "0 0"), "b_film_1": ("0.5 2", "0.1 -0.2"), "a_film_2": ("1.5 -0.5", "0 0.3"),
              "b_film_2": ("1 0.2", "0 0")}  # fmt: skip
    weights |= {name: [table(gamma)[0], table(beta)[0]] for name, (gamma, beta) in scales.items()}
    check(built(Film(shared_layers=[2, 2]), weights), "0 .185; .1245 .225", "0 .017; .1445 .0246")


@pytest.mark.parametrize(
    ("experts", "codes", "shares", "entropy", "reach"),
    [
        (4, "0.1 -0.3; -0.2 0.4", ".190516 .345324 .3361 .128059", 1.63197, 2.0),
        (3, "0.1 -0.3; -0.2 0.4", ".190516 .345324 .3361", 1.122491, 2.338008),
        (4, "0.6 -0.7; -0.5 0.9", "0 .425557 .574443 0", None, 2.0),
    ],
)
def test_dselect_k(experts: int, codes: str, shares: str, entropy: float | None, reach: float) -> None:
    """The choice of all rows alike, so that the codes are biases."""
    model = DSelectK(experts=experts, expert_layers=[2], routing="task", entropy=0.5)
    kernels, biases = [K[0]] * experts, [np.zeros(2, np.float32)] * experts
    w = np.array([0.2, -0.1], np.float32)
    weights = {"expert_1": stacked(kernels, biases)}
    for task in "ab":
        weights |= {f"{task}_code": [np.zeros((0, 4), np.float32), table(codes).ravel()]}
        weights |= {f"{task}_selector": [np.zeros((0, 2), np.float32), w]}
    network = built(model, weights)
    found = passed(network)
    np.testing.assert_allclose(found.gates["a_gate"], np.tile(table(shares), (2, 1)), atol=2e-6)
    if entropy is not None:
        added = model.extra({}, found.penalties)
        cost = reach if experts < 2**2 else 0.0
        assert float(added) == pytest.approx(2 * (0.5 * entropy + cost), abs=1e-5)


@pytest.mark.parametrize(
    ("gamma", "expected"),
    [
        (1.0, "0 0 .15625 .352 .5 .648 .84375 .972 1 1"),
        (2.0, ".104 .15625 .316406 .42525 .5 .57475 .683594 .784 .84375 .93925"),
    ],
)
def test_the_smooth_step_of_dselect_k(gamma: float, expected: str) -> None:
    """With two experts a code of one number is the second one's share."""
    model = DSelectK(experts=2, expert_layers=[2], num_nonzeros=1, gamma=gamma)
    code = [table("1"), np.zeros(1, np.float32)]
    expert = stacked([np.ones((1, 2), np.float32)] * 2, [np.zeros(2, np.float32)] * 2)
    weights = {"expert_1": expert, "a_code": code, "b_code": code}
    network = built(model, weights, features=1)
    z = table("-.6; -.5; -.25; -.1; 0; .1; .25; .4; .5; .7")
    np.testing.assert_allclose(passed(network, z).gates["a_gate"][:, 1], table(expected)[0], atol=2e-6)
