"""A cache under test, and records to put into it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns import codes, rrtypes
from netsvc.dns.cache import Cache, make_key
from netsvc.dns.names import from_text
from netsvc.dns.result import Message, Question, Record
from netsvc.dns.stored import Stored
from netsvc.dns.wire import pack_opt, pack_query, pack_question, parse

WWW = from_text("www.example.com")
ZONE = from_text("example.com")
OTHER = from_text("bank.test")
A = rrtypes.A
NSEC = rrtypes.TYPES["NSEC"]

OPT = pack_opt()


def a(owner: bytes = WWW, ttl: int = 300, address: bytes = b"\xc0\0\2\1") -> Record:
    return Record(owner, A, 1, ttl, address)


def soa(owner: bytes = ZONE, ttl: int = 900, minimum: int = 600) -> Record:
    rdata = from_text("ns.example.com") + from_text("admin.example.com")
    rdata += bytes(16) + minimum.to_bytes(4, "big")
    return Record(owner, rrtypes.SOA, 1, ttl, rdata)


def cname(owner: bytes, target: bytes, ttl: int = 300) -> Record:
    return Record(owner, rrtypes.CNAME, 1, ttl, target)


def rrsig(owner: bytes, covered: int, ttl: int = 300) -> Record:
    return Record(owner, rrtypes.RRSIG, 1, ttl, covered.to_bytes(2, "big") + bytes(20))


class CacheCase(SynchronousTestCase):
    """A cache and short ways to use it."""

    def setUp(self) -> None:
        self.cache = Cache()

    def key(self, question: Question, dnssec: bool = False) -> bytes:
        return make_key(question, dnssec=dnssec, checking_disabled=False)

    def put(
        self,
        *records: Record,
        authority: tuple[Record, ...] = (),
        name: bytes = WWW,
        rtype: int = A,
        rcode: int = codes.NOERROR,
        now: float = 0.0,
        dnssec: bool = False,
        authentic: bool = False,
        ttl: int | None = None,
    ) -> Stored | None:
        question = Question(name, rtype)
        return self.cache.put(
            self.key(question, dnssec),
            question,
            rcode,
            records,
            authority,
            now,
            authentic=authentic,
            ttl=ttl,
        )

    def get(self, now: float, name: bytes = WWW, rtype: int = A) -> Stored | None:
        return self.cache.get(self.key(Question(name, rtype)), now)

    def reply(
        self,
        entry: Stored | None,
        now: float,
        name: bytes = WWW,
        rtype: int = A,
        flags: int = codes.RD,
        opt: bytes = b"",
    ) -> Message:
        assert entry is not None
        question = pack_question(Question(name, rtype))
        query = pack_query(b"\x12\x34", question, OPT, flags)
        return parse(entry.reply(query, 12 + len(question), now, opt))

    def refused(self, why: str) -> None:
        self.assertEqual(dict(self.cache.counts), {why: 1})
        self.assertEqual((len(self.cache), self.cache.size), (0, 0))
