"""Tests of L{netsvc.dns.cache}."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from netsvc.dns import codes, rrtypes
from netsvc.dns.cache import OVERHEAD, Cache, CacheLimits, make_key, query_key
from netsvc.dns.names import from_text
from netsvc.dns.result import Question, Record
from netsvc.dns.stored import STALE_TTL
from netsvc.dns.wire import mix_case, pack_query, pack_question
from tests.dns.cache_case import (
    NSEC,
    OPT,
    OTHER,
    WWW,
    ZONE,
    A,
    CacheCase,
    a,
    cname,
    rrsig,
    soa,
)


class PositiveTests(CacheCase):
    """Answers with data."""

    def test_answer(self) -> None:
        """An answer is given again, with the time that it has left."""
        self.put(a(ttl=300), now=100.9)
        entry = self.get(110.2)
        reply = self.reply(entry, 110.2)
        self.assertEqual(reply.answer, (a(ttl=290),))
        self.assertEqual((reply.ident, reply.rcode), (0x1234, 0))
        self.assertEqual(reply.flags, codes.QR | codes.RD | codes.RA)
        self.assertEqual((reply.authority, reply.additional), ((), ()))
        self.assertEqual(self.cache.counts, {"stored": 1, "hits": 1})
        assert entry is not None
        self.assertFalse(entry.is_negative)

    def test_each_ttl(self) -> None:
        """Each record's TTL is counted down, and not before a second has passed."""
        edge = from_text("edge.example.net")
        self.put(cname(WWW, edge, 300), a(edge, 20), a(edge, 20, b"abcd"))
        for now, left in ((0.9, (300, 20, 20)), (5, (295, 15, 15)), (19, (281, 1, 1))):
            reply = self.reply(self.get(now), now)
            self.assertEqual(tuple(record.ttl for record in reply.answer), left)
            self.assertEqual(reply.answer[1].owner, edge)

    def test_least_ttl(self) -> None:
        """An answer is good for as long as the first of its records is."""
        edge = from_text("edge.example.net")
        self.put(cname(WWW, edge, 300), a(edge, 20))
        self.assertIsNotNone(self.get(19.9))
        self.assertIsNone(self.get(20.0))

    def test_ttl_cap(self) -> None:
        """A record lives no longer than the limit, also with a TTL of 0xffffffff."""
        self.put(a(ttl=0xFFFFFFFF))
        self.assertEqual(self.reply(self.get(0), 0).answer[0].ttl, 604_800)
        self.assertIsNone(self.get(604_800))

    def test_zero(self) -> None:
        """A record with a TTL of 0 is not kept."""
        self.assertIsNone(self.put(a(ttl=0)))
        self.refused("zero-ttl")

    def test_bound(self) -> None:
        """An answer is good no longer than its signatures are."""
        self.put(a(ttl=300), ttl=20)
        self.assertIsNotNone(self.get(19))
        self.assertIsNone(self.get(20))

    def test_replaced(self) -> None:
        """A new answer takes the place of the one before."""
        self.put(a())
        self.put(a(address=b"abcd"))
        self.assertEqual(self.reply(self.get(1), 1).answer[0].rdata, b"abcd")
        self.assertEqual(len(self.cache), 1)
        self.assertEqual(
            self.cache.size,
            OVERHEAD + len(self.key(Question(WWW, A))) + 16,
        )

    def test_other_names(self) -> None:
        """Records of other names are neither kept nor given."""
        self.put(a(), a(OTHER), authority=(a(OTHER),))
        self.assertEqual(self.reply(self.get(1), 1).answer, (a(ttl=299),))
        self.assertIsNone(self.get(1, OTHER))

    def test_authority(self) -> None:
        """With DO the proof of a wildcard is kept; name servers are not."""
        proof = Record(ZONE, NSEC, 1, 200, OTHER + b"\0\1\x40")
        server = Record(ZONE, rrtypes.NS, 1, 300, from_text("ns.example.com"))
        signature, signed = rrsig(WWW, A), rrsig(ZONE, NSEC, 200)
        authority = (server, rrsig(ZONE, rrtypes.NS), proof, signed)
        entry = self.put(a(), signature, authority=authority, dnssec=True)
        reply = self.reply(entry, 0)
        self.assertEqual(reply.answer, (a(), signature))
        self.assertEqual(reply.authority, (proof, signed))
        assert entry is not None
        self.assertEqual(entry.expires, 200)
        self.assertIsNone(self.get(0), "without DO it is another question")

    def test_not_an_answer(self) -> None:
        """A response code that is no answer is not kept as one."""
        self.assertIsNone(self.put(rcode=codes.REFUSED, authority=(soa(),)))
        self.refused("not-an-answer")
        self.assertIsNone(self.put(cname(WWW, WWW)))

    def test_case(self) -> None:
        """The question goes back as it was written; owners follow it."""
        self.put(a(from_text("wWw.eXample.com")))
        written = from_text("WWW.example.COM")
        self.assertIsNotNone(self.get(1, written))
        reply = self.reply(self.get(1), 1, written)
        self.assertEqual(reply.question, Question(written, A))
        self.assertEqual(reply.answer[0].owner, written)

    def test_any(self) -> None:
        """An answer to ANY has all types."""
        record = Record(WWW, rrtypes.TXT, 1, 300, b"\1x")
        self.put(a(), record, rtype=rrtypes.ANY)
        entry = self.get(0, rtype=rrtypes.ANY)
        reply = self.reply(entry, 0, rtype=rrtypes.ANY)
        self.assertEqual(reply.answer, (a(), record))


