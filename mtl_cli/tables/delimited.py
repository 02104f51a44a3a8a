"""Delimited text files (CSV and its relatives): encoding, separator and header of one, and its rows."""

import codecs
import csv
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path
from typing import IO, Annotated, Any, Final, Literal

from pydantic import AfterValidator

from mtl_cli.errors import InputError
from mtl_cli.tables.decompression import opened
from mtl_cli.tables.dtypes import LONGEST_NAME, Notation
from mtl_cli.untrusted.escaping import SHOWN

TEXT: Final = {"csv": ",", "tsv": "\t"}
"""The formats, and what usually separates cells."""
SEPARATORS: Final = {"tab": "\t", "whitespace": "\t"}
"""Separators that have a name; a run of blanks is read as one tab."""
REFUSED: Final = "\"'\0\r\n +-."
"""Characters that separate nothing, besides letters and digits."""
FOUND: Final = ";\t|,"
"""Separators that are looked for in a header without the usual one."""
LOOSE: Final = (".txt", ".data")
"""Endings that don't say what separates cells; blanks may."""
LOOKED_AT: Final = 20
"""Lines that decide whether blanks separate cells."""
INDEX: Final = "column_1"
"""The name of a first column that has none."""
LONGEST_LINE: Final = 2**31 - 1
_NUMBER: Final = re.compile(r"\s*[-+]?\d+([.,]\d+)?\s*")
_BLANKS: Final = re.compile(r'"[^"]*"|[ \t]+')


def _check_encoding(name: str) -> str:
    try:
        b"\0\0\0\0".decode(name)  # refuses what isn't for texts
        return codecs.lookup(name).name
    except (LookupError, ValueError):
        raise ValueError(f"an encoding is like utf-8, utf-16, latin-1 or windows-1252, got {name[:SHOWN]!r}") from None


def _check_separator(mark: str) -> str:
    if mark not in SEPARATORS and (len(mark) != 1 or not mark.isascii() or mark.isalnum() or mark in REFUSED):
        raise ValueError(f"one character, tab or whitespace, got {mark[:SHOWN]!r}")
    return {"\t": "tab"}.get(mark, mark)


def _check_header(header: Any) -> Any:
    if header is True or header is False:
        return header
    if (
        not isinstance(header, list | tuple)
        or not header
        or not all(isinstance(n, str) and 0 < len(n) <= LONGEST_NAME for n in header)
    ):
        raise ValueError(f"true, false or a list of names, got {repr(header)[:SHOWN]}")
    return tuple(header)


Encoding = Annotated[str, AfterValidator(_check_encoding)]
Separator = Annotated[str, AfterValidator(_check_separator)]
Header = Annotated[Any, AfterValidator(_check_header)]
"""True, False or a tuple of names."""
Thousands = Literal[",", ".", "'", " "]


@dataclass(frozen=True)
class Dialect:
    """How text files are written; what is None is found out for each file.

    Attributes:
        missing: Texts that stand for a missing value, besides an empty cell.
        encoding: A name that Python knows; None: UTF-8, or UTF-16 where the file begins as such.
        separator: One character, or a word of `SEPARATORS`; None: the format's own, or what the header has instead.
        header: Whether the first row has the columns' names; or the names, where it hasn't.
        decimal: None: a point, or a comma too where none separates cells.
        thousands: What groups digits; None: nothing, or points where commas are decimal marks.
        strip: Whether blanks around a cell are no part of it.
    """

    missing: tuple[str, ...] = ()
    encoding: str | None = None
    separator: str | None = None
    header: bool | tuple[str, ...] = True
    decimal: Literal[".", ","] | None = None
    thousands: str | None = None
    strip: bool = True

    def notation(self, mark: str) -> Notation:
        """Returns how numbers may be written where a mark separates cells."""
        commas = self.thousands == "." or (mark != "," and self.thousands != ",")
        decimal = self.decimal or ("," if commas else ".")
        return Notation(decimal, self.thousands or ("." if decimal == "," else None))


