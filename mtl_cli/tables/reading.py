"""Reads the user's tables: CSV, TSV, Parquet, NDJSON, plain or compressed, one file or many. Imports no TensorFlow."""

import codecs
import csv
import glob
import gzip
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

from mtl_cli.errors import InputError, nearest

Frame = Any
"""A polars.DataFrame, or LazyFrame while it is only looked at (polars is imported when a table is read)."""

FORMATS: Final = ("csv", "tsv", "parquet", "ndjson")
_ENDINGS: Final = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".parquet": "parquet", ".pq": "parquet",
    ".ndjson": "ndjson", ".jsonl": "ndjson",
}  # fmt: skip
_COMPRESSED: Final = {".gz", ".zst", ".zstd"}
_BLOCK: Final = 2**20


@dataclass(frozen=True)
class Source:
    """The rows of one file, or of several with the same columns.

    Attributes:
        frame: The rows.
        files: Each file's name and its first row's number in the frame.
        key: The config key that named them.
    """

    frame: Frame
    files: Sequence[tuple[str, int]]
    key: str

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
        for column in columns:
            if column not in self.frame.columns:
                hint = nearest(column, self.frame.columns, "columns")
                raise InputError(f"{key}: {self.name} has no column {column!r}; {hint}")


def read(path: str | Sequence[str], key: str, missing: Sequence[str]) -> Source:
    """Returns the rows of a file, of several, or of all that match a glob.

    Args:
        path: A path, a list of paths, or a glob.
        key: The config key it comes from, for messages.
        missing: Texts that stand for a missing value, besides an empty cell.

    Raises:
        InputError: A file can't be found, read or used, with the line or byte where it is wrong.
    """
    import polars as pl

    frames: list[Frame] = []
    files: list[tuple[str, int]] = []
    rows = 0
    for file in files_of(path, key):
        frame = _read(file, key, missing)
        if frames and set(frame.columns) != set(frames[0].columns):
            odd = sorted(set(frame.columns) ^ set(frames[0].columns))
            raise InputError(f"{key}: {file} and {files[0][0]} have different columns: only one of them has {odd[0]!r}")
        frames.append(frame.select(frames[0].columns) if frames else frame)
        files.append((str(file), rows))
        rows += len(frame)
    try:
        whole = frames[0] if len(frames) == 1 else pl.concat(frames, how="vertical_relaxed")
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{key}: the files' columns have different types: {_reason(error)}") from error
    return Source(whole, files, key)


def join(sources: Sequence[Source], columns: Sequence[str]) -> Source:
    """Returns these columns of several tables, one after the other; a column that a table lacks is missing there."""
    import polars as pl

    frames, files, rows = [], [], 0
    for source in sources:
        present = source.frame.select([c for c in columns if c in source.frame.columns])
        frames.append(present.with_columns([pl.lit(None).alias(c) for c in columns if c not in present.columns]))
        files += [(name, first + rows) for name, first in source.files]
        rows += len(source.frame)
    if len(frames) == 1:
        return Source(frames[0], files, sources[0].key)
    types = [{name: frame[name].dtype for name in columns} for frame in frames]
    for name in columns:
        present = {of[name] for of in types} - {pl.Null()}
        if pl.String() in present and len(present) > 1:
            (other, *_) = present - {pl.String()}
            raise InputError(f"{sources[-1].key}: column {name!r} is text in one table and {other} in another")
    return Source(pl.concat([frame.select(columns) for frame in frames], how="vertical_relaxed"), files, sources[0].key)


def files_of(path: str | Sequence[str], key: str) -> list[Path]:
    """Returns the files that a path, a list of paths or a glob names, all of a format that can be read."""
    files: list[Path] = []
    for name in [path] if isinstance(path, str) else path:
        found = [name]
        if glob.has_magic(name) and not _exists(Path(name), key):
            found = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 (of any path, absolute ones too)
        if not found:
            raise InputError(f"{key}: no file matches {name!r}")
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


def scan(path: Path, key: str, missing: Sequence[str]) -> Frame:
    """Returns a file as a LazyFrame."""
    import polars as pl

    form = format_of(path, key)
    if form == "parquet":
        return pl.scan_parquet(path, glob=False)
    if form == "ndjson":
        return pl.scan_ndjson(path, infer_schema_length=None)
    return pl.scan_csv(
        path,
        separator="\t" if form == "tsv" else ",",
        infer_schema_length=None,
        null_values=list(missing),
        glob=False,
    )


def check(path: Path, key: str, missing: Sequence[str]) -> None:
    """Refuses a text file whose header or rows polars would read as something else, without keeping its rows."""
    import polars as pl

    form = format_of(path, key)
    separator = {"csv": ",", "tsv": "\t"}.get(form)
    with _explaining(path, key, form):
        if separator is not None:
            _check_header(path, key, separator)
        lazy = scan(path, key, missing)
        names = lazy.collect_schema().names()
        rows, gaps = lazy.select(pl.len(), pl.col(names[-1]).null_count().alias("\0gaps")).collect().row(0)
    if not rows:
        raise InputError(f"{key}: {path} has a header but no rows")
    if separator is not None and gaps:
        _check_short_rows(path, key, separator, len(names))


