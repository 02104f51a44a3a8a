"""How large the columns of a Parquet file are once they are unpacked, from its footer alone.

The footer is a struct in Thrift's compact protocol, of which these are the parts that count (Apache Parquet's
`parquet.thrift`): 4, row groups; of each 1, columns; of each 3, metadata; of that 5, values, and 6, bytes before
compression.
"""

import struct
from pathlib import Path
from typing import Any, Final

MAGIC: Final = b"PAR1"
CELL: Final = 8
"""Bytes of a value in memory, at least; values that repeat take next to none in the file."""

MOST_BITS: Final = 63
"""Of an integer."""


def unpacked_length(path: Path) -> int:
    """Returns how many bytes all columns take, as the file says itself.

    Raises:
        OSError, ValueError: It isn't a Parquet file, or damaged.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - 8, 0))
        length, magic = struct.unpack("<I4s", file.read(8).rjust(8, b"\0"))
        if magic != MAGIC or length > size - 8:
            raise ValueError("it has no footer")
        file.seek(size - 8 - length)
        footer = file.read(length)
    try:
        chunks = [chunk[3] for group in _Compact(footer).struct()[4] for chunk in group[1]]
        return sum(max(of[6], CELL * of[5], 0) for of in chunks)
    except (IndexError, KeyError, TypeError, RecursionError, struct.error) as error:
        raise ValueError("its footer is damaged") from error


class _Compact:
    """Reads values of Thrift's compact protocol, whatever they mean: structs are dicts by the fields' numbers."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def struct(self) -> dict[int, Any]:
        found, number = {}, 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            kind = head & 15
            found[number] = kind == 1 if kind in (1, 2) else self._value(kind)  # a boolean field is in its head
        return found

    def _value(self, kind: int) -> Any:
        if kind in (1, 2, 3):
            return self._byte()
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 7:
            return struct.unpack("<d", self._bytes(8))[0]
        if kind == 8:
            return self._bytes(self._unsigned())
        if kind in (9, 10):
            head = self._byte()
            count = self._unsigned() if head >> 4 == 15 else head >> 4
            return [self._value(head & 15) for _ in range(count)]
        if kind == 11:
            count = self._unsigned()
            kinds = self._byte() if count else 0
            return [(self._value(kinds >> 4), self._value(kinds & 15)) for _ in range(count)]
        if kind == 12:
            return self.struct()
        if kind == 13:
            return self._bytes(16)
        raise ValueError(f"a footer has no values of kind {kind}")

    def _byte(self) -> int:
        self._at += 1
        return self._content[self._at - 1]

    def _bytes(self, count: int) -> bytes:
        self._at += count
        if self._at > len(self._content):
            raise IndexError
        return self._content[self._at - count : self._at]

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > MOST_BITS:
                raise IndexError

    def _signed(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)
