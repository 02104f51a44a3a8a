"""Reader of structs in Thrift's compact protocol, as strict as a file that may lie about itself asks for.

Readers differ in what they make of a field that is there twice, or has another type than its specification says; each
such difference is a way to show one of them other numbers than the other. So both are refused. Fields that no
specification has are passed over.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

MOST_BITS: Final = 63
"""Of an integer, rounded down to whole bytes of seven bits."""


class Field(NamedTuple):
    """What a field of a struct may hold.

    Attributes:
        kinds: The protocol's numbers for its type.
        limit: What integers are below, and not below its negative.
        elements: A list's elements' field.
        fields: A struct's fields by number.
    """

    kinds: tuple[int, ...]
    limit: int = 0
    elements: "Field | None" = None
    fields: "Struct | None" = None


Struct = Mapping[int, Field]

BOOL: Final = Field((1, 2))
BYTE: Final = Field((3,))
INTEGERS: Final = (4, 5, 6)
"""Of 16, 32 and 64 bits; some writers have one for another."""
I32: Final = Field(INTEGERS, 2**31)
I64: Final = Field(INTEGERS, 2**63)
BYTES: Final = Field((8,))


def list_of(elements: Field) -> Field:
    """Returns the field of a list."""
    return Field((9,), elements=elements)


def struct_of(fields: Struct) -> Field:
    """Returns the field of a struct."""
    return Field((12,), fields=fields)


class Compact:
    """Reads structs from bytes, as dicts by their fields' numbers; `at` is where it stands.

    Raises:
        ValueError, IndexError, RecursionError: There is no such struct.
    """

    def __init__(self, content: Any) -> None:
        """Begins at the first byte."""
        self._content = content
        self.at = 0

    def struct(self, fields: Struct) -> dict[int, Any]:
        """Returns the struct that stands here."""
        content, found, number = self._content, dict[int, Any](), 0
        while True:
            head = content[self.at]
            self.at += 1
            if not head:
                return found
            number = number + (head >> 4) if head >> 4 else self._signed()
            kind, field = head & 15, fields.get(number)
            if field is None:
                self._skip(kind)
            elif kind not in field.kinds or number in found:
                raise ValueError(f"its field {number} is there twice, or of kind {kind}")
            elif kind in INTEGERS and content[self.at] < 128:  # most are, and there are very many
                byte = content[self.at]
                self.at += 1
                found[number] = (byte >> 1) ^ -(byte & 1)
            else:
                found[number] = kind == 1 if kind in BOOL.kinds else self._value(kind, field)

    def _value(self, kind: int, field: Field) -> Any:
        if kind in INTEGERS:
            number = self._signed()
            if not -field.limit <= number < field.limit:
                raise ValueError(f"it has the number {number:,} where {field.limit:,} is the limit")
            return number
        if kind == 8:
            return self._bytes(self._unsigned())
        if kind == 9 and field.elements is not None:
            return self._list(field.elements)
        if kind == 12 and field.fields is not None:
            return self.struct(field.fields)
        return self._byte()

    def _list(self, elements: Field) -> list[Any]:
        kind, count = self._elements()
        if count and kind not in elements.kinds:
            raise ValueError(f"it has a list with values of kind {kind}")
        return [self._value(kind, elements) for _ in range(count)]

    def _elements(self) -> tuple[int, int]:
        head = self._byte()
        return head & 15, self._unsigned() if head >> 4 == 15 else head >> 4

    def _skip(self, kind: int, *, inside: bool = False) -> None:
        if kind in (1, 2) and not inside:
            return  # a boolean field is in its head
        if kind in (1, 2, 3):
            self._byte()
        elif kind in INTEGERS:
            self._unsigned()
        elif kind == 7:
            self._bytes(8)
        elif kind == 8:
            self._bytes(self._unsigned())
        elif kind in (9, 10):
            element, count = self._elements()
            for _ in range(count):
                self._skip(element, inside=True)
        elif kind == 12:
            while head := self._byte():
                if not head >> 4:
                    self._signed()
                self._skip(head & 15)
        else:
            raise ValueError(f"it has a value of kind {kind}")

    def _byte(self) -> int:
        self.at += 1
        byte: int = self._content[self.at - 1]
        return byte

    def _bytes(self, count: int) -> bytes:
        self.at += count
        if self.at > len(self._content):
            raise IndexError
        found: bytes = self._content[self.at - count : self.at]
        return found

    def _unsigned(self) -> int:
        byte: int = self._content[self.at]
        self.at += 1
        if byte < 128:
            return byte
        value, shift = byte & 127, 7
        while True:
            byte = self._content[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > MOST_BITS:
                raise IndexError

    def _signed(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)
