"""Tests of L{netsvc.dns.lookup}: which servers are asked, and when."""

from __future__ import annotations

import dns.message
import dns.rrset
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns import codes
from netsvc.dns.errors import (
    BadAliases,
    NoServers,
    Refused,
    ServerFailure,
    ServerTimeout,
    Unreachable,
)
from netsvc.dns.memory import FIRST_WAIT, LEAST_WAIT, STRIKES
from tests.dns.fakes import GOOD, FakeLookup, FakeServer, reply


class OrderTests(SynchronousTestCase):
    """One server after the other."""

    def setUp(self) -> None:
        """Have three servers."""
        self.servers = [FakeServer(f"192.0.2.{number}") for number in (1, 2, 3)]

    def sent(self) -> list[int]:
        """How many queries each server has got."""
        return [len(server.udp.sent) for server in self.servers]

    def test_next_on_error(self) -> None:
        """An error leads to the next server at once, and is told."""
        asked = FakeLookup(*self.servers)
        self.servers[0].say(rcode=codes.SERVFAIL)
        self.servers[1].udp.sent[0].failed(Unreachable, "no route")
        self.assertEqual(self.sent(), [1, 1, 1])
        self.servers[2].say()
        assert asked.result is not None
        self.assertEqual(
            [type(each) for each in asked.result.errors], [ServerFailure, Unreachable]
        )
        self.assertEqual(asked.result.server, self.servers[2].server)

    def test_next_on_bad_aliases(self) -> None:
        """So do aliases that lead nowhere, though the server is not slow for that."""
        asked = FakeLookup(*self.servers)
        sent = self.servers[0].udp.sent[0]
        loop = dns.message.from_wire(reply(sent, address=""))
        name = loop.question[0].name
        loop.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", "x.test."))
        self.servers[0].say(loop.to_wire())
        self.assertEqual(self.sent(), [1, 1, 0])
        self.assertEqual(self.servers[0].memory.strikes, 0)
        self.servers[1].say()
        assert asked.result is not None
        self.assertEqual(asked.addresses, (GOOD,))
        self.assertEqual([type(each) for each in asked.result.errors], [BadAliases])

    def test_next_on_silence(self) -> None:
        """So does silence, after a while; both may answer then."""
        asked = FakeLookup(*self.servers)
        asked.clock.advance(FIRST_WAIT - 0.05)
        self.assertEqual(self.sent(), [1, 0, 0])
        asked.clock.advance(0.1)
        self.assertEqual(self.sent(), [1, 1, 0])
        self.servers[0].say()
        self.assertEqual(asked.addresses, (GOOD,))
        self.assertEqual(self.servers[1].udp.forgotten, self.servers[1].udp.sent)

    def test_all_fail(self) -> None:
        """When all have failed so has the lookup, with what tells most."""
        asked = FakeLookup(*self.servers)
        for server, code in zip(self.servers, (codes.REFUSED, 2, 9), strict=True):
            server.say(rcode=code)
        error = asked.error
        assert isinstance(error, ServerFailure)
        assert error.reply is not None
        self.assertEqual(error.reply.rcode, codes.SERVFAIL)
        self.assertEqual(len(asked.error.errors), 3)
        self.assertEqual(len(asked.engine.wheel), 0)

    def test_rounds(self) -> None:
        """Silent servers are asked again, those that have failed are not."""
        asked = FakeLookup(*self.servers, tries=2)
        asked.clock.pump([0.01] * 41)
        self.servers[1].say(rcode=codes.REFUSED)
        asked.clock.pump([0.05] * 60)
        self.assertEqual(self.sent(), [2, 1, 2])
        asked.clock.advance(5)
        self.assertIs(type(asked.error), Refused)
        self.assertEqual(
            [type(each) for each in asked.error.errors],
            [Refused, ServerTimeout, ServerTimeout],
        )

    def test_deadline(self) -> None:
        """The total time ends it, whatever is still to come."""
        asked = FakeLookup(self.servers[0], total=0.7)
        asked.clock.pump([0.1] * 8)
        self.assertIs(type(asked.error), ServerTimeout)
        self.assertEqual(self.servers[0].memory.counts["timeout"], 1)
        self.assertEqual(asked.ended, 1)

    def test_negative(self) -> None:
        """NXDOMAIN is an answer."""
        asked = FakeLookup(*self.servers)
        self.servers[0].say(rcode=codes.NXDOMAIN)
        assert asked.result is not None
        self.assertEqual(asked.result.rcode, codes.NXDOMAIN)

    def test_none(self) -> None:
        """Without servers it fails."""
        self.assertIs(type(FakeLookup().error), NoServers)

    def test_refused_at_once(self) -> None:
        """A carrier that fails before it returns is no trouble."""
        for server in self.servers:
            server.udp.refuses = Unreachable
        asked = FakeLookup(*self.servers, parallel=3)
        self.assertIs(type(asked.error), Unreachable)
        self.assertEqual((asked.ended, len(asked.error.errors)), (1, 3))

    def test_parallel(self) -> None:
        """Several may be asked at once."""
        asked = FakeLookup(*self.servers, parallel=2)
        self.assertEqual(self.sent(), [1, 1, 0])
        self.servers[0].say(rcode=codes.SERVFAIL)
        self.assertEqual(self.sent(), [1, 1, 1])
        self.servers[1].say()
        self.assertEqual(asked.addresses, (GOOD,))

    def test_cancelled(self) -> None:
        """What is given up is forgotten everywhere."""
        asked = FakeLookup(*self.servers)
        asked.lookup.cancel()
        self.assertEqual(self.servers[0].udp.forgotten, self.servers[0].udp.sent)
        self.assertEqual(len(asked.engine.wheel), 0)
        asked.clock.advance(10)
        self.assertEqual(asked.ended, 0)


