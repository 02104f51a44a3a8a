"""Losses of the task kinds against scikit-learn and formulas, metrics against formulas."""

import math
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sk
from sklearn.metrics import r2_score

from mtl_cli.backend import keras, tf
from mtl_cli.tasks import HIGHER_IS_BETTER, KINDS, Binary, Multiclass, Regression, Task

Array = NDArray[Any]

RANDOM = np.random.default_rng(8)
ROWS, UNITS, CLASSES = 60, 3, 4
NUMBERS = RANDOM.normal(scale=3.0, size=(ROWS, UNITS)).astype(np.float32)
RAW = RANDOM.normal(scale=2.0, size=(ROWS, UNITS)).astype(np.float32)
YES = RANDOM.integers(2, size=(ROWS, UNITS)).astype(np.float32)
CHOICES = RANDOM.integers(CLASSES, size=ROWS).astype(np.int32)
LOGITS = RANDOM.normal(scale=2.0, size=(ROWS, CLASSES)).astype(np.float32)


def loss(task: Task, labels: Array, raw: Array) -> float:
    value = task.batch_loss(task.row_losses(tf.constant(labels), tf.constant(raw)))
    assert value.shape == ()
    return float(value)


def logistic(z: Array) -> Array:
    result: Array = 1.0 / (1.0 + np.exp(-z.astype(np.float64)))
    return result


def softmax(z: Array) -> Array:
    powers = np.exp(z.astype(np.float64))
    result: Array = powers / powers.sum(axis=1, keepdims=True)
    return result


def huber(y: Array, f: Array) -> float:
    total = 0.0
    for error in np.abs(y.astype(np.float64) - f).ravel():
        total += error * error / 2 if error <= 1.0 else error - 0.5
    return total / y.size


REGRESSION_LOSSES: dict[str, Callable[[Array, Array], float]] = {
    "mse": sk.mean_squared_error,
    "mae": sk.mean_absolute_error,
    "huber": huber,
    "l2": lambda y, f: ((y.astype(np.float64) - f) ** 2).sum() / 2,
}


@pytest.mark.parametrize(("name", "formula"), REGRESSION_LOSSES.items())
@pytest.mark.parametrize("units", [1, UNITS])
def test_regression_losses(name: str, formula: Callable[[Array, Array], float], units: int) -> None:
    labels, raw = NUMBERS[:, :units], RAW[:, :units]
    task = Regression.model_validate({"loss": name, "units": units})
    assert loss(task, labels, raw) == pytest.approx(formula(labels, raw), rel=1e-5)


def test_every_loss_is_tested() -> None:
    choices = {kind: set(get_args(kind.model_fields["loss"].annotation)) for kind in KINDS}
    assert choices == {Regression: set(REGRESSION_LOSSES), Binary: {"bce"}, Multiclass: {"ce"}}


def test_binary_loss() -> None:
    expected = np.mean([sk.log_loss(YES[:, u], logistic(RAW[:, u])) for u in range(UNITS)])
    assert loss(Binary(units=UNITS), YES, RAW) == pytest.approx(expected, rel=1e-5)


def test_multiclass_loss() -> None:
    expected = sk.log_loss(CHOICES, softmax(LOGITS), labels=range(CLASSES))
    assert loss(Multiclass(units=CLASSES), CHOICES, LOGITS) == pytest.approx(expected, rel=1e-5)


def test_losses_of_large_logits_stay_finite() -> None:
    large = np.array([[500.0], [-500.0]], np.float32)
    assert loss(Binary(), np.array([[0.0], [0.0]], np.float32), large) == pytest.approx(250.0)
    logits = np.array([[900.0, 0.0, -900.0]], np.float32)
    for label, expected in enumerate([0.0, 900.0, 1800.0]):
        assert loss(Multiclass(units=3), np.array([label], np.int32), logits) == pytest.approx(expected)


def test_regression_metrics() -> None:
    errors = NUMBERS.astype(np.float64) - RAW
    spread = ((NUMBERS.astype(np.float64) - NUMBERS.mean(axis=0, dtype=np.float64)) ** 2).sum(axis=0)
    expected = {
        "mse": (errors**2).mean(),
        "rmse": np.sqrt((errors**2).mean()),
        "mae": np.abs(errors).mean(),
        "r2": np.mean(1 - (errors**2).sum(axis=0) / spread),
    }
    assert Regression(units=UNITS).metrics(NUMBERS, RAW) == pytest.approx(expected, rel=1e-5)