PLAIN: Final = Dialect()


@dataclass(frozen=True)
class Delimited:
    """A text file as it is read.

    Attributes:
        path: The file.
        encoding: What its bytes mean.
        separator: As in `Dialect`, found.
        quoted: Whether whole rows are in quotes.
        source: What polars reads: the file, or where it is something else, its content as plain rows in UTF-8.
        names: The columns' names.
        header: Whether the first row has them.
        unnamed: Whether it has none for the first column, which is called `INDEX` then.
        trailing: Columns at the end that it has none for, as separators at the lines' ends make them.
    """

    path: Path
    encoding: str
    separator: str
    quoted: bool
    source: Path | bytes
    names: tuple[str, ...]
    header: bool
    unnamed: bool
    trailing: tuple[str, ...]

    @property
    def unusual(self) -> bool:
        """Whether something else separates cells than the file's ending says."""
        suffixes = [suffix.lower() for suffix in self.path.suffixes]
        return self.mark != ("\t" if ".tsv" in suffixes or ".tab" in suffixes else ",")

    @property
    def nameless(self) -> bool:
        """Whether what is taken for names looks like a row of values.

        A name is there twice, or a third are numbers that don't count up by 1 as years, or columns without names, do.
        """
        if self.header and len(set(self.names)) < len(self.names):
            return True
        numbers = [float(name.replace(",", ".")) for name in self.names if _NUMBER.fullmatch(name)]
        counted = all(after == before + 1 for before, after in itertools.pairwise(numbers))
        return self.header and len(numbers) >= len(self.names) / 3 and not (counted and len(numbers) > 1)

    @property
    def mark(self) -> str:
        """The character that separates cells in `source`."""
        return SEPARATORS.get(self.separator, self.separator)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yields each row's line number and its fields; see `rows_of`."""
        return rows_of(_bytes_of(self.source), self.mark)


def delimited(path: Path, form: str, dialect: Dialect, key: str = "") -> Delimited:
    """Returns how a file of a form, csv or tsv, is written.

    Raises:
        InputError: Its header isn't as the dialect says.
        ValueError: It isn't text in this encoding, or a row isn't as the first.
    """
    encoding = encoding_of(path, dialect)
    source: Path | bytes = path if encoding == "utf-8" else _text(path, encoding).encode()
    loose = any(suffix.lower() in LOOSE for suffix in path.suffixes[-2:])
    separator = dialect.separator or _separator(source, TEXT[form], loose=loose)
    mark = SEPARATORS.get(separator, separator)
    if dialect.strip and _has_loose_quotes(source, mark):
        source = _tightened(_text(source), mark)
    first = _first(source, mark)
    whole = len(first) == 1 and mark in first[0] and separator != "whitespace"
    if whole or separator == "whitespace":
        source = _unquoted(source, mark) if whole else _single_tabs(_text(source))
        first = _first(source, mark)
    if dialect.separator is not None and len(first) == 1:
        raise InputError(f"{key}: {path} has no {separator!r}, data.separator, in its first line, {first[0][:40]!r}")
    first = [name.strip() for name in first] if dialect.strip else first
    names = first if dialect.header is True else _named(f"{key}: {path}", len(first), dialect.header)
    unnamed = len(names) > 1 and not names[0]
    names = [INDEX, *names[1:]] if unnamed else names
    named = max((i for i, name in enumerate(names, 1) if name), default=len(names))
    trailing = tuple(f"column_{i + 1}" for i in range(named, len(names)))
    return Delimited(
        path, encoding, separator, whole, source, (*names[:named], *trailing), dialect.header is True, unnamed, trailing
    )


