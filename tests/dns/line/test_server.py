"""Tests of L{netsvc.dns.line.server}."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address

from netsvc.daemon.connections import Connections, Timeouts
from netsvc.daemon.limits import ConnectionLimits, Rate
from netsvc.dns.errors import ServerTimeout
from netsvc.dns.line.server import MAX_WAITING, LineFactory
from tests.daemon.service_fakes import Wire
from tests.dns.forwarder.case import CLIENT, SERVER, ForwarderCase, address
from tests.dns.forwarder.stream_case import GONE

GREETING = "netsvc-dns: type a name, such as www.example.com, or help."


class LineCase(ForwarderCase):
    """A connection of somebody who types."""

    def setUp(self) -> None:
        super().setUp()
        connections = Connections(
            "netsvc-dns", ConnectionLimits(10), Timeouts(), self.clock
        )
        self.factory = LineFactory(connections, "tcp", self.forwarder)
        self.connect()

    def connect(self, host: str = CLIENT) -> None:
        """Have a new connection."""
        peer = IPv4Address("TCP", host, 5000)
        self.protocol: Any = self.factory.buildProtocol(peer)
        self.wire = Wire(self.clock, peer)
        self.wire.serve(self.protocol)

    def type(self, text: str) -> None:
        """Type."""
        self.protocol.dataReceived(text.encode())

    def lines(self) -> list[str]:
        """Give the lines that were written since the last time."""
        data: str = self.wire.value().decode()
        self.wire.clear()
        return data.split("\r\n")[:-1]


class LineTests(LineCase):
    """People who type names."""

    def test_greeting(self) -> None:
        """They are told what to do."""
        self.assertEqual(self.lines(), [GREETING])
        self.type("help\r\n")
        self.assertEqual(len(self.lines()), 5)

    def test_answers(self) -> None:
        """Lines are answered one after the other."""
        self.lines()
        self.type("www.example.com\nlocalhost\n")
        self.assertEqual((self.lines(), len(self.upstream.asked)), ([], 2))
        self.upstream.answer(address())
        self.upstream.answer()
        found = self.lines()
        self.assertEqual(found[0], "www.example.com  A  300  192.0.2.1")
        self.assertIn("127.0.0.1", found[1])
        self.assertEqual(self.factory.counts["lines"], 2)

    def test_failure(self) -> None:
        """That there is no answer is said."""
        self.lines()
        self.type("MX www.example.com\n")
        self.upstream.fail(ServerTimeout(SERVER, "udp"))
        self.assertIn("has not answered in time", self.lines()[0])

    def test_our_mistake(self) -> None:
        """A mistake of ours is logged; the next line is answered."""
        self.lines()
        self.type("MX www.example.com\nhelp\n")
        self.upstream.waiting.pop().errback(ZeroDivisionError())
        self.assertEqual(self.lines()[0], "Something went wrong here.")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_mistakes(self) -> None:
        """So is what was wrong with a line."""
        self.lines()
        self.type("a b c\n" + "x" * 2000 + "\n\x1b[2J..\n")
        first, second, third = self.lines()
        self.assertIn("a type and a name", first)
        self.assertIn("too long", second)
        self.assertNotIn("\x1b", third)

    def test_quit(self) -> None:
        """They can end it; what comes behind is not read."""
        self.type("quit\nhelp\n")
        self.assertTrue(self.wire.disconnecting)
        self.type("help\n")
        self.assertEqual(self.lines(), [GREETING])

    def test_half_closed(self) -> None:
        """nc's end of input ends it, when all is answered."""
        self.type("MX www.example.com")
        self.protocol.readConnectionLost()
        self.protocol.writeConnectionLost()
        self.assertFalse(self.wire.disconnecting)
        self.upstream.answer()
        self.assertTrue(self.wire.disconnecting)
        self.assertEqual(len(self.lines()), 2)

    def test_gone(self) -> None:
        """Who is gone gets no answer."""
        self.type("MX www.example.com\nhelp\n")
        self.lines()
        self.protocol.connectionLost(GONE)
        self.upstream.answer()
        self.assertEqual(self.lines(), [])

    def test_many_lines(self) -> None:
        """So many lines may wait; more are not read."""
        self.type("MX www.example.com\n" + "help\n" * MAX_WAITING)
        self.assertEqual(self.wire.producerState, "paused")
        self.upstream.answer()
        self.assertEqual(self.wire.producerState, "producing")
        self.assertEqual(len(self.lines()), 2 + 5 * MAX_WAITING)

    def test_answered_at_once(self) -> None:
        """However many answers are there at once, they come in order."""
        self.lines()
        self.type("".join(f"A x{n}.localhost\n" for n in range(MAX_WAITING)))
        found = [line.split(".")[0] for line in self.lines()]
        self.assertEqual(found, [f"x{n}" for n in range(MAX_WAITING)])

    def test_slow_reader(self) -> None:
        """Who does not read is not read from, nor answered."""
        self.lines()
        self.protocol.pauseProducing()
        self.assertEqual(self.wire.producerState, "paused")
        self.type("help\n")
        self.assertEqual(self.lines(), [])
        self.protocol.resumeProducing()
        self.assertEqual(self.wire.producerState, "producing")
        self.assertEqual(len(self.lines()), 5)
        self.protocol.stopProducing()

    def test_not_idle(self) -> None:
        """Who waits for an answer is not idle."""
        self.assertEqual(self.protocol.progress(), self.protocol.progress())
        self.type("MX www.example.com\n")
        self.assertNotEqual(self.protocol.progress(), self.protocol.progress())

    def test_prohibited(self) -> None:
        """Others than those we serve are told so."""
        self.connect("8.8.8.8")
        self.assertEqual(self.lines(), ["This service does not serve your address."])
        self.assertTrue(self.wire.disconnecting)

    def test_tls(self) -> None:
        """Over TLS the greeting waits for the handshake."""
        self.factory.secure = True
        self.connect()
        self.assertEqual(self.lines(), [])
        self.protocol.handshakeCompleted()
        self.assertEqual(self.lines(), [GREETING])


class RateTests(LineCase):
    """Too many questions."""

    rate = Rate(1, 1)

    def test_rate(self) -> None:
        """They are refused."""
        self.lines()
        self.type("localhost\nlocalhost\n")
        self.assertIn("Too many questions", self.lines()[-1])
