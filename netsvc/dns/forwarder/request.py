"""
Queries as they come in: read, and refused where RFC 8906 says how.

What a client may send is anything at all. What is no query is dropped in silence, for
an answer to an answer makes loops; what is one that cannot be understood gets the
response code that says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from netsvc.dns import rrtypes
from netsvc.dns.codes import (
    BADVERS,
    CD,
    COOKIE,
    FORMERR,
    NOERROR,
    NOTIMP,
    OPCODE,
    PADDING,
    QR,
    RCODE,
    RD,
    REFUSED,
)
from netsvc.dns.errors import FormatError
from netsvc.dns.forwarder.cookies import well_formed
from netsvc.dns.result import Edns, Message, Question
from netsvc.dns.wire import HEADER, parse

#: Bytes of the longest reply over UDP to a client without EDNS (RFC 1035 section
#: 4.2.1), and the least that one with EDNS can ask for (RFC 6891 section 6.2.3).
PLAIN_LIMIT: Final = 512

#: Bytes of the longest query that is read. Longer ones have no honest use.
MAX_QUERY: Final = 4096

_TSIG: Final = rrtypes.TYPES["TSIG"]
_TRANSFERS: Final = frozenset({rrtypes.AXFR, rrtypes.IXFR})
#: Types that are no data: OPT, TKEY, TSIG, MAILB, MAILA.
_META: Final = frozenset(
    {rrtypes.OPT, *(rrtypes.TYPES[name] for name in ("TKEY", "TSIG", "MAILB", "MAILA"))}
)


@dataclass(slots=True)
class Request:
    """
    A query that has been read.

    @ivar data: Its bytes.
    @ivar end: Where its question ends; where its header does if it has none.
    @ivar question: Its question, if it can be answered.
    @ivar edns: Its OPT record, if there is one.
    @ivar refusal: The response code with which it is answered at once; L{None} if
        it is to be answered.
    """

    data: bytes
    end: int = HEADER
    question: Question | None = None
    edns: Edns | None = None
    refusal: int | None = None

    @property
    def dnssec(self) -> bool:
        """Whether it has DO."""
        return self.edns is not None and self.edns.dnssec

    @property
    def recursion(self) -> bool:
        """Whether it has RD."""
        return bool(self.data[2] & RD >> 8)

    @property
    def checking_disabled(self) -> bool:
        """Whether it has CD."""
        return bool(self.data[3] & CD)

    @property
    def payload(self) -> int:
        """How long a reply over UDP the client takes."""
        if self.edns is None:
            return PLAIN_LIMIT
        return max(PLAIN_LIMIT, self.edns.payload)

    @property
    def cookie(self) -> bytes | None:
        """Its COOKIE option."""
        return None if self.edns is None else self.edns.option(COOKIE)

    @property
    def is_padded(self) -> bool:
        """Whether it has a PADDING option (RFC 7830)."""
        return self.edns is not None and self.edns.option(PADDING) is not None

    @property
    def tail(self) -> bytes | None:
        """
        What follows its question, after the number of its additional records, if that
        says all there is to know of a client: nothing, or an OPT record without
        options.
        """
        if self.edns is not None and (self.edns.options or self.edns.version):
            return None
        tail = self.data[self.end :]
        expected = 0 if self.edns is None else 11
        return self.data[10:12] + tail if len(tail) == expected else None


def read(data: bytes) -> Request | None:
    """
    Read a query.

    @return: L{None} if it is none, and is to be dropped.
    """
    if len(data) < HEADER:
        return None
    flags = int.from_bytes(data[2:4], "big")
    if flags & QR:
        return None
    if flags & OPCODE:
        # What else the message holds is not known (RFC 8906 section 3.1.4).
        return Request(data, refusal=NOTIMP)
    if len(data) > MAX_QUERY:
        return Request(data, refusal=FORMERR)
    try:
        message = parse(data)
    except FormatError:
        return Request(data, refusal=FORMERR)
    question = message.question
    request = Request(data, edns=message.edns)
    if question is not None:
        # Nothing stands before its name that a compression pointer could name.
        request.end = HEADER + len(question.name) + 4
        request.question = question
    request.refusal = _refusal(request, question, message)
    return request


def _refusal(
    request: Request, question: Question | None, message: Message
) -> int | None:
    """Choose the response code for a query that is not to be answered."""
    if message.edns is not None and message.edns.version:
        return BADVERS
    cookie = request.cookie
    if message.answer or (cookie is not None and not well_formed(cookie)):
        return FORMERR
    if question is None:
        # It may ask for nothing but a cookie (RFC 7873 section 5.4).
        return FORMERR if cookie is None else NOERROR
    if question.rtype in _TRANSFERS or question.rclass != rrtypes.IN:
        return REFUSED
    if question.rtype in _META:
        return NOTIMP
    if any(record.rtype == _TSIG for record in message.additional):
        return RCODE["NOTAUTH"]  # we have no key (RFC 8945 section 5.2.1)
    return None
