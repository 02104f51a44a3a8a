"""What is said of what went wrong, as a terminal and a pipe get it."""

import sys

import pytest

from mtl_cli.terminal.complaints import complain

COMMAND = "mtl-train resume outputs/a_rather_long_name_of_a_folder steps=10000"
MESSAGE = (
    f"data.path: the table has no column that is called so, and a run is there already; {COMMAND}; or type another"
)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_terminal_gets_lines_that_are_broken_between_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    """But for commands, which are to be copied."""
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    complain(MESSAGE)
    said = capsys.readouterr().err
    assert " ".join(said.split()) == f"mtl-train: {MESSAGE}"
    lines = said.splitlines()
    if is_terminal:
        assert [line for line in lines if len(line) > 60] == [f"{COMMAND};"]
        assert len(lines) > 3
    else:
        assert len(lines) == 1
