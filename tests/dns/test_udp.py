"""Tests of L{netsvc.dns.udp} with sockets that the test plays."""

from __future__ import annotations

import random
import socket
from errno import EAGAIN, ECONNREFUSED, EMSGSIZE, ENETUNREACH
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns import udp
from netsvc.dns.asked import Asked, Upstream
from netsvc.dns.entropy import Entropy
from netsvc.dns.errors import Unreachable
from netsvc.dns.lookup import Lookup
from netsvc.dns.memory import Memory
from netsvc.dns.names import from_text
from netsvc.dns.options import PLAIN
from netsvc.dns.result import Question, Result
from netsvc.dns.servers import parse_server
from netsvc.dns.udp import MAX_AGE, MAX_RETIRED, QUERIES, SOCKETS, UDPCarrier
from tests.dns.fakes import COOKIE, GOOD, FakeCarrier, FakeEngine, reply

#: After how many datagrams with unknown ids the sockets here are given up.
MAX_MISMATCHES = 5


class FakeSocket:
    """
    A socket.

    @ivar sent: what was sent.
    @ivar incoming: what will come: datagrams and errors.
    @ivar errors: with what the next sends fail.
    """

    local = "192.0.2.99"
    refuses = 0

    def __init__(self, family: int, kind: int) -> None:
        """Open it."""
        assert kind == socket.SOCK_DGRAM
        self.sent: list[bytes] = []
        self.incoming: list[bytes | OSError] = []
        self.errors: list[int] = []
        self._number = 100

    def setblocking(self, flag: bool) -> None:
        """It is not blocking."""
        assert not flag

    def connect(self, address: Any) -> None:
        """Connect, or not."""
        if self.refuses:
            raise OSError(self.refuses, "no way")

    def fileno(self) -> int:
        """Its number, -1 if it is closed."""
        return self._number

    def getsockname(self) -> tuple[str, int]:
        """Our end."""
        return (self.local, 1024)

    def close(self) -> None:
        """Close it."""
        self._number = -1

    def send(self, data: bytes) -> int:
        """Send, or fail."""
        if self.errors:
            raise OSError(self.errors.pop(0), "an error")
        self.sent.append(data)
        return len(data)

    def recv(self, size: int) -> bytes:
        """Give what has come."""
        if not self.incoming:
            raise BlockingIOError(EAGAIN, "nothing")
        found = self.incoming.pop(0)
        if isinstance(found, OSError):
            raise found
        return found


class FakeMux:
    """
    Polls sockets when the test says so.

    @ivar readers: what it polls.
    @ivar dispatching: whether a batch of events is being handled.
    @ivar late: what has something to send at its end.
    """

    def __init__(self) -> None:
        """Poll nothing."""
        self.readers: list[Any] = []
        self.dispatching = False
        self.late: dict[Any, None] = {}

    def addReader(self, reader: Any) -> None:
        """Poll."""
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        """Poll no more."""
        self.readers.remove(reader)