def _read(path: Path, key: str, missing: Sequence[str]) -> Frame:
    form = format_of(path, key)
    separator = {"csv": ",", "tsv": "\t"}.get(form)
    with _explaining(path, key, form):
        if separator is not None:
            _check_header(path, key, separator)
        frame = scan(path, key, missing).collect()
    if frame.is_empty():
        raise InputError(f"{key}: {path} has a header but no rows")
    if separator is not None and frame[:, -1].null_count():
        _check_short_rows(path, key, separator, frame.width)
    return frame


@contextmanager
def _explaining(path: Path, key: str, form: str) -> Iterator[None]:
    """Says where a file is wrong when polars can't read it."""
    import polars as pl

    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        where = _first_fault(path, form)
        raise InputError(f"{key}: {path} can't be read as {form}: {where or _reason(error)}") from error


def _exists(path: Path, key: str) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise InputError(f"{key}: {str(path)[:60]}... can't be looked up: {error.strerror}") from error


def _check_file(path: Path, key: str) -> None:
    if not _exists(path, key):
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


def _check_header(path: Path, key: str, separator: str) -> None:
    """Refuses a header with two columns of one name, which polars would rename, and text that isn't UTF-8."""
    import polars as pl

    with _open(path) as file:
        start = file.read(4)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(f"{key}: {path} is UTF-16 (byte 0 is 0x{start[0]:x}); save it as UTF-8")
    header = pl.read_csv(path, separator=separator, has_header=False, n_rows=1, infer_schema=False, glob=False)
    names = [name or "" for name in header.row(0)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"{key}: {path} has the column {twice[0]!r} more than once")
    if "" in names:
        raise InputError(f"{key}: {path}, column {names.index('') + 1} has no name")


def _check_short_rows(path: Path, key: str, separator: str, width: int) -> None:
    """Refuses a line with fewer fields than the header; polars would fill it with missing values."""
    import polars as pl

    lines = pl.scan_lines(path, name="line", glob=False).with_row_index("number")
    separators = pl.col("line").str.count_matches(separator, literal=True)
    suspects = lines.filter(separators < width - 1, pl.col("line").str.strip_chars() != "").head(1).collect()
    if suspects.is_empty():
        return
    for number, fields in _rows(path, separator):
        if fields and len(fields) < width:
            raise InputError(f"{key}: {path}, line {number} has {len(fields)} fields, and the header has {width}")


def _first_fault(path: Path, form: str) -> str | None:
    """Returns where a text file is wrong: the byte that isn't UTF-8, or the line with too many fields or bad JSON."""
    if form == "parquet":
        return None
    try:
        fault = _bad_byte(path)
        if fault is None and form == "ndjson":
            fault = _bad_json(path)
        elif fault is None:
            fault = _long_row(path, "\t" if form == "tsv" else ",")
    except (OSError, EOFError, csv.Error, UnicodeDecodeError):
        return None
    return fault


def _bad_byte(path: Path) -> str | None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    done, lines = 0, 1
    with _open(path) as file:
        while True:
            block = file.read(_BLOCK)
            waiting = len(decoder.getstate()[0])
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                at = done - waiting + error.start
                byte, line = error.object[error.start], lines + error.object[: error.start].count(b"\n")
                return f"byte {at} (0x{byte:02x}, in line {line}) is not UTF-8; save the file as UTF-8"
            if not block:
                return None
            done, lines = done + len(block), lines + block.count(b"\n")


def _bad_json(path: Path) -> str | None:
    import json

    with _open(path) as file:
        for number, line in enumerate(file, 1):
            try:
                if line.strip() and not isinstance(json.loads(line), dict):
                    return f"line {number} is not a JSON object"
            except ValueError as error:
                return f"line {number} is not JSON: {error}"
    return None


def _long_row(path: Path, separator: str) -> str | None:
    width = None
    for number, fields in _rows(path, separator):
        if width is None:
            width = len(fields)
        elif len(fields) > width:
            return f"line {number} has {len(fields)} fields, and the header has {width}"
    return None


def _rows(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yields each row's line number and its fields."""
    csv.field_size_limit(2**31 - 1)
    with _open(path) as file:
        reader = csv.reader((line.decode("utf-8", "replace") for line in file), delimiter=separator)
        for fields in reader:
            yield reader.line_num, fields


def _open(path: Path) -> IO[bytes]:
    """Opens a file for its bytes, decompressed."""
    suffix = path.suffix.lower()
    if suffix in (".zst", ".zstd"):
        return _zstd(path)
    file: Any = gzip.GzipFile(path) if suffix == ".gz" else path.open("rb")
    return cast(IO[bytes], file)


def _zstd(path: Path) -> IO[bytes]:
    """Python before 3.14 knows no zstd, and polars does: its lines, put together again."""
    import io

    import polars as pl

    text = "\n".join(pl.scan_lines(path, name="line", glob=False).collect()["line"].to_list())
    return io.BytesIO(text.encode())


def _reason(error: BaseException) -> str:
    first = str(error).strip().partition("\n")[0]
    return re.sub(r"\s*Consider setting .*", "", first) or type(error).__name__
