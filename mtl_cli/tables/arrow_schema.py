"""Cell sizes of a Parquet file's columns by the Arrow schema in its footer.

Polars follows it: a column may be one of arrays of a fixed length, and then a missing array takes as much memory as
any other. It is a Flatbuffer (Apache Arrow's `Schema.fbs`), in which parts may stand for several others, so that few
bytes can say very much; and polars ends the process where they are nested deep.
"""

import base64
import binascii
import struct
from typing import Final, NamedTuple

DEEPEST: Final = 32
"""Levels of a column."""
MOST_FIELDS: Final = 100_000
"""Columns, and parts of columns."""
CELL: Final = 8
"""Bytes of a value in an array, whether it is there or not."""
FIXED_BINARY, FIXED_LIST = 15, 16
LISTS: Final = (12, 17, 21, 25, 26)
"""Types: lists, maps, large lists and views of both."""
HEADER, FIELDS, TYPE_KIND, TYPE, CHILDREN, WIDTH = 2, 1, 2, 3, 5, 0
"""Where tables have what counts: a message its header, a schema its fields, a field the rest, a type of fixed length
that."""


class Array(NamedTuple):
    """A column with arrays of a fixed length.

    Attributes:
        cell: Bytes that a row takes, or where they are in a list, a value.
        in_list: Whether they are.
    """

    cell: int
    in_list: bool


def arrays_of(text: bytes) -> list[Array]:
    """Returns the arrays in the schema that a file has as `ARROW:schema`.

    Raises:
        ValueError: It isn't one, or too large.
    """
    try:
        content = base64.b64decode(text, validate=True)
        buffer = _Buffer(content[8:] if content[:4] == b"\xff" * 4 else content)
        message = buffer.follow(0)
        schema = buffer.part(message, HEADER)
        return [] if schema is None else buffer.arrays(schema)
    except (binascii.Error, struct.error) as error:
        raise ValueError("its Arrow schema is damaged") from error


class _Buffer:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._fields = 0

    def arrays(self, schema: int) -> list[Array]:
        found = [self._array(field, 1) for field in self._vector(schema, FIELDS)]
        return [array for array, fixed in found if fixed]

    def _array(self, field: int, level: int) -> tuple[Array, bool]:
        """Returns a field as if it were in an array, and whether it is or has one."""
        self._fields += 1
        if level > DEEPEST or self._fields > MOST_FIELDS:
            raise ValueError(f"its Arrow schema has more than {MOST_FIELDS:,} fields, or {DEEPEST} levels")
        parts = [self._array(part, level + 1) for part in self._vector(field, CHILDREN)]
        cell, in_list = sum(part.cell for part, _ in parts) or CELL, any(part.in_list for part, _ in parts)
        at = self._slot(field, TYPE_KIND)
        kind = self._number("<B", at) if at else 0
        if kind in (FIXED_BINARY, FIXED_LIST):
            width = self._width(field)
            cell = width if kind == FIXED_BINARY else width * cell
        fixed = kind in (FIXED_BINARY, FIXED_LIST) or any(fixed for _, fixed in parts)
        return Array(cell, in_list or kind in LISTS), fixed

    def _width(self, field: int) -> int:
        kind = self.part(field, TYPE)
        at = self._slot(kind, WIDTH) if kind is not None else None
        width = self._number("<i", at) if at else 0
        if width < 0:
            raise ValueError(f"its Arrow schema has arrays of {width:,} values")
        return width

    def follow(self, at: int) -> int:
        return at + self._number("<I", at)

    def part(self, table: int, slot: int) -> int | None:
        at = self._slot(table, slot)
        return None if at is None else self.follow(at)

    def _vector(self, table: int, slot: int) -> list[int]:
        at = self.part(table, slot)
        if at is None:
            return []
        count = self._number("<I", at)
        if count > MOST_FIELDS:
            raise ValueError(f"its Arrow schema has more than {MOST_FIELDS:,} fields")
        return [self.follow(at + 4 + 4 * i) for i in range(count)]

    def _slot(self, table: int, slot: int) -> int | None:
        """Returns where a table has a part."""
        names = table - self._number("<i", table)
        if 4 + 2 * slot >= self._number("<H", names):
            return None
        offset = self._number("<H", names + 4 + 2 * slot)
        return table + offset if offset else None

    def _number(self, form: str, at: int) -> int:
        if at < 0:
            raise ValueError("its Arrow schema is damaged")
        number: int = struct.unpack_from(form, self._content, at)[0]
        return number
