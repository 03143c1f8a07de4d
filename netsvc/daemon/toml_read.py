"""
TOML text in, values and their lines out, with more than one syntax error at a time.

L{tomllib} stops at the first error. Where what stands before the line is complete,
that line is left out, and the rest is read.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from typing import Any, Final

from netsvc.daemon.toml_lines import KeyPath, key_lines, last_statement

#: Characters that a text may have.
MAX_TEXT: Final = 256 * 1024

#: Dots in a line: L{tomllib}'s time and memory for a dotted key grow with the square
#: of its length.
MAX_DOTS: Final = 1000

#: Syntax errors that are told at once.
MAX_ERRORS: Final = 10

#: Characters of a text in which more than one error is looked for.
_RESUME_BELOW: Final = 64 * 1024

_PLACE: Final = re.compile(
    r"^(.*) \((?:at line (\d+), column (\d+)|at end of document)\)$"
)
_DIGITS: Final = re.compile(r"[0-9_]{4000}")
_LEFT_OUT: Final = "netsvc: left out, line "
_REPEATED_TABLE: Final = re.compile(r"Cannot declare (\(.*\)) twice")


@dataclass(frozen=True)
class Document:
    """
    What was read.

    @ivar values: The tables and values.
    @ivar lines: The line of each, from 1.
    @ivar errors: Lines that cannot be read, and why.
    """

    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[KeyPath, int] = field(default_factory=dict)
    errors: list[tuple[int, str]] = field(default_factory=list)


def read_toml(text: str) -> Document:
    """Read a text, as far as it can be read."""
    if len(text) > MAX_TEXT:
        problem = f"it has {len(text)} characters, at most {MAX_TEXT} are allowed"
        return Document(errors=[(1, problem)])
    # What ends a line for tomllib, and nothing else.
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if line.count(".") > MAX_DOTS:
            problem = f"the line has more than {MAX_DOTS} dots: break it up"
            return Document(errors=[(number, problem)])
    errors: list[tuple[int, str]] = []
    while True:
        now = "\n".join(lines)
        try:
            values = tomllib.loads(now)
        except (ValueError, RecursionError) as error:
            number, problem = _explain(error, lines)
            errors.append((number, problem))
            more = len(text) < _RESUME_BELOW and len(errors) < MAX_ERRORS
            # Where it is nested too deeply is not known.
            more = more and not isinstance(error, RecursionError)
            if not (more and _leave_out(lines, number)):
                return Document(errors=errors)
            continue
        places = key_lines(now)
        for name in [name for name in values if name.startswith(_LEFT_OUT)]:
            del values[name]
        return Document(values, places, errors)


def _leave_out(lines: list[str], number: int) -> bool:
    """
    Leave out a line, if all before it is complete.

    What follows a broken header goes to a table that nobody looks at.
    """
    line = lines[number - 1]
    if not line.strip():
        return False
    try:
        tomllib.loads("\n".join(lines[: number - 1]))
    except (ValueError, RecursionError):
        return False  # it is the rest of something
    header = line.lstrip().startswith("[")
    lines[number - 1] = f'["{_LEFT_OUT}{number}"]' if header else ""
    return True


def _explain(error: Exception, lines: list[str]) -> tuple[int, str]:
    """Give the line of an error, and what is wrong there."""
    if isinstance(error, RecursionError):
        return 1, "arrays or tables are nested too deeply"
    place = _PLACE.match(str(error))
    if place is None:  # int() refuses numbers of thousands of digits
        number = next((n for n, line in enumerate(lines, 1) if _DIGITS.search(line)), 1)
        return number, "a number has too many digits"
    problem, line, column = place.groups()
    number = int(line) if line else last_statement("\n".join(lines))
    if repeated := _REPEATED_TABLE.fullmatch(problem):
        name = ".".join(re.findall(r"'([^']*)'", repeated[1]))
        return (
            number,
            f"[{name}] is there a second time; several are written [[{name}]]",
        )
    if problem == "Cannot overwrite a value":
        return number, "the key is there a second time"
    at = f"column {column}" if column else "it does not end"
    return number, f"not TOML, {at}: {problem}"
