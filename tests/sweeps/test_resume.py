"""Which jobs' folders a resumed sweep goes on in."""

from mtl_cli.sweeps.resume import EarlierJob, before_of
from mtl_cli.training.job import Job
from tests.support.configs import composed


def test_a_job_goes_on_in_no_folder_that_might_be_another_ones() -> None:
    """Of two that differ in their steps alone, neither is what a third number of steps makes longer."""
    config = composed("steps=30")
    found = [EarlierJob(0, ("seed=1", "steps=10"), None), EarlierJob(1, ("seed=1", "steps=20"), None)]
    assert before_of([Job(5, config, ("seed=1", "steps=30"))], found) == [None]
    assert before_of([Job(5, config, ("seed=1", "steps=30"))], found[:1]) == found[:1]
