"""Reader of tables: CSV, TSV, Parquet, NDJSON, plain or compressed, one file or many. Imports no TensorFlow."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from mtl_cli.errors import InputError
from mtl_cli.tables.delimited import INDEX, PLAIN, TEXT, Delimited, Dialect, delimited
from mtl_cli.tables.dtypes import LONGEST_NAME, POINTS, Notation, as_numbers, plain, stripped, without
from mtl_cli.tables.files import explaining, files_of, format_of, refuse_unpacked
from mtl_cli.tables.locate_errors import key_twice
from mtl_cli.tables.sources import NO_NAMES, Frame, Source, family_of, join

LOOKED_AT: Final = 10_000
"""Rows of a text file whose cells decide what its columns hold, as long as the others agree."""


def read(path: str | Sequence[str], key: str, dialect: Dialect = PLAIN) -> Source:
    """Returns the rows of a file, of several, or of all that match a glob; see `read_all`."""
    return read_all([(path, key)], dialect)[0]


def read_all(paths: Sequence[tuple[str | Sequence[str], str]], dialect: Dialect = PLAIN) -> list[Source]:
    """Returns tables whose columns have the same types in all of them.

    Args:
        paths: For each table a path, a list of paths or a glob, and the config key it comes from.
        dialect: How the text files among them are written.

    Raises:
        InputError: A file can't be found, read or used, with the line or byte where it is wrong.
    """
    named = [(file, key, i) for i, (path, key) in enumerate(paths) for file in files_of(path, key)]
    resolved = [file.resolve() for file, _, _ in named]
    for (file, key, _), place in zip(named, resolved, strict=True):
        if resolved.count(place) > 1:
            raise InputError(f"{key}: {file} is named twice")
    read = [_read(file, key, dialect) for file, key, _ in named]
    text = {column for each in read for column in each.frame.columns if family_of(each.frame[column]) == "text"}
    for i, (file, key, _) in enumerate(named):  # what is text in one text file is text in all
        frame = read[i].frame
        mixed = [column for column in frame.columns if column in text and family_of(frame[column]) == "number"]
        if mixed and format_of(file, key) != "parquet":
            read[i] = _read(file, key, dialect, mixed)
    sources = []
    for number, _ in enumerate(paths):
        parts = [each for each, (_, _, table) in zip(read, named, strict=True) if table == number]
        first = parts[0]
        for part in parts[1:]:
            odd = sorted(set(part.frame.columns) ^ set(first.frame.columns))
            if odd:
                where = f"{part.name} and {first.name} have different columns"
                raise InputError(f"{first.key}: {where}: only one of them has {odd[0]!r}")
        sources.append(join(parts, first.frame.columns))
    return sources


class Opened(NamedTuple):
    """A file whose columns have usable names.

    Attributes:
        path: The file.
        form: Which of FORMATS it has.
        dialect: How text files are written.
        file: How this one is, if it is one of rows of cells.
    """

    path: Path
    form: str
    dialect: Dialect
    file: Delimited | None

    @property
    def notation(self) -> Notation | None:
        """How numbers may be written in it; None: it has types of its own."""
        return None if self.file is None else self.dialect.notation(self.file.mark)

    def scan(self, types: Mapping[str, Any] | None = None, looked_at: int | None = None) -> Frame:
        """Returns the rows as a LazyFrame.

        Args:
            types: Of columns whose type is known, where the format has none.
            looked_at: How many rows decide on the types of the others; None: all.
        """
        import polars as pl

        if self.form == "parquet":
            return pl.scan_parquet(self.path, glob=False)
        if self.file is None:
            return pl.scan_ndjson(self.path, infer_schema_length=None, schema_overrides=types)
        return pl.scan_csv(
            self.file.source,
            separator=self.file.mark,
            has_header=self.file.header,
            new_columns=list(self.file.names),
            infer_schema_length=looked_at,
            null_values=list(self.dialect.missing),
            schema_overrides=types,
            glob=False,
        )


def check(path: Path, key: str, dialect: Dialect) -> tuple[Opened, int]:
    """Refuses what `read` would, without keeping the rows; returns the file and how many rows there are."""
    import polars as pl

    form = format_of(path, key)
    with explaining(path, key, form, dialect):
        opened = _opened(path, key, form, dialect)
        lazy, file = opened.scan(looked_at=0), opened.file
        rows, gaps = lazy.select(rows=pl.len(), gaps=pl.nth(-1).null_count()).collect().row(0)
        if file is not None and gaps:
            number = "/".join(["row", *file.names])  # is no column's name
            there = pl.any_horizontal(pl.col(*file.names).is_not_null())
            rows = (lazy.with_row_index(number).filter(there).select(pl.col(number).max()).collect().item() or 0) + 1
        _check_rows(path, key, file, rows, gaps)
        return opened, int(rows)


def _read(path: Path, key: str, dialect: Dialect, text: Sequence[str] = ()) -> Source:
    import polars as pl

    form = format_of(path, key)
    with explaining(path, key, form, dialect):
        opened = _opened(path, key, form, dialect)
        file, frame = opened.file, _collected(opened, dict.fromkeys(text, pl.String))
        frame = frame if file is None else _without_empty_end(frame)
        _check_rows(path, key, file, len(frame), frame.width and frame[:, -1].null_count())
    for column in () if file is None else file.trailing:
        if frame[column].null_count() < len(frame):
            raise InputError(f"{key}: {path}, column {frame.columns.index(column) + 1} has no name")
        frame = frame.drop(column)
    notation = POINTS
    if file is not None:
        frame, notation = _understood(opened, file, frame, text)
    numeric = (series for series in frame if series.dtype.is_numeric())
    frame = frame.with_columns(without(series, dialect.missing) for series in numeric)
    whole = pl.DataFrame([plain(series) for series in frame])
    if form == "parquet":
        refuse_unpacked(path, key, whole.estimated_size())  # a long text that stands in many rows is one in the file
    if file is None:
        return Source(whole, [(str(path), 0)], key)
    index = INDEX if file.unnamed else None
    zeros, grouped = _leading_zeros(opened, whole), frozenset[str]()
    if file.mark != "," and dialect.decimal is None and notation.decimal == ".":
        grouped = _grouped(opened, whole)
    return Source(whole, [(str(path), 0)], key, index, notation, zeros, grouped, (file,))


def _understood(opened: Opened, file: Delimited, frame: Frame, text: Sequence[str]) -> tuple[Frame, Notation]:
    """Returns a text file's columns without blanks around cells, and as numbers in the notation that is found."""
    import polars as pl

    dialect = opened.dialect
    if dialect.strip:
        frame = pl.DataFrame([stripped(series, dialect.missing) for series in frame])
    texts = [series for series in frame if series.dtype == pl.String and series.name not in text]
    notation = dialect.notation(file.mark)
    commas = (series for series in texts if series.str.contains(",", literal=True).any())
    if (
        dialect.decimal is None
        and dialect.thousands != "."
        and all(notation.plain(series) is series for series in commas)
    ):
        notation = Notation(thousands=dialect.thousands)
    read = [as_numbers(notation.plain(series)) for series in texts]
    if notation.thousands == ".":  # what polars takes for fractions may be whole numbers in groups
        fractions = [series.name for series in frame if series.dtype.is_float() and series.name not in text]
        raw = opened.scan(looked_at=0).select(fractions).head(len(frame)).collect()
        grouped = [as_numbers(notation.plain(stripped(series, dialect.missing))) for series in raw]
        read += [series for series in grouped if series.dtype.is_integer()]
    return frame.with_columns(series for series in read if series.dtype != pl.String), notation


