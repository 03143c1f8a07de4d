"""Tests of L{netsvc.dns.forwarder.engine}."""

from __future__ import annotations

from itertools import pairwise

from netsvc.daemon.limits import Rate
from netsvc.dns import rrtypes
from netsvc.dns.chain import MAX_CHAIN
from netsvc.dns.codes import (
    AA,
    AD,
    BADVERS,
    CD,
    EDE,
    FORMERR,
    NOERROR,
    NOTIMP,
    NXDOMAIN,
    RD,
    REFUSED,
    SERVFAIL,
    TC,
)
from netsvc.dns.errors import (
    BadAliases,
    Bogus,
    ResolverClosed,
    ServerFailure,
    ServerTimeout,
    Unvalidated,
)
from netsvc.dns.forwarder.engine import MAX_TAILS, MISS
from netsvc.dns.names import from_text
from netsvc.dns.options import QueryOptions
from netsvc.dns.result import Message, Question, Record, Result, Security
from netsvc.dns.wire import pack_opt, pack_option, parse
from tests.dns.forwarder.case import (
    CLIENT,
    OPT,
    OPT_DO,
    SERVER,
    WWW,
    ForwarderCase,
    address,
    query,
    soa,
    text,
)


def errors(message: Message) -> list[int]:
    """Give the codes of the extended errors in a reply."""
    assert message.edns is not None
    return [
        int.from_bytes(value[:2], "big")
        for code, value in message.edns.options
        if code == EDE
    ]


class AnswerTests(ForwarderCase):
    """Queries that are asked upstream."""

    def test_asked(self) -> None:
        """What is not in the cache is asked upstream, and then it is in the cache."""
        self.ask(query())
        self.assertEqual(self.replies, [])
        self.assertEqual(self.upstream.asked[0][0], Question(WWW, rrtypes.A))
        self.upstream.answer(address())
        found = self.reply()
        self.assertEqual(found.answer, (address(),))
        self.assertIsNone(found.edns)
        self.clock.advance(100)
        found = self.answered(query(WWW.upper()))
        self.assertEqual([record.ttl for record in found.answer], [200])
        self.assertEqual(len(self.upstream.asked), 1)

    def test_edns(self) -> None:
        """A reply has EDNS if the query has; unknown options are not repeated."""
        self.ask(query(opt=pack_opt(pack_option(100, b"?"), dnssec=True)))
        self.assertEqual(self.upstream.asked[0][1], QueryOptions(dnssec=True))
        self.upstream.answer(address())
        edns = self.reply().edns
        assert edns is not None
        self.assertEqual((edns.dnssec, edns.options, edns.version), (True, (), 0))

    def test_negative(self) -> None:
        """A denial is passed on with its SOA record, and kept."""
        ns = Record(WWW, rrtypes.NS, 1, 60, WWW)
        self.ask(query())
        self.upstream.answer(rcode=NXDOMAIN, authority=(soa(), ns))
        for _ in range(2):
            found = self.reply()
            self.assertEqual(found.rcode, NXDOMAIN)
            self.assertEqual([each.rtype for each in found.authority], [rrtypes.SOA])
            self.ask(query(rtype=rrtypes.MX))

    def test_authority(self) -> None:
        """Nothing but what proves is passed on beside an answer."""
        ns = Record(WWW, rrtypes.NS, 1, 60, WWW)
        nsec = Record(WWW, rrtypes.NSEC, 1, 60, WWW)
        self.ask(query())
        self.upstream.answer(address(), authority=(ns, nsec))
        self.assertEqual(self.reply().authority, ())
        self.ask(query(opt=OPT_DO))
        self.upstream.answer(address(), authority=(ns, nsec))
        self.assertEqual(self.reply().authority, (nsec,))

    def test_truncated(self) -> None:
        """What does not fit is truncated over UDP, and complete over TCP."""
        self.ask(query(rtype=rrtypes.TXT))
        self.upstream.answer(text(count=3))
        self.assertTrue(self.reply().flags & TC)
        found = self.answered(query(rtype=rrtypes.TXT, opt=OPT))
        self.assertEqual((found.flags & TC, len(found.answer)), (0, 1))
        found = self.answered(query(rtype=rrtypes.TXT), "tcp")
        self.assertEqual((found.flags & TC, len(found.answer)), (0, 1))
        self.assertEqual(self.forwarder.counts["truncated"], 1)

    def test_secure(self) -> None:
        """AD says to who wants to know that an answer was validated."""
        for opt, flags in ((b"", RD), (b"", RD | AD), (OPT_DO, RD)):
            wanted = AD if opt or flags & AD else 0
            self.cache.clear()
            self.ask(query(opt=opt, flags=flags))
            self.upstream.answer(address(), security=Security.SECURE)
            self.assertEqual(self.reply().flags & AD, wanted)
            found = self.answered(query(opt=opt, flags=flags))
            self.assertEqual(found.flags & AD, wanted)

    def test_upstream_ad(self) -> None:
        """AD and AA of an upstream server are not passed on."""
        self.ask(query(opt=OPT_DO))
        self.upstream.answer(address(), flags=AD | AA)
        self.assertEqual(self.reply().flags & (AD | AA), 0)

    def test_checking_disabled(self) -> None:
        """CD is passed on."""
        self.ask(query(flags=RD | CD))
        self.assertTrue(self.upstream.asked[0][1].checking_disabled)

    def test_failed(self) -> None:
        """When nobody answers it is SERVFAIL, and EDE says why."""
        for number, (error, code) in enumerate(
            (
                (ServerTimeout(SERVER, "udp"), 22),
                (ServerFailure(SERVER, "udp", SERVFAIL), 23),
                (Bogus(SERVER, "udp", "not signed"), 6),
                (Unvalidated(SERVER, "udp", "no keys"), 5),
                (BadAliases(SERVER, "udp", "they come back to a.test"), 0),
                (ResolverClosed("closed"), 0),
            )
        ):
            self.ask(query(from_text(f"n{number}.example"), opt=OPT))
            self.upstream.fail(error)
            found = self.reply()
            self.assertEqual((found.rcode, errors(found)), (SERVFAIL, [code]))
        self.assertEqual(self.forwarder.counts["failed"], 6)

    def test_long_chain(self) -> None:
        """The address at the end of a long chain of aliases gets through, twice."""
        names = [from_text(f"n{number}.example") for number in range(MAX_CHAIN + 1)]
        chain = [
            Record(owner, rrtypes.CNAME, 1, 300, target)
            for owner, target in pairwise(names)
        ]
        records = (*chain, address(names[-1]))
        self.ask(query(names[0], opt=OPT))
        self.upstream.answer(*records)
        self.assertEqual(self.reply().answer, records)
        self.assertEqual(self.answered(query(names[0], opt=OPT)).answer, records)
        self.assertEqual(len(self.upstream.asked), 1)

    def test_stale(self) -> None:
        """An old answer serves when there is no other, and EDE says so."""
        self.ask(query(opt=OPT))
        self.upstream.answer(address())
        self.reply()
        self.clock.advance(400)
        self.ask(query(opt=OPT))
        self.upstream.fail(ServerTimeout(SERVER, "udp"))
        found = self.reply()
        self.assertEqual((found.rcode, errors(found)), (NOERROR, [3]))
        self.assertEqual([record.ttl for record in found.answer], [30])
        self.assertEqual(self.forwarder.counts["stale"], 1)

    def test_our_mistake(self) -> None:
        """A mistake of ours is logged, and SERVFAIL."""
        self.ask(query())
        self.upstream.waiting.pop().errback(ZeroDivisionError())
        self.assertEqual(self.reply().rcode, SERVFAIL)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_prefetch(self) -> None:
        """An answer that is asked for often is asked for anew before its end."""
        self.ask(query())
        self.upstream.answer(address())
        for _ in range(5):
            self.ask(query())
        self.clock.advance(280)
        self.ask(query())
        self.assertEqual(len(self.upstream.asked), 2)
        self.upstream.answer(address())
        for _ in range(5):
            self.forwarder.quick(query(), self.clock.seconds(), False)
        self.clock.advance(280)
        self.forwarder.quick(query(), self.clock.seconds(), False)
        self.assertEqual(len(self.upstream.asked), 3)


