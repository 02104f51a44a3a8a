"""Runs a weighting method on plain matrices, compiled as in training.

Shapes: T tasks, P shared parameters, here WIDTH of them in two tensors.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtl_cli.backend import keras, tf
from mtl_cli.config import FAMILIES
from mtl_cli.linalg.gram import gram
from mtl_cli.settings import bind, numbers, signature
from mtl_cli.tasks import Binary, Regression, Task
from mtl_cli.weighting.base import Observation, Weighting

Array = NDArray[np.float64]

SHAPES = ((2, 3), (6,))
"""Of the shared parameters."""
WIDTH = 12

METHODS: dict[str, type[Weighting]] = {
    str(cls.model_fields["name"].default): cls for cls in FAMILIES["weighting"] if issubclass(cls, Weighting)
}


def make(name: str, **settings: Any) -> Weighting:
    """Returns the method with these settings, the rest as by default."""
    return METHODS[name].model_validate(settings)


class Outcome(NamedTuple):
    """What a method made of one iteration; everything float64."""

    memory: dict[str, Any]
    joint_loss: float
    own: Array
    shared: Array
    """NaN where the method gives a direction instead."""
    direction: Array


class Compiled:
    """A method compiled for T tasks; its numbers, the weights and all that it sees are arguments."""

    def __init__(self, method: Weighting, tasks: Mapping[str, Task]) -> None:
        self.traces = 0
        self._method = method
        self._tasks = tasks
        self.step = tf.function(self.eagerly, jit_compile=True, autograph=False)

    def eagerly(self, values: Any, weights: Any, memory: Any, drawn: Any, rows: Any, losses: Any, after: Any) -> Any:
        """Computes an iteration; called by `step` when it is traced."""
        self.traces += 1
        method = bind(self._method, values)
        tasks = bind(self._tasks, {f"{task}.weight": weights[i] for i, task in enumerate(self._tasks)})
        shared = _pieces(rows)
        seen = Observation(tasks, losses[0], losses[1] > 0, drawn, lambda _: shared, lambda _: gram(shared))
        memory, update = method.combine(memory, seen)
        memory = method.after_update(memory, seen, lambda: after)
        direction = update.direction or [tf.tensordot(update.shared_weights_T, row, 1) for row in shared]
        flat = tf.concat([tf.reshape(piece, [-1]) for piece in direction], axis=0)
        return memory, update.joint_loss, update.head_weights_T, update.shared_weights_T, flat


@cache
def _compiled(key: str, tasks: int, classification: bool) -> Compiled:
    kind = Binary if classification else Regression
    return Compiled(_PROTOTYPES[key], {f"task{i}": kind(weight=1.0) for i in range(tasks)})


_PROTOTYPES: dict[str, Weighting] = {}
"""A method for each signature."""


def compiled(method: Weighting, tasks: int, classification: bool = False) -> Compiled:
    """Returns the method compiled for so many tasks, the same for all its numbers."""
    key = signature(method)
    _PROTOTYPES.setdefault(key, method)
    return _compiled(key, tasks, classification)


def beginning(method: Weighting, tasks: int) -> dict[str, Any]:
    """Returns the method's first memory."""
    return method.init(tasks, [tf.zeros(shape) for shape in SHAPES])


def draw(method: Weighting, tasks: int, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Returns what the method draws for one iteration."""
    return {key: array[0] for key, array in method.draw(np.random.default_rng(seed), 1, tasks, WIDTH).items()}


def run(
    method: Weighting,
    jacobian: ArrayLike,
    losses: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    *,
    present: Sequence[bool] | None = None,
    memory: Mapping[str, Any] | None = None,
    drawn: Mapping[str, Any] | None = None,
    after: ArrayLike | None = None,
    classification: bool = False,
    eager: bool = False,
) -> Outcome:
    """Runs one iteration.

    Args:
        method: The method.
        jacobian: The tasks' gradients [T, up to P], filled up with zeros.
        losses: 1 each by default.
        weights: `tasks.<task>.weight`, 1 / T each by default.
        present: Which tasks have a label in the batch, all by default.
        memory: The memory, by default the first one.
        drawn: What the method drew, by default what it draws from seed 0.
        after: The losses after the update, by default what they were.
        classification: Whether the tasks are classifications instead of regressions.
        eager: Whether to run it without compiling it.
    """
    rows = np.asarray(jacobian, np.float32)
    tasks = len(rows)
    rows = np.pad(rows, ((0, 0), (0, WIDTH - rows.shape[1])))
    before = np.ones(tasks) if losses is None else np.asarray(losses)
    program = compiled(method, tasks, classification)
    result = (program.eagerly if eager else program.step)(
        {path: tf.constant(value, tf.float32) for path, value in numbers(method).items()},
        tf.constant(np.full(tasks, 1 / tasks) if weights is None else weights, tf.float32),
        keras.tree.map_structure(tf.convert_to_tensor, beginning(method, tasks) if memory is None else memory),
        {key: tf.constant(value) for key, value in (draw(method, tasks) if drawn is None else drawn).items()},
        tf.constant(rows),
        tf.constant(np.stack([before, np.ones(tasks) if present is None else np.asarray(present)]), tf.float32),
        tf.constant(before if after is None else after, tf.float32),
    )
    new, *rest = keras.tree.map_structure(lambda tensor: tensor.numpy(), result)
    joint_loss, own, shared, direction = (np.asarray(array, np.float64) for array in rest)
    return Outcome(new, float(joint_loss), own, shared, direction)


def _pieces(rows: Any) -> list[Any]:
    """Returns the gradients of each shared parameter, [T, ...]."""
    found, start = [], 0
    for shape in SHAPES:
        size = int(np.prod(shape))
        found.append(tf.reshape(rows[:, start : start + size], [rows.shape[0], *shape]))
        start += size
    return found


def shown(parameter: object) -> str:
    """Returns a test's part of a name, the same in every process; a function has none."""
    return "" if callable(parameter) else str(parameter)


class Situation(NamedTuple):
    """What a method sees."""

    J: Array
    L: Array
    w: Array
    drawn: Mapping[str, NDArray[Any]]


def situation(method: Weighting, tasks: int, seed: int, rank: int = WIDTH) -> Situation:
    """Returns gradients whose lengths differ by up to 100, losses, and where the method takes them unequal weights."""
    random = np.random.default_rng(seed)
    basis = np.eye(WIDTH) if rank == WIDTH else random.normal(size=(rank, WIDTH))
    J = random.normal(size=(tasks, rank)) @ basis * 10 ** random.uniform(-1, 1, (tasks, 1))
    w = random.uniform(0.2, 1, tasks) if method.honours_weights else np.full(tasks, 1 / tasks)
    J, L, w = (array.astype(np.float32).astype(float) for array in (J, random.uniform(0.1, 3, tasks), w))
    return Situation(J, L, w, draw(method, tasks, seed))
