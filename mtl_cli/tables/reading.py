"""Reads the user's tables: CSV, TSV, Parquet, NDJSON, plain or compressed, one file or many. Imports no TensorFlow."""

import glob
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from mtl_cli.errors import InputError, nearest
from mtl_cli.paths import blocked
from mtl_cli.tables.cells import LONGEST_NAME, plain, with_points, without_blanks
from mtl_cli.tables.faults import first_fault, rows_of
from mtl_cli.tables.unpacking import UNREADABLE, unpacked_lengths

Frame = Any
"""A polars.DataFrame, or LazyFrame while it is only looked at (polars is imported when a table is read)."""

LOOKED_AT: Final = 10_000
"""Rows of a text file whose cells decide what its columns hold, as long as the others agree."""
MOST_UNPACKED: Final = 200
"""Times its own size that a compressed file may unpack to."""
SMALL: Final = 2**28
"""Bytes that any may unpack to."""
INDEX: Final = "column_1"
"""The name of a first column that has none."""
FORMATS: Final = ("csv", "tsv", "parquet", "ndjson")
_ENDINGS: Final = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".parquet": "parquet", ".pq": "parquet",
    ".ndjson": "ndjson", ".jsonl": "ndjson",
}  # fmt: skip
_COMPRESSED: Final = {".gz", ".zst", ".zstd"}


@dataclass(frozen=True)
class Source:
    """The rows of one file, or of several with the same columns.

    Attributes:
        frame: The rows.
        files: Each file's name and its first row's number in the frame.
        key: The config key that named them.
        index: The first column, where it has no name, as pandas writes an index.
        decimal: The decimal mark of its numbers, where it had to be given.
    """

    frame: Frame
    files: Sequence[tuple[str, int]]
    key: str
    index: str | None = None
    decimal: str | None = None

    @property
    def name(self) -> str:
        """What to call it in a message."""
        first = self.files[0][0]
        return first if len(self.files) == 1 else f"{first} and {len(self.files) - 1} more"

    def place(self, row: int) -> str:
        """Returns where a row stands, counted from 1 below the header, as `homes.csv, row 4`."""
        name, first = next((name, first) for name, first in reversed(self.files) if first <= row)
        return f"{name}, row {row - first + 1}"

    def need(self, columns: Sequence[str], key: str) -> None:
        """Refuses columns that aren't there."""
        known = dict.fromkeys(self.frame.columns)
        for column in columns:
            if column not in known:
                hint = nearest(column, known, "columns")
                raise InputError(f"{key}: {self.name} has no column {column!r}; {hint}")


def read(path: str | Sequence[str], key: str, missing: Sequence[str], decimal: str | None = None) -> Source:
    """Returns the rows of a file, of several, or of all that match a glob; see `read_all`."""
    return read_all([(path, key)], missing, decimal)[0]


def read_all(
    paths: Sequence[tuple[str | Sequence[str], str]], missing: Sequence[str], decimal: str | None = None
) -> list[Source]:
    """Returns tables whose columns have the same types in all of them.

    Args:
        paths: For each table a path, a list of paths or a glob, and the config key it comes from.
        missing: Texts that stand for a missing value, besides an empty cell.
        decimal: The decimal mark of numbers in text files; None: a point, or a comma too where none separates cells.

    Raises:
        InputError: A file can't be found, read or used, with the line or byte where it is wrong.
    """
    named = [(file, key, i) for i, (path, key) in enumerate(paths) for file in files_of(path, key)]
    resolved = [file.resolve() for file, _, _ in named]
    for (file, key, _), place in zip(named, resolved, strict=True):
        if resolved.count(place) > 1:
            raise InputError(f"{key}: {file} is named twice")
    frames = [_read(file, key, missing, decimal) for file, key, _ in named]
    text = {column for frame in frames for column in frame.columns if _family(frame[column]) == "text"}
    for i, (file, key, _) in enumerate(named):  # what is text in one text file is text in all
        mixed = [column for column in frames[i].columns if column in text and _family(frames[i][column]) == "number"]
        if mixed and format_of(file, key) != "parquet":
            frames[i] = _read(file, key, missing, decimal, mixed)
    sources = []
    for number, (_, key) in enumerate(paths):
        parts = [(str(file), frames[i]) for i, (file, _, of) in enumerate(named) if of == number]
        first, columns = parts[0][0], parts[0][1].columns
        for name, frame in parts[1:]:
            odd = sorted(set(frame.columns) ^ set(columns))
            if odd:
                raise InputError(f"{key}: {name} and {first} have different columns: only one of them has {odd[0]!r}")
        index = INDEX if columns[:1] == [INDEX] and _is_unnamed(Path(first), key) else None
        sources.append(join([Source(frame, [(name, 0)], key, index) for name, frame in parts], columns))
    return sources


