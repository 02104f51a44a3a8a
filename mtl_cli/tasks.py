"""What a task is: its kind decides the output's activation, the losses it can take, its labels and metrics.

Raw outputs are what the network gives: predictions for a regression, logits for the two kinds of classification.
A loss is the mean over the batch of the rows' losses, themselves means over the outputs; `l2` is the sum of squares / 2
over both.
"""

import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, Literal, get_args

import numpy as np
from pydantic import BeforeValidator, Field, field_validator

from mtl_cli.backend import Array, Tensor, tf
from mtl_cli.families import any_of, members_of
from mtl_cli.settings import Balance, Host, NonNegative, Positive, Settings, Undrawn, UnitInterval

NO_LOSS: Final = -1.0
"""Stands for the loss of a task that has no label in a batch; no loss is negative."""
TRAIN_WINDOW: Final = 1000
"""A task's running loss is the mean of its training losses in this many last iterations."""
LEAST_SHARE: Final = 1e-7
"""What a class counts as, of all rows, that no training row has."""
TASK_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
MOST_TASKS: Final = 1000
"""More take minutes to compile, and gigabytes."""
Count = Annotated[int, Field(ge=1, le=2**31 - 1)]


def _as_text(value: Any) -> Any:
    """Returns what YAML took for a number or a boolean as the text that it was."""
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int | float) else value


Text = Annotated[str, BeforeValidator(_as_text)]
"""A cell's text."""


def _squared_error(labels: Tensor, raw: Tensor) -> Tensor:
    return tf.reduce_mean(tf.square(raw - labels), axis=1)


def _absolute_error(labels: Tensor, raw: Tensor) -> Tensor:
    return tf.reduce_mean(tf.abs(raw - labels), axis=1)


def _huber(labels: Tensor, raw: Tensor) -> Tensor:
    distance = tf.abs(raw - labels)
    return tf.reduce_mean(tf.where(distance <= 1.0, 0.5 * tf.square(distance), distance - 0.5), axis=1)


def _half_sum_of_squares(labels: Tensor, raw: Tensor) -> Tensor:
    return 0.5 * tf.reduce_sum(tf.square(raw - labels), axis=1)


_REGRESSION_LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": _squared_error,
    "mae": _absolute_error,
    "huber": _huber,
    "l2": _half_sum_of_squares,
}


class Task(Settings, ABC):
    """One task of the experiment, as the user describes it under `tasks.<task>`."""

    kind: str
    loss: str
    metric: str
    units: Count | None = None
    weight: Annotated[NonNegative | None, Balance(), Undrawn()] = None
    prob: Annotated[UnitInterval | None, Balance(), Host()] = None
    layers: list[Count] | None = None
    column: Annotated[str | list[str] | None, Host()] = None
    path: Annotated[str | list[str] | None, Host()] = None
    missing: Annotated[list[Text], Host()] = []

    @field_validator("column")
    @classmethod
    def _check_column(cls, column: str | list[str] | None) -> str | list[str] | None:
        columns = [column] if isinstance(column, str) else column
        if columns is not None and ("" in columns or not columns or len(set(columns)) < len(columns)):
            raise ValueError(f"should name a column, or several different ones, got {column!r}")
        return column

    activation: ClassVar[str]
    """The Keras activation that makes predictions of raw outputs."""
    label_type: ClassVar[type[np.generic]]

    @classmethod
    def metric_names(cls) -> tuple[str, ...]:
        """Returns the names of the kind's metrics, any of which can be the main one."""
        return get_args(cls.model_fields["metric"].annotation)

    @abstractmethod
    def row_losses(self, labels: Tensor, raw: Tensor) -> Tensor:
        """Returns each row's loss, [B], from labels [B, units] (classes: [B]) and raw outputs [B, units]."""

    def batch_loss(self, row_losses: Tensor, weights: Tensor | None = None) -> Tensor:
        """Returns the task's loss, a scalar, from its rows' losses, [B].

        Without weights their mean; with weights w >= 0, [B], the sum of w l over the number of rows with w > 0, and 0
        where there is none. (Weights have mean 1 over the training rows, so the expected gradient is that of all rows.)
        """
        if weights is None:
            return tf.reduce_mean(row_losses)
        count = tf.math.count_nonzero(weights, dtype=tf.float32)
        return tf.reduce_sum(weights * row_losses) / tf.maximum(count, 1.0)

    @abstractmethod
    def prior(self, labels: Array, weights: Array | None = None) -> Array:
        """Returns the raw outputs [units] that suit training labels best if they must be the same for all rows.

        They are the labels' mean, its log odds, or the logarithms of the classes' shares.
        """

    def answers(self, labels: Array, predictions: Array) -> Array:
        """Returns what the metrics need of predictions [rows, units], which may be less."""
        return predictions

    def undefined(self, labels: Array, classes: Sequence[Any]) -> tuple[Sequence[str], str]:
        """Returns which metrics aren't defined on these labels, and why, whose classes have names or are numbers."""
        return (), ""

    @abstractmethod
    def scores(self, labels: Array, answers: Array, weights: Array | None = None) -> dict[str, float]:
        """Returns every metric of the kind, by scikit-learn.

        Args:
            labels: As the loss takes them; a regression's in their own unit.
            answers: What `answers` gave; numbers in that unit, or from probabilities.
            weights: How much each row counts, [rows]; None: all alike.
        """

    def metrics(self, labels: Array, predictions: Array, weights: Array | None = None) -> dict[str, float]:
        """Returns the `scores` of predictions: numbers in the labels' unit, or probabilities, [rows, units]."""
        return self.scores(labels, self.answers(labels, predictions), weights)


