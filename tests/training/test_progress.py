"""The running loss."""

import math

import numpy as np
import pytest

from mtl_cli.tasks import NO_LOSS
from mtl_cli.training.progress import Recent


def test_a_task_that_was_never_picked_has_no_running_loss() -> None:
    recent = Recent()
    recent.add(np.ones((5, 3), np.float32), np.zeros(5, np.int32))
    metrics = recent.metrics(["a", "b"])
    assert metrics["a"]["running_loss"] == 1
    assert math.isnan(metrics["b"]["running_loss"])


def test_the_running_loss_is_of_the_batches_with_a_label() -> None:
    recent = Recent()
    recent.add(np.array([[0.5, 1.0, NO_LOSS], [0.5, 1.0, 4.0], [0.5, 0.0, 2.0]], np.float32), None)
    assert recent.metrics(["a", "b"]) == {"a": {"running_loss": pytest.approx(2 / 3)}, "b": {"running_loss": 3.0}}
