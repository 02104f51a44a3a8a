"""The two-objective problem of CAGrad through the program's own weighting code: which methods get to the Pareto front.

Two parameters x. Where x2 > 0 each loss has a valley; along its floor only the other loss falls, while its own gradient
is long and points from wall to wall. Where x2 < 0 each loss is a bowl. From Liu et al. (arXiv 2110.14048, figure 1),
then Navon et al. (2202.01017), Liu et al. (2306.03792, figure 1) and Senushkin et al. (2305.19000, figure 1), each
with settings of its own, taken from the authors' code. `python tests/weighting/test_toy.py` prints what the README
says.

The losses get below 0. Methods that take logarithms need them above; all get them less FAMO's lower bounds, -21 times
the scale, plus 1e-8: gradients and weighted sums don't notice. The start (0, 0) of the later three is left out: the
losses have no gradient there. At (7, 0) and (-7, 0) one loss wants up and the other down, on both sides: Pareto-
stationary, though not optimal, and now and then a run ends there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from mtl_cli.backend import Tensor, start, tf
from mtl_cli.config import FAMILIES
from mtl_cli.networks.network import Params
from mtl_cli.optimizers.adam import Adam
from mtl_cli.settings import bind, numbers, signature
from mtl_cli.step.task_gradients import TaskGradients
from mtl_cli.tasks import Regression
from mtl_cli.weighting.base import Observation, Weighting

Array = NDArray[np.float64]
Point = tuple[float, float]

WEIGHTINGS: Mapping[str, Any] = {kind.model_fields["name"].default: kind for kind in FAMILIES["weighting"]}
FLOOR: Final = -8.3552
"""x2 on the Pareto set as CAGrad's code draws it, from x1 = -7 to 7; the true one is up to 0.08 lower at its ends."""
SLACK: Final = 0.1
"""A point whose losses no other point improves both by this much, over their scales, is on the front; they span 28."""
LONGEST: Final = 100_000
"""Random methods draw their numbers for so many steps, so that one program serves all settings."""
UNMET: Final = 1e30
"""A limit on the gradient's length that nothing meets, in the place of none: so clipping is an argument."""


@dataclass(frozen=True)
class Setting:
    """How one paper's code runs the problem."""

    starts: tuple[Point, ...]
    scales: tuple[float, float]
    """Of the losses."""
    weight: float
    """Of each task: 0.5 where the code takes the mean of the gradients, 1 where it takes their sum."""
    steps: int


LATER_STARTS = ((-8.5, 7.5), (9.0, 9.0), (-7.5, -0.5), (9.0, -1.0))
SETTINGS: Mapping[str, Setting] = {
    "CAGrad": Setting(((-8.5, 7.5), (9.0, 9.0), (-8.5, -5.0)), (1.0, 1.0), 0.5, 100_000),
    "Nash-MTL": Setting(LATER_STARTS, (0.1, 1.0), 1.0, 35_000),
    "FAMO": Setting(LATER_STARTS, (0.1, 1.0), 1.0, 50_000),
    "Aligned-MTL": Setting(LATER_STARTS, (0.5, 0.5), 1.0, 35_000),
}


class Case(NamedTuple):
    """A method in a setting, and from which starts the paper has it reach the front."""

    setting: str
    weighting: Weighting
    reached: str
    """A letter for each start: y reached, n not; Y reached, but not from all of forty places less than 1e-3 away."""
    clip_norm: float = UNMET

    def __str__(self) -> str:
        """Names the case in pytest's report."""
        return f"{self.setting}-{self.weighting.name}"


def method(name: str, **options: Any) -> Weighting:
    """Returns a weighting by its name. CAGrad's `rescale` is one for all: Adam doesn't notice the gradient's length."""
    weighting: Weighting = WEIGHTINGS[name](**options, **({"rescale": "1+c2"} if name == "cagrad" else {}))
    return weighting


