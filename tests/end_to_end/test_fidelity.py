"""The shipped experiments against the source article's own graph, iteration by iteration."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from numpy.typing import NDArray
from omegaconf import OmegaConf

from mtl_cli.backend import start, tf
from mtl_cli.config import parse
from mtl_cli.training.chunk import Chunk
from mtl_cli.training.dataset_cache import load
from mtl_cli.training.setup import set_up

CONF = Path(__file__).resolve().parents[2] / "conf"
STEPS = 300
FEATURES, UNITS, BATCH, HIGH = 10, 20, 10, 10.0
FROM: dict[float, list[str]] = {0: [], -1: ["model.initializer_range=[-1.0,1.0]"]}
"""Overrides by the least first weight. The article's weights begin in [0, 1), where no ReLU acts for a long time; those
that begin in [-1, 1) show that ours act where the article's do."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Ours:
    """A run of the compiled program, with what it began from and what it was given."""

    weights: list[Array]
    block: Array
    picks: NDArray[np.int32] | None
    losses: Array
    trained: list[Array]


def ours(overrides: list[str], folder: Path) -> Ours:
    """Runs a shipped experiment for STEPS iterations."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose("config", [*overrides, f"steps={STEPS}", "seed=7", "device=cpu"])
    plain: dict[str, Any] = OmegaConf.to_container(composed, resolve=True)  # type: ignore[assignment]
    config = parse(plain)
    ready = set_up(config, load(config), start(config.device))
    state, draws = ready.state, ready.draws()
    weights = [parameter.numpy() for parameter in state.params.all()]
    drawn = ready.chunk(draws, np.arange(1, STEPS + 1)).arrays
    losses = []
    for part in np.split(np.arange(STEPS), [1, 100]):
        arrays = {key: array[part] for key, array in drawn.items()}
        result = ready.train(state, Chunk(part + 1, ready.learning_rates(part + 1), arrays))
        state = result.state
        losses.append(result.losses)
    trained = [parameter.numpy() for parameter in state.params.all()]
    return Ours(weights, drawn["block"], drawn.get("pick"), np.concatenate(losses), trained)


@dataclass(frozen=True)
class Article:
    """The article's graph, built in the default graph."""

    features: Any
    labels: list[Any]
    weights: list[Any]
    losses: list[Any]


def article(initial: list[Array], low: float) -> Article:
    """Builds the article's graph from first weights that must be uniform in [low, 1)."""
    assert [w.shape for w in initial] == [(FEATURES, UNITS), (UNITS, UNITS), (UNITS, UNITS)]
    assert all((w >= low).all() and (w < 1).all() and abs(w.mean() - (low + 1) / 2) < 0.1 for w in initial)
    v1 = tf.compat.v1
    x = v1.placeholder("float", [BATCH, FEATURES], name="X")
    y1, y2 = (v1.placeholder("float", [BATCH, UNITS], name=name) for name in ("Y1", "Y2"))
    shared, head1, head2 = (v1.Variable(w, use_resource=True) for w in initial)
    hidden = tf.nn.relu(tf.matmul(x, shared))
    outputs = [tf.nn.relu(tf.matmul(hidden, head)) for head in (head1, head2)]
    losses = [tf.nn.l2_loss(y - output) for y, output in zip((y1, y2), outputs, strict=True)]
    return Article(x, [y1, y2], [shared, head1, head2], losses)


@pytest.mark.parametrize(("weights", "low"), [((0.5, 0.5), 0), ((1.0, 1.0), 0), ((0.2, 0.7), 0), ((0.5, 0.5), -1)])
def test_joint_training_is_the_articles(weights: tuple[float, float], low: float, tmp_path: Path) -> None:
    shares = [f"tasks.y1.weight={weights[0]}", f"tasks.y2.weight={weights[1]}"]
    run = ours(["experiment=seed_joint", *shares, *FROM[low]], tmp_path)
    assert run.block.shape == (STEPS, BATCH, FEATURES + 2 * UNITS)
    expected = []
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        graph = article(run.weights, low)
        joint = weights[0] * graph.losses[0] + weights[1] * graph.losses[1]
        train = tf.compat.v1.train.AdamOptimizer().minimize(joint)
        session.run(tf.compat.v1.global_variables_initializer())
        for numbers in HIGH * run.block:
            x, *labels = np.split(numbers, [FEATURES, FEATURES + UNITS], axis=1)
            feed = {graph.features: x, graph.labels[0]: labels[0], graph.labels[1]: labels[1]}
            expected.append(session.run([joint, *graph.losses, train], feed)[:3])
        trained = session.run(graph.weights)
    np.testing.assert_allclose(run.losses, expected, rtol=1e-4)
    for weight, reference in zip(run.trained, trained, strict=True):
        np.testing.assert_allclose(weight, reference, atol=1e-4)


@pytest.mark.parametrize(("probs", "low"), [((0.5, 0.5), 0), ((0.2, 0.8), 0), ((0.5, 0.5), -1)])
def test_alternating_training_is_the_articles(probs: tuple[float, float], low: float, tmp_path: Path) -> None:
    shares = [f"tasks.y1.prob={probs[0]}", f"tasks.y2.prob={probs[1]}"]
    run = ours(["experiment=seed_alternating", *shares, *FROM[low]], tmp_path)
    assert run.block.shape == (STEPS, BATCH, FEATURES + UNITS)
    assert run.picks is not None
    assert abs(run.picks.mean() - probs[1]) < 0.1
    expected = np.zeros((STEPS, 3))
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        graph = article(run.weights, low)
        trains = [tf.compat.v1.train.AdamOptimizer().minimize(loss) for loss in graph.losses]
        session.run(tf.compat.v1.global_variables_initializer())
        for k, (numbers, pick) in enumerate(zip(HIGH * run.block, run.picks, strict=True)):
            x, labels = np.split(numbers, [FEATURES], axis=1)
            feed = {graph.features: x, graph.labels[pick]: labels}
            expected[k, 1 + pick] = session.run([graph.losses[pick], trains[pick]], feed)[0]
        trained = session.run(graph.weights)
    np.testing.assert_allclose(run.losses, expected, rtol=1e-4)
    for weight, reference in zip(run.trained, trained, strict=True):
        np.testing.assert_allclose(weight, reference, atol=1e-4)
