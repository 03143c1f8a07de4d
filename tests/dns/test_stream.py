"""Tests of L{netsvc.dns.stream} and L{netsvc.dns.tcp}, without a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from OpenSSL.SSL import Error as SSLError
from twisted.internet.error import (
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
)
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns import stream
from netsvc.dns.asked import Upstream
from netsvc.dns.endings import why
from netsvc.dns.entropy import Entropy
from netsvc.dns.errors import (
    BadReply,
    ConnectionClosed,
    ServerTimeout,
    TLSFailed,
    Unreachable,
)
from netsvc.dns.lookup import Lookup
from netsvc.dns.memory import MEMORY, Memory
from netsvc.dns.names import from_text
from netsvc.dns.options import PLAIN
from netsvc.dns.result import Question, Result
from netsvc.dns.servers import parse_server
from netsvc.dns.stream import IDLE, LINGER, StreamCarrier
from netsvc.dns.tcp import FramedConnection, TLSConnection
from tests.dns.fakes import GOOD, FakeEngine, reply


class Transport(StringTransportWithDisconnection):
    """
    A transport of a connection.

    @ivar closing: whether it was told to end, in order.
    @ivar negotiatedProtocol: what TLS has agreed on.
    """

    closing = False
    negotiatedProtocol = b""  # noqa: N815 -- the interface's name
    protocol: Any

    def loseConnection(self) -> None:
        """Wait for the other side."""
        self.closing = True

    def abortConnection(self) -> None:
        """End at once."""
        if self.connected:
            self.connected = False
            self.protocol.connectionLost(Failure(ConnectionLost()))

    def queries(self) -> list[bytes]:
        """Take apart what was written."""
        data, found = self.value(), []
        self.clear()
        while data:
            length = int.from_bytes(data[:2], "big")
            found.append(data[2 : 2 + length])
            data = data[2 + length :]
        return found


class CarrierTestCase(SynchronousTestCase):
    """A carrier whose connections the test plays."""

    def setUp(self) -> None:
        """Have a carrier."""
        self.engine = FakeEngine(timeout=2.0)
        self.server = parse_server("tcp://192.0.2.1")
        self.memory = Memory(self.server)
        self.attempts: list[tuple[Any, Callable[[Exception], None]]] = []
        self.cancelled = 0
        self.carrier = StreamCarrier(
            "tcp", self.memory, self._connect, self.engine.now, self.engine.wheel
        )
        self.upstream = Upstream(self.memory, None, self.carrier)
        self.entropy = Entropy(iter_bytes())
        self.ended: list[Any] = []

    def _connect(self, carrier: StreamCarrier, failed: Any) -> Any:
        connection = self.build(carrier)
        self.attempts.append((connection, failed))
        return self

    def build(self, carrier: StreamCarrier) -> Any:
        """Make a connection."""
        return FramedConnection(carrier, self.entropy)

    def cancel(self) -> None:
        """An attempt is given up."""
        self.cancelled += 1

    def ask(self, name: str = "x.test", total: float = 5.0) -> Lookup:
        """Ask."""
        lookup = Lookup(
            self.engine,
            Question(from_text(name), 1),
            PLAIN,
            [self.upstream],
            self._done,
        )
        lookup.start(total)
        return lookup

    def _done(self, lookup: Lookup, result: Result | None, error: Any) -> None:
        self.ended.append(result.addresses if result else type(error))

    def connect(self, index: int = -1) -> tuple[Any, Transport]:
        """Let an attempt succeed."""
        connection, _ = self.attempts[index]
        transport = Transport()
        transport.protocol = connection
        connection.makeConnection(transport)
        return connection, transport


def iter_bytes() -> Callable[[int], bytes]:
    """Give bytes that are different and always the same."""
    import random

    return random.Random(5).randbytes


def answer_to(query: bytes, address: str = GOOD) -> bytes:
    """Answer a query, with a length."""

    class _Asked:
        ident = query[:2]
        question = query[12 : query.index(b"\0", 12) + 5]
        rest = b""
        flags = 0x100

    data = reply(_Asked(), address=address)  # type: ignore[arg-type]
    return len(data).to_bytes(2, "big") + data


class ConnectionTests(CarrierTestCase):
    """Queries over one connection."""

    def test_pipelined(self) -> None:
        """Queries wait for the connection, share it, and are answered in any order."""
        self.ask("a.test")
        self.ask("b.test")
        self.assertEqual(len(self.attempts), 1)
        connection, transport = self.connect()
        first, second = transport.queries()
        self.ask("c.test")
        (third,) = transport.queries()
        whole = answer_to(third) + answer_to(first) + answer_to(second)
        for byte in whole:
            connection.dataReceived(bytes((byte,)))
        self.assertEqual(self.ended, [(GOOD,)] * 3)
        self.assertEqual(len(self.carrier), 1)

    def test_idle(self) -> None:
        """A connection that is not used is closed, after a while, and really."""
        self.ask()
        connection, transport = self.connect()
        connection.dataReceived(answer_to(transport.queries()[0]))
        self.engine.clock.advance(IDLE - 1)
        self.ask("b.test")
        connection.dataReceived(answer_to(transport.queries()[0]))
        self.engine.clock.advance(2)
        self.assertFalse(transport.closing)
        self.engine.clock.advance(IDLE)
        self.assertTrue(transport.closing)
        self.assertTrue(transport.connected)
        self.engine.clock.advance(LINGER + 0.1)
        self.assertFalse(transport.connected)
        self.assertEqual((len(self.carrier), len(self.engine.wheel)), (0, 0))

    def test_window(self) -> None:
        """There are so many queries on a connection, the others wait."""
        self.patch(stream, "WINDOW", 2)
        lookups = [self.ask(name) for name in ("a.test", "b.test", "c.test", "d.test")]
        connection, transport = self.connect()
        first, _ = transport.queries()
        connection.dataReceived(answer_to(first))
        self.assertEqual(len(transport.queries()), 1)
        # One that is given up is still to be answered by the server.
        lookups[1].cancel()
        self.assertEqual(transport.queries(), [])
        lookups[3].cancel()

    def test_queue(self) -> None:
        """The queue has an end."""
        self.patch(stream, "MAX_QUEUE", 1)
        self.ask("a.test")
        self.ask("b.test")
        self.assertEqual(self.ended, [ConnectionClosed])

    def test_replaced(self) -> None:
        """After so many queries another connection is used; the old one is closed."""
        self.patch(stream, "MAX_QUERIES", 1)
        self.ask("a.test")
        connection, transport = self.connect()
        self.ask("b.test")
        self.assertEqual(len(self.attempts), 2)
        self.connect()
        self.assertEqual(len(self.carrier), 2)
        connection.dataReceived(answer_to(transport.queries()[0]))
        self.assertEqual(self.ended, [(GOOD,)])
        self.assertTrue(transport.closing)

    def test_late_reply(self) -> None:
        """A reply for which nobody waits any more does no harm."""
        lookup = self.ask("a.test")
        connection, transport = self.connect()
        lookup.cancel()
        connection.dataReceived(answer_to(transport.queries()[0]))
        self.assertTrue(transport.connected)

    def test_unknown_reply(self) -> None:
        """One that nobody has asked for ends the connection."""
        self.ask()
        connection, transport = self.connect()
        (query,) = transport.queries()
        other = bytes((query[0] ^ 1,)) + query[1:]
        connection.dataReceived(answer_to(other) + answer_to(query, "6.6.6.6"))
        self.assertEqual(self.ended, [BadReply])
        self.assertFalse(transport.connected)

    def test_wrong_reply(self) -> None:
        """A wrong answer ends the connection, and the others that are pending."""
        self.ask("a.test")
        self.ask("b.test")
        connection, transport = self.connect()
        first, second = transport.queries()
        connection.dataReceived(answer_to(first[:2] + second[2:]))
        self.assertEqual(self.ended, [BadReply, BadReply])

    def test_abandoned(self) -> None:
        """Nobody waits: the attempt to connect is given up."""
        self.ask("a.test", total=0.5)
        self.engine.clock.advance(0.6)
        self.assertEqual((self.ended, self.cancelled), ([ServerTimeout], 1))

    def test_closed(self) -> None:
        """A carrier that is closed closes its connections and attempts."""
        self.ask()
        _, transport = self.connect()
        self.carrier.close()
        self.assertFalse(transport.connected)
        self.assertEqual(self.ended, [ConnectionClosed])
        self.setUp()
        self.ask()
        self.carrier.close()
        self.assertEqual(self.cancelled, 1)


class LossTests(CarrierTestCase):
    """Connections that end."""

    def lose(self, transport: Transport, reason: Exception | None = None) -> None:
        """End a connection."""
        transport.connected = False
        transport.protocol.connectionLost(Failure(reason or ConnectionDone()))

    def test_refused(self) -> None:
        """No connection is an error at once, for all who wait."""
        self.ask("a.test")
        self.ask("b.test")
        self.attempts[0][1](ConnectionRefusedError())
        self.assertEqual(self.ended, [Unreachable, Unreachable])

    def test_closed_at_once(self) -> None:
        """A new connection that ends without an answer is an error at once."""
        self.ask()
        _, transport = self.connect()
        self.lose(transport)
        self.assertEqual(self.ended, [ConnectionClosed])

    def test_closed_later(self) -> None:
        """One that was used before: the query is sent again, once."""
        self.ask("a.test")
        connection, transport = self.connect()
        connection.dataReceived(answer_to(transport.queries()[0]))
        self.ask("b.test")
        self.lose(transport)
        self.assertEqual(len(self.attempts), 2)
        connection, transport = self.connect()
        self.assertEqual(len(transport.queries()), 1)
        self.lose(transport)
        self.assertEqual(self.ended, [(GOOD,), ConnectionClosed])
        self.assertEqual(self.memory.counts["resent"], 1)

    def test_stalled(self) -> None:
        """Nothing at all has come: another connection, and one query at a time."""
        self.ask("a.test")
        self.ask("b.test")
        _, transport = self.connect()
        self.assertEqual(len(transport.queries()), 2)
        self.engine.clock.advance(0.5)
        self.assertFalse(transport.connected)
        self.assertEqual(len(self.attempts), 2)
        connection, transport = self.connect()
        (query,) = transport.queries()
        self.assertTrue(self.memory.takes_one_by_one(MEMORY - 1))
        connection.dataReceived(answer_to(query))
        (query,) = transport.queries()
        connection.dataReceived(answer_to(query))
        self.assertEqual(self.ended, [(GOOD,), (GOOD,)])

    def test_stalled_twice(self) -> None:
        """Silent on another connection, too: the server has failed."""
        self.ask()
        self.connect()
        self.engine.clock.advance(0.5)
        self.connect()
        self.engine.clock.pump([0.1] * 60)
        self.assertEqual(self.ended, [ConnectionClosed])

    def test_slow(self) -> None:
        """While other replies come it has not stalled; another copy is sent."""
        self.ask("slow.test")
        connection, transport = self.connect()
        self.engine.clock.advance(0.2)
        self.ask("quick.test")
        slow, quick = transport.queries()
        self.engine.clock.advance(0.1)
        connection.dataReceived(answer_to(quick))
        self.engine.clock.advance(0.15)
        self.assertEqual(len(transport.queries()), 1)
        connection.dataReceived(answer_to(slow))
        self.assertEqual(self.ended, [(GOOD,), (GOOD,)])

    def test_why(self) -> None:
        """Each reason has its class."""
        for error, kind, text in (
            (ConnectionRefusedError(), Unreachable, "refused"),
            (OSError(101, "Network is unreachable"), Unreachable, "unreachable"),
            (ConnectionDone(), ConnectionClosed, ""),
            (SSLError([("ssl", "", "certificate verify failed")]), TLSFailed, "verify"),
            (SSLError(), TLSFailed, ""),
            (ValueError("a\nb"), TLSFailed, "a b"),
        ):
            found, detail = why(error)
            self.assertIs(found, kind)
            self.assertIn(text, detail)


class TLSTests(LossTests):
    """The same over TLS, as far as TLS matters."""

    accepted = True

    def build(self, carrier: StreamCarrier) -> Any:
        """Make a connection over TLS."""
        return TLSConnection(carrier, self.entropy, lambda transport: self.accepted)

    def connect(self, index: int = -1) -> tuple[Any, Transport]:
        """Let an attempt and its handshake succeed."""
        connection, transport = super().connect(index)
        self.assertEqual(transport.queries(), [])
        connection.handshakeCompleted()
        return connection, transport

    def test_pins(self) -> None:
        """A key that is not pinned is refused."""
        self.accepted = False
        self.ask()
        _, transport = self.connect()
        self.assertEqual(self.ended, [TLSFailed])
        self.assertFalse(transport.connected)

    def test_no_handshake(self) -> None:
        """A handshake that fails is the failure of all who wait."""
        self.ask("a.test")
        self.ask("b.test")
        _, transport = super().connect()
        self.lose(transport, SSLError([("ssl", "", "no")]))
        self.assertEqual(self.ended, [TLSFailed, TLSFailed])

    def test_slow_handshake(self) -> None:
        """One that takes too long is a failure, too."""
        self.ask(total=5.0)
        _, transport = super().connect()
        self.engine.clock.pump([0.5] * 5)
        self.assertEqual(self.ended, [TLSFailed])
        self.assertFalse(transport.connected)

    def test_rude_end(self) -> None:
        """An end of TCP without one of TLS is an end."""
        self.ask("a.test")
        _, transport = self.connect()
        self.lose(transport, SSLError([("", "", "unexpected eof")]))
        self.assertEqual(self.ended, [ConnectionClosed])