class Regression(Task):
    """One or more real numbers a row."""

    kind: Literal["regression"] = "regression"
    loss: Literal["mse", "mae", "huber", "l2"] = "mse"
    metric: Annotated[Literal["rmse", "mse", "mae", "r2"], Host()] = "rmse"
    standardize: Annotated[bool, Host()] = True

    activation = "linear"
    label_type = np.float32

    def row_losses(self, labels: Tensor, raw: Tensor) -> Tensor:
        """Returns `mse` mean (y-f)^2, `mae` mean |y-f|, `huber` (delta 1), or `l2` = sum (y-f)^2 / 2."""
        return _REGRESSION_LOSSES[self.loss](labels, raw)

    def batch_loss(self, row_losses: Tensor, weights: Tensor | None = None) -> Tensor:
        """Returns the rows' mean; for `l2` their sum; weighted, if there are weights."""
        if self.loss != "l2":
            return super().batch_loss(row_losses, weights)
        return tf.reduce_sum(row_losses if weights is None else weights * row_losses)

    def prior(self, labels: Array, weights: Array | None = None) -> Array:
        """Returns the mean."""
        mean: Array = np.average(labels.astype(np.float64), axis=0, weights=weights).astype(np.float32)
        return mean

    def scores(self, labels: Array, answers: Array, weights: Array | None = None) -> dict[str, float]:
        """Returns rmse, mse, mae and r2 (uniform averages over the targets; r2 is NaN for a single row).

        r2 of a target is 1 - sum w (y - f)^2 / sum w (y - mean)^2; of one that doesn't vary 1 where all is right, else
        0, as scikit-learn has it (which takes 0.4 s to import).
        """
        y, f = labels.astype(np.float64), answers.astype(np.float64)
        squares = np.average(np.square(y - f), axis=0, weights=weights)
        spread = np.average(np.square(y - np.average(y, axis=0, weights=weights)), axis=0, weights=weights)
        r2 = np.where(spread > 0, 1 - squares / np.where(spread > 0, spread, 1.0), squares == 0)
        mse = float(squares.mean())
        return {
            "rmse": float(np.sqrt(mse)),
            "mse": mse,
            "mae": float(np.average(np.abs(y - f), axis=0, weights=weights).mean()),
            "r2": float(r2.mean()) if len(labels) > 1 else float("nan"),
        }

    def undefined(self, labels: Array, classes: Sequence[Any]) -> tuple[Sequence[str], str]:
        """Returns r2 for a single row."""
        return (("r2",), "one row") if len(labels) == 1 else ((), "")


