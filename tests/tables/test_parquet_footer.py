"""How large a Parquet file is unpacked, whatever it says of itself."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtl_cli.tables.parquet_footer import CELL, VIEW, unpacked_length
from mtl_cli.tables.reader import read

ROWS = 1000
SMALL_CELLS = pl.DataFrame(
    {"flag": [True, False] * (ROWS // 2), "none": [None] * ROWS, "three": [[1, 2, 3]] * ROWS, "text": ["a"] * ROWS},
    schema={"flag": pl.Boolean, "none": pl.Float64, "three": pl.List(pl.Int8), "text": pl.String},
)
COMPRESSIONS: list[Any] = ["zstd", "snappy", "uncompressed", "gzip", "lz4", "brotli"]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_value_counts(tmp_path: Path, compression: Any) -> None:
    """Also where it takes a bit in the file, or nothing; in however many groups of rows."""
    SMALL_CELLS.write_parquet(tmp_path / "t.parquet", compression=compression, row_group_size=300)
    in_lists = 3 * ROWS * (CELL + CELL)  # and where each list ends
    assert unpacked_length(tmp_path / "t.parquet") == pytest.approx(
        CELL * (ROWS + ROWS) + in_lists + VIEW * ROWS, rel=0.002
    )


def test_long_texts_count_as_long_as_they_are(tmp_path: Path) -> None:
    texts = pl.DataFrame({"text": ["x" * 1_000_000, "y" * 2_000_000]})
    texts.write_parquet(tmp_path / "t.parquet", compression="zstd")
    assert (tmp_path / "t.parquet").stat().st_size < 10_000
    assert unpacked_length(tmp_path / "t.parquet") == pytest.approx(3_000_000, rel=0.001)


def columns() -> pl.DataFrame:
    """Returns a column of each type."""
    n = ROWS
    moment, day, gone = datetime(2026, 1, 1), date(2026, 1, 1), pl.Array(pl.Float64, 50)
    made: dict[str, pl.Series] = {
        "int": pl.Series(range(n)),
        "small": pl.Series([i % 100 for i in range(n)], dtype=pl.Int8),
        "unsigned": pl.Series(range(n), dtype=pl.UInt32),
        "float": pl.Series([i / 7 for i in range(n)], dtype=pl.Float32),
        "text": pl.Series([f"a longer text {i}" for i in range(n)]),
        "word": pl.Series(["u", "v"] * (n // 2)),
        "gaps": pl.Series([None, "w"] * (n // 2)),
        "category": pl.Series(["u", "v"] * (n // 2), dtype=pl.Categorical),
        "enum": pl.Series(["u", "v"] * (n // 2), dtype=pl.Enum(["u", "v"])),
        "bytes": pl.Series([b"\0\1"] * n),
        "day": pl.Series([day + timedelta(i) for i in range(n)]),
        "moment": pl.Series([moment + timedelta(seconds=i) for i in range(n)], dtype=pl.Datetime("ns", "UTC")),
        "span": pl.Series([timedelta(seconds=i) for i in range(n)]),
        "hour": pl.Series([moment.time()] * n),
        "decimal": pl.Series([Decimal(i) for i in range(n)], dtype=pl.Decimal(30, 2)),
        "nothing": pl.Series([None] * n),
        "list": pl.Series([[i] * (i % 4) for i in range(n)]),
        "lists": pl.Series([[["a"], []], None] * (n // 2)),
        "array": pl.Series([[1.0, 2.0, 3.0]] * n, dtype=pl.Array(pl.Float64, 3)),
        "gone": pl.Series([None, [1.0] * 50] * (n // 2), dtype=gone),
        "arrays": pl.Series([[[1, 2]] * 3] * n, dtype=pl.List(pl.Array(pl.Int64, 2))),
        "struct": pl.Series([{"a": i, "b": str(i)} for i in range(n)]),
        "parts": pl.Series([dict.fromkeys("abcdefgh")] * n, dtype=pl.Struct(dict.fromkeys("abcdefgh", gone))),
    }
    return pl.DataFrame(made)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(COMPRESSIONS), st.integers(1, 2 * ROWS), st.sampled_from([100, 1000, None]), st.booleans())
def test_what_polars_writes_is_read(
    tmp_path: Path, packed: Any, group: int, page: int | None, statistics: bool
) -> None:
    """A file that says what is so is refused by none of the rules, and takes about what was foreseen."""
    frame, file = columns(), tmp_path / "t.parquet"
    frame.write_parquet(file, compression=packed, row_group_size=group, data_page_size=page, statistics=statistics)
    foreseen = unpacked_length(file)
    assert frame.rechunk().estimated_size() < 1.25 * foreseen < 4 * frame.estimated_size()
    assert read(str(file), "data.path").frame.height == ROWS


def test_an_empty_table_is_read(tmp_path: Path) -> None:
    columns().clear().write_parquet(tmp_path / "t.parquet")
    assert unpacked_length(tmp_path / "t.parquet") < 1000
