"""
What a program asks for, as a question.

All who can be asked (L{netsvc.dns.asking.Asks}) read it in this one way.
"""

from __future__ import annotations

from typing import Final

from netsvc.dns.errors import TransferRequested
from netsvc.dns.idn import to_wire
from netsvc.dns.result import Question
from netsvc.dns.rrtypes import (
    AXFR,
    IN,
    IXFR,
    TYPES,
    parse_class,
    parse_type,
    type_name,
)

#: Types whose answer is a zone, in as many messages as it takes (RFC 5936, RFC 1995).
TRANSFERS: Final = frozenset({AXFR, IXFR})


def read_question(name: str | bytes, rtype: str | int, rclass: str | int) -> Question:
    """
    Read a question.

    @param name: An absolute name: text of any script, or the wire form.
    @param rtype: The record type, by name or number.
    @param rclass: The class, by name or number.
    @raise TransferRequested: The type asks for a zone.
    @raise InvalidName: There is no such name, type or class.
    """
    # Every lookup comes through here: what is usual is looked at first.
    if isinstance(name, str):
        name = to_wire(name)
    if isinstance(rtype, str):
        rtype = TYPES.get(rtype) or parse_type(rtype)
    if isinstance(rclass, str):
        rclass = IN if rclass == "IN" else parse_class(rclass)
    check_type(rtype)
    made: Question = tuple.__new__(Question, (name, rtype, rclass))
    return made


def check_type(rtype: int) -> None:
    """
    See that a type has one answer.

    @raise TransferRequested: It asks for a zone.
    """
    if rtype in TRANSFERS:
        raise TransferRequested(
            f"{type_name(rtype)} asks for a zone, which is no single answer:"
            " transfer the zone instead"
        )
