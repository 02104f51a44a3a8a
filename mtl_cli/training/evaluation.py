"""What a split's rows say of a model, and which model is the best."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Tensor, keras, tf
from mtl_cli.datasets.dataset import Dataset, Split
from mtl_cli.networks.network import Network, Params
from mtl_cli.run_folder.csv_files import Metrics
from mtl_cli.settings import Balance, without
from mtl_cli.tasks import HIGHER_IS_BETTER, Task
from mtl_cli.training.divergence import ADVICE, Diverged
from mtl_cli.training.gate_diagnostics import described
from mtl_cli.training.program import Program

EVALUATION_ROWS: Final = 8192
EVALUATION_BYTES: Final = 2**25
"""The most that the raw outputs of rows which are evaluated at once may take."""


Outputs = Mapping[str, tuple[Tensor, NDArray[Any]]]
"""Each task's raw outputs and predictions of some rows, [rows, U]."""


@dataclass(frozen=True)
class Selection:
    """When to evaluate, what to compare, when to give up."""

    every: int
    objective: str
    patience: int | None
    counted: tuple[str, ...]
    """The tasks that are trained: those whose weight or probability isn't 0."""

    def is_due(self, iteration: int, steps: int) -> bool:
        """Tells whether to evaluate after an iteration of a run of `steps`."""
        return iteration % self.every == 0 or iteration == steps

    def value(self, metrics: Metrics) -> float:
        """Returns the objective: `loss`, or the named task's metric."""
        if self.objective == "val_loss":
            return self.loss(metrics)
        _, task, metric = self.objective.split("/")
        return metrics[task][metric]

    def loss(self, metrics: Metrics) -> float:
        """Returns `val_loss`, the mean over trained tasks of the loss."""
        return float(np.mean([metrics[task]["loss"] for task in self.counted]))

    def better(self, value: float, than: float | None) -> bool:
        """Tells whether `value` is better; NaN never is."""
        if than is None:
            return not np.isnan(value)
        return value > than if self.objective.rpartition("/")[2] in HIGHER_IS_BETTER else value < than


def evaluate(program: Program, dataset: Dataset, params: Params, split: Split, when: str) -> Metrics:
    """Returns each task's loss and metrics on the rows of a split.

    Raises:
        Diverged: A loss is NaN or infinite; the message says `when`.
    """

    def outputs(start: int, rows: int) -> Outputs:
        raw = program.predict(params, tf.constant(split.block(start, rows)))
        return {name: (raw[name], _activated(task, raw[name])) for name, task in dataset.tasks.items()}

    return _measured(dataset, split, outputs, when)


def look_at_gates(program: Program, network: Network, params: Params, split: Split) -> dict[str, Any]:
    """Returns what the gates of a model do on the rows of a split, for summary.json; nothing where it has none."""
    if not network.gates:
        return {}
    size = block_rows(sum(len(gate.experts) for gate in network.gates.values()))
    weights: dict[str, list[Tensor]] = {name: [] for name in network.gates}
    for start in range(0, len(split), size):
        block = split.block(start, min(size, len(split) - start))
        for name, of_block in program.gates(params, tf.constant(block)).items():
            weights[name].append(of_block)
    return described(network.gates, weights)


def naive(dataset: Dataset) -> Mapping[str, Metrics]:
    """Returns by split what would come of answers that are the same for all rows, those of `Task.prior`.

    A model that is no better has learned nothing from the features.
    """
    of_rows = _NAIVE.setdefault(dataset.train, {})
    key = json.dumps({name: without(task, Balance) for name, task in dataset.tasks.items()})
    if key not in of_rows:
        of_rows[key] = _naive(dataset)
    return of_rows[key]


_NAIVE: Final[WeakKeyDictionary[Split, dict[str, Mapping[str, Metrics]]]] = WeakKeyDictionary()
"""By the training rows, which jobs of a sweep share, and by the tasks but for their shares."""


def _naive(dataset: Dataset) -> dict[str, Metrics]:
    priors = {
        name: task.prior(labels.values, labels.weights)[None]
        for name, task in dataset.tasks.items()
        for labels in [dataset.train.labels[name]]
    }

    predictions = {name: _activated(dataset.tasks[name], prior) for name, prior in priors.items()}

    def outputs(start: int, rows: int) -> Outputs:
        """Repeats what was computed once: computed for each row it would differ in the last digit here and there."""
        return {
            name: (tf.repeat(prior, rows, axis=0), np.repeat(predictions[name], rows, axis=0))
            for name, prior in priors.items()
        }

    splits = {"train": dataset.train, **dataset.splits}
    return {name: _measured(dataset, split, outputs, "of a naive answer") for name, split in splits.items()}


def _measured(dataset: Dataset, split: Split, outputs: Callable[[int, int], Outputs], when: str) -> Metrics:
    """Returns each task's loss and metrics from what gives the outputs of some rows of a split."""
    tasks = dataset.tasks
    losses: dict[str, list[Tensor]] = {name: [] for name in tasks}
    answers: dict[str, list[NDArray[Any]]] = {name: [] for name in tasks}
    size = block_rows(sum(task.units or 1 for task in tasks.values()))
    for start in range(0, len(split), size):
        rows = min(size, len(split) - start)
        block = outputs(start, rows)
        for name, task in tasks.items():
            (raw, predictions), labels = block[name], split.labels[name]
            among = slice(start, start + rows)
            if labels.rows is not None:
                among = slice(*np.searchsorted(labels.rows, [start, start + rows]))
                inside = labels.rows[among] - start
                raw, predictions = tf.gather(raw, inside), predictions[inside]
            values = labels.values[among]
            losses[name].append(task.row_losses(values, raw))
            answers[name].append(task.answers(values, predictions))
    metrics = {}
    for name, task in tasks.items():
        labels = split.labels[name]
        loss = float(task.batch_loss(tf.concat(losses[name], axis=0), labels.weights))
        if not math.isfinite(loss):
            raise Diverged(f"diverged: task {name}'s loss is {loss} {when}; {ADVICE}")
        values, given = labels.values, np.concatenate(answers[name])
        if name in dataset.scales:
            values, given = map(dataset.scales[name].original, (values, given))
        metrics[name] = {"loss": loss, **task.scores(values, given, labels.weights)}
    return metrics


def _activated(task: Task, raw: Tensor) -> NDArray[Any]:
    return np.asarray(keras.activations.get(task.activation)(raw))


def block_rows(units: int) -> int:
    """Returns how many rows are evaluated at once, so many that their raw outputs take few bytes.

    >>> block_rows(2), block_rows(20_000)
    (8192, 419)
    """
    return max(1, min(EVALUATION_ROWS, EVALUATION_BYTES // (4 * units)))
