"""What a recorded config leaves out of what was said."""

from mtl_cli.composition.recorded import schedule_unsaid
from tests.support.configs import composed


def test_what_a_run_says_that_it_has_done_takes_no_room() -> None:
    """Two billion iterations, which others may have written down, are 16 GB of learning rates."""
    before, now = (composed("optimizer/schedule=cosine", f"steps={steps}") for steps in (2**31 - 2, 2**31 - 1))
    assert schedule_unsaid(before, now, 2**31 - 2) is not None
    assert schedule_unsaid(before, before, 2**31 - 2) is None
    assert schedule_unsaid(before, now, 0) is None
