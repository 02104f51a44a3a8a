"""The compiled program: numbers are arguments, it is traced once, it is a pure function."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mtl_cli.backend import start, tf
from mtl_cli.config import FAMILIES, Config
from mtl_cli.datasets import batches
from mtl_cli.datasets.encoder import PlainFeatures
from mtl_cli.sampling.base import Pool
from mtl_cli.settings import Settings, numbers
from mtl_cli.step.draws import Draws
from mtl_cli.training import program
from mtl_cli.training.dataset_cache import load
from mtl_cli.training.setup import set_up
from tests.support.configs import composed
from tests.support.runs import losses

OPTIMIZERS = [str(cls.model_fields["name"].default) for cls in FAMILIES["optimizer"]]
FULL = ["data=digits", "data.examples={train: 200, val: 20, test: 20}", "steps=12", "batch_size=8"]


@pytest.mark.parametrize("mode", ["joint", "alternating"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_number_is_an_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str, mode: str
) -> None:
    """Changing any number of the config changes the losses, and compiles nothing."""
    monkeypatch.setattr(program, "_programs", {})
    overrides = [
        *FULL,
        f"mode={mode}",
        f"optimizer={optimizer}",
        "optimizer.clip_norm=0.5",
        "optimizer.learning_rate=0.01",
    ]
    overrides += ["model.l2=0.01", "model.dropout=0.2", "model.task_layers=[5]"]
    if "momentum" in composed(f"optimizer={optimizer}").optimizer.model_dump():
        overrides.append("optimizer.momentum=0.5")
    base = composed(*overrides)
    reference = losses(base, tmp_path)
    changes = [f"optimizer.{path}" for path in numbers(base.optimizer)] + ["model.l2", "model.dropout"]
    changes += ["optimizer.learning_rate"] + ["tasks.left.weight"] * (mode == "joint")
    assert len(changes) >= 4
    for key in changes:
        factor = 4 if key == "optimizer.clip_norm" else 0.7  # lion sees no difference between clipped and clipped more
        value = factor * _value(base, key)
        assert losses(composed(*overrides, f"{key}={value}"), tmp_path) != reference, key
    (compiled,) = program._programs.values()
    assert compiled.traces == 1


def _value(config: Config, key: str) -> float:
    place: object = config
    for part in key.split("."):
        place = place[part] if isinstance(place, dict) else getattr(place, part)
    assert isinstance(place, float)
    return place


def test_other_shapes_compile_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_programs", {})
    for change in ("batch_size=8", "batch_size=9", "model.activation=tanh", "tasks.y1.units=3", "tasks.y1.loss=mse"):
        losses(composed("steps=5", change), tmp_path)
    assert len(program._programs) == 5
    losses(composed("steps=6", "batch_size=9", "seed=5"), tmp_path)
    assert len(program._programs) == 5


@pytest.mark.parametrize(("dropout", "changes"), [("null", False), ("0.5", True)])
def test_dropout_follows_from_the_seed(tmp_path: Path, dropout: str, changes: bool) -> None:
    first = losses(composed(*FULL, f"model.dropout={dropout}"), tmp_path)
    assert losses(composed(*FULL, f"model.dropout={dropout}"), tmp_path) == first
    assert (losses(composed(*FULL, "model.dropout=null"), tmp_path) != first) is changes


def test_capacity_bounds_the_memory_of_a_chunk() -> None:
    assert batches.capacity_of(0) == batches.MAX_ITERATIONS
    for size in (1, 10_000, 10**6, 10**9):
        capacity = batches.capacity_of(size)
        assert capacity == 1 or capacity * size <= batches.MAX_BYTES


def test_members_have_final_types() -> None:
    for classes in FAMILIES.values():
        for cls in classes:
            assert issubclass(cls, Settings)
            assert not any(issubclass(other, cls) for other in classes if other is not cls)


def test_a_dropped_unit_is_made_up_for() -> None:
    config = composed("model.dropout=0.25", "model.shared_layers=[30,21]", "model.task_layers=[5]")
    dataset = load(config)
    pool = Pool(np.array([0.5, 0.5]), np.array([np.inf, np.inf]), config.steps)
    draws = Draws(dataset.stream(0, 7), config.sampling, pool, config.weighting, 1, (7, 61), 0)
    noise = np.concatenate([draws.noise(n)["noise"] for n in (1, 2, 197)])
    assert noise.shape == (200, 7, 61)
    factors = config.model.factors(tf.constant(noise)).numpy()
    assert set(np.unique(factors)) == {np.float32(0), np.float32(4 / 3)}
    for axis in range(3):
        others = tuple({0, 1, 2} - {axis})
        deviation = np.sqrt(0.25 * 0.75 * factors.shape[axis] / factors.size)
        assert np.abs((factors == 0).mean(axis=others) - 0.25).max() < 5 * deviation


@pytest.mark.parametrize("task", ["y1", "y2"])
def test_every_hidden_unit_has_a_factor_of_its_own(task: str) -> None:
    config = composed("model.dropout=0.5", "model.shared_layers=[3,2]", "model.task_layers=[2]", "model.use_bias=true")
    network = config.model.build(PlainFeatures(4), load(config).tasks, 0)
    assert network.dropped == 3 + 2 + 2 + 2
    factors = tf.Variable(tf.ones([1, 9]))
    with tf.GradientTape() as tape:
        features = tf.fill([1, 4], 0.5)
        raw = network.outputs(network.params(), [features, factors], [task])[0][task]
    np.testing.assert_allclose(raw, network.inferred(network.params(), features)[task], rtol=1e-6)
    matters = np.abs(tape.gradient(raw, factors).numpy()[0]) > 0
    assert matters.tolist() == [True] * 5 + [task == "y1"] * 2 + [task == "y2"] * 2


def test_threads_change_no_bit_of_each_other() -> None:
    """Runs that train at the same time have the same program, but not the memory that is drawn into."""
    runs = [set_up(config, load(config), start("cpu")) for config in (composed("seed=1"), composed("seed=2"))]
    assert runs[0].program is runs[1].program
    chunks = [run.chunk(run.draws(), np.arange(1, 101)) for run in runs]

    def train(i: int) -> set[bytes]:
        found = (runs[i].train(runs[i].state, chunks[i]) for _ in range(300))
        return {trained.losses.tobytes() for trained in found}

    alone = [train(0), train(1)]
    assert [len(found) for found in alone] == [1, 1]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(train, range(2))) == alone