class RefusalTests(ForwarderCase):
    """Queries that are answered without any upstream."""

    rate = Rate(1, 2)

    def test_no_query(self) -> None:
        """What is no query is not answered, so that there is no loop."""
        self.ask(query(flags=0x8000))
        self.assertEqual(self.replies, [b""])
        self.assertEqual(self.forwarder.counts["no-query"], 1)

    def test_rcodes(self) -> None:
        """RFC 8906: each sort of bad query has its response code."""
        for data, rcode in (
            (query()[:12], FORMERR),
            (query(flags=0x7800), NOTIMP),
            (query(rtype=rrtypes.AXFR), REFUSED),
        ):
            self.assertEqual(self.answered(data).rcode, rcode)
        found = self.answered(query(opt=pack_opt(version=100)))
        self.assertEqual((found.rcode, found.answer), (BADVERS, ()))

    def test_special(self) -> None:
        """Special names are answered here."""
        found = self.answered(query(from_text("localhost")))
        self.assertEqual(found.answer[0].common_text, "127.0.0.1")
        self.assertTrue(found.flags & AA)
        found = self.answered(query(from_text("x.onion")))
        self.assertEqual((found.rcode, len(found.authority)), (NXDOMAIN, 1))
        self.assertEqual(self.upstream.asked, [])

    def test_no_recursion(self) -> None:
        """Without RD only what is in the cache is given."""
        found = self.answered(query(flags=0, opt=OPT))
        self.assertEqual((found.rcode, errors(found)), (REFUSED, [20]))
        self.ask(query())
        self.upstream.answer(address())
        self.replies.clear()
        self.assertEqual(self.answered(query(flags=0)).answer, (address(),))

    def test_cookies(self) -> None:
        """A client's cookie is given back with ours, which is then good."""
        name = from_text("localhost")
        sent = b"mycookie"
        for count in (0, 1):
            opt = pack_opt(pack_option(10, sent))
            edns = self.answered(query(name, opt=opt)).edns
            assert edns is not None
            sent = edns.option(10) or b""
            self.assertEqual((len(sent), sent[:8]), (24, b"mycookie"))
            self.assertEqual(self.forwarder.counts["cookie-good"], count)

    def test_prohibited(self) -> None:
        """Whom we do not serve is told so."""
        self.forwarder.prohibit(query(opt=OPT), self.replies.append)
        found = self.reply()
        self.assertEqual((found.rcode, errors(found)), (REFUSED, [18]))
        self.forwarder.prohibit(b"?", self.replies.append)
        self.assertEqual(self.replies, [b""])

    def test_rate(self) -> None:
        """Who asks too much is told to use TCP, every other time, and refused there."""
        now = self.clock.seconds()
        admitted = [self.forwarder.admits(CLIENT, now) for _ in range(3)]
        self.assertEqual(admitted, [True, True, False])
        for _ in range(2):
            self.forwarder.limit(query(opt=OPT), False, self.replies.append)
        first, second = self.replies
        self.assertEqual((parse(first).flags & TC, second), (TC, b""))
        self.replies.clear()
        self.forwarder.limit(query(opt=OPT), True, self.replies.append)
        found = self.reply()
        self.assertEqual((found.rcode, errors(found)), (REFUSED, [31]))

    def test_padded(self) -> None:
        """Over TLS a query that is padded gets a reply that is."""
        data = query(from_text("localhost"), opt=pack_opt(pack_option(12, b"")))
        self.assertEqual(self.answered(data, "tls").size, 468)
        self.assertLess(self.answered(data, "tcp").size, 468)