class NegativeTests(CacheCase):
    """Answers that something does not exist (RFC 2308)."""

    def test_nodata(self) -> None:
        """That there is no such data is kept for the SOA's MINIMUM, or its TTL."""
        for ttl, minimum in ((900, 600), (600, 900)):
            self.cache.clear()
            entry = self.put(authority=(soa(ttl=ttl, minimum=minimum),))
            assert entry is not None
            self.assertEqual((entry.expires, entry.is_negative), (600, True))
            reply = self.reply(self.get(100), 100)
            self.assertEqual((reply.rcode, reply.answer), (codes.NOERROR, ()))
            self.assertEqual(reply.authority[0].ttl, 500)
            self.assertIsNone(self.get(100, rtype=rrtypes.AAAA))

    def test_nxdomain(self) -> None:
        """That a name does not exist holds for each type."""
        self.put(rcode=codes.NXDOMAIN, authority=(soa(),))
        for rtype in (A, rrtypes.AAAA):
            entry = self.get(1, rtype=rtype)
            assert entry is not None
            self.assertEqual(entry.rcode, codes.NXDOMAIN)
            reply = self.reply(entry, 1, rtype=rtype)
            self.assertEqual(reply.rcode, codes.NXDOMAIN)
            self.assertEqual(reply.question, Question(WWW, rtype))
        self.put(a())
        self.assertIsNone(self.get(1, rtype=rrtypes.AAAA))
        self.assertIsNotNone(self.get(1))

    def test_alias_to_nothing(self) -> None:
        """That an alias leads nowhere is kept for the type asked for, no other."""
        gone = from_text("gone.example.com")
        alias = cname(WWW, gone, 60)
        self.put(alias, rcode=codes.NXDOMAIN, authority=(soa(),))
        entry = self.get(0)
        assert entry is not None
        self.assertEqual((entry.expires, entry.is_negative), (60, True))
        self.assertEqual(self.reply(entry, 0).answer, (alias,))
        self.assertIsNone(self.get(0, rtype=rrtypes.AAAA))

    def test_cap(self) -> None:
        """A negative answer is kept no longer than the limit."""
        self.put(authority=(soa(ttl=1 << 31, minimum=0xFFFFFFFF),))
        self.assertIsNotNone(self.get(10_799))
        self.assertIsNone(self.get(10_800))

    def test_no_soa(self) -> None:
        """A negative answer without the zone's SOA record is not kept."""
        for authority in ((), (soa(OTHER),), (soa(from_text("xample.com")),)):
            self.cache.counts.clear()
            self.assertIsNone(self.put(authority=authority))
            self.refused("no-soa")

    def test_zero(self) -> None:
        """A negative answer with a MINIMUM of 0 is not kept."""
        self.assertIsNone(self.put(authority=(soa(minimum=0),)))
        self.refused("zero-ttl")

    def test_proof(self) -> None:
        """With DO the proof is kept beside the SOA record."""
        proof = Record(ZONE, NSEC, 1, 600, OTHER + b"\0\1\x40")
        authority = (soa(ttl=600), rrsig(ZONE, rrtypes.SOA, 600), proof)
        entry = self.put(authority=authority, dnssec=True)
        self.assertEqual(self.reply(entry, 0).authority, authority)


