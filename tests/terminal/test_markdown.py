"""Tables on a terminal."""

import pytest
from rich.console import Console

from mtl_cli.terminal.markdown import Grid, show


@pytest.mark.parametrize("width", range(30, 60))
def test_no_heading_of_a_table_is_broken(width: int) -> None:
    headings = ["name", *("x" * k for k in range(4, 20))]
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        show([Grid(headings, [["y"] * len(headings)], 1)], console)
    shown_headings = [word for line in captured.get().splitlines() if "x" in line for word in line.split()]
    assert [word for word in shown_headings if word != "name"] == headings[1:]
