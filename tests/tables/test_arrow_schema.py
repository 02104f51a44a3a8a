"""What arrays in a Parquet file's columns take, by its Arrow schema."""

import base64
from typing import NamedTuple

import pytest
from flatbuffers import Builder

from mtl_cli.tables.arrow_schema import DEEPEST, Array, arrays_of
from tests.support.parquet import arrow_schema

INT, UTF8, LIST, STRUCT, BINARY, FIXED, MAP, LARGE_LIST, LIST_VIEW, LARGE_LIST_VIEW = (
    2,
    5,
    12,
    13,
    15,
    16,
    17,
    21,
    25,
    26,
)
"""Apache Arrow's numbers of types, as its `Schema.fbs` has them."""


class Field(NamedTuple):
    """A column or a part of one; `width` is the length of its arrays."""

    type: int
    parts: tuple["Field", ...] = ()
    width: int = 0


NUMBER = Field(INT)


def array(width: int, *parts: Field) -> Field:
    return Field(FIXED, parts, width)


def struct(*parts: Field) -> Field:
    return Field(STRUCT, parts)


def schema_of(*columns: Field) -> bytes:
    """Returns the schema that Flatbuffers' own library makes, which TensorFlow brings."""
    builder = Builder()

    def vector(fields: tuple[Field, ...]) -> int:
        made = [table(field) for field in fields]
        builder.StartVector(4, len(made), 4)
        for each in reversed(made):
            builder.PrependUOffsetTRelative(each)
        return int(builder.EndVector())

    def table(field: Field) -> int:
        name, parts, about = builder.CreateString("a"), vector(field.parts) if field.parts else 0, 0
        if field.width:
            builder.StartObject(1)
            builder.PrependInt32Slot(0, field.width, 0)
            about = builder.EndObject()
        builder.StartObject(7)
        builder.PrependUint8Slot(2, field.type, 0)
        builder.PrependUOffsetTRelativeSlot(0, name, 0)
        builder.PrependUOffsetTRelativeSlot(3, about, 0)
        builder.PrependUOffsetTRelativeSlot(5, parts, 0)
        return int(builder.EndObject())

    fields = vector(columns)
    builder.StartObject(4)
    builder.PrependUOffsetTRelativeSlot(1, fields, 0)
    schema = builder.EndObject()
    builder.StartObject(5)
    builder.PrependUint8Slot(1, 1, 0)
    builder.PrependUOffsetTRelativeSlot(2, schema, 0)
    builder.Finish(builder.EndObject())
    return base64.b64encode(bytes(builder.Output()))


@pytest.mark.parametrize(
    ("columns", "arrays"),
    [
        ([NUMBER, Field(UTF8), Field(LIST, (NUMBER,)), struct(NUMBER)], []),
        ([array(10, NUMBER)], [(10 * 8, False)]),
        ([array(10, NUMBER), NUMBER, array(3, NUMBER)], [(10 * 8, False), (3 * 8, False)]),
        ([array(5, array(10, NUMBER))], [(5 * 10 * 8, False)]),
        ([Field(BINARY, (), 10)], [(10, False)]),
        ([array(5, Field(BINARY, (), 10))], [(5 * 10, False)]),
        ([struct(array(10, NUMBER), array(7, NUMBER), NUMBER)], [((10 + 7 + 1) * 8, False)]),
        ([array(5, struct(NUMBER, NUMBER))], [(5 * 2 * 8, False)]),
        ([Field(MAP, (struct(NUMBER, array(10, NUMBER)),))], [((1 + 10) * 8, True)]),
        ([struct(Field(LIST, (array(10, NUMBER),)), NUMBER)], [((10 + 1) * 8, True)]),
        *(([Field(type_, (array(10, NUMBER),))], [(10 * 8, True)]) for type_ in (LIST, LARGE_LIST, LIST_VIEW)),
        *(([array(10, Field(type_, (NUMBER,)))], [(10 * 8, True)]) for type_ in (MAP, LARGE_LIST_VIEW)),
    ],
)
def test_bytes_of_arrays(columns: list[Field], arrays: list[tuple[int, bool]]) -> None:
    """Eight for each number, whether the array is there or not; what has several parts has them all."""
    assert arrays_of(schema_of(*columns)) == [Array(*each) for each in arrays]


def test_columns_as_deep_as_they_may_be() -> None:
    assert arrays_of(arrow_schema(DEEPEST, 1)) == []
    with pytest.raises(ValueError, match=f"or {DEEPEST} levels"):
        arrays_of(arrow_schema(DEEPEST + 1, 1))