def join(sources: Sequence[Source], columns: Sequence[str]) -> Source:
    """Returns these columns of several tables, one after the other; a column that a table lacks is missing there.

    Raises:
        InputError: A column has types that don't go together.
    """
    import polars as pl

    files, rows = [], 0
    for source in sources:
        files += [(name, first + rows) for name, first in source.files]
        rows += len(source.frame)
    known = [set(source.frame.columns) for source in sources]
    joined = []
    for column in columns:
        parts = [s.frame[column] if column in names else None for s, names in zip(sources, known, strict=True)]
        given = [(s, part) for s, part in zip(sources, parts, strict=True) if part is not None]
        families = {_family(part): source for source, part in reversed(given)}
        families.pop("nothing", None)
        if len(families) > 1:
            (one, first), (other, second), *_ = families.items()
            where = f"{one} in {first.name} and {other} in {second.name}"
            raise InputError(f"{second.key}: column {column!r} is {where}")
        whole = [
            pl.Series([None] * len(s.frame)) if part is None else part for s, part in zip(sources, parts, strict=True)
        ]
        stacked = pl.concat([part.alias(column).to_frame() for part in whole], how="vertical_relaxed")
        joined.append(stacked.to_series())
    return Source(pl.DataFrame(joined), files, sources[0].key, sources[0].index)


def _family(series: Any) -> str:
    """Returns what a column holds: number, text, date, nothing, or the name of another type."""
    import polars as pl

    if series.dtype.is_numeric() or series.dtype == pl.Boolean:
        return "number"
    names = {pl.String: "text", pl.Date: "date", pl.Datetime: "date", pl.Null: "nothing"}
    return names.get(series.dtype.base_type(), str(series.dtype))


def files_of(path: str | Sequence[str], key: str) -> list[Path]:
    """Returns the files that a path, a list of paths or a glob names, all of a format that can be read."""
    files: list[Path] = []
    if path in ("", []):
        raise InputError(f"{key}: names no file")
    for name in [path] if isinstance(path, str) else path:
        found = [name]
        if glob.has_magic(name) and not _exists(Path(name), key):
            found = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 (of any path, absolute ones too)
        if not found:
            plain = takewhile(lambda part: not glob.has_magic(part), Path(name).parts)
            why = blocked(Path(*plain, "*"))
            raise InputError(f"{key}: no file matches {name!r}" + (f": {why}" if why else ""))
        files += [Path(file) for file in found]
    for file in files:
        _check_file(file, key)
    return files


