"""Tests of L{netsvc.dns.conversation}: what is accepted, and what follows."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns import codes
from netsvc.dns.errors import (
    BadCookie,
    BadReply,
    BadVersion,
    ConnectionClosed,
    FormatRefused,
    Refused,
    Truncated,
    Unreachable,
)
from netsvc.dns.memory import MEMORY
from netsvc.dns.options import QueryOptions
from tests.dns.fakes import COOKIE, GOOD, FakeLookup, FakeServer, reply, wire_of

SERVER_COOKIE = b"s" * 16


class AcceptanceTests(SynchronousTestCase):
    """A datagram that is no reply to what was asked changes nothing."""

    def setUp(self) -> None:
        """Ask."""
        self.server = FakeServer()
        self.asked = FakeLookup(self.server)
        self.counts = self.server.memory.counts

    def test_query(self) -> None:
        """The query has mixed case, EDNS with 1232 bytes, and a cookie."""
        query = self.server.udp.query()
        self.assertEqual(str(query.question[0]), "X.TEST. IN A")
        self.assertEqual((query.payload, int(query.flags)), (1232, codes.RD))
        self.assertEqual(query.options[0].to_wire(), COOKIE)

    def test_good(self) -> None:
        """The reply is an answer, in the letters that the user wrote."""
        self.asked.clock.advance(0.02)
        self.server.say(opt=True, cookie=COOKIE + SERVER_COOKIE)
        result = self.asked.result
        assert result is not None
        self.assertEqual(result.addresses, (GOOD,))
        self.assertEqual(result.records[0].name, "x.test")
        self.assertEqual((result.transport, result.server), ("udp", self.server.server))
        self.assertAlmostEqual(result.rtt, 0.02)
        self.assertEqual(self.server.memory.server_cookie, SERVER_COOKIE)
        self.assertEqual(self.server.udp.forgotten, self.server.udp.sent)
        self.assertEqual(len(self.asked.engine.wheel), 0)

    def test_dropped(self) -> None:
        """Each kind is counted, and the right reply is still awaited."""
        asked = self.server.udp.sent[0]
        good = reply(asked)
        bare = good[:3] + b"\x80" + bytes(8)
        for data, reason in (
            (good[:5], "short"),
            (good[:2] + b"\1" + good[3:], "not-a-reply"),
            (good[:2] + b"\xa0" + good[3:], "wrong-opcode"),
            (good[:12] + b"\1y" + good[14:], "wrong-question"),
            (good[:-3], "malformed"),
            (bare, "bare-data"),
            (bare[:7] + b"\1" + bare[8:], "malformed"),
            (reply(asked, cookie=b"x" * 8), "wrong-cookie"),
            (reply(asked, cookie=COOKIE + b"short"), "wrong-cookie"),
            (reply(asked, cookie=COOKIE + b"x" * 33), "wrong-cookie"),
            (reply(asked, cookie=b""), "wrong-cookie"),
        ):
            before = self.counts[reason]
            self.server.say(data)
            self.assertEqual(self.counts[reason], before + 1, reason)
            self.assertEqual(self.asked.ended, 0)
        self.server.say(good)
        self.assertEqual(self.asked.addresses, (GOOD,))

    def test_flood(self) -> None:
        """Many of them: the server is asked over TCP at once, and both may answer."""
        most = self.asked.engine.max_mismatches
        wrong = reply(self.server.udp.sent[0], question=b"\1y\4test\0\0\1\0\1")
        for _ in range(most - 1):
            self.server.say(wrong)
        self.assertEqual(self.server.stream.sent, [])
        for _ in range(2):
            self.server.say(wrong)
        self.assertEqual(len(self.server.stream.sent), 1)
        self.assertEqual(self.counts["flooded"], 1)
        self.assertEqual(self.counts["wrong-question"], most + 1)
        # It has no TCP; the right datagram comes after all.
        self.server.stream.sent[0].failed(ConnectionClosed)
        self.assertEqual(self.asked.ended, 0)
        self.server.say()
        self.assertEqual(self.asked.addresses, (GOOD,))

    def test_bare_error(self) -> None:
        """A reply without a question may say that it is an error."""
        self.server.say(self.server.udp.ident() + b"\x81\x05" + bytes(8))
        self.assertIs(type(self.asked.error), Refused)

    def test_no_cookies(self) -> None:
        """Without cookies none is sent, and none is looked at."""
        server = FakeServer(cookie=b"")
        asked = FakeLookup(server)
        self.assertEqual(server.udp.query().options, ())
        server.say(cookie=b"whatever")
        self.assertEqual(asked.addresses, (GOOD,))

    def test_no_mixed_case(self) -> None:
        """The case can be left alone."""
        server = FakeServer()
        FakeLookup(server, mixes_case=False)
        self.assertEqual(str(server.udp.query().question[0].name), "x.test.")

    def test_options(self) -> None:
        """What is asked for beside is in the query."""
        server = FakeServer()
        FakeLookup(
            server,
            options=QueryOptions(dnssec=True, nsid=True, recursion=False, payload=4096),
        )
        query = server.udp.query()
        self.assertEqual([int(each.otype) for each in query.options], [3, 10])
        self.assertEqual((query.ednsflags, int(query.flags)), (0x8000, 0))
        FakeLookup(server, options=QueryOptions(edns=False))
        self.assertEqual(server.udp.query().edns, -1)


class TruncationTests(SynchronousTestCase):
    """What is truncated goes to the same server over TCP, once."""

    def setUp(self) -> None:
        """Ask, and be told that it is truncated."""
        self.server = FakeServer()
        self.asked = FakeLookup(self.server)
        self.server.say(flags=codes.TC, address="192.0.2.66")

    def test_answer(self) -> None:
        """The answer over TCP counts; the truncated one is forgotten."""
        self.assertEqual(self.server.udp.forgotten, self.server.udp.sent)
        self.assertEqual(len(self.server.stream.sent), 1)
        self.assertTrue(self.server.stream_say())
        self.assertEqual(self.asked.addresses, (GOOD,))
        assert self.asked.result is not None
        self.assertEqual(self.asked.result.transport, "tcp")

    def test_again(self) -> None:
        """Truncated again is an error."""
        self.assertTrue(self.server.stream_say(flags=codes.TC))
        self.assertIs(type(self.asked.error), Truncated)

    def test_asked_once(self) -> None:
        """However long it takes, there is one query over TCP."""
        self.asked.clock.pump([0.5] * 8)
        self.assertEqual(len(self.server.stream.sent), 1)
        self.assertEqual(len(self.server.udp.sent), 1)

    def test_failed(self) -> None:
        """What becomes of TCP is what becomes of the lookup."""
        self.server.stream.sent[0].failed(ConnectionClosed)
        self.assertIs(type(self.asked.error), ConnectionClosed)

    def test_wrong(self) -> None:
        """A wrong answer is one; nothing else counts over a connection."""
        for change in (
            {"question": b"\1y\4test\0\0\1\0\1"},
            {"rcode": 0, "question": b"\1x\4test\0\0\x1c\0\1"},
        ):
            self.setUp()
            self.assertFalse(self.server.stream_say(**change))
            self.assertIs(type(self.asked.error), BadReply)

    def test_malformed(self) -> None:
        """So is one that cannot be read."""
        asked = self.server.stream.sent[0]
        self.assertFalse(asked.streamed(reply(asked)[:-2]))
        self.assertIs(type(self.asked.error), BadReply)

    def test_bare(self) -> None:
        """An error without a question is an error; data without one is nothing."""
        asked = self.server.stream.sent[0]
        self.assertTrue(asked.streamed(b"\0\1\x81\x05" + bytes(8)))
        self.assertIs(type(self.asked.error), Refused)
        self.setUp()
        asked = self.server.stream.sent[0]
        self.assertFalse(asked.streamed(b"\0\1\x81\x80" + bytes(8)))

    def test_bare_truncation(self) -> None:
        """Truncated without a question: datagrams may still answer."""
        server = FakeServer()
        asked = FakeLookup(server)
        server.say(server.udp.ident() + b"\x83\x80" + bytes(8))
        self.assertEqual(len(server.stream.sent), 1)
        server.stream.sent[0].failed(Unreachable)
        self.assertEqual(asked.ended, 0)
        server.say()
        self.assertEqual(asked.addresses, (GOOD,))


class CaseTests(SynchronousTestCase):
    """A server that changes the case of letters, and a forger who does."""

    def setUp(self) -> None:
        """Ask, and get the question back in small letters."""
        self.server = FakeServer()
        self.asked = FakeLookup(self.server)
        self.server.say(question=b"\1x\4test\0\0\1\0\1")
        self.assertEqual(self.server.memory.counts["folded"], 1)

    def test_server(self) -> None:
        """Over TCP it does the same: from now on its letters are left alone."""
        self.server.stream_say(question=b"\1x\4test\0\0\1\0\1")
        self.assertEqual(self.asked.addresses, (GOOD,))
        again = FakeLookup(self.server)
        self.assertEqual(self.server.udp.sent[-1].question[:2], b"\1x")
        again.clock.advance(MEMORY + 1)
        self.server.memory.folds_until = 0
        FakeLookup(self.server)
        self.assertEqual(self.server.udp.sent[-1].question[:2], b"\1X")

    def test_forger(self) -> None:
        """Over TCP it does not: it was a forgery, and nothing is remembered."""
        self.server.stream_say()
        self.assertEqual(self.asked.addresses, (GOOD,))
        FakeLookup(self.server)
        self.assertEqual(self.server.udp.sent[-1].question[:2], b"\1X")

    def test_real_reply(self) -> None:
        """The right datagram is still accepted, and another wrong one does no more."""
        self.server.say(question=b"\1x\4test\0\0\1\0\1")
        self.assertEqual(len(self.server.stream.sent), 1)
        self.server.say()
        self.assertEqual(self.asked.addresses, (GOOD,))
        self.assertEqual(self.server.stream.forgotten, self.server.stream.sent)


class CookieTests(SynchronousTestCase):
    """DNS cookies (RFC 7873)."""

    def setUp(self) -> None:
        """Have a server that has sent its cookie."""
        self.server = FakeServer()
        FakeLookup(self.server)
        self.server.say(cookie=COOKIE + SERVER_COOKIE)
        self.asked = FakeLookup(self.server)

    def test_sent(self) -> None:
        """Its cookie goes back to it."""
        options = self.server.udp.query().options
        self.assertEqual(options[0].to_wire(), COOKIE + SERVER_COOKIE)

    def test_missing(self) -> None:
        """A reply without the cookie is not believed: TCP tells."""
        self.server.say(address="6.6.6.6")
        self.assertEqual(self.server.memory.counts["missing-cookie"], 1)
        self.server.stream_say(cookie=COOKIE + b"t" * 8)
        self.assertEqual(self.asked.addresses, (GOOD,))
        self.assertEqual(self.server.memory.server_cookie, b"t" * 8)

    def test_given_up(self) -> None:
        """If it sends none over TCP, either, none is expected any more."""
        self.server.say()
        self.server.stream_say()
        self.assertEqual(self.server.memory.server_cookie, b"")
        again = FakeLookup(self.server)
        self.server.say()
        self.assertEqual(again.addresses, (GOOD,))

    def test_bad_cookie(self) -> None:
        """BADCOOKIE: once again with the new one, then over TCP, then an error."""
        self.server.say(rcode=codes.BADCOOKIE, cookie=COOKIE + b"n" * 8)
        options = self.server.udp.query().options
        self.assertEqual(options[0].to_wire(), COOKIE + b"n" * 8)
        self.server.say(rcode=codes.BADCOOKIE, cookie=COOKIE + b"m" * 8)
        self.assertEqual(len(self.server.stream.sent), 1)
        self.server.stream_say(rcode=codes.BADCOOKIE, cookie=COOKIE + b"m" * 8)
        self.assertIs(type(self.asked.error), BadCookie)

    def test_bad_cookie_over_tcp(self) -> None:
        """Over TCP it is asked once again there."""
        self.server.say(flags=codes.TC)
        self.server.stream_say(rcode=codes.BADCOOKIE, cookie=COOKIE + b"m" * 8)
        self.assertEqual(len(self.server.stream.sent), 2)
        self.server.stream_say(cookie=COOKIE + b"m" * 8)
        self.assertEqual(self.asked.addresses, (GOOD,))


class EdnsTests(SynchronousTestCase):
    """Servers that do not know EDNS."""

    def setUp(self) -> None:
        """Ask."""
        self.server = FakeServer()
        self.asked = FakeLookup(self.server)

    def test_formerr(self) -> None:
        """FORMERR: again without EDNS, which is remembered if it helps."""
        self.server.say(rcode=codes.FORMERR)
        self.assertEqual(self.server.udp.query().edns, -1)
        self.server.say()
        self.assertEqual(self.asked.addresses, (GOOD,))
        FakeLookup(self.server)
        self.assertEqual(self.server.udp.query().edns, -1)

    def test_formerr_always(self) -> None:
        """FORMERR without EDNS, too, is an error."""
        self.server.say(rcode=codes.FORMERR)
        self.server.say(rcode=codes.FORMERR)
        self.assertIs(type(self.asked.error), FormatRefused)
        FakeLookup(self.server)
        self.assertEqual(self.server.udp.query().edns, 0)

    def test_known(self) -> None:
        """A server that speaks EDNS means what it says."""
        self.server.say(opt=True)
        again = FakeLookup(self.server)
        self.server.say(rcode=codes.FORMERR)
        self.assertIs(type(again.error), FormatRefused)

    def test_badvers(self) -> None:
        """BADVERS is asked again once, and is an error then."""
        self.server.say(rcode=codes.BADVERS)
        self.server.say(rcode=codes.BADVERS)
        self.assertIs(type(self.asked.error), BadVersion)
        self.assertEqual(len(self.server.udp.sent), 2)

    def test_over_tcp(self) -> None:
        """What is refused over TCP is asked again over TCP."""
        self.server.say(flags=codes.TC)
        self.server.stream_say(rcode=codes.NOTIMP)
        self.assertEqual(self.server.stream.query().edns, -1)
        self.server.stream_say()
        self.assertEqual(self.asked.addresses, (GOOD,))

    def test_silence(self) -> None:
        """The last try to a silent server is without; twice answered is remembered."""
        for _ in range(2):
            asked = FakeLookup(self.server)
            asked.clock.pump([0.1] * 30)
            self.assertEqual(self.server.udp.query(-2).edns, 0)
            self.assertEqual(self.server.udp.query().edns, -1)
            self.server.say()
            self.assertEqual(asked.addresses, (GOOD,))
        FakeLookup(self.server)
        self.assertEqual(self.server.udp.query().edns, -1)

    def test_first_is_answered(self) -> None:
        """A late reply to an earlier try is as good."""
        self.asked.clock.pump([0.1] * 20)
        self.assertEqual(len(self.server.udp.sent), 3)
        self.server.say(index=0, opt=True)
        self.assertEqual(self.asked.addresses, (GOOD,))
        self.assertEqual(self.server.udp.forgotten, self.server.udp.sent)


class StreamTests(SynchronousTestCase):
    """Servers that are asked over connections only."""

    def test_padded(self) -> None:
        """Queries over TLS are padded to 128 bytes, and have no cookie."""
        server = FakeServer("tls://192.0.2.1")
        FakeLookup(server, name="a-name.test", options=QueryOptions(nsid=True))
        data = wire_of(server.stream.sent[0])
        self.assertEqual(len(data), 128)
        query = server.stream.query()
        self.assertEqual([int(each.otype) for each in query.options], [3, 12])
        self.assertEqual(str(query.question[0].name), "a-name.test.")

    def test_again(self) -> None:
        """Nothing came: another copy is sent, unless the carrier does it."""
        server = FakeServer("tcp://192.0.2.1")
        asked = FakeLookup(server)
        asked.clock.advance(0.5)
        self.assertEqual(len(server.stream.sent), 2)
        server.stream.resends = True
        asked.clock.advance(1)
        self.assertEqual(len(server.stream.sent), 2)
        server.stream_say(index=0)
        self.assertEqual(asked.addresses, (GOOD,))

    def test_one_of_two_fails(self) -> None:
        """While another copy is pending nothing is lost."""
        server = FakeServer("tcp://192.0.2.1")
        asked = FakeLookup(server)
        asked.clock.advance(0.5)
        server.stream.sent[0].failed(ConnectionClosed)
        self.assertEqual(asked.ended, 0)
        server.stream.sent[1].failed(ConnectionClosed)
        self.assertIs(type(asked.error), ConnectionClosed)
