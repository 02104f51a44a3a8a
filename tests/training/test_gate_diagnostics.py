"""What is told of gates, against NumPy and the numbers of an independent implementation."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mtl_cli.backend import tf
from mtl_cli.networks.layers import Gate
from mtl_cli.training.dataset_cache import load
from mtl_cli.training.gate_diagnostics import described, quantities, seen, width
from tests.support.command import MtlTrain
from tests.support.configs import composed

A = np.array([[0.437039, 0.186797, 0.376163], [0.380956, 0.392558, 0.226486]])
B = np.array([[0.189101, 0.568089, 0.24281], [0.271409, 0.258172, 0.47042]])
GATES = {"a_gate": Gate(None, "a", ("1", "2", "3")), "b_gate": Gate(None, "b", ("1", "2", "3"))}
WEIGHTS = {"a_gate": A, "b_gate": B}


def told() -> dict[tuple[str, str, str], float]:
    tensors = {name: tf.constant(rows, tf.float32) for name, rows in WEIGHTS.items()}
    row = np.concatenate([np.asarray(part, np.float32) for part in seen(GATES, tensors)])
    assert len(row) == width(GATES)
    return {(quantity, of, other): value for quantity, of, other, value in quantities(GATES, row)}


@pytest.mark.parametrize(
    ("task", "means", "usage", "entropy", "most", "cv2"),
    [
        ("a", [0.408998, 0.289678, 0.301325], 0.988546, 0.962123, 0.408998, 0.025966),
        ("b", [0.230255, 0.413131, 0.356615], 0.974915, 0.927617, 0.413131, 0.052605),
    ],
)
def test_the_numbers_of_a_gate(
    task: str, means: list[float], usage: float, entropy: float, most: float, cv2: float
) -> None:
    found = told()
    for expert, mean in zip("123", means, strict=True):
        assert found["gate", task, expert] == pytest.approx(mean, abs=2e-6)
    expected = {"gate_usage_entropy": usage, "gate_entropy": entropy, "gate_max": most, "gate_cv2": cv2}
    for quantity, value in expected.items():
        assert found[quantity, task, ""] == pytest.approx(value, abs=2e-6)
    of_summary = described(GATES, {name: [rows[:1], rows[1:]] for name, rows in WEIGHTS.items()})[f"{task}_gate"]
    assert list(of_summary["experts"].values()) == pytest.approx(means, abs=2e-6)
    assert [of_summary[key] for key in ("usage_entropy", "entropy", "max", "cv2")] == pytest.approx(
        [usage, entropy, most, cv2], abs=2e-6
    )


def test_experts_and_distances() -> None:
    found = told()
    for i, expert in enumerate("123"):
        assert found["expert_use", "", expert] == pytest.approx((A[:, i].mean() + B[:, i].mean()) / 2, abs=2e-6)
    assert found["idle_experts", "", ""] == 0
    assert found["gate_distance", "a", "b"] == pytest.approx(np.abs(A - B).sum(axis=1).mean() / 2, abs=2e-6)


def test_a_gate_that_has_collapsed() -> None:
    """All rows have one expert: both entropies are 0, and an expert that no task uses is idle."""
    hard = np.array([[1.0, 0.0, 0.0]] * 4, np.float32)
    by_row = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]] * 2, np.float32)
    parts = seen(GATES, {"a_gate": tf.constant(hard), "b_gate": tf.constant(by_row)})
    row = np.concatenate([np.asarray(part, np.float32) for part in parts])
    found = {(quantity, of, other): value for quantity, of, other, value in quantities(GATES, row)}
    assert [found[f"gate_{key}", "a", ""] for key in ("entropy", "usage_entropy", "cv2")] == pytest.approx([0, 0, 2])
    assert found["gate_entropy", "b", ""] == pytest.approx(0)
    assert found["gate_usage_entropy", "b", ""] == pytest.approx(np.log(2) / np.log(3))
    assert found["idle_experts", "", ""] == 1
    assert found["gate_distance", "a", "b"] == pytest.approx(0.5)


SMALL = ["data=digits", "data.examples={train: 60, val: 20, test: 20}", "batch_size=8"]


def test_a_run_tells_of_its_gates(mtl_train: MtlTrain, tmp_path: Path) -> None:
    """summary.json of those on the validation rows, from the saved weights; the log of experts that nobody uses."""
    words = [*SMALL, "model=mmoe", "model.experts=3", "model.shared_layers=[5]", "steps=20", "diagnostics.every=10"]
    done = mtl_train(*words, "hydra.run.dir=run")
    assert done.status == 0, done.err
    gates = done.summary()["gates"]
    own = 5 * 3 + 16 * 10 + 10
    assert done.summary()["parameters"] == {
        "shared": 100 * 5 + 5 + 3 * (5 * 16 + 16), "own": {"left": own, "right": own}
    }  # fmt: skip
    assert {name: gate["task"] for name, gate in gates.items()} == {"left_gate": "left", "right_gate": "right"}
    weights = saved_weights(tmp_path / "run" / "model.keras")
    dataset = load(composed(*SMALL))
    rows = dataset.splits["val"].block(0, 20)
    hidden = np.maximum(rows @ weights["shared_1"][0] + weights["shared_1"][1], 0)
    for name, gate in gates.items():
        logits = np.exp(hidden @ weights[name][0])
        expected = (logits / logits.sum(axis=1, keepdims=True)).mean(axis=0)
        assert list(gate["experts"].values()) == pytest.approx(expected.tolist(), rel=1e-4)
    table = pl.read_csv(tmp_path / "run" / "diagnostics.csv")
    shares = table.filter(pl.col("quantity") == "gate").group_by("iteration", "task").agg(pl.col("value").sum())
    assert sorted(shares["iteration"].unique()) == [1, 10, 20]
    assert shares["value"].to_list() == pytest.approx([1.0] * 6, abs=1e-5)
    assert "gates" not in mtl_train(*SMALL, "steps=3", "hydra.run.dir=plain").summary()


def saved_weights(path: Path) -> dict[str, list[Any]]:
    from mtl_cli.backend import keras

    model = keras.saving.load_model(path, compile=False)
    layers = [layer for outer in model.layers for layer in getattr(outer, "layers", [outer])]
    return {layer.name: layer.get_weights() for layer in layers}