class WaitTests(SynchronousTestCase):
    """How long one server is waited for."""

    def test_known(self) -> None:
        """Of a server that is known to be quick, less; but not too little."""
        quick, other = FakeServer("192.0.2.1"), FakeServer("192.0.2.2")
        for _ in range(10):
            quick.memory.heard(0.01, 0.0)
        asked = FakeLookup(quick, other)
        asked.clock.advance(LEAST_WAIT - 0.02)
        self.assertEqual(len(other.udp.sent), 0)
        asked.clock.advance(0.05)
        self.assertEqual(len(other.udp.sent), 1)

    def test_most(self) -> None:
        """Never more than the timeout."""
        slow, other = FakeServer("192.0.2.1"), FakeServer("192.0.2.2")
        slow.memory.heard(3.0, 0.0)
        asked = FakeLookup(slow, other, timeout=0.5)
        asked.clock.advance(0.52)
        self.assertEqual(len(other.udp.sent), 1)

    def test_hedged(self) -> None:
        """With hedging, as long as nearly all answers take."""
        quick, other = FakeServer("192.0.2.1"), FakeServer("192.0.2.2")
        for _ in range(30):
            quick.memory.heard(0.02, 0.0)
        asked = FakeLookup(quick, other, hedge=True)
        asked.clock.advance(0.05)
        self.assertEqual(len(other.udp.sent), 1)

    def test_silent_is_noted(self) -> None:
        """Whoever was waited for in vain while another answered loses by that."""
        silent, good = FakeServer("192.0.2.1"), FakeServer("192.0.2.2")
        for _ in range(STRIKES):
            asked = FakeLookup(silent, good)
            asked.clock.advance(FIRST_WAIT + 0.02)
            asked.clock.advance(0.01)
            good.say()
            self.assertEqual(asked.addresses, (GOOD,))
        self.assertTrue(silent.memory.is_resting)
        self.assertFalse(good.memory.is_resting)
