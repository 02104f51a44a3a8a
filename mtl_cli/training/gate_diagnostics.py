"""What gates do: how evenly they use experts, and whether they choose for each row or once for all.

In the program a diagnosed iteration's gates are numbers in a row: for each gate the mean weight of every expert and the
mean entropy of a row's weights, then for each pair of tasks' gates over the same experts their mean distance. On the
host `quantities` makes of it what diagnostics.csv holds. Shapes: B rows, E experts.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_cli.backend import Tensor, tf
from mtl_cli.networks.layers import Gate
from mtl_cli.run_folder.csv_files import Quantity
from mtl_cli.terminal.gates_text import IDLE


def width(gates: Mapping[str, Gate]) -> int:
    """Returns how many numbers a row has."""
    return sum(len(gate.experts) + 1 for gate in gates.values()) + len(_pairs(gates))


def seen(gates: Mapping[str, Gate], weights: Mapping[str, Tensor]) -> list[Tensor]:
    """Returns the numbers of the gates' weights, each [B, E]; part of the compiled program."""
    parts = []
    for name in gates:
        entropy = -tf.reduce_sum(tf.math.xlogy(weights[name], weights[name]), axis=1)
        parts += [tf.reduce_mean(weights[name], axis=0), [tf.reduce_mean(entropy)]]
    for one, other in _pairs(gates):
        apart = tf.reduce_sum(tf.abs(weights[one] - weights[other]), axis=1) / 2
        parts.append([tf.reduce_mean(apart)])
    return parts


def quantities(gates: Mapping[str, Gate], row: NDArray[np.float32]) -> Iterator[Quantity]:
    """Yields what a row says.

    `gate`: the mean weight of an expert, which stands in `other_task`. `gate_entropy`: the mean over rows of H(g) / ln
    E; near 0 a gate decides for one expert a row. `gate_usage_entropy`: H(mean g) / ln E; near 0 all rows have the same
    one: the gate has collapsed. `gate_max`: the largest mean weight. `gate_cv2`: the squared coefficient of variation
    of the mean weights, 0 (even) to E - 1. `expert_use`: an expert's mean weight over the tasks that can use it.
    `idle_experts`: how many of these are below 0.01. `gate_distance`: half the mean L1 distance of two tasks' gates.
    In levels beyond one their names end with the level.
    """
    numbers, place = row.astype(np.float64), 0
    uses: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for gate in gates.values():
        count, of, level = len(gate.experts), gate.task or "", _level(gate)
        means, entropy = numbers[place : place + count], numbers[place + count]
        place += count + 1
        for expert, mean in zip(gate.experts, means.tolist(), strict=True):
            yield f"gate{level}", of, expert, mean
            if gate.task is not None or len(gates) == 1:
                uses[level][expert].append(mean)
        for quantity, value in summed_up(means, entropy).items():
            yield f"gate_{quantity}{level}", of, "", value
    for level, experts in uses.items():
        mean_use = {expert: float(np.mean(values)) for expert, values in experts.items()}
        yield from ((f"expert_use{level}", "", expert, use) for expert, use in mean_use.items())
        yield f"idle_experts{level}", "", "", float(sum(use < IDLE for use in mean_use.values()))
    for one, other in _pairs(gates):
        yield (
            f"gate_distance{_level(gates[one])}",
            gates[one].task or "",
            gates[other].task or "",
            float(numbers[place]),
        )
        place += 1


def summed_up(means: NDArray[np.float64], entropy: float) -> dict[str, float]:
    """Returns the numbers of a gate from its experts' mean weights [E] and the mean entropy of a row.

    >>> found = summed_up(np.array([0.3, 0.45, 0.25]), 0.963828)
    >>> {quantity: round(value, 3) for quantity, value in found.items()}
    {'entropy': 0.877, 'usage_entropy': 0.971, 'max': 0.45, 'cv2': 0.065}
    """
    most = math.log(len(means)) if len(means) > 1 else 1.0
    usage = -float(np.sum(means * np.log(np.where(means > 0, means, 1.0))))
    variation = float(means.var() / means.mean() ** 2) if means.any() else 0.0
    return {"entropy": entropy / most, "usage_entropy": usage / most, "max": float(means.max()), "cv2": variation}


def described(gates: Mapping[str, Gate], weights: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Returns what summary.json says of gates, from their weights on all rows of a split, in blocks [B, E]."""
    found: dict[str, dict[str, Any]] = {}
    for name in gates:
        rows = np.concatenate([np.asarray(block, np.float64) for block in weights[name]])
        means = rows.mean(axis=0)
        entropy = float(np.mean(-np.sum(rows * np.log(np.where(rows > 0, rows, 1.0)), axis=1)))
        experts = dict(zip(gates[name].experts, means.tolist(), strict=True))
        found[name] = {"task": gates[name].task, "level": gates[name].level, "experts": experts}
        found[name] |= summed_up(means, entropy)
    return found


def _pairs(gates: Mapping[str, Gate]) -> list[tuple[str, str]]:
    """Returns the pairs of tasks' gates over the same experts."""
    own = [(name, (gate.level, *gate.experts)) for name, gate in gates.items() if gate.task is not None]
    return [(one, other) for (one, experts), (other, others) in combinations(own, 2) if experts == others]


def _level(gate: Gate) -> str:
    return f"_{gate.level}" if gate.level else ""
