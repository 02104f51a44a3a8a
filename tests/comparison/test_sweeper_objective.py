"""The number that a sweeper gets of a job."""

import math

import pytest

from mtl_cli.comparison.sweeper_objective import compared
from tests.support.configs import composed


@pytest.mark.parametrize(
    ("objective", "worst"), [("val_loss", math.inf), ("val/y1/r2", -math.inf), ("val/y1/rmse", math.inf)]
)
def test_a_failed_run_is_the_worst_for_a_sweeper_whatever_it_had_come_to(objective: str, worst: float) -> None:
    config = composed().model_copy(update={"objective": objective})
    summary = {"objective": 0.5, "metrics": {"train": {"y1": {"loss": 0.25}, "y2": {"loss": 0.75}}}, "error": None}
    assert compared(config, summary) == 0.5
    assert compared(config, summary | {"objective": None}) == 0.5
    assert compared(config, summary | {"error": "diverged"}) == worst
    assert compared(config, summary | {"objective": math.nan}) == worst
