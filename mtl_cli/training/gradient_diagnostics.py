"""What a diagnosed iteration lets be seen: the tasks' gradients on the shared parameters, before its update.

In the program it is one row of numbers, [T + T + T (T - 1) / 2]: the weights that the gradients got, their norms, and
the cosines of each pair; then those of gates. On the host `quantities` makes of it what diagnostics.csv holds.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Tensor, tf
from mtl_cli.datasets.batches import Batch, Rows
from mtl_cli.networks.layers import Gate
from mtl_cli.networks.network import Params
from mtl_cli.run_folder.csv_files import Quantity
from mtl_cli.step.context import StepContext
from mtl_cli.step.task_gradients import TaskGradients
from mtl_cli.training import gate_diagnostics
from mtl_cli.training.chunk import Chunk


def width(tasks: int) -> int:
    """Returns how many numbers a row has before those of gates."""
    return 2 * tasks + tasks * (tasks - 1) // 2


def observed(context: StepContext, params: Params, rows: Sequence[Rows], batch: Batch, weights_T: Tensor) -> Tensor:
    """Returns the row for these parameters and these rows of all tasks; part of the compiled program."""
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(params.all())
        forward = context.forward(params, rows, batch)
    losses = {task: forward.losses[task] for task in context.tasks}
    gram = TaskGradients(tape, losses, forward.cut, params, []).gram("parameters")
    pairs = list(combinations(range(len(context.tasks)), 2))
    cosines = [tf.gather_nd(gram.cosines_TT, pairs)] if pairs else []
    of_gates = gate_diagnostics.seen(context.network.gates, forward.gates)
    return tf.concat([weights_T, *(tf.cast(part, tf.float32) for part in [gram.norms_T, *cosines, *of_gates])], axis=0)


def diagnosed(
    tasks: Sequence[str],
    chunk: Chunk,
    seen: NDArray[np.float32],
    picks: Mapping[str, int],
    gates: Mapping[str, Gate],
    probabilities: Callable[[NDArray[np.int64]], NDArray[np.float64]],
) -> Iterator[tuple[int, list[Quantity]]]:
    """Yields number and quantities of the iterations of a chunk that were diagnosed.

    Args:
        tasks: Their names.
        chunk: The iterations.
        seen: The rows that the program gave, [n, width].
        picks: How many iterations before the chunk picked each task.
        gates: Those of the network.
        probabilities: Gives the tasks' probabilities of being picked in iterations, [n, T].
    """
    for place in np.flatnonzero(chunk.arrays.get("observed", ())):
        of_gradients, of_gates = np.split(seen[place], [width(len(tasks))])
        found = [*quantities(tasks, of_gradients), *gate_diagnostics.quantities(gates, of_gates)]
        if chunk.picks is not None:
            (chances,) = probabilities(chunk.iterations[place : place + 1])
            counts = np.bincount(chunk.picks[: place + 1], minlength=len(tasks)).tolist()
            picked = [picks.get(task, 0) + count for task, count in zip(tasks, counts, strict=True)]
            found += [*of_tasks("probability", tasks, chances.tolist()), *of_tasks("picks", tasks, picked)]
        yield int(chunk.iterations[place]), found


def quantities(tasks: Sequence[str], row: NDArray[np.float32]) -> Iterator[Quantity]:
    """Yields what a row says.

    `weight`: the factor of a task's gradient in the update of the shared parameters; missing where the update is no
    weighted sum, and in alternating mode. `gradient_norm`: ||g_t||. `cosine`: g_s . g_t / (||g_s|| ||g_t||), 0 where a
    gradient is zero. `magnitude_similarity`: 2 ||g_s|| ||g_t|| / (||g_s||^2 + ||g_t||^2), 1 where they are equally long
    (Yu et al., arXiv 2001.06782). `conflict_rate`: the share of the pairs whose cosine is below 0. `condition_number`:
    the largest singular value of the matrix of the gradients over the smallest.
    """
    count = len(tasks)
    weights, norms, cosines = np.split(row.astype(np.float64), [count, 2 * count])
    if not np.isnan(weights).any():
        yield from of_tasks("weight", tasks, weights)
    yield from of_tasks("gradient_norm", tasks, norms)
    pairs = list(combinations(tasks, 2))
    yield from (("cosine", *pair, cosine) for pair, cosine in zip(pairs, cosines, strict=True))
    lengths = combinations(norms.tolist(), 2)
    yield from (
        ("magnitude_similarity", *pair, _similarity(*lengths_of_pair))
        for pair, lengths_of_pair in zip(pairs, lengths, strict=True)
    )
    if count > 1:
        yield "conflict_rate", "", "", float(np.mean(cosines < 0))
        yield "condition_number", "", "", _condition_number(norms, cosines)


def of_tasks(name: str, tasks: Sequence[str], values: Iterable[float]) -> Iterator[Quantity]:
    """Yields a quantity that every task has."""
    return ((name, task, "", value) for task, value in zip(tasks, values, strict=True))


def _similarity(one: float, other: float) -> float:
    """Returns 2ab / (a^2 + b^2), 0 where both are 0.

    >>> round(_similarity(18.0**0.5, 38.0**0.5), 5)
    0.93405
    """
    larger = max(one, other)
    ratio = min(one, other) / larger if larger else 0.0  # the squares of 1e-200 would be 0
    return 2 * ratio / (1 + ratio**2)


def _condition_number(norms: NDArray[np.float64], cosines: NDArray[np.float64]) -> float:
    """Returns sqrt(l_max / l_min) of the Gram matrix.

    >>> _condition_number(np.sqrt([18.0, 38.0]), np.array([-22.0 / np.sqrt(18.0 * 38.0)])).__round__(4)
    3.6887
    """
    gram = np.diag(norms**2)
    for (i, j), cosine in zip(combinations(range(len(norms)), 2), cosines, strict=True):
        gram[i, j] = gram[j, i] = norms[i] * norms[j] * cosine
    if not np.isfinite(gram).all():
        return np.inf
    values = np.linalg.eigvalsh(gram)
    return float(np.sqrt(values[-1] / values[0])) if values[0] > 1e-7 * len(norms) * values[-1] else np.inf
