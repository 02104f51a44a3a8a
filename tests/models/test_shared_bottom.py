"""Networks: shapes, sharing, initial weights, what is saved."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mtl_cli.backend import keras, tf
from mtl_cli.config import Config
from mtl_cli.networks.network import Network
from mtl_cli.training.dataset_cache import load
from mtl_cli.training.saved_model import predictor
from tests.support.configs import composed

LAYERS = ["model.shared_layers=[7,5]", "model.task_layers=[4]", "tasks.y2.layers=[]", "tasks.y2.units=3"]


def built(*overrides: str) -> tuple[Config, Network]:
    """Returns a config and its network."""
    config = composed(*overrides)
    dataset = load(config)
    return config, config.model.build(dataset.encoder, dataset.tasks, config.seed)


def test_layers_and_owners_are_as_configured() -> None:
    _, network = built(*LAYERS, "model.use_bias=true")
    assert [tuple(v.shape) for v in network.shared] == [(10, 7), (7,), (7, 5), (5,)]
    assert [tuple(v.shape) for v in network.own["y1"]] == [(5, 4), (4,), (4, 20), (20,)]
    assert [tuple(v.shape) for v in network.own["y2"]] == [(5, 3), (3,)]
    assert {task: tuple(out.shape) for task, out in network.model.output.items()} == {"y1": (None, 20), "y2": (None, 3)}
    _, network = built(*LAYERS, "model.use_bias=false")
    assert [len(v.shape) for v in [*network.shared, *network.own["y1"], *network.own["y2"]]] == [2] * 5


@pytest.mark.parametrize("activation", ["linear", "relu", "tanh", "gelu", "softplus"])
def test_outputs_equal_numpy(activation: str) -> None:
    functions: dict[str, Callable[[Any], Any]] = {
        "linear": lambda x: x,
        "relu": lambda x: np.maximum(x, 0),
        "tanh": np.tanh,
        "gelu": lambda x: 0.5 * x * (1 + np.vectorize(math.erf)(x / np.sqrt(2))),
        "softplus": lambda x: np.log1p(np.exp(x)),
    }
    f = functions[activation]
    _, network = built(*LAYERS, f"model.activation={activation}", "model.output_activation=linear", "data.features=6")
    x = np.random.default_rng(0).normal(size=(9, 6)).astype(np.float32)
    shared = [v.numpy().astype(np.float64) for v in network.shared]
    bottom = f(f(x @ shared[0]) @ shared[1])
    y1 = [v.numpy().astype(np.float64) for v in network.own["y1"]]
    expected = {"y1": f(bottom @ y1[0]) @ y1[1], "y2": bottom @ network.own["y2"][0].numpy()}
    raw = network.outputs(network.params(), [tf.constant(x)], network.own)[0]
    for task, value in expected.items():
        np.testing.assert_allclose(raw[task], value, rtol=2e-5, atol=2e-5)
        alone = network.outputs(network.params(), [tf.constant(x)], [task])[0][task]
        np.testing.assert_allclose(alone, value, rtol=2e-5, atol=2e-5)


def test_initial_weights_follow_from_the_seed() -> None:
    def weights(*overrides: str) -> bytes:
        return b"".join(p.numpy().tobytes() for p in built(*overrides)[1].params().all())

    assert weights() == weights()
    assert weights() != weights("seed=1")
    wide = ["model.shared_layers=[2000]", "data.features=50"]
    _, network = built(*wide)
    first = network.shared[0].numpy()
    assert 0 <= first.min() < 0.001
    assert 0.999 < first.max() <= 1
    _, network = built(*wide, "model.initializer=random_normal", "model.initializer_stddev=0.2")
    assert abs(network.shared[0].numpy().std() - 0.2) < 0.005
    _, network = built(*wide, "model.initializer=he_normal")
    assert abs(network.shared[0].numpy().std() - np.sqrt(2 / 50)) < 0.01  # He et al. 2015: variance 2 / fan in
    _, network = built(*wide, "model.initializer=glorot_uniform")
    assert abs(np.abs(network.shared[0].numpy()).max() - np.sqrt(6 / 2050)) < 0.001  # Glorot and Bengio 2010


def test_a_layer_has_weights_of_its_own() -> None:
    _, network = built("model.shared_layers=[10,10]")
    assert not np.array_equal(network.shared[0].numpy(), network.shared[1].numpy())
    assert not np.array_equal(network.own["y1"][0].numpy(), network.own["y2"][0].numpy())


@pytest.mark.parametrize(
    "overrides",
    [
        LAYERS,
        ["model.initializer=he_normal", "model.dropout=0.5"],
        ["data=table", "data.path=t.csv", "+tasks.y.kind=regression", "data.embed_above=3"],
    ],
)
def test_a_network_knows_the_initial_weights_of_every_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: list[str]
) -> None:
    """They are, bit for bit, those of a network that is built with the seed."""
    monkeypatch.chdir(tmp_path)
    kinds = [f"{i},k{i % 7},{i % 3}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["a,kind,y", *kinds]))
    config = composed(*overrides)
    dataset = load(config)
    network = config.model.build(dataset.encoder, dataset.tasks, 1)
    for seed in (1, 2, 3):
        expected = config.model.build(dataset.encoder, dataset.tasks, seed).params()
        initial = network.initial(seed)
        assert list(initial.own) == list(expected.own)
        assert len(initial.shared) == len(expected.shared)
        for one, other in zip(initial.all(), expected.all(), strict=True):
            assert one.dtype == other.dtype
            assert one.numpy().tobytes() == other.numpy().tobytes()


@pytest.mark.parametrize("dropout", ["null", "0.5"])
def test_a_saved_model_predicts_what_the_trained_one_did(tmp_path: Path, dropout: str) -> None:
    (tmp_path / "t.csv").write_text(
        "a,b,p,s,c\n" + "".join(f"{i},{i * i % 7},{i / 3},{i % 2},{i % 3}\n" for i in range(40))
    )
    config = composed(
        "data=table", f"data.path={tmp_path / 't.csv'}", "+tasks.p.kind=regression", "+tasks.s.kind=binary",
        "+tasks.c.kind=multiclass", f"model.dropout={dropout}", "model.task_layers=[3]",
    )  # fmt: skip
    dataset = load(config)
    network = config.model.build(dataset.encoder, dataset.tasks, 3)
    predictor(network, dataset).save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    rows = pl.read_csv(tmp_path / "t.csv")
    test = dataset.splits["test"]
    predictions = loaded.predict({name: rows[name].to_numpy()[test.rows] for name in ("a", "b")}, verbose=0)
    raw = network.inferred(network.params(), tf.constant(test.block(0, 100)))
    price = dataset.scales["p"].original(raw["p"])
    expected = {"p": price, "s": tf.sigmoid(raw["s"]), "c": tf.nn.softmax(raw["c"])}
    assert set(predictions) == set(expected)
    for task, value in expected.items():
        np.testing.assert_allclose(predictions[task], value, rtol=1e-5, atol=1e-5)


def test_task_names_never_clash_with_layer_names() -> None:
    names = ["features", "shared", "shared_1", "network", "y1_raw", "y1_hidden_1", "y1_prediction"]
    tasks = [f"+tasks.{name}={{kind: regression, units: 2}}" for name in names]
    config, network = built(*tasks, "model.task_layers=[3]")
    assert set(predictor(network, load(config)).output) == {"y1", "y2", *names}
