"""Tests of L{netsvc.dns.cached}."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from netsvc.dns import cached
from netsvc.dns.cached import STALE_AFTER
from netsvc.dns.codes import NXDOMAIN
from netsvc.dns.errors import InvalidName, ResolverClosed, ServerTimeout, TooManyQueries
from netsvc.dns.options import QueryOptions
from netsvc.dns.result import Result, Security
from tests.dns.forwarder.case import SERVER, WWW, ForwarderCase, address, soa

NAME = "www.example.com"
TIMEOUT = ServerTimeout(SERVER, "udp")


class CachedTests(ForwarderCase):
    """A cache in front of who is asked."""

    def query(self, name: str = NAME, **options: object) -> Deferred[Result]:
        """Ask."""
        return self.asks.query(name, options=QueryOptions(**options))  # type: ignore[arg-type]

    def fill(self) -> None:
        """Have an answer in the cache."""
        asked = self.query()
        self.upstream.answer(address())
        self.successResultOf(asked)

    def test_cached(self) -> None:
        """An answer is asked for once, and its records grow old."""
        self.fill()
        self.clock.advance(10)
        found = self.successResultOf(self.asks.query(NAME))
        self.assertEqual((found.addresses, found.transport), (("192.0.2.1",), "cache"))
        self.assertEqual((found.records[0].ttl, found.stale), (290, False))
        self.assertIs(found.security, Security.UNCHECKED)
        self.assertEqual(len(self.upstream.asked), 1)

    def test_secure(self) -> None:
        """That an answer was validated is kept."""
        asked = self.query()
        self.upstream.answer(address(), security=Security.SECURE)
        self.successResultOf(asked)
        found = self.successResultOf(self.query())
        self.assertIs(found.security, Security.SECURE)

    def test_joined(self) -> None:
        """Who asks what is under way waits for the same answer."""
        asked = [self.query() for _ in range(3)]
        asked[1].addErrback(lambda failure: None)
        asked[1].cancel()
        self.assertEqual((len(self.upstream.asked), len(self.asks)), (1, 1))
        self.upstream.answer(address())
        self.successResultOf(asked[0])
        self.successResultOf(asked[2])
        self.assertEqual(self.asks.counters["joined"], 2)
        self.assertEqual((len(self.asks), self.clock.getDelayedCalls()), (0, []))

    def test_all_left(self) -> None:
        """When all have left, the answer is kept nevertheless."""
        asked = self.query()
        asked.addErrback(lambda failure: None)
        asked.cancel()
        self.upstream.answer(address())
        self.successResultOf(self.query())

    def test_options(self) -> None:
        """DO and CD have answers of their own; other options go past the cache."""
        self.fill()
        self.query(dnssec=True)
        self.query(checking_disabled=True)
        self.query(deadline=1.0)
        self.assertEqual(len(self.upstream.asked), 3)
        for _ in range(2):
            self.query(nsid=True)
        self.assertEqual(len(self.upstream.asked), 5)
        self.assertEqual(self.asks.counters["uncached"], 2)

    def test_failure(self) -> None:
        """What nobody could answer is not asked again at once (RFC 9520)."""
        asked = self.query(), self.query()
        self.upstream.fail(TIMEOUT)
        for each in asked:
            self.failureResultOf(each, ServerTimeout)
        self.failureResultOf(self.query(), ServerTimeout)
        self.assertEqual(len(self.upstream.asked), 1)
        self.clock.advance(6)
        self.query()
        self.assertEqual(len(self.upstream.asked), 2)

    def test_our_failure(self) -> None:
        """A failure that is none of the servers' is not remembered."""
        for _ in range(2):
            asked = self.query()
            self.upstream.fail(ResolverClosed("closed"))
            self.failureResultOf(asked, ResolverClosed)

    def test_stale_after_failure(self) -> None:
        """When nobody answers, an old answer serves, and is not asked for at once."""
        self.fill()
        self.clock.advance(400)
        asked = self.query()
        self.upstream.fail(TIMEOUT)
        for each in (asked, self.query()):
            found = self.successResultOf(each)
            self.assertTrue(found.stale)
            self.assertEqual([error.code for error in found.reasons], [3])
        self.assertEqual(len(self.upstream.asked), 2)

    def test_stale_denial(self) -> None:
        """An old denial says that it is one."""
        asked = self.query()
        self.upstream.answer(rcode=NXDOMAIN, authority=(soa(),))
        self.successResultOf(asked)
        self.clock.advance(400)
        asked = self.query()
        self.upstream.fail(TIMEOUT)
        found = self.successResultOf(asked)
        self.assertEqual([error.code for error in found.reasons], [19])

    def test_stale_while_waiting(self) -> None:
        """Nobody waits long where there is an old answer; the new one is kept."""
        self.fill()
        self.clock.advance(400)
        asked = self.query()
        self.clock.advance(STALE_AFTER - 0.1)
        self.assertNoResult(asked)
        self.clock.advance(0.1)
        self.assertTrue(self.successResultOf(asked).stale)
        self.upstream.answer(address())
        self.assertFalse(self.successResultOf(self.query()).stale)

    def test_no_stale(self) -> None:
        """Where there is none, one waits."""
        asked = self.query()
        self.clock.advance(STALE_AFTER)
        self.assertNoResult(asked)
        self.upstream.answer(address())
        self.successResultOf(asked)

    def test_prefetch(self) -> None:
        """What is asked for often is asked for anew before its end, once."""
        self.fill()
        for _ in range(5):
            self.query()
        self.clock.advance(280)
        for _ in range(3):
            self.assertFalse(self.successResultOf(self.query()).stale)
        self.assertEqual(self.asks.counters["prefetched"], 1)
        self.upstream.fail(TIMEOUT)
        self.successResultOf(self.query())

    def test_limits(self) -> None:
        """Lookups, and who waits for one, are bounded."""
        self.patch(cached, "MAX_LOOKUPS", 1)
        self.patch(cached, "MAX_WAITING", 2)
        for _ in range(2):
            self.query()
        self.failureResultOf(self.query(), TooManyQueries)
        self.failureResultOf(self.query("other.example"), TooManyQueries)
        self.assertEqual(self.asks.counters["too-many"], 2)

    def test_prefetch_is_bounded(self) -> None:
        """What is under way is not asked for anew."""
        question = self.upstream.asked
        asked = self.query()
        key = next(iter(self.asks._lookups))[0]
        self.asks.prefetch(key, question[0][0])
        self.assertEqual(len(question), 1)
        self.upstream.answer(address())
        self.successResultOf(asked)

    def test_bad_name(self) -> None:
        """What is no name is no question."""
        self.failureResultOf(self.asks.query("a..b"), InvalidName)
        self.asks.query(WWW, 1, 1)