def _without_empty_end(frame: Frame) -> Frame:
    """Returns a table without the rows at its end that have nothing in any column, as empty lines have."""
    import polars as pl

    if not len(frame) or frame.row(-1) != (None,) * frame.width:
        return frame
    there = frame.select(pl.any_horizontal(pl.all().is_not_null())).to_series()
    return frame[: len(there) - int(there.reverse().arg_max() or 0)] if there.any() else frame[:0]


def _leading_zeros(opened: Opened, frame: Frame) -> frozenset[str]:
    """Returns the columns of whole numbers of which the first rows have some with leading zeros."""
    whole = [series.name for series in frame if series.dtype.is_integer()]
    texts = opened.scan(looked_at=0).select(whole).head(LOOKED_AT).collect()
    return frozenset(series.name for series in texts if series.str.contains(r"^\s*[-+]?0\d").any())


def _grouped(opened: Opened, frame: Frame) -> frozenset[str]:
    """Returns the columns of fractions whose first rows all have three digits behind a point, one or more before it."""
    fractions = [series.name for series in frame if series.dtype.is_float()]
    texts = opened.scan(looked_at=0).select(fractions).head(LOOKED_AT).collect()
    points = (series.filter(series.str.contains(".", literal=True)).unique() for series in texts)
    like = r"^\s*[-+]?[1-9]\d{0,2}(\.\d{3})+\s*$"
    return frozenset(series.name for series in points if len(series) > 1 and series.str.contains(like).all())