def test_r2_of_one_row_is_nan() -> None:
    values = Regression(units=UNITS).metrics(NUMBERS[:1], RAW[:1])
    assert np.isnan(values["r2"])
    assert values["mae"] == pytest.approx(np.abs(NUMBERS[0] - RAW[0]).mean(), rel=1e-5)


def precision_by_recall(y: np.ndarray, p: np.ndarray) -> float:
    """Returns the sum over the different scores, from the highest, of (recall - recall before) * precision."""
    total, before = 0.0, 0.0
    for threshold in np.unique(p)[::-1]:
        chosen = p >= threshold
        recall = (y & chosen).sum() / y.sum()
        total, before = total + (recall - before) * (y & chosen).sum() / chosen.sum(), recall
    return total


@pytest.mark.parametrize("task", [Regression(units=UNITS), Binary(units=UNITS), Multiclass(units=CLASSES)])
def test_a_rows_weight_counts_it_as_often(task: Task) -> None:
    labels = {"regression": NUMBERS, "binary": YES}.get(task.kind, np.arange(len(NUMBERS), dtype=np.int32) % CLASSES)
    raw = np.random.default_rng(5).normal(size=(len(labels), task.units or 0)).astype(np.float32)
    predictions = np.asarray(keras.activations.get(task.activation)(tf.constant(raw)))
    weights = np.arange(len(labels), dtype=np.float32) % 4
    often = np.repeat(np.arange(len(labels)), weights.astype(int))
    repeated = task.metrics(labels[often], predictions[often])
    assert task.metrics(labels, predictions, weights) == pytest.approx(repeated, rel=1e-5)
    loss = task.batch_loss(task.row_losses(tf.constant(labels), tf.constant(raw)), tf.constant(weights))
    rows = task.batch_loss(task.row_losses(tf.constant(labels[often]), tf.constant(raw[often])))
    assert float(loss) == pytest.approx(float(rows) * len(often) / np.count_nonzero(weights), rel=1e-5)


def test_pos_weight_multiplies_the_positive_part() -> None:
    plain, weighted = Binary(units=UNITS), Binary(units=UNITS, pos_weight=3.0)
    y, raw = tf.constant(YES), tf.constant(RAW)
    p = logistic(RAW)
    expected = (-3 * YES * np.log(p) - (1 - YES) * np.log(1 - p)).mean(axis=1)
    np.testing.assert_allclose(weighted.row_losses(y, raw), expected, rtol=1e-5)
    one = weighted.model_copy(update={"pos_weight": 1.0})
    np.testing.assert_allclose(plain.row_losses(y, raw), one.row_losses(y, raw), rtol=1e-5)


@pytest.mark.parametrize("digits", [1, 8], ids=["ties", "no ties"])
def test_binary_metrics(digits: int) -> None:
    p = logistic(RAW).round(digits).clip(0.01, 0.99) + 1e-3  # none is 0.5
    y, flat = YES.ravel() == 1, p.ravel()
    ahead, behind = flat[y][:, None], flat[~y][None, :]
    expected = {
        "auc": ((ahead > behind) + 0.5 * (ahead == behind)).mean(),
        "average_precision": precision_by_recall(y, flat),
        "accuracy": (y == (flat > 0.5)).mean(),
        "f1": 2 * (y & (flat > 0.5)).sum() / (y.sum() + (flat > 0.5).sum()),
        "log_loss": -np.log(np.where(y, flat, 1 - flat)).mean(),
    }
    assert Binary(units=UNITS).metrics(YES, p) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_auc_of_one_class_is_nan(label: float) -> None:
    p = np.array([[0.2], [0.6], [0.9]], np.float32)
    values = Binary().metrics(np.full((3, 1), label, np.float32), p)
    assert np.isnan(values["auc"])
    assert values["accuracy"] == pytest.approx(2 / 3 if label else 1 / 3)
    assert values["log_loss"] == pytest.approx(-np.log(p if label else 1 - p).mean(), rel=1e-5)


