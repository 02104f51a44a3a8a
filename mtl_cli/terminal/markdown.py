"""A text with tables, for a Markdown file and for the terminal."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mtl_cli.untrusted.escaping import printable

_GAP: Final = 3
"""Blanks between two columns of a table on the terminal."""


@dataclass(frozen=True)
class Heading:
    """Begins a part."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Says something."""

    text: str


@dataclass(frozen=True)
class CodeBlock:
    """What can be typed."""

    text: str


@dataclass(frozen=True)
class Grid:
    """A table."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    names: int
    """The first columns that tell what a row is about: they are to the left, and repeated where a table is split."""
    shown: Sequence[int] | None = None
    """The rows that are shown on a terminal, where there are too many; the file has all."""


Block = Heading | Paragraph | CodeBlock | Grid


def markdown(blocks: Sequence[Block]) -> str:
    r"""Returns the text of a Markdown file.

    >>> print(markdown([Heading("Means"), Grid(["a|b", "n"], [["x", "3"]], names=1)]), end="")
    ## Means
    <BLANKLINE>
    | a\|b | n |
    |---|---:|
    | x | 3 |
    """
    return "\n\n".join(map(_markdown, blocks)) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(text):
            return f"## {_escaped(text)}"
        case Paragraph(text):
            return _escaped(text)
        case CodeBlock(text):
            return f"```bash\n{printable(text)}\n```"
        case Grid(headings, rows, names):
            rule = "|" + "---|" * names + "---:|" * (len(headings) - names)
            lines = [_line(headings), rule, *map(_line, rows)]
            return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(_escaped, cells)) + " |"


def _escaped(text: str) -> str:
    escaped = "".join(f"\\{letter}" if letter in "\\|*`<" else letter for letter in printable(text))
    return escaped.replace("](", "]\\(")  # no link


def show(blocks: Sequence[Block], console: Console, file: str = "") -> None:
    """Prints the text, every table in as many pieces as the width takes; `file` has the rows that are left out."""
    for block in blocks:
        match block:
            case Heading(text):
                console.print()
                console.print(Text(printable(text), style="bold"))
            case Paragraph(text):
                console.print(Text(printable(text)))
            case CodeBlock(text):
                console.print(Text(f"  {printable(text)}"), soft_wrap=True)
            case Grid():
                for columns in _pieces(block, console.width):
                    console.print(_table(block, columns))
                if block.shown is not None and len(block.shown) < len(block.rows):
                    console.print(
                        Text(f"and {len(block.rows) - len(block.shown):,} more" + f", in {file}" * bool(file))
                    )


def _table(grid: Grid, columns: Sequence[int]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for i in columns:
        table.add_column(
            Text(printable(grid.headings[i])), justify="left" if i < grid.names else "right", overflow="fold"
        )
    for row in _shown(grid):
        table.add_row(*(Text(printable(row[i])) for i in columns))
    return table


def _shown(grid: Grid) -> Sequence[Sequence[str]]:
    return grid.rows if grid.shown is None else [grid.rows[i] for i in grid.shown]


def _pieces(grid: Grid, width: int) -> Iterator[list[int]]:
    """Yields the columns of each piece: those that name the row, and as many of the others as fit, at least one."""
    widths = [
        _GAP + max(len(printable(cell)) for cell in [heading, *(row[i] for row in _shown(grid))])
        for i, heading in enumerate(grid.headings)
    ]
    names = list(range(grid.names))
    taken: list[int] = []
    for i in range(grid.names, len(widths)):
        if taken and sum(widths[k] for k in [*names, *taken, i]) > width:
            yield names + taken
            taken = []
        taken.append(i)
    yield names + taken
