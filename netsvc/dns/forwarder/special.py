"""
Names that are never asked upstream: special-use names and private reverse zones.

C{localhost} has its addresses here (RFC 6761 section 6.3); of the others it is said at
once that they do not exist, as the RFCs ask of a caching server: the questions about
them mean something in one network only, and would tell strangers about it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from netsvc.dns import rrtypes
from netsvc.dns.codes import NOERROR, NXDOMAIN
from netsvc.dns.names import from_text, is_within, parent
from netsvc.dns.result import Question, Record

#: Seconds for which an answer may be kept (RFC 6303 section 3).
TTL: Final = 10_800

_LOCALHOST: Final = from_text("localhost")
_LOOPBACK: Final = {
    rrtypes.A: bytes((127, 0, 0, 1)),
    rrtypes.AAAA: bytes(15) + b"\1",
}
_REVERSE_LOOPBACK: Final = frozenset(
    {
        from_text("1.0.0.127.in-addr.arpa"),
        from_text("1." + "0." * 31 + "ip6.arpa"),
    }
)

#: The zones, and where it says that they are not to be asked for.
ZONES: Final = {
    "localhost": "RFC 6761",
    "invalid": "RFC 6761",
    "test": "RFC 6761",
    "onion": "RFC 7686",
    "local": "RFC 6762",
    "alt": "RFC 9476",
    "home.arpa": "RFC 8375",
    "resolver.arpa": "RFC 9462",
    "service.arpa": "RFC 9665",
    **{
        f"{prefix}.in-addr.arpa": "RFC 6303"
        for prefix in (
            "0",
            "10",
            "127",
            "254.169",
            "168.192",
            *(f"{number}.172" for number in range(16, 32)),
            "2.0.192",
            "100.51.198",
            "113.0.203",
            "255.255.255.255",
        )
    },
    **{f"{number}.100.in-addr.arpa": "RFC 7793" for number in range(64, 128)},
    **{
        f"{prefix}.ip6.arpa": "RFC 6303"
        for prefix in (
            "0." * 31 + "0",
            "1." + "0." * 30 + "0",
            "c.f",
            "d.f",
            "8.e.f",
            "9.e.f",
            "a.e.f",
            "b.e.f",
            "8.b.d.0.1.0.0.2",
        )
    },
}


class Local(NamedTuple):
    """
    An answer of our own.

    @ivar rcode: NOERROR or NXDOMAIN.
    @ivar answer: The answer section.
    @ivar authority: The authority section.
    """

    rcode: int
    answer: tuple[Record, ...]
    authority: tuple[Record, ...]


class SpecialNames:
    """Knows which names are answered here, and how."""

    def __init__(self, forwarded: Iterable[bytes] = ()) -> None:
        """
        @param forwarded: Names, in wire form, that are asked upstream nevertheless,
            with all below them.
        """
        self._forwarded = tuple(name.lower() for name in forwarded)
        self._zones = {from_text(text) for text in ZONES}

    def answer(self, question: Question) -> Local | None:
        """
        Answer a question, if it is about one of these names.

        @return: L{None} if it is to be asked upstream.
        """
        name = question.name.lower()
        zone = self._zone(name)
        if zone is None or any(is_within(name, each) for each in self._forwarded):
            return None
        if question.rtype == rrtypes.DS and name == zone:
            return None  # it is the parent's to answer
        if zone == _LOCALHOST:
            return self._localhost(question, zone)
        if name in _REVERSE_LOOPBACK:
            if question.rtype == rrtypes.PTR:
                return _positive(question, _LOCALHOST)
            return Local(NOERROR, (), (_soa(zone),))
        if name != zone:
            return Local(NXDOMAIN, (), (_soa(zone),))
        if question.rtype == rrtypes.SOA:
            return Local(NOERROR, (_soa(zone),), ())
        if question.rtype == rrtypes.NS:
            return _positive(question, zone)
        return Local(NOERROR, (), (_soa(zone),))

    def _zone(self, name: bytes) -> bytes | None:
        """Find the zone that holds a name."""
        while len(name) > 1:
            if name in self._zones:
                return name
            name = parent(name)
        return None

    def _localhost(self, question: Question, zone: bytes) -> Local:
        """Give the loopback addresses, whatever stands before C{localhost}."""
        address = _LOOPBACK.get(question.rtype)
        if address is not None:
            return _positive(question, address)
        return Local(NOERROR, (), (_soa(zone),))


def _positive(question: Question, rdata: bytes) -> Local:
    record = Record(question.name, question.rtype, rrtypes.IN, TTL, rdata)
    return Local(NOERROR, (record,), ())


def _soa(zone: bytes) -> Record:
    """Make the SOA record that RFC 6303 section 3 proposes."""
    numbers = (1, 3600, 1200, 604_800, TTL)
    rdata = zone + from_text("nobody.invalid")
    rdata += b"".join(number.to_bytes(4, "big") for number in numbers)
    return Record(zone, rrtypes.SOA, rrtypes.IN, TTL, rdata)
