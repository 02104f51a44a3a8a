"""Texts that come from data, made harmless where they are shown and in the tables that are written."""

import re
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

SHOWN: Final = 60
"""Characters of a value that a message shows."""
_FORMULA: Final = r"^([=@\t\r\n]|[+\-].)"
"""How a cell begins that a spreadsheet takes for a formula (OWASP, "CSV injection"); a sign alone is none."""
_NUMBER: Final = r"^[+\-]?(\d+\.?\d*|\.\d+)([eE][+\-]?\d+)?$"


def visible(text: str) -> str:
    r"""Returns the text with an escape for every character that does something instead of being shown.

    >>> print(visible("a\x1b[31m b\n  c\u202e"))
    a\x1b[31m b\n  c\u202e
    """
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def printable(text: str) -> str:
    r"""Returns the text in one line, as `visible` shows it.

    >>> print(printable("a\x1b[31m b\n  c"))
    a\x1b[31m b c
    """
    return visible(" ".join(text.split()))


def shown(path: Path) -> str:
    """Returns a path as short as it can be said from the working folder."""
    with suppress(ValueError, OSError):
        path = path.relative_to(Path.cwd())
    return visible(str(path))


def cell(value: Any) -> Any:
    """Returns what a cell of a CSV file can hold: a text that a spreadsheet would run gets a quote before it.

    >>> cell("=1+1"), cell("-1.5e3"), cell("yes"), cell(-1.5), cell("-")
    ("'=1+1", '-1.5e3', 'yes', -1.5, '-')
    """
    runs = isinstance(value, str) and re.match(_FORMULA, value) and not re.fullmatch(_NUMBER, value)
    return f"'{value}" if runs else value


def cells(frame: Any) -> Any:
    """Returns a polars frame, lazy or not, whose texts and column names are as `cell` makes them."""
    import polars as pl

    text = pl.col(pl.String)
    runs = text.str.contains(_FORMULA) & ~text.str.contains(_NUMBER)
    return frame.with_columns(pl.when(runs).then("'" + text).otherwise(text).name.keep()).rename(cell)


def not_utf8(error: UnicodeDecodeError, before: int = 0, line: int = 1) -> str:
    r"""Says where bytes aren't UTF-8, those that begin after `before` others and in a `line`.

    >>> try: b"a\nb\xe9".decode()
    ... except UnicodeDecodeError as error: not_utf8(error)
    'byte 3 (0xe9, in line 2) is not UTF-8; save the file as UTF-8'
    """
    line += error.object[: error.start].count(b"\n")
    place = f"0x{error.object[error.start]:02x}, in line {line}"
    return f"byte {before + error.start} ({place}) is not UTF-8; save the file as UTF-8"
