"""Tests of L{netsvc.dns.cache}: what is kept has bounds, and failures."""

from __future__ import annotations

import tracemalloc

from netsvc.dns import codes, rrtypes
from netsvc.dns.cache import OVERHEAD, Cache, CacheLimits
from netsvc.dns.names import from_text
from netsvc.dns.result import Question, Record
from tests.dns.cache_case import (
    WWW,
    A,
    CacheCase,
    a,
    soa,
)


class BoundTests(CacheCase):
    """The cache does not grow beyond its limits."""

    def name(self, number: int) -> bytes:
        return from_text(f"host{number:04d}.example.com")

    def test_entries(self) -> None:
        """The answer that was not used for longest goes first."""
        self.cache = Cache(CacheLimits(entries=3))
        for number in range(3):
            self.put(a(self.name(number)), name=self.name(number))
        self.get(1, self.name(0))
        self.put(a(self.name(3)), name=self.name(3))
        kept = [self.get(1, self.name(number)) is not None for number in range(4)]
        self.assertEqual(kept, [True, False, True, True])
        self.assertEqual(self.cache.counts["evictions"], 1)

    def test_size(self) -> None:
        """The memory that answers take is bounded."""
        self.cache = Cache(CacheLimits(size=5000))
        for number in range(50):
            self.put(a(self.name(number)), name=self.name(number))
        self.assertEqual(len(self.cache), 5000 // (OVERHEAD + 43))
        self.assertTrue(0 < self.cache.size <= 5000)

    def test_too_large(self) -> None:
        """An answer that is larger than the whole cache is not kept."""
        self.cache = Cache(CacheLimits(size=400))
        self.assertIsNone(self.put(a()))
        self.refused("too-large")

    def test_too_long(self) -> None:
        """An answer that might not fit into a message again is not kept."""
        records = [
            Record(WWW, rrtypes.TXT, 1, 300, b"\xff" * 256 * 125) for _ in range(2)
        ]
        self.assertIsNone(self.put(*records, rtype=rrtypes.TXT))
        self.refused("too-large")

    def test_forget(self) -> None:
        """Answers can be forgotten, one by one and all together."""
        question = self.key(Question(WWW, A))
        for rcode in (codes.NOERROR, codes.NXDOMAIN):
            self.put(rcode=rcode, authority=(soa(),))
            self.cache.forget(question)
            self.assertEqual((len(self.cache), self.cache.size), (0, 0))
        self.put(a())
        self.cache.fail(question, (), 0)
        self.cache.clear()
        self.assertEqual((len(self.cache), self.cache.size), (0, 0))
        self.assertIsNone(self.cache.failure(question, (), 0))

    def test_memory(self) -> None:
        """An answer takes the memory that is reckoned for it, and not more."""
        count = 3000
        self.put(a())
        records = [a(self.name(number), 300 + number) for number in range(count)]
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for number, record in enumerate(records):
                self.put(record, name=record.owner, now=1000.0 + number / 100)
            used = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        self.assertTrue(used < self.cache.size, (used, self.cache.size))
        self.assertTrue(self.cache.size / count < 600)


class FailureTests(CacheCase):
    """Servers that could not answer (RFC 2308 section 7.1, RFC 9520)."""

    def setUp(self) -> None:
        super().setUp()
        self.question = self.key(Question(WWW, A))

    def test_kept(self) -> None:
        """A failure is kept for a few seconds, with what was noted."""
        self.cache.fail(self.question, ("one",), 10.0, "SERVFAIL")
        found = self.cache.failure(self.question, ("one",), 14.9)
        assert found is not None
        self.assertEqual((found.reason, found.until), ("SERVFAIL", 15.0))
        self.assertIsNone(self.cache.failure(self.question, ("one",), 15.0))
        self.assertEqual(self.cache.counts, {"failed": 1})

    def test_servers(self) -> None:
        """A failure is that of the servers asked: others are asked still."""
        self.cache.fail(self.question, ("one",), 10.0)
        self.assertIsNone(self.cache.failure(self.question, ("two",), 10.0))

    def test_again(self) -> None:
        """Who fails again and again is kept longer, five minutes at most."""
        now = 0.0
        waits = []
        for _ in range(8):
            failure = self.cache.fail(self.question, (), now)
            waits.append(failure.wait)
            now = failure.until
        self.assertEqual(waits, [5, 10, 20, 40, 80, 160, 300, 300])
        later = self.cache.fail(self.question, (), now + 300)
        self.assertEqual(later.wait, 5)

    def test_bound(self) -> None:
        """The oldest failure is forgotten when there are too many."""
        self.cache = Cache(CacheLimits(failures=2))
        for servers in (1, 2, 3):
            self.cache.fail(self.question, servers, 0)
        kept = [
            self.cache.failure(self.question, servers, 0) is not None
            for servers in (1, 2, 3)
        ]
        self.assertEqual(kept, [False, True, True])