class KeyTests(CacheCase):
    """Keys of questions."""

    @settings(deadline=None)
    @given(
        st.binary(min_size=16, max_size=16),
        st.integers(0, 65535),
        st.integers(0, 65535),
        st.booleans(),
        st.booleans(),
    )
    def test_same(
        self, noise: bytes, rtype: int, rclass: int, dnssec: bool, disabled: bool
    ) -> None:
        """A query's key is that of its question, however it is written."""
        question = Question(mix_case(WWW, noise + b"\0"), rtype, rclass)
        packed = pack_question(question)
        flags = codes.RD | (codes.CD if disabled else 0)
        query = pack_query(b"id", packed, OPT, flags)
        self.assertEqual(
            query_key(query, 12 + len(packed), dnssec=dnssec),
            make_key(
                Question(WWW, rtype, rclass), dnssec=dnssec, checking_disabled=disabled
            ),
        )

    def test_differ(self) -> None:
        """Types that look like letters, classes, DO and CD make other questions."""
        keys = {
            make_key(Question(WWW, rtype, rclass), dnssec=do, checking_disabled=cd)
            for rtype in (0x41, 0x61)
            for rclass in (0x41, 0x61)
            for do in (False, True)
            for cd in (False, True)
        }
        self.assertEqual(len(keys), 16)


class FreshnessTests(CacheCase):
    """Before and after an answer's time is over."""

    def test_prefetch(self) -> None:
        """A popular answer is to be asked for again once, in its last tenth."""
        entry = self.put(a(ttl=100))
        assert entry is not None
        for _ in range(2):
            self.get(1)
        self.assertFalse(self.cache.is_due(entry, 95), "not popular")
        self.get(1)
        self.assertFalse(self.cache.is_due(entry, 89.9), "not yet")
        self.assertTrue(self.cache.is_due(entry, 90))
        self.assertFalse(self.cache.is_due(entry, 91), "it was told")

    def test_prefetch_late(self) -> None:
        """An answer whose time is over is not prefetched: it is asked for anyway."""
        entry = self.put(a(ttl=1))
        assert entry is not None
        entry.uses = 9
        self.assertFalse(self.cache.is_due(entry, 1))

    def test_stale(self) -> None:
        """An answer may be given for a while after its time, with a short TTL."""
        edge = from_text("edge.example.net")
        self.put(cname(WWW, edge, 300), a(edge, 20))
        key = self.key(Question(WWW, A))
        self.assertIsNone(self.cache.get(key, 86_419))
        entry = self.cache.get_stale(key, 86_419)
        reply = self.reply(entry, 86_419)
        self.assertEqual([record.ttl for record in reply.answer], [STALE_TTL] * 2)
        self.assertIsNone(self.cache.get_stale(key, 86_420))
        self.assertEqual(self.cache.counts, {"stored": 1, "misses": 1, "stale": 1})

    def test_stale_nxdomain(self) -> None:
        """That a name does not exist may be given after its time, too."""
        self.put(rcode=codes.NXDOMAIN, authority=(soa(),))
        key = self.key(Question(WWW, rrtypes.AAAA))
        self.assertIsNotNone(self.cache.get_stale(key, 1000))

    def test_no_stale(self) -> None:
        """With a window of 0 an answer is not given after its time."""
        self.cache = Cache(CacheLimits(stale=0))
        self.put(a(ttl=20))
        self.assertIsNone(self.cache.get_stale(self.key(Question(WWW, A)), 20))

    def test_fresh_in_stale(self) -> None:
        """Who looks for a stale answer gets a good one as it is."""
        self.put(a(ttl=20))
        entry = self.cache.get_stale(self.key(Question(WWW, A)), 5)
        self.assertEqual(self.reply(entry, 5).answer[0].ttl, 15)
