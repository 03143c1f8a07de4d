"""
Lines with colours, whether they are shown or not.

A line is made of spans. What is not fit for a terminal is escaped when a span is made,
and columns are aligned by how wide characters are: Korean ones are two cells.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from netsvc.daemon.escape import escape


class Span(NamedTuple):
    """
    Text of one style.

    @ivar text: Fit for a terminal; see L{span}.
    @ivar style: As rich names it; empty for none.
    """

    text: str
    style: str = ""


Line = tuple[Span, ...]

# The styles.
NAME = "bold"
TTL = "cyan"
TYPE = "magenta"
DATA = "green"
NOTE = "dim"
GOOD = "green"
DOUBT = "yellow"
BAD = "red"


def span(text: str, style: str = "") -> Span:
    """Make a span of any text."""
    return Span(escape(text), style)


def plain(line: Line) -> str:
    """Give the text of a line."""
    return "".join(piece.text for piece in line).rstrip()


def width(text: str) -> int:
    """Give how many cells of a terminal a text takes (UAX #11)."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def align(rows: Iterable[Sequence[Span]], gap: int = 2) -> list[Line]:
    """
    Put cells of rows below each other; the last cell of a row is not filled up.

    @param gap: Blanks between columns.
    """
    cells = [tuple(row) for row in rows]
    columns = max(map(len, cells), default=0)
    # A column is as wide as its widest cell after which another one stands.
    widths = [
        max(
            (width(row[index].text) for row in cells if len(row) > index + 1), default=0
        )
        for index in range(columns)
    ]
    return [_padded(row, widths, gap) for row in cells]


def _padded(row: Line, widths: Sequence[int], gap: int) -> Line:
    line: list[Span] = []
    for index, cell in enumerate(row):
        line.append(cell)
        if index + 1 < len(row):
            line.append(Span(" " * (widths[index] - width(cell.text) + gap)))
    return tuple(line)
