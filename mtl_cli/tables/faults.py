"""Finds the place where a text file is wrong, once polars has found that it is."""

import codecs
import csv
import json
from collections.abc import Iterator
from pathlib import Path

from mtl_cli.tables.unpacking import BLOCK, UNREADABLE, opened
from mtl_cli.texts import not_utf8


def first_fault(path: Path, form: str, separator: str) -> str | None:
    """Returns where a text file is wrong: the byte that isn't UTF-8, or the line with too many fields or bad JSON."""
    if form == "parquet":
        return None
    try:
        fault = _bad_byte(path)
        if fault is None and form == "ndjson":
            fault = _bad_json(path)
        elif fault is None:
            fault = _long_row(path, separator)
    except UNREADABLE:
        return None
    except ValueError as error:
        return str(error)
    return fault


def _bad_byte(path: Path) -> str | None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    done, lines = 0, 1
    with opened(path) as file:
        while True:
            block = file.read(BLOCK)
            waiting = len(decoder.getstate()[0])
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                return not_utf8(error, done - waiting, lines)
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


def _long_row(path: Path, separator: str) -> str | None:
    width = None
    for number, fields in rows_of(path, separator):
        if width is None:
            width = len(fields)
        elif len(fields) > width:
            return f"line {number} has {len(fields)} fields, and the header has {width}"
    return None


def rows_of(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yields each row's line number and its fields.

    Raises:
        ValueError: A line has several rows, with CR alone between them.
    """
    csv.field_size_limit(2**31 - 1)
    with opened(path) as file:
        reader = csv.reader((line.decode("utf-8", "replace") for line in file), delimiter=separator)
        try:
            for fields in reader:
                yield reader.line_num, fields
        except csv.Error as error:
            ends = "has rows that end with CR alone, as on old Macs; save the file with LF or CR LF"
            raise ValueError(f"line {reader.line_num} {ends if 'new-line' in str(error) else error}") from error
