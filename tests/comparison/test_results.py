"""What is known of a job from what was typed, as long as it hasn't ended."""

from collections.abc import Mapping

import pytest

from mtl_cli.comparison.results import Result


def test_overrides_are_told_without_their_quotes() -> None:
    given = Result("0", ["a='x y'", '+b="1"', "++c='", "d='x\"", "e='x'y", "f=", "g=x=y", "~h", "~i=j"]).given
    assert given == {
        "a": "x y", "b": "1", "c": "'", "d": "'x\"", "e": "'x'y", "f": "", "g": "x=y", "~h": "(deleted)", "~i": "j"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("overrides", "shares"),
    [
        (["tasks.a.weight=0.5", "tasks.b.weight=1e-1", "tasks.c.prob=.25"], {"a": 0.5, "b": 0.1, "c": 0.25}),
        (["tasks.a.weight=${w}", "tasks.b.prob=null", "weighting.alpha=0.5", "weighting=pcgrad"], {}),
        (["tasks.a.layers=2", "steps=3"], {}),
    ],
)
def test_shares_are_the_numbers_that_tasks_were_given(overrides: list[str], shares: Mapping[str, float]) -> None:
    assert Result("0", overrides).shares == shares