def test_multiclass_metrics() -> None:
    kinds = CHOICES % 3  # the last class is predicted but never true, another metric's corner
    p = softmax(LOGITS)
    chosen = np.array([max(range(CLASSES), key=lambda c: row[c]) for row in p])
    f1 = []
    for c in range(CLASSES):
        hits = int(((chosen == c) & (kinds == c)).sum())
        f1.append(2 * hits / ((chosen == c).sum() + (kinds == c).sum()))
    assert f1[-1] == 0.0
    expected = {
        "accuracy": (chosen == kinds).mean(),
        "log_loss": -np.mean([np.log(row[kind]) for row, kind in zip(p, kinds, strict=True)]),
        "macro_f1": np.mean(f1),
    }
    assert Multiclass(units=CLASSES).metrics(kinds, p) == pytest.approx(expected, rel=1e-9)


def test_macro_f1_leaves_out_a_class_that_never_occurs() -> None:
    p = np.eye(5)[[0, 1, 1, 3]]
    values = Multiclass(units=5).metrics(np.array([0, 1, 3, 3], np.int32), p)
    assert values["macro_f1"] == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)


def test_certain_mistakes_give_a_finite_log_loss() -> None:
    wrong = -np.log(1e-15) / 2
    p = np.array([[1.0], [0.0]], np.float32)
    assert Binary().metrics(np.zeros((2, 1), np.float32), p)["log_loss"] == pytest.approx(wrong, rel=1e-4)
    rows = np.array([[1.0, 0.0], [1.0, 0.0]], np.float32)
    assert Multiclass(units=2).metrics(np.array([0, 1], np.int32), rows)["log_loss"] == pytest.approx(wrong)


CASES: list[tuple[Task, Array, Array]] = [
    (Regression(units=UNITS), NUMBERS, RAW),
    (Binary(units=UNITS), YES, RAW),
    (Multiclass(units=CLASSES), CHOICES, LOGITS),
]


def test_every_kind_has_a_case() -> None:
    assert {kind.model_fields["kind"].default for kind in KINDS} >= {"regression", "binary", "multiclass"}
    assert {type(task) for task, _, _ in CASES} == set(KINDS)


@pytest.mark.parametrize(("task", "labels", "raw"), CASES)
def test_what_better_means(task: Task, labels: Array, raw: Array) -> None:
    """Raw outputs that the labels made are better than ones they had no part in, in the loss and in every metric."""
    good = labels if isinstance(task, Regression) else 4.0 * (labels - 0.5)
    if isinstance(task, Multiclass):
        good = 4.0 * np.eye(CLASSES, dtype=np.float32)[labels]
    activation = keras.activations.get(task.activation)
    bad_values, good_values = (task.metrics(labels, activation(tf.constant(z)).numpy()) for z in (raw, good))
    assert set(good_values) == set(task.metric_names())
    for name, value in good_values.items():
        assert value > bad_values[name] if name in HIGHER_IS_BETTER else value < bad_values[name], name
    assert loss(task, labels, good) < loss(task, labels, raw)
    assert labels.dtype == task.label_type


def test_r2_of_labels_that_do_not_vary_is_scikit_learns() -> None:
    labels = np.full((4, 1), 2.0, np.float32)
    for given in (labels, labels + np.float32(0.5)):
        assert Regression(units=1).metrics(labels, given)["r2"] == r2_score(labels, given)


def test_the_sum_of_squares_counts_a_row_as_often_as_its_weight() -> None:
    task = Regression(units=2, loss="l2")
    y, w = np.ones((3, 2), np.float32), np.array([3, 0, 0.5], np.float32)
    f = np.array([[1, 2], [3, 1], [0, 0]], np.float32)
    found = task.batch_loss(task.row_losses(tf.constant(y), tf.constant(f)), tf.constant(w))
    assert float(found) == pytest.approx(3 * 0.5 * 1 + 0 * 0.5 * 4 + 0.5 * 0.5 * 2)


def test_each_of_several_labels_has_its_own_prior() -> None:
    labels = np.array([[1, 0], [1, 0], [1, 1], [0, 0]], np.float32)
    np.testing.assert_allclose(Binary(units=2).prior(labels), np.log([3 / 1, 1 / 3]), rtol=1e-5)


@pytest.mark.parametrize(("label", "logit"), [(1, math.log((1 - 1e-7) / 1e-7)), (0, math.log(1e-7 / (1 - 1e-7)))])
def test_the_prior_of_one_class_is_finite(label: int, logit: float) -> None:
    """As if one row in ten million were of the other."""
    labels = np.full((5, 1), label, np.float32)
    assert Binary().prior(labels)[0] == pytest.approx(logit)
    assert Binary().undefined(labels, ())[1] == f"no row of the class {1 - label}"