class Binary(Task):
    """Yes or no, 1 or 0; several units are several independent labels."""

    kind: Literal["binary"] = "binary"
    loss: Literal["bce"] = "bce"
    metric: Annotated[Literal["auc", "accuracy", "average_precision", "log_loss", "f1"], Host()] = "auc"
    pos_weight: Positive | None = None
    class_weight: Annotated[Literal["balanced"] | None, Host()] = None
    positive: Annotated[Text | None, Host()] = None

    activation = "sigmoid"
    label_type = np.float32

    def row_losses(self, labels: Tensor, raw: Tensor) -> Tensor:
        """Returns the mean of -p y log s(f) - (1-y) log(1 - s(f)), with the logistic function s and p `pos_weight`."""
        if self.pos_weight is None:
            losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=raw)
        else:
            losses = tf.nn.weighted_cross_entropy_with_logits(labels, raw, self.pos_weight)
        return tf.reduce_mean(losses, axis=1)

    def prior(self, labels: Array, weights: Array | None = None) -> Array:
        """Returns the log odds of 1."""
        p = np.clip(np.average(labels.astype(np.float64), axis=0, weights=weights), LEAST_SHARE, 1 - LEAST_SHARE)
        odds: Array = np.log(p / (1 - p))
        return odds.astype(np.float32)

    def scores(self, labels: Array, answers: Array, weights: Array | None = None) -> dict[str, float]:
        """Returns auc, average precision, accuracy and f1 at 0.5, and log loss in nats.

        auc is NaN where only one class occurs, average precision and f1 where no row is positive.
        """
        from sklearn import metrics

        y, p = labels.ravel(), np.clip(answers.ravel().astype(float), 1e-15, 1 - 1e-15)
        each = None if weights is None else np.repeat(weights, labels.size // len(weights))
        some, all_ = bool(y.any()), bool(y.all())
        nan = float("nan")
        return {
            "auc": float(metrics.roc_auc_score(y, p, sample_weight=each)) if some and not all_ else nan,
            "average_precision": float(metrics.average_precision_score(y, p, sample_weight=each)) if some else nan,
            "accuracy": float(metrics.accuracy_score(y, p > 0.5, sample_weight=each)),
            "f1": float(metrics.f1_score(y, p > 0.5, sample_weight=each, zero_division=0.0)) if some else nan,
            "log_loss": float(metrics.log_loss(y, p, sample_weight=each, labels=[0.0, 1.0])),
        }

    def undefined(self, labels: Array, classes: Sequence[Any]) -> tuple[Sequence[str], str]:
        """Returns those for which both classes must occur, or the positive one."""
        no, yes = classes or (0, 1)
        if not labels.any():
            return ("auc", "average_precision", "f1"), f"no row of the class {yes!r}"
        return (("auc",), f"no row of the class {no!r}") if labels.all() else ((), "")


class Multiclass(Task):
    """One of `units` classes, numbered from 0."""

    kind: Literal["multiclass"] = "multiclass"
    loss: Literal["ce"] = "ce"
    metric: Annotated[Literal["accuracy", "log_loss", "macro_f1"], Host()] = "accuracy"
    class_weight: Annotated[Literal["balanced"] | None, Host()] = None

    activation = "softmax"
    label_type = np.int32

    def row_losses(self, labels: Tensor, raw: Tensor) -> Tensor:
        """Returns -log softmax(f)[y], from labels [B] and logits [B, units]."""
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=raw)

    def prior(self, labels: Array, weights: Array | None = None) -> Array:
        """Returns the logarithms of the classes' shares."""
        counts = np.bincount(labels, weights, minlength=self.units or 0)
        logarithms: Array = np.log(np.maximum(counts / counts.sum(), LEAST_SHARE))
        return logarithms.astype(np.float32)

    def answers(self, labels: Array, predictions: Array) -> Array:
        """Returns the class that is predicted, and the probability of the true one, [rows, 2]."""
        of_true = predictions[np.arange(len(labels)), labels]
        return np.stack([predictions.argmax(axis=1).astype(np.float64), of_true.astype(np.float64)], axis=1)

    def scores(self, labels: Array, answers: Array, weights: Array | None = None) -> dict[str, float]:
        """Returns accuracy, log_loss in nats, and macro_f1 over the classes that occur."""
        from sklearn import metrics

        chosen, p = answers[:, 0].astype(labels.dtype), np.clip(answers[:, 1], 1e-15, 1.0)
        return {
            "accuracy": float(metrics.accuracy_score(labels, chosen, sample_weight=weights)),
            "log_loss": float(np.average(-np.log(p), weights=weights)),
            "macro_f1": float(
                metrics.f1_score(labels, chosen, average="macro", sample_weight=weights, zero_division=0.0)
            ),
        }


HIGHER_IS_BETTER = frozenset({"accuracy", "auc", "average_precision", "f1", "macro_f1", "r2"})
"""The metrics of which more is better; of losses and the other metrics, less is."""

KINDS = members_of(sys.modules[__name__], Task)
AnyTask = any_of(KINDS, key="kind")
Tasks = Mapping[str, Task]
