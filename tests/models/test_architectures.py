"""What holds of every architecture: gradients, whose variables are, what training and inference have in common."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pytest

from mtl_cli.backend import keras, tf
from mtl_cli.config import FAMILIES
from mtl_cli.datasets.encoder import PlainFeatures
from mtl_cli.models.base import Model, Outputs
from mtl_cli.modes.alternating import Alternating
from mtl_cli.modes.joint import Joint
from mtl_cli.networks.layers import Layers
from mtl_cli.networks.network import Network
from mtl_cli.optimizers.adamw import AdamW
from mtl_cli.optimizers.base import Optimizer
from mtl_cli.step.context import StepContext
from mtl_cli.step.state import TrainState
from mtl_cli.step.task_gradients import TaskGradients
from tests.support.architectures import MODELS, VARIANTS, flat, forward, model, of_all, parts, variables
from tests.support.network import DRAWN, FEATURES, LABELS, WEIGHTS, X, take, tasks

every = pytest.mark.parametrize("variant", VARIANTS)


def test_every_architecture_is_tried() -> None:
    assert {variant.split()[0] for variant in VARIANTS} == set(MODELS)


@every
def test_the_cut_gives_the_gradients_of_whole_passes(variant: str) -> None:
    """Of each task on the shared parameters and on the last layer: T passes from the losses, and those from the cut."""
    context, state = parts(variant)
    tape, found = forward(context, state)
    shared = state.params.shared
    last = [shared[place] for place in context.network.last_layer]
    assert bool(last) == bool(shared)
    losses = {task: found.losses[task] for task in context.tasks}
    plain = TaskGradients(tape, losses, None, state.params, last)
    cut = TaskGradients(tape, losses, found.cut, state.params, last)
    places: Any = ("parameters", "last_layer")
    for on in places:
        expected, gradients = plain.rows(on), cut.rows(on)
        np.testing.assert_allclose(flat(gradients), flat(expected), rtol=1e-4, atol=1e-6)
    for i, loss in enumerate(losses.values()):
        direct = tape.gradient(loss, shared, unconnected_gradients="zero")
        np.testing.assert_allclose(flat([row[i] for row in cut.rows("parameters")]), flat(direct), rtol=1e-4, atol=1e-6)


@every
def test_a_variable_moves_the_outputs_of_its_users_alone(variant: str) -> None:
    context, state = parts(variant)
    tape, found = forward(context, state)
    reached = {
        task: [
            bool(np.any(np.asarray(g))) for g in tape.gradient(loss, state.params.all(), unconnected_gradients="zero")
        ]
        for task, loss in found.losses.items()
    }
    shared = len(state.params.shared)
    users = list(zip(*reached.values(), strict=True))
    chosen_by_task = [v.path.endswith("kernel") and 0 in v.shape for v in variables(context.network)]
    assert all(sum(of) > 1 for of in users[:shared])
    for of, empty, owner in zip(users[shared:], chosen_by_task[shared:], owners(context.network), strict=True):
        assert of == tuple(not empty and task == owner for task in reached)


def owners(network: Network) -> list[str]:
    return [task for task, own in network.own.items() for _ in own]


class Wrong(Model):
    """An architecture with a mistake."""

    name: Literal["wrong"] = "wrong"
    shared_layers: list[Any] = [4]
    mistake: str = ""

    def connect(self, x: Any, names: Sequence[str], layers: Layers) -> Outputs:
        """Returns outputs on a shared layer, and something that can't be."""
        h = layers.dense("shared", x, 3)
        own = {task: layers.dense(f"{task}_own", x, 3) for task in names} if self.mistake == "own" else {}
        if self.mistake == "unused":
            layers.dense("unused", x, 2)
        path = {"twice": [x, h], "open": [h], "own": [h, *own.values()]}.get(self.mistake, [h])
        past = x if self.mistake == "open" else layers.boundary(x)
        cut = path if self.mistake in ("open", "twice") else [*path, past]
        seen = {task: layers.beside([h, own.get(task, past)]) for task in names}
        return Outputs({task: layers.head(task, seen[task]) for task in names}, cut)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("", None),
        ("unused", r"^no task uses unused/kernel, unused/bias$"),
        ("open", r"^the cut leaves out a path from shared_1/kernel, shared_1/bias, which tasks share, to task number$"),
        ("twice", r"^the cut goes through .* twice$"),
        ("own", r"^the cut is above number_own/kernel, number_own/bias, which only task number uses$"),
    ],
)
def test_a_wrong_architecture_is_not_built(mistake: str, message: str | None) -> None:
    wrong = Wrong(mistake=mistake)
    if message is None:
        wrong.build(PlainFeatures(FEATURES), tasks(), 0)
        return
    with pytest.raises(AssertionError, match=message):
        wrong.build(PlainFeatures(FEATURES), tasks(), 0)


@every
def test_another_seed_gives_other_weights_and_the_same_one_the_same(variant: str) -> None:
    network = model(variant).build(PlainFeatures(FEATURES), tasks(), 0)
    again = model(variant).build(PlainFeatures(FEATURES), tasks(), 0)
    assert flat(network.params().all()).tolist() == flat(again.params().all()).tolist()
    assert flat(network.initial(0).all()).tolist() == flat(network.params().all()).tolist()
    assert flat(network.initial(1).all()).tolist() != flat(network.params().all()).tolist()


