"""Interpolations: what they come to is counted, and bounded over all of a block."""

from typing import Any

import pytest
from omegaconf import OmegaConf
from omegaconf.errors import InterpolationResolutionError

from mtl_cli.composition.interpolations import MOST_OF_ONE, bounded, size


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, 1),
        (7, 1),
        ("", 1),
        ("four", 5),
        (["four", 7], 1 + 5 + 1),
        ({"key": "four"}, 1 + 4 + 5),
        ({"a": [{"b": "c"}]}, 1 + 2 + (1 + (1 + 2 + 2))),
    ],
)
def test_a_value_is_1_and_its_letters(value: Any, expected: int) -> None:
    assert size(value) == expected
    if isinstance(value, dict | list):
        assert size(OmegaConf.create(value)) == expected


def test_interpolations_in_a_value_stay_as_they_are() -> None:
    assert size(OmegaConf.create({"a": "${b}", "b": "x" * 99})) == 1 + (2 + 5) + (2 + 100)


def test_letters_may_count_less() -> None:
    assert size("x" * 64, characters=32) == 3


def test_what_is_resolved_and_what_it_comes_to_count() -> None:
    """`${b}` is 5, and so is `four`; both count once for each time that it is resolved."""
    config = OmegaConf.create({"a": "${b}", "b": "four"})
    for times in (1, 3):
        with bounded(10 * times):
            assert [config.a for _ in range(times)] == ["four"] * times
        with bounded(10 * times - 1), pytest.raises(InterpolationResolutionError, match=f"more than {10 * times - 1} "):
            [config.a for _ in range(times)]


def test_a_block_in_a_block_has_no_bounds_of_its_own() -> None:
    config = OmegaConf.create({"a": "${b}", "b": "four"})
    with bounded(19):
        with bounded():
            assert config.a == "four"
        with pytest.raises(InterpolationResolutionError), bounded():
            config.a  # noqa: B018 - it is resolved
    assert config.a == "four"


def test_a_value_alone_is_bounded_too() -> None:
    half = "x" * (MOST_OF_ONE // 2)
    assert OmegaConf.create({"a": "${b}", "b": half}).a == half
    with pytest.raises(InterpolationResolutionError, match="come to more than"):
        OmegaConf.create({"a": "${b}${b}", "b": half}).a  # noqa: B018 - it is resolved


def test_arguments_of_resolvers_count() -> None:
    """Beside the 65 letters of the interpolation and the 50 that it comes to: a list of two texts of 1 and 50."""
    text = "x" * 50
    config = OmegaConf.create({"a": f"${{oc.select:b,{text}}}"})
    total = (1 + 65) + (1 + 2 + 51) + (1 + 50)
    with bounded(total):
        assert config.a == text
    with bounded(total - 1), pytest.raises(InterpolationResolutionError):
        config.a  # noqa: B018 - it is resolved
