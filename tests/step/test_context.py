"""The forward pass that every mode uses: which tasks have a label in a batch, and a batch in two halves."""

import numpy as np
import pytest

from mtl_cli.backend import tf
from mtl_cli.datasets.batches import Rows
from mtl_cli.modes.joint import Joint
from mtl_cli.step import context as module
from tests.support.network import LABELS, WEIGHTS, X, build, tasks


def test_a_task_whose_rows_all_count_for_nothing_has_no_label() -> None:
    context, _ = build(Joint(), tasks())
    labels = {name: tf.constant(values) for name, values in LABELS.items()}
    weights = {"number": tf.zeros(len(X)), "yes": tf.constant([0.0] * (len(X) - 1) + [0.5])}
    found = context.present_T([Rows(tf.constant(X), labels, weights)])
    assert dict(zip(WEIGHTS, found.numpy().tolist(), strict=True)) == {"number": False, "yes": True, "kind": True}


def test_a_batch_in_halves_gives_the_losses_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    context, state = build(Joint(), tasks())
    rows = [Rows(tf.constant(X), {name: tf.constant(values) for name, values in LABELS.items()}, {})]
    whole = context.forward(state.params, rows, {})
    assert whole.cut is not None
    assert [len(piece) for piece in whole.cut] == [9]
    monkeypatch.setattr(module, "HALVED_FROM", 9)
    halves = context.forward(state.params, rows, {})
    assert halves.cut is not None
    assert [len(piece) for piece in halves.cut] == [4, 5]
    for task, loss in whole.losses.items():
        np.testing.assert_allclose(halves.losses[task], loss, rtol=1e-6)
