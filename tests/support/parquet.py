"""Parquet files made by hand, byte for byte, so that they can say what isn't so.

Structs of Thrift's compact protocol are dicts by their fields' numbers, of the protocol's kind and the value. The
numbers of fields are those of Apache Parquet's `parquet.thrift`.
"""

import base64
import struct
from dataclasses import dataclass, field
from typing import Any

from backports import zstd

Value = tuple[int, Any]
Struct = dict[int, Value]

PLAIN, DELTA, DELTA_BYTE_ARRAY, DICTIONARY = 0, 5, 7, 8
INT64, DOUBLE, BYTE_ARRAY, FIXED = 2, 5, 6, 7
OPTIONAL = 1


def i32(number: int) -> Value:
    return 5, number


def i64(number: int) -> Value:
    return 6, number


def text(content: bytes) -> Value:
    return 8, content


def of(content: Struct) -> Value:
    return 12, content


def many(kind: int, values: list[Any]) -> Value:
    return 9, (kind, values)


def varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def zigzag(number: int) -> bytes:
    return varint(2 * number if number >= 0 else -2 * number - 1)


def written(content: Struct) -> bytes:
    found, last = b"", 0
    for number in sorted(content):
        kind, value = content[number]
        ahead = number - last
        found += bytes([ahead << 4 | kind]) if ahead < 16 else bytes([kind]) + zigzag(number)
        found += b"" if kind in (1, 2) else _written(kind, value)
        last = number
    return found + b"\0"


def _written(kind: int, value: Any) -> bytes:
    if kind in (4, 5, 6):
        return zigzag(value)
    if kind == 8:
        return varint(len(value)) + bytes(value)
    if kind == 9:
        inside, values = value
        head = bytes([len(values) << 4 | inside]) if len(values) < 15 else bytes([15 << 4 | inside])
        return head + (b"" if len(values) < 15 else varint(len(values))) + b"".join(_written(inside, v) for v in values)
    return written(value)


def runs(count: int, value: int) -> bytes:
    """Returns so many times a number below 256, in the encoding of levels and of what stands for dictionary entries."""
    return varint(count << 1) + bytes([value])


def present(count: int) -> bytes:
    """Returns the levels of so many values, none of which is missing."""
    return len(runs(count, 1)).to_bytes(4, "little") + runs(count, 1)


def sized(content: bytes) -> bytes:
    """Returns a text as a value."""
    return len(content).to_bytes(4, "little") + content


def data_page(body: bytes, values: int, encoding: int = PLAIN, head: Struct | None = None) -> bytes:
    packed = zstd.compress(present(values) + body)
    usual = {1: i32(0), 2: i32(len(present(values) + body)), 3: i32(len(packed))}
    about: Struct = {1: i32(values), 2: i32(encoding), 3: i32(3), 4: i32(3)}
    return written(usual | {5: of(about)} | (head or {})) + packed


def dictionary_page(body: bytes, values: int = 1, head: Struct | None = None) -> bytes:
    packed = zstd.compress(body)
    usual = {1: i32(2), 2: i32(len(body)), 3: i32(len(packed)), 7: of({1: i32(values), 2: i32(PLAIN)})}
    return written(usual | (head or {})) + packed


def leaf(name: bytes, kind: int, length: int | None = None) -> Struct:
    """Returns a column of the schema."""
    found: Struct = {1: i32(kind), 3: i32(OPTIONAL), 4: text(name)}
    return found if length is None else found | {2: i32(length)}


def branch(name: bytes, parts: int) -> Struct:
    """Returns what has columns, or more such, in the schema."""
    return {3: i32(OPTIONAL), 4: text(name), 5: i32(parts)}


