"""Which evaluation is better."""

import math

import pytest

from mtl_cli.training.evaluation import Selection


@pytest.mark.parametrize(("objective", "better"), [("val_loss", False), ("val/a/rmse", False), ("val/a/r2", True)])
def test_what_better_means(objective: str, better: bool) -> None:
    selection = Selection(every=1, objective=objective, patience=None, counted=("a",))
    assert selection.better(2.0, 1.0) is better
    assert selection.better(1.0, 2.0) is not better
    assert not selection.better(1.0, 1.0)
    assert selection.better(5.0, None)
    assert not selection.better(math.nan, None)
    assert not selection.better(math.nan, 1.0)
