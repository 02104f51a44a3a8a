"""What a run that goes on says of how things differ from what was recorded."""

from typing import Any

import pytest

from mtl_cli.training.restore import differences

RECORDED: dict[str, Any] = {"versions": {"keras": "3.1", "numpy": "2.0"}, "data": {"t.csv": "1a"}, "device": "cpu"}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, []),
        ({"versions": {"keras": "3.2", "numpy": "2.0"}}, ["keras was 3.1 and is 3.2"]),
        ({"versions": {"keras": "3.1"}}, ["numpy was 2.0 and is not there"]),
        ({"data": {"t.csv": "1a", "u.csv": "2b"}}, ["u.csv was not there and is 2b"]),
        ({"data": None}, ["t.csv was 1a and is not there"]),
        ({"device": "gpu"}, ["the device was cpu and is gpu"]),
        (
            {"device": "gpu", "data": {"t.csv": "3c"}, "versions": {"numpy": "2.1", "keras": "3.1"}},
            ["numpy was 2.0 and is 2.1", "t.csv was 1a and is 3c", "the device was cpu and is gpu"],
        ),
    ],
)
def test_a_line_says_what_differs(changed: dict[str, Any], said: list[str]) -> None:
    assert differences(RECORDED, RECORDED | changed) == said
