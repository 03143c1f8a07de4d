"""
What a lookup gives, and what it is made of.

All of it is immutable. L{Record}, L{Message} and L{Result} are named tuples, for
one of each is made for every answer, and a tuple is made quickest.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from netsvc.dns import codes, rrtypes
from netsvc.dns.names import to_text
from netsvc.dns.rdata import common_text, generic_text, ipv4_text, ipv6_text

if TYPE_CHECKING:
    from netsvc.dns.errors import ServerError
    from netsvc.dns.servers import Server


class Question(NamedTuple):
    """
    What is asked.

    @ivar name: The name in wire form (see L{netsvc.dns.names}).
    @ivar rtype: The record type.
    @ivar rclass: The class.
    """

    name: bytes
    rtype: int
    rclass: int = rrtypes.IN

    def __str__(self) -> str:
        """Write it for people."""
        kind = rrtypes.type_name(self.rtype)
        if self.rclass != rrtypes.IN:
            kind = f"{rrtypes.class_name(self.rclass)} {kind}"
        return f"{to_text(self.name)} {kind}"


class Record(NamedTuple):
    """
    One resource record (RFC 1035 section 3.2.1).

    @ivar owner: Its owner's name in wire form.
    @ivar rtype: Its type.
    @ivar rclass: Its class.
    @ivar ttl: Seconds, as they stand in the message: 0 to 2**32 - 1.
    @ivar rdata: Its data; names in it are uncompressed.
    """

    owner: bytes
    rtype: int
    rclass: int
    ttl: int
    rdata: bytes

    @property
    def name(self) -> str:
        """The owner's name as text."""
        return to_text(self.owner)

    @property
    def common_text(self) -> str:
        """
        The data as in a zone file; of a rare type in RFC 3597's form.

        See L{netsvc.dns.text} for one that knows the rare types, too.
        """
        text = common_text(self.rtype, self.rdata)
        return generic_text(self.rdata) if text is None else text


class Edns(NamedTuple):
    """
    The OPT record of a message (RFC 6891).

    @ivar extended_rcode: The upper eight bits of the response code.
    @ivar version: The version that the sender knows.
    @ivar dnssec: Its DO bit.
    @ivar payload: How many bytes of UDP payload it takes.
    @ivar options: Codes and values.
    """

    extended_rcode: int
    version: int
    dnssec: bool
    payload: int
    options: tuple[tuple[int, bytes], ...]

    def option(self, code: int) -> bytes | None:
        """Give the value of the first option with a code."""
        for each, value in self.options:
            if each == code:
                return value
        return None


class Message(NamedTuple):
    """
    A message as it was read.

    @ivar ident: Its id.
    @ivar flags: The second word of its header.
    @ivar rcode: Its response code, with EDNS's upper bits.
    @ivar question: Its question, if it has one.
    @ivar answer: The answer section.
    @ivar authority: The authority section.
    @ivar additional: The additional section without OPT.
    @ivar edns: Its OPT record.
    @ivar size: Its length in bytes.
    @ivar trailing: How many of these come after its end.
    """

    ident: int
    flags: int
    rcode: int
    question: Question | None
    answer: tuple[Record, ...]
    authority: tuple[Record, ...]
    additional: tuple[Record, ...]
    edns: Edns | None
    size: int
    trailing: int = 0


class Security(Enum):
    """What DNSSEC says of an answer (RFC 4035 section 4.3)."""

    UNCHECKED = "unchecked"
    SECURE = "secure"
    INSECURE = "insecure"
    BOGUS = "bogus"
    INDETERMINATE = "indeterminate"


class ExtendedError(NamedTuple):
    """
    An extended error (RFC 8914).

    @ivar code: Its number.
    @ivar text: What the server adds; text of a stranger, not escaped.
    """

    code: int
    text: str = ""

    @property
    def name(self) -> str:
        """The name of its number."""
        return codes.ede_name(self.code)


class Result(NamedTuple):
    """
    An answer, positive or negative.

    @ivar question: What was asked.
    @ivar rcode: The response code: NOERROR, NXDOMAIN or YXDOMAIN.
    @ivar records: The records on the chain of aliases from the name asked for,
        aliases first; with DNSSEC the signatures of each RRset after it. Nothing
        else that the server may have put into the answer section.
    @ivar authority: The authority section.
    @ivar additional: The additional section without OPT. Not to be trusted.
    @ivar flags: The header's second word.
    @ivar edns: The OPT record.
    @ivar server: Who has answered; L{None} for the hosts file.
    @ivar transport: C{"udp"}, C{"tcp"}, C{"tls"}, C{"https"}, C{"cache"},
        C{"hosts"}.
    @ivar rtt: Seconds from the query to the reply.
    @ivar size: Bytes of the reply.
    @ivar errors: What other servers, or this one before, have done.
    @ivar security: What DNSSEC says.
    @ivar reasons: Why it says so, as extended errors of our own finding.
    @ivar age: Seconds that it has been in a cache.
    @ivar stale: Whether its time to live is over (RFC 8767).
    @ivar wire: The reply as it came.
    """

    question: Question
    rcode: int
    records: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    flags: int = 0
    edns: Edns | None = None
    server: Server | None = None
    transport: str = ""
    rtt: float = 0.0
    size: int = 0
    errors: tuple[ServerError, ...] = ()
    security: Security = Security.UNCHECKED
    reasons: tuple[ExtendedError, ...] = ()
    age: float = 0.0
    stale: bool = False
    wire: bytes = b""

    @property
    def is_authenticated(self) -> bool:
        """Whether the server says that it has validated the answer (AD)."""
        return bool(self.flags & codes.AD)

    @property
    def is_authoritative(self) -> bool:
        """Whether the server answers for its own zone (AA)."""
        return bool(self.flags & codes.AA)

    @property
    def exists(self) -> bool:
        """Whether there is a record of the type asked for."""
        return bool(self.answers)

    @property
    def answers(self) -> tuple[Record, ...]:
        """The records of the type asked for, without aliases and signatures."""
        wanted = self.question.rtype
        if wanted == rrtypes.ANY:
            return self.records
        return tuple(record for record in self.records if record[1] == wanted)

    @property
    def canonical(self) -> bytes:
        """The name at the end of the chain of aliases, in wire form."""
        name = self.question.name
        for record in self.records:
            if record[1] == rrtypes.CNAME:
                name = record[4]
        return name

    @property
    def addresses(self) -> tuple[str, ...]:
        """The IPv4 and IPv6 addresses among the records."""
        return tuple(
            [
                ipv4_text(record[4]) if record[1] == rrtypes.A else ipv6_text(record[4])
                for record in self.records
                if record[1] == rrtypes.A or record[1] == rrtypes.AAAA
            ]
        )

    @property
    def extended_errors(self) -> tuple[ExtendedError, ...]:
        """The extended errors that the server has sent (RFC 8914)."""
        if self.edns is None:
            return ()
        return tuple(
            ExtendedError(
                int.from_bytes(value[:2], "big"),
                value[2:].decode("utf-8", "replace").rstrip("\0"),
            )
            for code, value in self.edns.options
            if code == codes.EDE and len(value) >= 2
        )

    @property
    def nsid(self) -> bytes | None:
        """What the server says that it is (RFC 5001)."""
        return self.edns.option(codes.NSID) if self.edns else None