def format_of(path: Path, key: str) -> str:
    """Returns which of FORMATS a file's name stands for; `.gz` and `.zst` may follow."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    form = _ENDINGS.get(suffixes[-1]) if suffixes else None
    if form is None:
        raise InputError(f"{key}: {path} is none of {', '.join(_ENDINGS)} (.gz and .zst may follow)")
    return form


def scan(
    path: Path, key: str, missing: Sequence[str], types: Mapping[str, Any] | None = None, looked_at: int | None = None
) -> Frame:
    """Returns a file as a LazyFrame.

    Args:
        path: The file.
        key: The config key it comes from.
        missing: Texts that stand for a missing value.
        types: Of columns whose type is known, where the format has none.
        looked_at: How many rows decide on the types of the others; None: all.
    """
    import polars as pl

    form = format_of(path, key)
    if form == "parquet":
        return pl.scan_parquet(path, glob=False)
    if form == "ndjson":
        return pl.scan_ndjson(path, infer_schema_length=None, schema_overrides=types)
    lazy = pl.scan_csv(
        path,
        separator=separator_of(path, form) or ",",
        infer_schema_length=looked_at,
        null_values=list(missing),
        schema_overrides=types,
        glob=False,
    )
    return lazy.rename({"": INDEX}, strict=False)


def separator_of(path: Path, form: str) -> str | None:
    """Returns what separates a text file's cells: the format's own mark, or the one that the header has instead."""
    usual = {"csv": ",", "tsv": "\t"}.get(form)
    if usual is None:
        return None
    _, fields = next(rows_of(path, usual), (0, []))
    first = fields[0] if len(fields) == 1 else ""
    return max(";\t|,", key=first.count) if any(mark in first for mark in ";\t|,") else usual


def check(path: Path, key: str, missing: Sequence[str]) -> None:
    """Refuses what `read` would, without keeping the rows."""
    import polars as pl

    form = format_of(path, key)
    with _explaining(path, key, form):
        separator = _check_header(path, key, form)
        lazy = scan(path, key, missing, looked_at=0)
        last = lazy.collect_schema().names()[-1]
        rows, gaps = lazy.select(pl.len(), pl.nth(-1).null_count().alias(f"{last} ")).collect().row(0)
        _check_rows(path, key, separator, rows, gaps)


def _read(path: Path, key: str, missing: Sequence[str], decimal: str | None, text: Sequence[str] = ()) -> Frame:
    import polars as pl

    form = format_of(path, key)
    with _explaining(path, key, form):
        separator = _check_header(path, key, form)
        frame = _collected(path, key, missing, dict.fromkeys(text, pl.String))
        _check_rows(path, key, separator, len(frame), frame.width and frame[:, -1].null_count())
    columns = list(frame)
    if separator is not None:
        columns = [series if series.name in text else without_blanks(series) for series in columns]
        if decimal == "," or (decimal is None and separator != ","):
            columns = [series if series.name in text else with_points(series) for series in columns]
    whole = pl.DataFrame([plain(series) for series in columns])
    if form == "parquet":
        refuse_unpacked(path, key, whole.estimated_size())  # a long text that stands in many rows is one in the file
    return whole


def _collected(path: Path, key: str, missing: Sequence[str], types: Mapping[str, Any]) -> Frame:
    """Reads a file whose first rows mostly tell the types; all rows do where these don't.

    (Looking at all of a million rows of 50 columns takes 8 of 10 s.)
    """
    import polars as pl

    try:
        frame = scan(path, key, missing, types, LOOKED_AT).collect()
    except pl.exceptions.PolarsError:
        return scan(path, key, missing, types).collect()
    blank = [series for series in frame if series.dtype == pl.String and series[:LOOKED_AT].null_count() >= LOOKED_AT]
    if any(series.null_count() < len(series) for series in blank):
        return scan(path, key, missing, types).collect()
    return frame


@contextmanager
def _explaining(path: Path, key: str, form: str) -> Iterator[None]:
    """Says where a file is wrong when polars can't read it."""
    import polars as pl

    try:
        yield
    except (*UNREADABLE, ValueError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        where = first_fault(path, form, _separator_if_known(path, form))
        raise InputError(f"{key}: {path} can't be read as {form}: {where or _reason(error)}") from error


def _separator_if_known(path: Path, form: str) -> str:
    import polars as pl

    usual = "\t" if form == "tsv" else ","
    with suppress(*UNREADABLE, ValueError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return separator_of(path, form) or usual
    return usual


def _exists(path: Path, key: str) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise InputError(f"{key}: {str(path)[:60]}... can't be looked up: {error.strerror}") from error


def _check_file(path: Path, key: str) -> None:
    if not _exists(path, key):
        why = blocked(path)
        if why:
            raise InputError(f"{key}: there is no file {path}: {why}")
        names = [other.name for other in path.parent.glob("*") if other.suffix.lower() in {*_ENDINGS, *_COMPRESSED}]
        raise InputError(
            f"{key}: there is no file {path}" + (f"; {nearest(path.name, names, 'files')}" if names else "")
        )
    if path.is_dir():
        raise InputError(f"{key}: {path} is a directory; name a file, or all of them as '{path}/*.csv'")
    if not path.is_file():
        raise InputError(f"{key}: {path} is not a file")
    format_of(path, key)
    if path.stat().st_size == 0:
        raise InputError(f"{key}: {path} is empty")
    _refuse_bomb(path, key, format_of(path, key))


def _refuse_bomb(path: Path, key: str, form: str) -> None:
    """Refuses a file that unpacks to far more than a table does, or that doesn't say."""
    unpacked = 0
    with _explaining(path, key, form):
        for length in unpacked_lengths(path, form):
            unpacked += length
            refuse_unpacked(path, key, unpacked)


def refuse_unpacked(path: Path, key: str, size: float) -> None:
    """Refuses a file of which so many bytes were unpacked."""
    if size > max(SMALL, MOST_UNPACKED * path.stat().st_size):
        raise InputError(
            f"{key}: {path} unpacks to more than {MOST_UNPACKED} times its size, and more than "
            f"{SMALL >> 20} MiB; save it as plain CSV"
        )


def _check_header(path: Path, key: str, form: str) -> str | None:
    """Refuses columns without a name or with the same one, and text that isn't UTF-8; returns what separates cells."""
    import polars as pl

    separator = separator_of(path, form)
    if separator is None:
        names = scan(path, key, []).collect_schema().names()
    else:
        header = pl.read_csv(path, separator=separator, has_header=False, n_rows=1, infer_schema=False, glob=False)
        names = [name or "" for name in header.row(0)]
        names = [INDEX, *names[1:]] if names[0] == "" and len(names) > 1 else names
        if "\0" in "".join(names):
            raise InputError(f"{key}: {path} is UTF-16 or no text at all; save it as UTF-8")
        next(rows_of(path, separator), None)  # refuses CR alone at the lines' ends
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"{key}: {path} has the column {twice[0]!r} more than once")
    for number, name in enumerate(names, 1):
        if len(name) > LONGEST_NAME:
            most = f"a name of {len(name)} characters; {LONGEST_NAME} are the most"
            raise InputError(f"{key}: {path}, column {number} has {most}")
        if not name.strip() or name == "*" or (name.startswith("^") and name.endswith("$")):
            what = "has no name" if not name.strip() else f"can't be used by its name {name!r}; rename it"
            raise InputError(f"{key}: {path}, column {number} {what}")
    return separator


def _check_rows(path: Path, key: str, separator: str | None, rows: int, gaps: int) -> None:
    """Refuses a table without rows, and lines with fewer fields than the header, which polars would fill up.

    Such a line's last cell is missing, so without `gaps` in the last column there is none.
    """
    import polars as pl

    if not rows:
        raise InputError(f"{key}: {path} has {'a header but ' if separator else ''}no rows")
    if separator is None or not gaps:
        return
    line = pl.col("line")
    width: int | None = None
    short = line.str.count_matches(separator, literal=True) < pl.lit(_width(path, separator) - 1)
    suspects = pl.scan_lines(path, name="line", glob=False).filter(
        (short & (line.str.strip_chars() != "")) | line.str.contains('"', literal=True)
    )
    if suspects.head(1).collect().is_empty():
        return
    for number, fields in rows_of(path, separator):
        width = width or len(fields)
        if fields and len(fields) < width:
            raise InputError(f"{key}: {path}, line {number} has {len(fields)} fields, and the header has {width}")


def _is_unnamed(path: Path, key: str) -> bool:
    """Tells whether a text file's first column has no name."""
    import polars as pl

    separator = separator_of(path, format_of(path, key))
    if separator is None:
        return False
    header = pl.read_csv(path, separator=separator, has_header=False, n_rows=1, infer_schema=False, glob=False)
    return not header.row(0)[0]


def _width(path: Path, separator: str) -> int:
    import polars as pl

    return pl.read_csv(path, separator=separator, has_header=False, n_rows=1, infer_schema=False, glob=False).width


def _reason(error: BaseException) -> str:
    first = str(error).strip().partition("\n")[0]
    return re.sub(r"\s*Consider setting .*", "", first) or type(error).__name__
