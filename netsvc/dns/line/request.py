"""
What people type: which questions a line asks.

    www.example.com         its addresses
    MX example.com          records of a type; the type may come last, too
    -x 8.8.8.8              whose address it is; so does a bare address
    help, quit
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from netsvc.daemon.targets import is_address
from netsvc.dns import rrtypes
from netsvc.dns.errors import InvalidName
from netsvc.dns.idn import to_wire
from netsvc.dns.names import reverse_name
from netsvc.dns.result import Question

#: Words in a line.
MAX_WORDS: Final = 2

_HELP: Final = frozenset({"help", "?", "/help"})
_QUIT: Final = frozenset({"quit", "exit", "bye", "/quit"})
_TYPE: Final = re.compile("[A-Za-z][A-Za-z0-9-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class LineRequest:
    """
    A line that was understood.

    @ivar name: The name as it is shown.
    @ivar questions: What is asked; all have the same name.
    """

    name: str
    questions: tuple[Question, ...]


class Help(Exception):  # noqa: N818 -- it is no error
    """The line asks what can be typed."""


class Quit(Exception):  # noqa: N818 -- it is no error
    """The line ends the connection."""


def parse_line(line: str) -> LineRequest:
    """
    Read a line that is not empty.

    @raise InvalidName: It is not understood; the text says what is wrong.
    @raise Help: It asks for help.
    @raise Quit: It ends the connection.
    """
    words = line.split()
    first = words[0].lower()
    if len(words) == 1:
        if first in _HELP:
            raise Help
        if first in _QUIT:
            raise Quit
    if first == "-x":
        if len(words) != 2:
            raise InvalidName("-x takes one address: -x 8.8.8.8")
        return _reverse(words[1])
    if len(words) > MAX_WORDS:
        raise InvalidName("type a name, or a type and a name: MX example.com")
    if len(words) == 1:
        name = words[0]
        if is_address(name):
            return _reverse(name)
        types: tuple[int, ...] = (rrtypes.A, rrtypes.AAAA)
    else:
        rtype, name = _type_and_name(words[0], words[1])
        if rtype == rrtypes.PTR and is_address(name):
            return _reverse(name)
        types = (rtype,)
    wire = to_wire(name)
    return LineRequest(name, tuple(Question(wire, rtype) for rtype in types))


def _type_and_name(first: str, second: str) -> tuple[int, str]:
    """Tell a type from a name, in either order."""
    for word, name in ((first, second), (second, first)):
        if _TYPE.fullmatch(word):
            try:
                rtype = rrtypes.parse_type(word)
            except InvalidName:
                continue
            if rtype in _NOT_ASKED:
                raise InvalidName(f"{word.upper()} is not asked for here")
            return rtype, name
    raise InvalidName(f"neither {first!r} nor {second!r} is a type, such as A or MX")


_NOT_ASKED: Final = frozenset(
    {rrtypes.AXFR, rrtypes.IXFR, rrtypes.OPT, rrtypes.TYPES["TSIG"]}
)


def _reverse(address: str) -> LineRequest:
    return LineRequest(address, (Question(reverse_name(address), rrtypes.PTR),))
