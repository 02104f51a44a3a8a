"""Unpacked size of a Parquet file's columns, whatever the file says of itself.

The footer says how large they are, and the head of each page how large that page is; the first may say anything, but
no decoder unpacks a page to more than its head says. So the heads are what counts, and the footer has to agree with
them. The names of the structs and the numbers of their fields are those of Apache Parquet's `parquet.thrift`.
"""

import mmap
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

from mtl_cli.tables.arrow_schema import arrays_of
from mtl_cli.tables.thrift import BOOL, BYTE, BYTES, I32, I64, Compact, list_of, struct_of

MAGIC: Final = b"PAR1"
CELL: Final = 8
"""Bytes of a number in memory, at least; values that repeat take next to none in the file."""
VIEW: Final = 16
"""Bytes of a text in memory, besides its letters; texts that are the same share those."""
MOST_FOOTER: Final = 2**25
"""Bytes of a footer."""
MOST_PAGES: Final = 1_000_000
"""Of a file."""
DEEPEST: Final = 32
"""Levels of a nested column; polars ends the process a few hundred levels down."""
BYTE_ARRAY, FIXED_LENGTH = 6, 7
"""Physical types."""
DATA, DICTIONARY, DATA_V2 = 0, 2, 3
"""Kinds of pages."""
HEADS: Final = {DATA: 5, DICTIONARY: 7, DATA_V2: 8}
"""Where a page's head says more of it, the number of its values first."""
ENCODINGS: Final = {DATA: 2, DATA_V2: 4}
"""Where that says how they are written."""
DELTA_BYTE_ARRAY: Final = 7
"""An encoding that says how much of the text before each text begins with."""

_EMPTY: Final = struct_of({})
_UNIT: Final = struct_of({1: _EMPTY, 2: _EMPTY, 3: _EMPTY})
_TIME: Final = struct_of({1: BOOL, 2: _UNIT})
_LOGICAL: Final = struct_of(
    dict.fromkeys((1, 2, 3, 4, 6, 11, 12, 13, 14, 15), _EMPTY)
    | {5: struct_of({1: I32, 2: I32}), 7: _TIME, 8: _TIME, 10: struct_of({1: BYTE, 2: BOOL})}
)
_STATISTICS: Final = struct_of({1: BYTES, 2: BYTES, 3: I64, 4: I64, 5: BYTES, 6: BYTES, 7: BOOL, 8: BOOL})
_KEY_VALUE: Final = struct_of({1: BYTES, 2: BYTES})
_ELEMENT: Final = struct_of(dict.fromkeys((1, 2, 3, 5, 6, 7, 8, 9), I32) | {4: BYTES, 10: _LOGICAL})
_COLUMN: Final = struct_of(
    dict.fromkeys((5, 6, 7, 9, 10, 11, 14), I64)
    | {1: I32, 2: list_of(I32), 3: list_of(BYTES), 4: I32, 8: list_of(_KEY_VALUE), 12: _STATISTICS, 15: I32}
    | {13: list_of(struct_of({1: I32, 2: I32, 3: I32})), 16: struct_of({1: I64, 2: list_of(I64), 3: list_of(I64)})}
)
_CHUNK: Final = struct_of({1: BYTES, 2: I64, 3: _COLUMN, 4: I64, 5: I32, 6: I64, 7: I32, 9: BYTES})
_SORTED: Final = struct_of({1: I32, 2: BOOL, 3: BOOL})
_GROUP: Final = struct_of({1: list_of(_CHUNK), 2: I64, 3: I64, 4: list_of(_SORTED), 5: I64, 6: I64, 7: I32})
_FILE: Final = {
    1: I32, 2: list_of(_ELEMENT), 3: I64, 4: list_of(_GROUP), 5: list_of(_KEY_VALUE), 6: BYTES,
    7: list_of(struct_of({1: _EMPTY})), 9: BYTES,
}  # fmt: skip
_PAGE: Final = {
    1: I32, 2: I32, 3: I32, 4: I32, 5: struct_of({1: I32, 2: I32, 3: I32, 4: I32, 5: _STATISTICS}), 6: _EMPTY,
    7: struct_of({1: I32, 2: I32, 3: BOOL}), 8: struct_of(dict.fromkeys(range(1, 7), I32) | {7: BOOL, 8: _STATISTICS}),
}  # fmt: skip


class Leaf(NamedTuple):
    """A column without parts, as the schema has it.

    Attributes:
        path: Its name, after those of what it is in.
        type: Its physical type.
        cell: Bytes of a value in memory, with what says to which lists it belongs.
    """

    path: tuple[bytes, ...]
    type: int
    cell: int

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return repr(b".".join(self.path)[:60].decode("utf-8", "replace"))


