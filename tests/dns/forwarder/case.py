"""A forwarder whose upstream and time the test plays."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.limits import Rate, RateTable
from netsvc.dns import rrtypes
from netsvc.dns.cache import Cache, CacheLimits
from netsvc.dns.cached import CachedAsks
from netsvc.dns.codes import NOERROR, RD
from netsvc.dns.forwarder.access import Access, parse_allowed
from netsvc.dns.forwarder.cookies import ServerCookies
from netsvc.dns.forwarder.engine import Forwarder
from netsvc.dns.forwarder.special import SpecialNames
from netsvc.dns.names import from_text
from netsvc.dns.options import PLAIN, QueryOptions
from netsvc.dns.result import Message, Question, Record, Result
from netsvc.dns.servers import Server
from netsvc.dns.wire import pack_opt, pack_query, pack_question, parse

SERVER = Server("udp", "192.0.2.53", 53)
CLIENT = "192.168.1.9"
WWW = from_text("www.example.com")


def address(name: bytes = WWW, ttl: int = 300, data: bytes = b"\xc0\0\2\1") -> Record:
    """Make an A record."""
    return Record(name, rrtypes.A, 1, ttl, data)


def text(name: bytes = WWW, count: int = 10) -> Record:
    """Make a TXT record with so many strings of 200 bytes."""
    return Record(name, rrtypes.TXT, 1, 300, (b"\xc8" + b"x" * 200) * count)


def soa(name: str = "example.com") -> Record:
    """Make an SOA record."""
    rdata = from_text("ns.example.com") * 2 + bytes(16) + (300).to_bytes(4, "big")
    return Record(from_text(name), rrtypes.SOA, 1, 900, rdata)


def query(
    name: bytes = WWW,
    rtype: int = rrtypes.A,
    opt: bytes = b"",
    flags: int = RD,
    rclass: int = 1,
) -> bytes:
    """Write a query."""
    question = pack_question(Question(name, rtype, rclass))
    return pack_query(b"\x12\x34", question, opt, flags)


class FakeUpstream:
    """
    Whoever is asked.

    @ivar asked: The questions, with their options.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[Question, QueryOptions]] = []
        self.waiting: list[Deferred[Result]] = []

    def query(
        self, name: Any, rtype: Any = 1, rclass: Any = 1, options: QueryOptions = PLAIN
    ) -> Deferred[Result]:
        """Be asked."""
        self.asked.append((Question(name, rtype, rclass), options))
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def answer(
        self,
        *records: Record,
        rcode: int = NOERROR,
        authority: tuple[Record, ...] = (),
        **more: Any,
    ) -> None:
        """Answer the question that has waited longest."""
        question, _ = self.asked[len(self.asked) - len(self.waiting)]
        self.waiting.pop(0).callback(
            Result(question, rcode, records, authority, server=SERVER, **more)
        )

    def fail(self, error: Exception) -> None:
        """Fail the question that has waited longest."""
        self.waiting.pop(0).errback(error)


class ForwarderCase(SynchronousTestCase):
    """A forwarder, and short ways to ask it."""

    rate: Rate | None = None
    allowed = ("local",)
    forwarded: tuple[str, ...] = ()

    def setUp(self) -> None:
        self.clock = Clock()
        self.upstream = FakeUpstream()
        self.cache = Cache(CacheLimits())
        self.asks = CachedAsks(self.upstream, self.cache, self.clock)
        self.forwarder = Forwarder(
            self.asks,
            Access(map(parse_allowed, self.allowed)),
            None if self.rate is None else RateTable(self.rate),
            SpecialNames(map(from_text, self.forwarded)),
            ServerCookies(bytes(16)),
            self.clock.seconds,
            lambda: 1_700_000_000 + self.clock.seconds(),
        )
        self.replies: list[bytes] = []

    def ask(self, data: bytes, transport: str = "udp") -> None:
        """Hand a query to the forwarder."""
        self.forwarder.handle(data, CLIENT, transport, self.replies.append)

    def reply(self) -> Message:
        """Give the only reply."""
        (data,) = self.replies
        self.replies.clear()
        return parse(data)

    def answered(self, data: bytes, transport: str = "udp") -> Message:
        """Hand a query to the forwarder that it answers at once."""
        self.ask(data, transport)
        return self.reply()


OPT = pack_opt()
OPT_DO = pack_opt(dnssec=True)
