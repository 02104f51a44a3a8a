"""What a split's rows say of a model, and which model is the best."""

import math
from dataclasses import dataclass

import numpy as np

from mtl_cli.backend import Tensor, keras, tf
from mtl_cli.data.base import Dataset, Labels, Split
from mtl_cli.divergence import ADVICE, Diverged
from mtl_cli.models.base import Params
from mtl_cli.program import Program
from mtl_cli.records import Metrics
from mtl_cli.tasks import HIGHER_IS_BETTER, Task

EVALUATION_ROWS = 8192


@dataclass(frozen=True)
class Selection:
    """When to evaluate, what to compare, when to give up."""

    every: int
    objective: str
    patience: int | None
    counted: tuple[str, ...]
    """The tasks that are trained: those whose weight or probability isn't 0."""

    def value(self, metrics: Metrics) -> float:
        """Returns the objective: the mean over trained tasks of the loss, or the named task's metric."""
        if self.objective == "val_loss":
            return float(np.mean([metrics[task]["loss"] for task in self.counted]))
        _, task, metric = self.objective.split("/")
        return metrics[task][metric]

    def better(self, value: float, than: float | None) -> bool:
        """Tells whether `value` is better; NaN never is."""
        if than is None:
            return not np.isnan(value)
        return value > than if self.objective.rpartition("/")[2] in HIGHER_IS_BETTER else value < than


def evaluate(program: Program, dataset: Dataset, params: Params, split: Split, when: str) -> Metrics:
    """Returns each task's loss and metrics on the rows of a split.

    Raises:
        RunFailed: A loss is NaN or infinite; the message says `when`.
    """
    blocks = [
        program.predict(params, tf.constant(split.block(start, EVALUATION_ROWS)))
        for start in range(0, len(split), EVALUATION_ROWS)
    ]
    metrics = {}
    for name, task in dataset.tasks.items():
        raw, labels = tf.concat([block[name] for block in blocks], axis=0), split.labels[name]
        if labels.rows is not None:
            raw = tf.gather(raw, labels.rows)
        loss = _mean_loss(task, labels, raw)
        if not math.isfinite(loss):
            raise Diverged(f"diverged: task {name}'s loss is {loss} {when}; {ADVICE}")
        answers, predictions = labels.values, keras.activations.get(task.activation)(raw).numpy()
        if name in dataset.scales:
            answers, predictions = map(dataset.scales[name].original, (answers, predictions))
        metrics[name] = {"loss": loss, **task.metrics(answers, predictions, labels.weights)}
    return metrics


def _mean_loss(task: Task, labels: Labels, raw: Tensor) -> float:
    return float(task.batch_loss(task.row_losses(labels.values, raw), labels.weights))