class QuickTests(ForwarderCase):
    """The quick way."""

    def quick(self, data: bytes, is_stream: bool = False) -> bytes | None:
        """Ask."""
        return self.forwarder.quick(data, self.clock.seconds(), is_stream)

    def fill(self, *records: Record, rtype: int = rrtypes.A) -> None:
        """Have an answer in the cache."""
        self.ask(query(rtype=rtype))
        self.upstream.answer(*records)
        self.replies.clear()

    def test_same(self) -> None:
        """It gives what the other way gives."""
        self.fill(address())
        for data in (query(), query(WWW.upper(), flags=RD | CD), query(opt=OPT)):
            self.ask(data)
            if self.replies:
                self.assertEqual(self.quick(data), self.replies.pop())
            else:
                self.assertEqual(self.quick(data), MISS)

    def test_not_known(self) -> None:
        """An OPT record is known once a query with it has been read."""
        self.fill(address())
        self.assertIsNone(self.quick(query(opt=OPT)))
        self.ask(query(opt=OPT))
        reply = self.quick(query(opt=OPT))
        assert reply
        self.assertIsNotNone(parse(reply).edns)
        self.forwarder._tails.clear()
        self.assertIsNone(self.quick(query(opt=OPT)))

    def test_truncated(self) -> None:
        """What does not fit is truncated, but not over a stream."""
        self.fill(text(count=3), rtype=rrtypes.TXT)
        data = query(rtype=rrtypes.TXT)
        reply = self.quick(data)
        assert reply
        self.assertTrue(parse(reply).flags & TC)
        self.ask(data)
        self.assertEqual(self.replies, [reply])
        reply = self.quick(data, True)
        assert reply
        self.assertEqual(len(parse(reply).answer), 1)

    def test_others(self) -> None:
        """Whatever is no plain query is left to the other way."""
        self.fill(address())
        for data in (
            b"",
            query()[:12],
            query(flags=0x8000),
            query(flags=0x7800),
            query(flags=0x0200),
            query() + b"?",
            query()[:5] + b"\2" + query()[6:],
        ):
            self.assertIsNone(self.quick(data), data)

    def test_zero_in_a_label(self) -> None:
        """A zero in a label does not make one name look like another."""
        self.fill(address())
        name = b"\x0awww.exa\0\1\0\1\3com\0"
        self.assertIn(self.quick(query(name)), (None, MISS))
        name = WWW[:-1] + b"\4\0\1\0\1\0"
        self.assertIn(self.quick(query(name)), (None, MISS))

    def test_bounded(self) -> None:
        """The ends that are known are bounded."""
        for payload in range(512, 512 + MAX_TAILS + 10):
            self.ask(query(from_text("localhost"), opt=pack_opt(payload=payload)))
        self.assertLessEqual(len(self.forwarder._tails), MAX_TAILS)

    def test_lookup(self) -> None:
        """People's lookups go the same ways."""
        asked = self.forwarder.lookup(Question(from_text("localhost"), rrtypes.A))
        found: Result = self.successResultOf(asked)
        self.assertEqual(found.addresses, ("127.0.0.1",))
        asked = self.forwarder.lookup(Question(WWW, rrtypes.A))
        self.upstream.answer(address())
        self.assertEqual(self.successResultOf(asked).addresses, ("192.0.2.1",))