PUBLISHED = [
    # "GD with Adam gets stuck on two of the initial points"; the others' trajectories end on the Pareto set
    Case("CAGrad", method("fixed"), "nny"),
    Case("CAGrad", method("mgda"), "yyy"),
    Case("CAGrad", method("pcgrad"), "yyy"),
    Case("CAGrad", method("cagrad", c=0.5), "yyy"),
    # the figure in Nash-MTL's README
    Case("Nash-MTL", method("fixed"), "Ynyy"),
    Case("Nash-MTL", method("pcgrad"), "ynyy"),
    Case("Nash-MTL", method("cagrad", c=0.4), "Ynyy"),
    Case("Nash-MTL", method("mgda"), "yyyy"),
    Case("Nash-MTL", method("nash_mtl"), "yyyy"),
    # "Adam fails in 1 out of 5 runs", all gradient manipulation methods reach the front "for all five runs"
    Case("FAMO", method("fixed"), "ynyy"),
    Case("FAMO", method("mgda"), "yyyy"),
    Case("FAMO", method("pcgrad"), "yyyy", clip_norm=1.0),
    Case("FAMO", method("cagrad", c=0.4), "yYyy", clip_norm=1.0),
    Case("FAMO", method("nash_mtl"), "yyyy"),
    Case("FAMO", method("famo", weight_decay=0.0), "Yyyy", clip_norm=1.0),
    # the animation in Aligned-MTL's README, for IMTL figure 1's caption; their Nash-MTL has no limit
    Case("Aligned-MTL", method("fixed"), "nnyy"),
    Case("Aligned-MTL", method("cagrad", c=0.4), "nnyy"),
    Case("Aligned-MTL", method("imtl_g"), "YYyy"),
    Case("Aligned-MTL", method("nash_mtl", max_norm=UNMET), "yyyy"),
    Case("Aligned-MTL", method("aligned_mtl"), "yyyy"),
]


def toy(x: Tensor, scales_T: Tensor) -> Tensor:
    """Returns the two losses at x, times their scales."""
    x1, x2 = x[0], x[1]
    valley_1 = tf.math.log(tf.maximum(tf.abs(0.5 * (-x1 - 7.0) - tf.tanh(-x2)), 5e-6)) + 6.0
    valley_2 = tf.math.log(tf.maximum(tf.abs(0.5 * (-x1 + 3.0) + tf.tanh(-x2) + 2.0), 5e-6)) + 6.0
    bowl_1 = ((-x1 + 7.0) ** 2 + 0.1 * (-x2 - 8.0) ** 2) / 10.0 - 20.0
    bowl_2 = ((-x1 - 7.0) ** 2 + 0.1 * (-x2 - 8.0) ** 2) / 10.0 - 20.0
    above, below = tf.maximum(tf.tanh(0.5 * x2), 0.0), tf.maximum(tf.tanh(-0.5 * x2), 0.0)
    return scales_T * tf.stack([valley_1 * above + bowl_1 * below, valley_2 * above + bowl_2 * below])


def on_front(losses_T: Tensor) -> Tensor:
    """Tells whether no point of the Pareto set is better by SLACK in both losses, which have a scale of 1.

    On the set the losses are a (x1 - 7)^2 / 10 + b and a (x1 + 7)^2 / 10 + b: the roots of what they are above b add
    up to 14 sqrt(a / 10). Nor is any better by SLACK where one loss is that near to its minimum b.
    """
    a = np.tanh(-0.5 * FLOOR)
    b = a * (0.1 * (FLOOR + 8.0) ** 2 / 10.0 - 20.0)
    above_T = tf.maximum(losses_T - b - SLACK, 0.0)
    between = tf.reduce_sum(tf.sqrt(above_T), axis=0) <= 14.0 * np.sqrt(a / 10.0)
    return tf.logical_or(between, tf.reduce_min(above_T, axis=0) <= 0.0)


class Run(NamedTuple):
    """Where a run came to."""

    reached: int
    """The first step after which it is on the front; 0: none."""
    end: NDArray[np.float32]
    """x after the last step."""


_loops: dict[str, Any] = {}


def run(setting: Setting, case: Case, place: Point, seed: int = 0, to_the_end: bool = False) -> Run:
    """Descends from a place until the front is reached, or for all the setting's steps."""
    weighting, adam = case.weighting, Adam(clip_norm=case.clip_norm)
    key = signature(weighting) + signature(adam)
    if key not in _loops:
        loop = partial(_descend, weighting, adam)
        _loops[key] = tf.function(loop, jit_compile=True, autograph=False)
    drawn = weighting.draw(np.random.default_rng(seed), LONGEST, 2, 2)
    values = {"weighting": numbers(weighting), "adam": numbers(adam), "learning_rate": adam.learning_rate}
    values |= {"scales": setting.scales, "weights": (setting.weight, setting.weight), "start": place}
    tensors = {key: _constants(value) for key, value in values.items()}
    flags = tf.constant(setting.steps), tf.constant(to_the_end)
    reached, end = _loops[key](tensors, {key: tf.constant(value) for key, value in drawn.items()}, *flags)
    return Run(int(reached), end.numpy())


