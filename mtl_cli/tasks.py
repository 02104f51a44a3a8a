"""What a task is: its kind decides the output's activation, the losses it can take, its labels and metrics.

Raw outputs are what the network gives: predictions for a regression, logits for the two kinds of classification.
A loss is the mean over the batch of the rows' losses, themselves means over the outputs; `l2` is the sum of squares / 2
over both.
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from mtl_cli.backend import Tensor, tf
from mtl_cli.families import any_of, members_of
from mtl_cli.settings import Host, NonNegative, Settings, Share

Count = Annotated[int, Field(ge=1, le=2**31 - 1)]
Array = NDArray[Any]


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
    weight: NonNegative | None = None
    prob: Annotated[Share | None, Host()] = None
    layers: list[Count] | None = None
    column: Annotated[str | list[str] | None, Host()] = None

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

    def batch_loss(self, row_losses: Tensor) -> Tensor:
        """Returns the task's loss, a scalar, from its rows' losses."""
        return tf.reduce_mean(row_losses)

    @abstractmethod
    def metrics(self, labels: Array, predictions: Array) -> dict[str, float]:
        """Returns every metric of the kind from labels and predictions (numbers, or probabilities)."""


class Regression(Task):
    """One or more real numbers a row."""

    kind: Literal["regression"] = "regression"
    loss: Literal["mse", "mae", "huber", "l2"] = "mse"
    metric: Annotated[Literal["rmse", "mse", "mae", "r2"], Host()] = "rmse"

    activation = "linear"
    label_type = np.float32

    def row_losses(self, labels: Tensor, raw: Tensor) -> Tensor:
        """Returns `mse` mean (y-f)^2, `mae` mean |y-f|, `huber` (delta 1), or `l2` = sum (y-f)^2 / 2."""
        return _REGRESSION_LOSSES[self.loss](labels, raw)

    def batch_loss(self, row_losses: Tensor) -> Tensor:
        """Returns the rows' mean; for `l2` their sum."""
        return tf.reduce_sum(row_losses) if self.loss == "l2" else tf.reduce_mean(row_losses)

    def metrics(self, labels: Array, predictions: Array) -> dict[str, float]:
        """Returns rmse, mse, mae and r2 (uniform average over the targets; NaN for a single row)."""
        from sklearn import metrics

        mse = float(metrics.mean_squared_error(labels, predictions))
        return {
            "rmse": float(np.sqrt(mse)),
            "mse": mse,
            "mae": float(metrics.mean_absolute_error(labels, predictions)),
            "r2": float(metrics.r2_score(labels, predictions)) if len(labels) > 1 else float("nan"),
        }


class Binary(Task):
    """Yes or no, 1 or 0; several units are several independent labels."""

    kind: Literal["binary"] = "binary"
    loss: Literal["bce"] = "bce"
    metric: Annotated[Literal["auc", "accuracy", "log_loss"], Host()] = "auc"

    activation = "sigmoid"
    label_type = np.float32

    def row_losses(self, labels: Tensor, raw: Tensor) -> Tensor:
        """Returns the mean of -y log s(f) - (1-y) log(1 - s(f)) with the logistic function s."""
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=raw), axis=1)

    def metrics(self, labels: Array, predictions: Array) -> dict[str, float]:
        """Returns auc (NaN where only one class occurs), accuracy at 0.5 and log_loss in nats."""
        from sklearn import metrics

        y, p = labels.ravel(), np.clip(predictions.ravel().astype(float), 1e-15, 1 - 1e-15)
        both = 0 < y.sum() < y.size
        return {
            "auc": float(metrics.roc_auc_score(y, p)) if both else float("nan"),
            "accuracy": float(metrics.accuracy_score(y, p > 0.5)),
            "log_loss": float(metrics.log_loss(y, p, labels=[0.0, 1.0])),
        }


class Multiclass(Task):
    """One of `units` classes, numbered from 0."""

    kind: Literal["multiclass"] = "multiclass"
    loss: Literal["ce"] = "ce"
    metric: Annotated[Literal["accuracy", "log_loss", "macro_f1"], Host()] = "accuracy"

    activation = "softmax"
    label_type = np.int32

    def row_losses(self, labels: Tensor, raw: Tensor) -> Tensor:
        """Returns -log softmax(f)[y], from labels [B] and logits [B, units]."""
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=raw)

    def metrics(self, labels: Array, predictions: Array) -> dict[str, float]:
        """Returns accuracy, log_loss in nats, and macro_f1 over the classes that occur."""
        from sklearn import metrics

        chosen = predictions.argmax(axis=1)
        p = np.clip(predictions[np.arange(len(labels)), labels].astype(float), 1e-15, 1.0)
        return {
            "accuracy": float(metrics.accuracy_score(labels, chosen)),
            "log_loss": float(-np.log(p).mean()),
            "macro_f1": float(metrics.f1_score(labels, chosen, average="macro", zero_division=0.0)),
        }


HIGHER_IS_BETTER = frozenset({"accuracy", "auc", "macro_f1", "r2"})
"""The metrics of which more is better; of losses and the other metrics, less is."""

KINDS = members_of(sys.modules[__name__], Task)
AnyTask = any_of(KINDS, key="kind")
Tasks = Mapping[str, Task]