def unpacked_length(path: Path) -> int:
    """Returns how many bytes all columns take.

    Raises:
        OSError, ValueError: It isn't a Parquet file, damaged, or says what isn't so.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        if size < 12:
            raise ValueError("it has no footer")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            length, magic = struct.unpack("<I4s", content[-8:])
            if magic == b"PARE":
                raise ValueError("it is encrypted")
            if magic != MAGIC or length > size - 12:
                raise ValueError("it has no footer")
            if length > MOST_FOOTER:
                raise ValueError(f"its footer has {length:,} bytes; {MOST_FOOTER:,} are the most")
            try:
                footer = Compact(content[-8 - length : -8]).struct(_FILE)
                return _length(Compact(content), size - 8 - length, footer)
            except (IndexError, KeyError, TypeError, RecursionError, struct.error) as error:
                raise ValueError("its footer is damaged") from error


def _length(content: Compact, end: int, footer: dict[int, Any]) -> int:
    leaves = list(_leaves(iter(footer[2][1:]), footer[2][0].get(5, 0), (), 0))
    rows = _natural("its footer", *(group[3] for group in footer[4]))
    if footer[3] != rows:
        raise ValueError(f"its footer counts {footer[3]:,} rows, and {rows:,} in its groups")
    spans, length, most, pages = [(end, end)], 0, rows, 0
    for group in footer[4]:
        if len(group[1]) != len(leaves):
            raise ValueError(f"its schema has {len(leaves)} columns, and a group of rows {len(group[1])}")
        for leaf, chunk in zip(leaves, group[1], strict=True):
            if 3 not in chunk:
                raise ValueError(f"its column {leaf.name} is encrypted")
            found = _chunk(content, end, leaf, chunk[3], group[3], MOST_PAGES - pages)
            spans.append((found.start, found.end))
            length += found.length
            most = max(most, found.values)
            pages += found.pages
    spans.sort()
    if any(first[1] > second[0] for first, second in pairwise(spans)):
        raise ValueError("its footer has the same bytes twice")
    for array in (array for pair in footer.get(5, ()) if pair[1] == b"ARROW:schema" for array in arrays_of(pair[2])):
        length += array.cell * (most if array.in_list else rows)
    return length


def _leaves(elements: Iterator[dict[int, Any]], count: int, path: tuple[bytes, ...], lists: int) -> Iterator[Leaf]:
    """Yields the columns of the schema, which is a tree, parents first."""
    if len(path) >= DEEPEST:
        raise ValueError(f"its columns are nested more than {DEEPEST} deep")
    for _ in range(count):
        element = next(elements, None)
        if element is None:
            raise ValueError("its schema is cut off")
        inside, within = (*path, element[4]), lists + (element.get(3) == 2)
        if element.get(5) is None:
            width = {BYTE_ARRAY: VIEW, FIXED_LENGTH: max(VIEW, _natural("its schema", element.get(2, 0)))}
            yield Leaf(inside, element[1], width.get(element[1], CELL) + CELL * within)
        else:
            yield from _leaves(elements, element[5], inside, within)


class _Chunk(NamedTuple):
    start: int
    end: int
    values: int
    pages: int
    length: int


def _chunk(content: Compact, end: int, leaf: Leaf, column: dict[int, Any], rows: int, most: int) -> _Chunk:
    """Follows a column's pages in a group of rows, from one's head to the next one's."""
    first = column.get(11, column[9])
    last = first + column[7]
    _natural("its footer", column[5], column[7])
    if (column[1], tuple(column[3])) != (leaf.type, leaf.path):
        raise ValueError(f"its footer has a column that isn't {leaf.name}, as in its schema")
    if not len(MAGIC) <= first <= column[9] < last <= end:
        raise ValueError(f"its footer has column {leaf.name} at bytes {first:,} to {last:,}, where there is none")
    counts, bytes_, pages, begun = dict.fromkeys(HEADS, 0), 0, 0, None
    content.at = first
    while content.at < last:
        begins = content.at
        head = content.struct(_PAGE)
        kind, pages = head[1], pages + 1
        if kind not in HEADS or pages > most:
            raise ValueError(f"its column {leaf.name} has a page of kind {kind}, or too many pages")
        begun = begins if begun is None and kind != DICTIONARY else begun
        values = head[HEADS[kind]][1]
        _natural(f"a page of its column {leaf.name}", values, head[2], head[3])
        counts[kind] += values
        bytes_ += head[2]
        content.at += head[3]
        if leaf.type == BYTE_ARRAY and kind in ENCODINGS and head[HEADS[kind]][ENCODINGS[kind]] == DELTA_BYTE_ARRAY:
            bytes_ += values * head[2]  # each may be as long as all
    values = counts[DATA] + counts[DATA_V2]
    if content.at != last or begun != column[9]:
        raise ValueError(f"its footer has column {leaf.name} elsewhere than its pages are")
    if values != column[5] or values < rows:
        counted = f"{column[5]:,} values, for {rows:,} rows"
        raise ValueError(f"its footer counts {counted}, in column {leaf.name}, and its pages {values:,}")
    return _Chunk(first, last, values, pages, max(bytes_, leaf.cell * (values + counts[DICTIONARY])))


def _natural(where: str, *numbers: int) -> int:
    """Returns the sum of numbers, none of which is negative."""
    for number in numbers:
        if number < 0:
            raise ValueError(f"{where} counts {number:,}")
    return sum(numbers)
