"""Finds the place where a text file is wrong, once polars has found that it is."""

import codecs
import json
from pathlib import Path

from mtl_cli.tables.delimited import Delimited, Dialect, delimited, encoding_of
from mtl_cli.tables.unpacking import BLOCK, UNREADABLE, opened
from mtl_cli.texts import not_utf8

OTHER = ", or say what it is, such as data.encoding=windows-1252"


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


def _bad_json(path: Path) -> str | None:
    with opened(path) as file:
        for number, line in enumerate(file, 1):
            try:
                if line.strip() and not isinstance(json.loads(line), dict):
                    return f"line {number} is not a JSON object"
            except ValueError as error:
                return f"line {number} is not JSON: {error}"
    return None


def _long_row(file: Delimited) -> str | None:
    width = None
    for number, fields in file.rows():
        if width is None:
            width = len(fields)
        elif len(fields) > width:
            return f"line {number} has {len(fields)} fields, and the header has {width}"
    return None