class UDPTests(SynchronousTestCase):
    """Queries over a pool of connected sockets."""

    def setUp(self) -> None:
        """Have a carrier."""
        self.sockets: list[FakeSocket] = []

        def make(family: int, kind: int) -> FakeSocket:
            self.sockets.append(FakeSocket(family, kind))
            return self.sockets[-1]

        self.patch(socket, "socket", make)
        self.engine = FakeEngine()
        self.mux = FakeMux()
        self.memory = Memory(parse_server("192.0.2.1"), COOKIE)
        entropy = Entropy(random.Random(1).randbytes)
        self.carrier = UDPCarrier(self.mux, self.memory, entropy, MAX_MISMATCHES)
        self.upstream = Upstream(self.memory, self.carrier, FakeCarrier("tcp"))
        self.ended: list[Any] = []
        self.addCleanup(self.carrier.close)

    def ask(self, name: str = "x.test") -> Lookup:
        """Ask."""
        question = Question(from_text(name), 1)
        lookup = Lookup(self.engine, question, PLAIN, [self.upstream], self._done)
        lookup.start(5.0)
        return lookup

    def _done(self, lookup: Lookup, result: Result | None, error: Any) -> None:
        self.ended.append(result.addresses if result else type(error))

    def used(self) -> Any:
        """Give a socket as the carrier knows it."""
        return self.mux.readers[-1]

    def answer(self, reader: Any, fake: FakeSocket) -> None:
        """Answer all that is pending at a socket."""
        for asked in list(reader.pending.values()):
            fake.incoming.append(reply(asked))
        while fake.incoming:
            reader.doRead()

    def fake_of(self, reader: Any) -> FakeSocket:
        """Give what is below a socket."""
        return self.sockets[self.sockets.index(reader._socket)]

    def answer_all(self) -> None:
        """Answer everything."""
        for reader in list(self.mux.readers):
            self.answer(reader, self.fake_of(reader))

    def test_answer(self) -> None:
        """A datagram with the right id is an answer; others are counted."""
        self.ask()
        reader, fake = self.used(), self.sockets[0]
        (query,) = fake.sent
        fake.incoming += [b"", bytes((query[0] ^ 1,)) + query[1:]]
        self.answer(reader, fake)
        self.assertEqual(self.ended, [(GOOD,)])
        self.assertEqual(self.memory.counts["unknown-id"], 2)
        self.assertEqual(reader.pending, {})
        self.assertEqual(reader.logPrefix(), "dns")

    def test_flood(self) -> None:
        """Many unknown ids: what is pending goes over TCP, and the port is not used."""
        self.patch(udp, "SOCKETS", 1)
        self.ask("a.test")
        self.ask("b.test")
        reader, fake = self.used(), self.sockets[0]
        stream: Any = self.upstream.stream
        every = (number.to_bytes(2, "big") for number in range(100))
        strange = [ident for ident in every if ident not in reader.pending]
        fake.incoming += strange[: MAX_MISMATCHES - 1]
        reader.doRead()
        self.assertEqual((stream.sent, reader.left > 0), ([], True))
        fake.incoming.append(strange[-1])
        reader.doRead()
        self.assertEqual((len(stream.sent), reader.left), (2, 0))
        self.assertEqual(self.memory.counts["flooded"], 2)
        # Once is enough.
        fake.incoming += strange[: 2 * MAX_MISMATCHES]
        reader.doRead()
        self.assertEqual(len(stream.sent), 2)
        self.answer_all()
        self.assertEqual(self.ended, [(GOOD,)] * 2)

    def test_flood_of_nothing(self) -> None:
        """If nothing is pending there the socket is just closed."""
        self.ask()
        reader = self.used()
        self.answer_all()
        fake = self.fake_of(reader)
        fake.incoming += [b"\0\0"] * MAX_MISMATCHES
        fake.incoming.append(b"?")
        reader.doRead()
        self.assertEqual((len(self.carrier), fake.incoming), (0, [b"?"]))

    def test_late(self) -> None:
        """Copies of a reply are no strangers, however many come."""
        self.ask()
        reader, fake = self.used(), self.sockets[0]
        copy = reply(next(iter(reader.pending.values())))
        self.answer_all()
        fake.incoming += [copy] * (MAX_MISMATCHES + 1)
        reader.doRead()
        self.assertEqual(self.memory.counts["late"], MAX_MISMATCHES + 1)
        self.assertEqual(self.memory.counts["unknown-id"], 0)
        self.assertEqual(len(self.carrier), 1)

    def test_remembered(self) -> None:
        """A bounded number of ids is remembered."""
        self.patch(udp, "MAX_PENDING", 2)
        self.patch(udp, "SOCKETS", 1)
        for number in range(5):
            self.ask(f"n{number}.test")
            reader = self.used()
            self.answer_all()
            self.assertLessEqual(len(reader.over), 2)

    def test_pool(self) -> None:
        """A few sockets are used, and each for a number of queries."""
        ids = set()
        for number in range(SOCKETS * QUERIES * 3):
            self.ask(f"n{number}.test")
            ids.add(next(iter(self.used().pending), b""))
            self.answer_all()
            self.assertLessEqual(len(self.carrier), SOCKETS)
        self.assertEqual(set(self.ended), {(GOOD,)})
        self.assertGreater(len(self.sockets), 2 * SOCKETS)
        self.assertLessEqual(max(len(fake.sent) for fake in self.sockets), QUERIES)
        self.assertGreater(len(ids), QUERIES)

    def test_retired(self) -> None:
        """A socket that is not used any more waits for its replies; so do not many."""
        self.patch(udp, "QUERIES", 8)
        for number in range(SOCKETS * 8 * 20):
            self.ask(f"n{number}.test")
        self.assertLessEqual(len(self.carrier), SOCKETS + MAX_RETIRED)
        self.assertGreaterEqual(len(self.carrier), MAX_RETIRED)
        self.answer_all()
        self.assertEqual(len(self.ended), SOCKETS * 8 * 20)
        self.ask("last.test")
        self.answer_all()
        self.assertLessEqual(len(self.carrier), SOCKETS)

    def test_age(self) -> None:
        """An old socket is replaced, too."""
        self.ask("a.test")
        self.answer_all()
        for number in range(20):
            self.engine.clock.advance(MAX_AGE + 1)
            self.ask(f"n{number}.test")
            self.answer_all()
        self.assertGreater(len(self.sockets), 10)

    def test_ids(self) -> None:
        """An id that is pending is not used again; there is an end of them."""
        self.patch(udp, "MAX_PENDING", 1)
        self.patch(udp, "SOCKETS", 1)
        self.carrier._entropy = Entropy(lambda count: bytes(64) + b"\1" * (count - 64))
        self.ask("a.test")
        self.ask("b.test")
        self.assertEqual(self.ended, [Unreachable])
        self.patch(udp, "MAX_PENDING", 2)
        self.ask("c.test")
        self.assertEqual(list(self.used().pending), [b"\0\0", b"\0\1"])

    def test_refused(self) -> None:
        """ICMP: what is pending fails at once."""
        self.ask("a.test")
        self.sockets[0].incoming.append(OSError(ECONNREFUSED, "refused"))
        self.used().doRead()
        self.assertEqual(self.ended, [Unreachable])
        self.assertEqual(self.used().pending, {})

    def test_other_errors(self) -> None:
        """Another error of the socket is counted, and changes nothing."""
        self.ask("a.test")
        self.sockets[0].incoming.append(OSError(EMSGSIZE, "odd"))
        self.used().doRead()
        self.assertEqual(self.memory.counts["send-failed"], 1)
        self.answer_all()
        self.assertEqual(self.ended, [(GOOD,)])

    def test_refused_late(self) -> None:
        """A refusal that is told at the next send is about the query before."""
        self.patch(udp, "SOCKETS", 1)
        self.ask("a.test")
        self.sockets[0].errors = [ECONNREFUSED]
        self.ask("b.test")
        self.assertEqual(self.ended, [Unreachable])
        self.assertEqual(len(self.sockets[0].sent), 2)
        self.answer_all()
        self.assertEqual(self.ended, [Unreachable, (GOOD,)])

    def test_send_fails(self) -> None:
        """A full buffer is a lost datagram; no way to the server is an error."""
        self.patch(udp, "SOCKETS", 1)
        self.ask("a.test")
        self.sockets[0].errors = [EAGAIN]
        self.ask("b.test")
        self.assertEqual((self.ended, self.memory.counts["send-failed"]), ([], 1))
        self.sockets[0].errors = [ENETUNREACH]
        self.ask("c.test")
        self.assertEqual(self.ended, [Unreachable])
        self.sockets[0].errors = [ECONNREFUSED, ECONNREFUSED]
        self.ask("d.test")
        self.assertEqual(self.ended, [Unreachable] * 4)

    def test_no_socket(self) -> None:
        """Without a way to the server no socket can be connected."""
        self.patch(FakeSocket, "refuses", ENETUNREACH)
        self.ask()
        self.assertEqual(self.ended, [Unreachable])
        self.assertEqual([fake.fileno() for fake in self.sockets], [-1])

    def test_few_descriptors(self) -> None:
        """If there are no more sockets those that are open are used."""
        self.ask("a.test")
        self.patch(FakeSocket, "refuses", 24)
        for number in range(8):
            self.ask(f"n{number}.test")
        self.assertEqual(self.ended, [])
        self.assertGreater(self.memory.counts["no-socket"], 0)
        self.assertEqual(len(self.carrier), 1)

    def test_batch(self) -> None:
        """What is asked while replies are handled is sent at the end."""
        self.mux.dispatching = True
        lookup = self.ask("a.test")
        self.ask("b.test")
        lookup.cancel()
        self.assertEqual([fake.sent for fake in self.sockets if fake.sent], [])
        self.assertEqual(list(self.mux.late), [self.carrier])
        self.carrier.doWrite()
        self.assertEqual(sum(len(fake.sent) for fake in self.sockets), 1)

    def test_address(self) -> None:
        """A new address of ours has a new cookie (RFC 9018 section 3)."""
        self.ask("a.test")
        self.assertEqual(self.memory.client_cookie, COOKIE)
        self.patch(FakeSocket, "local", "198.51.100.1")
        for number in range(8):
            self.ask(f"n{number}.test")
        self.assertNotEqual(self.memory.client_cookie, COOKIE)

    def test_shutdown(self) -> None:
        """The reactor's end closes the socket."""
        self.ask()
        self.used().connectionLost(None)
        self.assertEqual(len(self.carrier), 0)

    def test_stalled(self) -> None:
        """A datagram is not sent again by itself."""
        self.ask()
        asked: Asked = next(iter(self.used().pending.values()))
        self.assertFalse(asked.stalled())