def rows_of(file: IO[bytes], mark: str) -> Iterator[tuple[int, list[str]]]:
    """Yields each row's line number and its fields, and closes the file.

    Raises:
        ValueError: A line has several rows, with CR alone between them.
    """
    csv.field_size_limit(LONGEST_LINE)
    with file:
        reader = csv.reader((line.decode("utf-8", "replace") for line in file), delimiter=mark)
        try:
            for fields in reader:
                yield reader.line_num, fields
        except csv.Error as error:
            ends = "has rows that end with CR alone, as on old Macs; save the file with LF or CR LF"
            raise ValueError(f"line {reader.line_num} {ends if 'new-line' in str(error) else error}") from error


def _bytes_of(source: Path | bytes) -> IO[bytes]:
    return BytesIO(source) if isinstance(source, bytes) else opened(source)


def _first(source: Path | bytes, mark: str) -> list[str]:
    first = next((fields for _, fields in rows_of(_bytes_of(source), mark) if fields), [""])
    return [first[0].removeprefix("\ufeff"), *first[1:]]


def encoding_of(path: Path, dialect: Dialect) -> str:
    """Returns what a file's bytes mean."""
    if dialect.encoding is not None:
        return dialect.encoding
    with opened(path) as file:
        return "utf-16" if file.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8"


def _text(source: Path | bytes, encoding: str = "utf-8") -> str:
    with _bytes_of(source) as file:
        content = file.read()
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        byte = f"byte {error.start} (0x{content[error.start]:02x})"
        raise ValueError(f"{byte} is not {encoding}; data.encoding says what it is") from error


def _separator(source: Path | bytes, usual: str, *, loose: bool) -> str:
    """Returns what separates cells: the usual mark, one that the first line has instead, or blanks where they may."""
    _, fields = next(rows_of(_bytes_of(source), usual), (0, []))
    first = fields[0] if len(fields) == 1 else ""
    if loose and len(fields) == 1 and not any(mark in first for mark in ";|,"):
        lines = (line.strip() for line in _lines(source))
        counts = {
            len(_BLANKS.sub(_as_tab, line).split("\t")) for line in itertools.islice(filter(None, lines), LOOKED_AT)
        }
        if len(counts) == 1 and max(counts) > 1 + first.count("\t"):
            return "whitespace"
    return max(FOUND, key=first.count) if any(mark in first for mark in FOUND) else usual


def _lines(source: Path | bytes) -> Iterator[str]:
    with _bytes_of(source) as file:
        for line in file:
            yield line.decode("utf-8", "replace")


def _has_loose_quotes(source: Path | bytes, mark: str) -> bool:
    """Returns whether one of the first two lines has blanks between a separator and a quote."""
    loose = re.compile(re.escape(mark) + ' +"')
    return any(loose.search(line) for line in itertools.islice(_lines(source), 2))


def _tightened(text: str, mark: str) -> bytes:
    """Returns the rows without blanks behind separators."""
    tight = StringIO()
    rows = csv.reader(StringIO(text), delimiter=mark, skipinitialspace=True)
    csv.writer(tight, delimiter=mark, lineterminator="\n").writerows(rows)
    return tight.getvalue().encode()


def _unquoted(source: Path | bytes, mark: str) -> bytes:
    """Returns the rows without the quotes around each."""
    rows = []
    for number, fields in rows_of(_bytes_of(source), mark):
        if len(fields) > 1:
            raise ValueError(f"line {number} isn't in quotes as a whole, and the header is")
        rows += fields
    return "\n".join([*rows, ""]).encode()


def _as_tab(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith('"') else "\t"


def _single_tabs(text: str) -> bytes:
    """Returns the lines that aren't blank, their runs of blanks outside quotes as tabs."""
    plain = [line.strip() for line in text.splitlines() if line.strip()]
    return "\n".join([*(_BLANKS.sub(_as_tab, line) for line in plain), ""]).encode()


def _named(where: str, columns: int, header: bool | tuple[str, ...]) -> list[str]:
    if not isinstance(header, tuple):
        return [f"column_{i + 1}" for i in range(columns)]
    if len(header) != columns:
        raise InputError(f"{where} has {columns} columns, and data.header {len(header)} names")
    return list(header)