@pytest.mark.parametrize(
    "initializer", [f"{name}_{form}" for name in ("glorot", "he", "lecun", "random") for form in ("uniform", "normal")]
)
def test_an_expert_begins_as_a_layer_of_its_own_does(initializer: str) -> None:
    """Its kernel has the fans of one expert, and no two experts are alike."""
    wide = {"experts": 3, "expert_layers": [300, 200], "initializer": initializer, "shared_layers": []}
    network = MODELS["mmoe"].model_validate(wide).build(PlainFeatures(400), tasks(), 0)
    alone = {"shared_layers": [300, 200], "initializer": initializer}
    expected = MODELS["shared_bottom"].model_validate(alone).build(PlainFeatures(400), tasks(), 0)
    first, second = (network.model.get_layer(f"expert_{i}").kernel.numpy() for i in (1, 2))
    for expert in range(3):
        for kernel, like in ((first[:, expert], expected.shared[0]), (second[expert], expected.shared[2])):
            assert kernel.shape == tuple(like.shape)
            assert kernel.std() == pytest.approx(like.numpy().std(), rel=0.02)
            assert abs(kernel.mean()) < 0.02 * kernel.std()
    assert not np.array_equal(first[:, 0], first[:, 1])
    assert not np.array_equal(second[0], second[1])


DECAYED = {
    "mmoe": {"shared_1", "expert_1", "{}_gate", "{}_hidden_1", "{}_raw"},
    "cross_stitch": {"shared_1", "column_1", "{}_hidden_1", "{}_raw"},
    "film": {"shared_1", "{}_hidden_1", "{}_raw"},
    "adatt of one": {"shared_1", "level1_{}_expert_1", "level1_{}_gate", "{}_hidden_1", "{}_raw"},
    "mtan": {"shared_1", "{}_mask_1_hidden", "{}_mask_1", "{}_hidden_1", "{}_raw"},
}


@pytest.mark.parametrize("variant", DECAYED)
def test_l2_acts_on_kernels_alone(variant: str) -> None:
    """Not on biases, of stacked experts either, nor on numbers that scale."""
    context, state = of_all(model=model(variant, l2=0.5))
    names = {name.format(task) for name in DECAYED[variant] for task in WEIGHTS}
    values = dict(zip([v.path for v in variables(context.network)], state.params.all(), strict=True))
    expected = 0.5 * sum(np.square(values[f"{name}/kernel"].numpy().astype(np.float64)).sum() for name in names)
    assert float(context.penalty(state.params, context.tasks, 0.0)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("variant", ["mmoe", "cgc", "ple", "adatt", "dselect_k", "dselect_k by task"])
def test_gates_are_shares_whatever_the_logits(variant: str) -> None:
    """Those of dselect_k add up to at most 1: codes beyond the experts may have a part."""
    context, state = parts(variant)
    for size in (1.0, 1e4):
        with tf.GradientTape() as tape:
            params = state.params.like([size * p for p in state.params.all()])
            tape.watch(params.all())
            found = context.network.outputs(params, [tf.constant(X)], WEIGHTS)
            total = tf.add_n([tf.reduce_sum(weights**2) for weights in found.gates.values()])
        assert found.gates
        for weights in found.gates.values():
            sums = weights.numpy().sum(axis=1)
            assert (weights.numpy() >= 0).all()
            assert (sums <= 1 + 1e-5).all()
            assert variant.startswith("dselect_k") or (sums >= 1 - 1e-5).all()
        gradients = tape.gradient(total, params.all(), unconnected_gradients="zero")
        assert all(np.isfinite(np.asarray(g)).all() for g in gradients)


@every
@pytest.mark.parametrize("scope", ["per_task", "shared"])
def test_what_an_unpicked_task_owns_stays_as_it_is(variant: str, scope: Any) -> None:
    """Moments too, and with AdamW's decay."""
    mode = Alternating(optimizer_scope=scope)
    optimizer: Optimizer = AdamW(weight_decay=0.1)
    context, state = of_all(mode=mode, model=model(variant), optimizer=optimizer)
    after, _ = take(mode, context, state, pick=1)
    picked = list(WEIGHTS)[1]
    for task in WEIGHTS:
        same = flat(after.params.own[task]).tolist() == flat(state.params.own[task]).tolist()
        assert same == (task != picked)
        moments = [flat(keras.tree.flatten(of.optimizers[task])).tolist() for of in (after, state)]
        assert (moments[0] == moments[1]) == (task != picked)
    assert flat(after.params.shared).tolist() != flat(state.params.shared).tolist() or not state.params.shared


WEIGHTINGS = {str(cls.model_fields["name"].default): cls for cls in FAMILIES["weighting"]}


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("variant", ["mmoe", "ple", "cross_stitch", "mtan of two"])
def test_every_weighting_goes_with_every_kind_of_cut(variant: str, weighting: str) -> None:
    method: Any = WEIGHTINGS[weighting]()
    members = tasks(weights=dict.fromkeys(WEIGHTS, 1 / 3))
    context, state = of_all(members, model=model(variant), weighting=method)
    after, losses = step_with_draws(context, state)
    assert np.isfinite(losses.numpy()).all()
    assert np.isfinite(flat(after.params.all())).all()
    assert flat(after.params.shared).tolist() != flat(state.params.shared).tolist()


def step_with_draws(context: StepContext, state: TrainState) -> tuple[TrainState, Any]:
    device_data = {"features": tf.constant(X), "labels": {name: tf.constant(y) for name, y in LABELS.items()}}
    shared = sum(int(np.prod(p.shape)) for p in state.params.shared)
    drawn = context.weighting.draw(np.random.default_rng(0), 1, len(WEIGHTS), shared)
    batch = {"rows": tf.constant(DRAWN[None])} | {key: tf.constant(array[0]) for key, array in drawn.items()}
    return Joint().step(context, state, device_data, batch, tf.constant(0.01))[:2]