def _constants(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _constants(number) for key, number in value.items()}
    return tf.constant(value, tf.float32)


def _descend(
    weighting: Weighting,
    adam: Adam,
    values: dict[str, Any],
    drawn: dict[str, Tensor],
    steps: Tensor,
    to_the_end: Tensor,
) -> tuple[Tensor, Tensor]:
    """Does what joint mode does in a step, step after step; returns when the front was reached, and x in the end."""
    weighting, adam = bind(weighting, values["weighting"]), bind(adam, values["adam"])
    tasks = {f"task_{i}": Regression(weight=1.0) for i in (1, 2)}
    tasks = {task: bind(tasks[task], {"weight": values["weights"][i]}) for i, task in enumerate(tasks)}
    scales_T = values["scales"]

    def losses_at(x: Tensor) -> Tensor:
        return toy(x, scales_T) + 21.0 * scales_T + 1e-8

    def step(k: Tensor, x: Tensor, moments: Any, memory: Any, reached: Tensor) -> tuple[Any, ...]:
        params = Params([x], {task: [] for task in tasks})
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            representation = tf.identity(x)
            losses = dict(zip(tasks, tf.unstack(losses_at(representation)), strict=True))
        gradients = TaskGradients(tape, losses, [representation], params, params.shared)
        now = {name: numbers_drawn[k] for name, numbers_drawn in drawn.items()}
        losses_T = tf.stack(list(losses.values()))
        seen = Observation(tasks, losses_T, tf.fill([2], True), now, gradients.rows, gradients.gram)
        memory, update = weighting.combine(memory, seen)
        found = gradients.combined(update, 0.0)
        moments, (moved,) = adam.update(moments, params.all(), adam.clipped(found), values["learning_rate"])
        memory = weighting.after_update(memory, seen, lambda: losses_at(moved))
        first = tf.logical_and(reached == 0, on_front(toy(moved, scales_T) / scales_T))
        return k + 1, moved, moments, memory, tf.where(first, k + 1, reached)

    def goes_on(k: Tensor, x: Tensor, moments: Any, memory: Any, reached: Tensor) -> Tensor:
        return tf.logical_and(k < steps, tf.logical_or(reached == 0, to_the_end))

    x = values["start"]
    state = (tf.constant(0), x, adam.init([x]), weighting.init(2, [x]), tf.constant(0))
    _, x, _, _, reached = tf.while_loop(goes_on, step, state)
    return reached, x


