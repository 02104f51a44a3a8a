"""Locates the error in a text file that polars can't read: its byte, line or key."""

import codecs
import json
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from mtl_cli.tables.decompression import BLOCK, UNREADABLE, opened
from mtl_cli.tables.delimited import Delimited, Dialect, delimited, encoding_of
from mtl_cli.untrusted.escaping import SHOWN, not_utf8

_KINDS: Final = {
    str: "a text", int: "a number", float: "a number", bool: "true or false", list: "a list", dict: "an object",
    type(None): "nothing",
}  # fmt: skip
TITLES: Final = 10
"""Lines that may stand before a header."""
OTHER: Final = ", or say what it is, such as data.encoding=windows-1252"


def first_fault(path: Path, form: str, dialect: Dialect) -> str | None:
    """Returns where a text file is wrong: the byte that isn't UTF-8, or the line with too many fields or bad JSON."""
    if form == "parquet":
        return None
    import polars as pl

    try:
        if form == "ndjson":
            return _bad_byte(path) or _bad_json(path)
        fault = _bad_byte(path, OTHER) if encoding_of(path, dialect) == "utf-8" else None
        return fault or _long_row(delimited(path, form, dialect))
    except (*UNREADABLE, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    except ValueError as error:
        return str(error)


def not_utf_8(path: Path, dialect: Dialect) -> bool:
    """Returns whether a text file has bytes that no UTF-8 has, nor UTF-16."""
    return encoding_of(path, dialect) == "utf-8" and _bad_byte(path) is not None


def _bad_byte(path: Path, other: str = "") -> str | None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    done, lines = 0, 1
    with opened(path) as file:
        while True:
            block = file.read(BLOCK)
            waiting = len(decoder.getstate()[0])
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                return f"{not_utf8(error, done - waiting, lines)}{other}"
            if not block:
                return None
            done, lines = done + len(block), lines + block.count(b"\n")


def key_twice(path: Path) -> str | None:
    """Returns where an object of an NDJSON file has a key twice; polars takes its first value without a word."""
    import polars as pl

    keys = pl.col("line").str.extract_all(r'"(?:[^"\\]|\\.)*"\s*:').list.eval(pl.element().str.strip_chars_end(": \t"))
    suspect = keys.list.n_unique() < keys.list.len()  # as keys of objects inside are
    lines = pl.scan_lines(path, name="line", row_index_name="row", glob=False).filter(suspect)
    for row, line in lines.collect(engine="streaming").iter_rows():
        with suppress(ValueError, RecursionError):
            json.loads(line, object_pairs_hook=_refuse_twice)
            continue
        return _json_fault(line, row + 1)
    return None


def _bad_json(path: Path) -> str | None:
    """Returns the first line that isn't a JSON object, or has another kind of value than those before."""
    kinds: dict[str, tuple[str, int]] = {}
    with opened(path) as file:
        for number, line in enumerate(file, 1):
            fault = _json_fault(line, number) if line.strip() else None
            if fault is not None:
                return fault
            for key, value in json.loads(line).items() if line.strip() else ():
                kind = _KINDS[type(value)]
                before, first = kinds.setdefault(key, (kind, number)) if value is not None else (kind, number)
                if kind != before and {kind, before} != {"a text", "a number"}:
                    return f"line {number}, key {key[:SHOWN]!r} has {kind}, and in line {first} {before}"
    return None


def _json_fault(line: bytes | str, number: int) -> str | None:
    try:
        row = json.loads(line, object_pairs_hook=_refuse_twice, parse_constant=_Constant)
    except RecursionError:
        return f"line {number} has more levels of lists and objects than can be read"
    except json.JSONDecodeError as error:
        return f"line {number} is not JSON: {error}"
    except ValueError as error:
        return f"line {number}, {error}"
    return None if isinstance(row, dict) else f"line {number} is not a JSON object"


def _refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for key, count in Counter(key for key, _ in pairs).items():
        if count > 1:
            raise ValueError(f"key {key[:SHOWN]!r} is there {count} times")
    for key, value in pairs:
        if isinstance(value, _Constant):
            raise ValueError(
                f"key {key[:SHOWN]!r} is {value}, which is no number in JSON; null stands for a missing one"
            )
    return dict(pairs)


class _Constant(str):
    """What stands in JSON for a number that it hasn't got: NaN, Infinity."""


def _long_row(file: Delimited) -> str | None:
    width = None
    for number, fields in file.rows():
        if width is None:
            width = len(fields)
        elif len(fields) > width:
            begins = "; if the table begins there, remove the lines before it" if number <= TITLES else ""
            return f"line {number} has {len(fields)} fields, and the header has {width}{begins}"
    return None