def _collected(opened: Opened, types: Mapping[str, Any]) -> Frame:
    """Reads a file whose first rows mostly tell the types; all rows do where these don't.

    (Looking at all of a million rows of 50 columns takes 8 of 10 s.)
    """
    import polars as pl

    if opened.file is None:
        return opened.scan(types).collect()
    try:
        frame = opened.scan(types, LOOKED_AT).collect()
    except pl.exceptions.PolarsError:
        return opened.scan(types).collect()
    blank = [series for series in frame if series.dtype == pl.String and series[:LOOKED_AT].null_count() >= LOOKED_AT]
    if any(series.null_count() < len(series) for series in blank):
        return opened.scan(types).collect()
    return frame


def _opened(path: Path, key: str, form: str, dialect: Dialect) -> Opened:
    """Returns a file; refuses columns without a name or with the same one."""
    file = delimited(path, form, dialect, key) if form in TEXT else None
    opened = Opened(path, form, dialect, file)
    twice_in_a_row = key_twice(path) if form == "ndjson" else None
    if twice_in_a_row is not None:
        raise InputError(f"{key}: {path}, {twice_in_a_row}")
    names = opened.scan().collect_schema().names() if file is None else file.names
    if file is not None:
        if "\0" in "".join(names):
            raise InputError(f"{key}: {path} is UTF-16 or no text at all; if it is, say data.encoding=utf-16-le")
        next(file.rows(), None)  # refuses CR alone at the lines' ends
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        hint = f"; {NO_NAMES}" if file is not None and file.header else ""
        raise InputError(f"{key}: {path} has the column {twice[0]!r} more than once{hint}")
    for number, name in enumerate(names, 1):
        if len(name) > LONGEST_NAME:
            most = f"a name of {len(name)} characters; {LONGEST_NAME} are the most"
            raise InputError(f"{key}: {path}, column {number} has {most}")
        if not name.strip() or _is_selector(name):
            what = "has no name" if not name.strip() else f"can't be used by its name {name!r}; rename it"
            raise InputError(f"{key}: {path}, column {number} {what}")
    return opened


def _is_selector(name: str) -> bool:
    """Returns whether polars takes a column's name for a pattern that names several."""
    return name == "*" or (name.startswith("^") and name.endswith("$"))


def _check_rows(path: Path, key: str, file: Delimited | None, rows: int, gaps: int) -> None:
    """Refuses a table without rows, and lines with fewer fields than the first, which polars would fill up.

    Such a line's last cell is missing, so without `gaps` in the last column there is none.
    """
    import polars as pl

    if not rows:
        raise InputError(f"{key}: {path} has {'a header but ' if file else ''}no rows")
    if file is None or not gaps:
        return
    line = pl.col("line")
    width = len(file.names)
    short = line.str.count_matches(file.mark, literal=True) < pl.lit(width - 1)
    suspects = pl.scan_lines(file.source, name="line", glob=False).filter(
        (short & (line.str.strip_chars() != "")) | line.str.contains('"', literal=True)
    )
    if suspects.head(1).collect().is_empty():
        return
    for number, fields in file.rows():
        if fields and len(fields) < width:
            raise InputError(f"{key}: {path}, line {number} has {len(fields)} fields, and the header has {width}")