@pytest.mark.parametrize(
    ("x", "losses", "gradients"),
    [
        ((-8.5, 7.5), (6.552363, 7.900798), ((-0.285399, 0.007249), (-0.073992, 0.008739))),
        ((-8.5, -5.0), (4.059918, -19.421502), ((-3.058504, 0.004483), (-0.295984, 0.320931))),
        ((9.0, 9.0), (7.943949, 6.691495), ((0.071411, 0.001961), (0.249938, 0.001652))),
        ((-7.5, -0.5), (0.388808, -4.754484), ((-0.710264, -0.709399), (-0.024492, 9.160757))),
        ((9.0, -1.0), (-8.831059, 2.814293), ((0.184847, 7.579204), (1.478775, -2.330037))),
        ((7.0, FLOOR), (-19.989334, -0.398551), None),
        ((0.0, FLOOR), (-15.091638, -15.091638), None),
    ],
)
def test_the_problem_is_the_published_one(x: Point, losses: Point, gradients: tuple[Point, Point] | None) -> None:
    at = tf.constant(x, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(at)
        values = toy(at, tf.ones([2], tf.float64))
    np.testing.assert_allclose(values, losses, rtol=0, atol=6e-7)
    if gradients is not None:
        np.testing.assert_allclose(tape.jacobian(values, at), gradients, rtol=0, atol=6e-7)


def test_the_front_is_where_nothing_improves_both_losses() -> None:
    one = tf.ones([2, 1], tf.float64)
    grid = np.meshgrid(np.arange(-12.0, 12.0, 0.02), np.arange(-12.0, 12.0, 0.2))
    everywhere = toy(tf.constant(np.stack([axis.ravel() for axis in grid])), one).numpy()
    random = np.random.default_rng(0)
    places = np.concatenate(
        [random.uniform((-10, -10), (10, 10), (200, 2)), random.uniform((-8, -9), (8, -4), (200, 2))]
    )
    losses = toy(tf.constant(places.T), one).numpy()
    gains = np.array([np.max(np.min(at[:, None] - everywhere, axis=0)) for at in losses.T])
    clear = np.abs(gains - SLACK) > 0.03  # the grid is coarse
    found = on_front(tf.constant(losses)).numpy()
    np.testing.assert_array_equal(found[clear], gains[clear] < SLACK)
    assert found.sum() > 50
    assert not on_front(toy(tf.constant([*zip(*LATER_STARTS, strict=True)]), tf.ones([2, 1]))).numpy().any()


@pytest.mark.parametrize("case", PUBLISHED, ids=str)
def test_who_reaches_the_front_as_published(case: Case) -> None:
    setting = SETTINGS[case.setting]
    for place, letter in zip(setting.starts, case.reached, strict=True):
        nudged = [(place[0] + nudge, place[1] - nudge) for nudge in (0.0, 1e-3, -1e-3)]
        reached = [run(setting, case, place, seed).reached > 0 for seed, place in enumerate(nudged)]
        assert {"y": all(reached), "n": not any(reached), "Y": any(reached)}[letter], (place, reached)


@pytest.mark.parametrize("case", [PUBLISHED[3], PUBLISHED[-1]], ids=str)
def test_who_goes_on_to_the_minimum_of_the_mean(case: Case) -> None:
    for place in SETTINGS[case.setting].starts:
        reached, end = run(SETTINGS[case.setting], case, place, to_the_end=True)
        assert reached > 0
        assert abs(end[0]) < 0.1, end


@pytest.mark.parametrize("case", PUBLISHED[1:3], ids=str)
def test_who_stays_where_the_set_was_reached(case: Case) -> None:
    setting = SETTINGS[case.setting]
    reached = run(setting, case, setting.starts[0]).reached
    soon, late = (
        run(replace(setting, steps=reached + more), case, setting.starts[0], to_the_end=True).end
        for more in (5_000, 25_000)
    )
    assert np.abs(late - soon).max() < 0.3, (soon, late)


def test_one_program_serves_all_starts_scales_and_numbers() -> None:
    for place in LATER_STARTS:
        run(SETTINGS["FAMO"], PUBLISHED[0], place)
    run(SETTINGS["CAGrad"], PUBLISHED[0], (-8.5, -5.0))
    assert [loop.experimental_get_tracing_count() for loop in _loops.values()] == [1] * len(_loops)


def table() -> str:
    """Returns the README's table: steps until the front from the two upper starts, of methods that a paper shows."""
    head = [f"{name}, {setting.steps:,} steps" for name, setting in SETTINGS.items()]
    lines = ["| method | " + " | ".join(head) + " |", "|---" + "|---:" * len(head) + "|"]
    for name in dict.fromkeys(case.weighting.name for case in PUBLISHED):
        cells = {case.setting: _cell(case) for case in PUBLISHED if case.weighting.name == name}
        lines.append(f"| `{name}` | " + " | ".join(cells.get(setting, "") for setting in SETTINGS) + " |")
    return "\n".join(lines)


def _cell(case: Case) -> str:
    setting = SETTINGS[case.setting]
    runs = [run(setting, case, place).reached for place in setting.starts]
    assert all(runs[2:])
    texts = [
        (f"{reached:,}" if reached else "no") + ("?" if letter.isupper() else "")
        for reached, letter in zip(runs, case.reached, strict=True)
    ]
    return " / ".join(texts[:2])


def others() -> str:
    """Returns what the methods do that no paper shows, from CAGrad's upper starts, each moved three times by 1e-3."""
    setting = SETTINGS["CAGrad"]
    found: dict[str, list[str]] = {"always": [], "sometimes": [], "never": []}
    for name in sorted(WEIGHTINGS.keys() - {case.weighting.name for case in PUBLISHED if case.setting == "CAGrad"}):
        case = Case("CAGrad", method(name, **({"weight_decay": 0.0} if name == "famo" else {})), "")
        runs = [
            run(setting, case, (x1 + 1e-3 * nudge, x2), seed).reached > 0
            for x1, x2 in setting.starts[:2]
            for seed, nudge in enumerate((0, 1, -1))
        ]
        found["always" if all(runs) else "sometimes" if any(runs) else "never"].append(f"`{name}`")
    return "\n".join(f"{how}: {', '.join(names)}" for how, names in found.items())


if __name__ == "__main__":
    start("cpu")
    print(table(), others(), sep="\n\n")