@dataclass
class File:
    """A file whose columns come one after the other."""

    body: bytes = b"PAR1"
    schema: list[Struct] = field(default_factory=list)
    chunks: list[Struct] = field(default_factory=list)

    def column(
        self, schema: Struct, pages: bytes, values: int, dictionary: bytes = b"", said: Struct | None = None
    ) -> None:
        """Adds a column; `said` is what its part of the footer says otherwise."""
        about: Struct = {
            1: schema[1], 2: many(5, [PLAIN, 3, DICTIONARY]), 3: many(8, [schema[4][1]]), 4: i32(6), 5: i64(values),
            6: i64(100), 7: i64(len(dictionary + pages)), 9: i64(len(self.body + dictionary)),
        }  # fmt: skip
        if dictionary:
            about[11] = i64(len(self.body))
        self.body += dictionary + pages
        self.schema.append(schema)
        self.chunks.append({2: i64(0), 3: of(about | (said or {}))})

    def constant(self, schema: Struct, values: int, entry: bytes, entries: int = 1) -> None:
        """Adds a column that has the only entry of a dictionary in each row."""
        pages = data_page(b"\1" + runs(values, 0), values, DICTIONARY)
        self.column(schema, pages, values, dictionary_page(entry, entries))

    def whole(self, rows: int, group: int | None = None, footer: Struct | None = None, groups: int = 1) -> bytes:
        """Returns the file; `group` is how many rows the footer counts in a group, `footer` what it says otherwise."""
        part: Struct = {1: many(12, self.chunks), 2: i64(100), 3: i64(rows if group is None else group)}
        root: Struct = {4: text(b"root"), 5: i32(len(self.schema))}
        usual = {1: i32(1), 2: many(12, [root, *self.schema]), 3: i64(rows), 4: many(12, [part] * groups)}
        return closed(self.body, written(usual | (footer or {})))


def closed(body: bytes, footer: bytes, magic: bytes = b"PAR1") -> bytes:
    """Returns a file."""
    return body + footer + len(footer).to_bytes(4, "little") + magic


def numbers(count: int) -> bytes:
    """Returns so many numbers, 0 and 1 in turn, as INT64."""
    return b"".join(struct.pack("<q", i % 2) for i in range(count))


def arrow_schema(depth: int, width: int) -> bytes:
    """Returns an Arrow schema of structs in each other, each of which has the next one as often as `width` says.

    It is a Flatbuffer: tables begin with the way back to their list of places, all other ways lead ahead.
    """
    content = bytearray(4)

    def table(*places: int, size: int) -> int:
        content.extend(struct.pack(f"<{len(places)}H", *places))
        content.extend(struct.pack(f"<i{size}x", 2 * len(places)))
        return len(content) - size - 4

    def link(place: int, target: int) -> None:
        struct.pack_into("<I", content, place, target - place)

    def parts(place: int, count: int) -> list[int]:
        link(place, len(content))
        content.extend(struct.pack("<I", count) + bytes(4 * count))
        return [len(content) - 4 * (count - i) for i in range(count)]

    message = table(10, 12, 4, 6, 8, 0, size=8)
    content[message + 4 : message + 7] = 4, 0, 1  # the version; a schema follows
    link(0, message)
    link(message + 8, len(content) + 8)
    waiting = parts(table(8, 8, 0, 4, size=4) + 4, 1)
    for i in range(depth):
        last = i == depth - 1
        here = table(16, 20, 16, 0, 4, 8, 0, 12, size=16)
        content[here + 4] = 2 if last else 13  # an integer, or a struct
        for place in waiting:
            link(place, here)
        link(here + 8, len(content) + 8)
        kind = table(8, 12, 4, 8, size=8)
        content[kind + 4], content[kind + 8] = 64, 1  # bits, with a sign
        link(here + 16, len(content))
        content.extend(struct.pack("<I4s", 1, b"a"))
        waiting = parts(here + 12, 0 if last else width)
    return base64.b64encode(b"\xff\xff\xff\xff" + len(content).to_bytes(4, "little") + content)


NUMBER, PRICE, WORD = leaf(b"a", INT64), leaf(b"price", DOUBLE), leaf(b"a", BYTE_ARRAY)
FEW, MANY = 10, 1_000_000_000
PAGE = data_page(numbers(FEW), FEW)


def made(
    pages: bytes = PAGE,
    values: int = FEW,
    schema: Struct = NUMBER,
    dictionary: bytes = b"",
    said: Struct | None = None,
    **of_file: Any,
) -> bytes:
    """Returns a file of two columns; `said` is what the footer says otherwise of the first."""
    file = File()
    file.column(schema, pages, values, dictionary, said)
    file.constant(PRICE, FEW, struct.pack("<d", 1.5))
    return file.whole(**{"rows": FEW} | of_file)
