"""What a cell of a sweep's table shows of a value."""

import pytest

from mtl_cli.comparison.columns import MOST_LETTERS, shortened


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("100.26", "100.3"),
        ("10.25", "10.25"),
        ("-0.00012345", "-0.0001234"),
        ("1.25e-7", "1.25e-7"),
        ("x" * MOST_LETTERS, "x" * MOST_LETTERS),
        ("x" * (MOST_LETTERS + 1), "x" * (MOST_LETTERS - 3) + "..."),
    ],
)
def test_values_are_shortened_to_four_digits_or_as_many_letters_as_there_is_room_for(value: str, shown: str) -> None:
    assert shortened(value) == shown
