"""Tests of L{netsvc.balance.udp}, on sockets that are played."""

from __future__ import annotations

import socket
from errno import EAGAIN, ECONNREFUSED, ENETUNREACH
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.acl import Acl
from netsvc.balance.proxy_protocol import decode_datagram
from netsvc.balance.udp import UDPEntrance, UDPSession
from netsvc.daemon.limits import Rate, RateTable
from tests.balance.session_fakes import Table

ANN = ("192.0.2.1", 1000)
BOB = ("192.0.2.2", 1000)


class FakeSocket:
    """A connected UDP socket whose peer is the test."""

    refuses: OSError | None = None
    made: list[FakeSocket]

    def __init__(self, *how: Any) -> None:
        """Begin."""
        self.sent: list[bytes] = []
        self.inbox: list[Any] = []
        self.closed = False
        self.fails: OSError | None = None
        self.made.append(self)

    def setblocking(self, flag: bool) -> None:
        """Nothing here waits."""

    def connect(self, address: Any) -> None:
        """Take an address."""
        if self.refuses is not None:
            raise self.refuses
        self.address = address

    def send(self, data: bytes) -> int:
        """Take a datagram."""
        if self.fails is not None:
            raise self.fails
        self.sent.append(data)
        return len(data)

    def recv(self, size: int) -> bytes:
        """Give the next datagram."""
        if not self.inbox:
            raise OSError(EAGAIN, "")
        answer = self.inbox.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, bytes)
        return answer

    def fileno(self) -> int:
        """Give no descriptor."""
        return -1

    def close(self) -> None:
        """Close."""
        self.closed = True


class Port:
    """The entrance's port."""

    takes = True

    def __init__(self) -> None:
        """Begin."""
        self.sent: list[tuple[bytes, Any]] = []

    def write(self, datagram: bytes, address: Any) -> bool:
        """Send a datagram."""
        self.sent.append((datagram, address))
        return self.takes

    def getHost(self) -> Any:
        """Give the address."""
        return IPv4Address("UDP", "192.0.2.9", 53)


class MultiplexPort(Port):
    """The multiplexer's, which knows where a datagram came to."""

    def origin(self) -> str:
        """Give where."""
        return "asked"

    def answer(self, datagram: bytes, origin: str) -> bool:
        """Send from there."""
        self.sent.append((datagram, origin))
        return self.takes


class UDPTests(SynchronousTestCase):
    """Sessions of UDP."""

    def setUp(self) -> None:
        """Play the sockets."""
        FakeSocket.made = []
        self.patch(socket, "socket", FakeSocket)

    def make(self, *backends: str, port: Any = None, **how: Any) -> None:
        """Make an entrance."""
        self.table = Table(*backends)
        self.readers: list[Any] = []
        reactor: Any = self.table.clock
        reactor.addReader = self.readers.append
        reactor.removeReader = self.readers.remove
        options = {
            "acl": Acl(), "rate": None, "max_sessions": 2, "idle": 10, **how
        }  # fmt: skip
        self.entrance = UDPEntrance(self.table.upstream, reactor, **options)
        self.port = port or Port()
        self.entrance.transport = self.port

    def socket(self, number: int = -1) -> FakeSocket:
        """Give the socket of a session."""
        return FakeSocket.made[number]

    def ask(self, address: Any = ANN, data: bytes = b"?") -> None:
        """Let a client's datagram come."""
        self.entrance.datagramReceived(data, address)

    def answer(self, *answers: Any, number: int = -1) -> None:
        """Let a backend's datagrams come."""
        self.socket(number).inbox += answers
        self.readers[number].doRead()

    def test_session(self) -> None:
        """A client's datagrams go to one backend, whose answers go to it."""
        self.make()
        self.ask()
        self.ask(data=b"!")
        self.ask(BOB)
        self.assertEqual(self.socket(0).sent, [b"?", b"!"])
        self.answer(b"1", b"2", number=0)
        self.answer(b"3", number=1)
        self.assertEqual(self.port.sent, [(b"1", ANN), (b"2", ANN), (b"3", BOB)])
        self.assertEqual((self.entrance.received, self.entrance.begun), (3, 2))

    def test_from_asked_address(self) -> None:
        """Answers leave from where the client has asked."""
        self.make(port=MultiplexPort())
        self.ask()
        self.answer(b"1")
        self.assertEqual(self.port.sent, [(b"1", "asked")])

    def test_idle(self) -> None:
        """A session on which nothing moves is forgotten, and counted."""
        self.make()
        self.ask()
        self.answer(b"12")
        self.entrance.sweep()
        self.table.clock.advance(9)
        self.entrance.sweep()
        self.assertEqual(len(self.entrance.sessions), 1)
        self.table.clock.advance(1)
        self.entrance.sweep()
        self.assertEqual(len(self.entrance.sessions), 0)
        self.assertEqual((self.socket().closed, self.readers), (True, []))
        row = self.table.row()
        self.assertEqual((row["bytes_in"], row["bytes_out"]), (1, 2))
        self.assertEqual(row["sessions"], 0)

    def test_expected_answers(self) -> None:
        """With the expected number of answers a session is over."""
        self.make(responses=2)
        self.ask()
        self.answer(b"1", b"2", b"3")
        self.assertEqual(len(self.port.sent), 2)
        self.assertEqual(len(self.entrance.sessions), 0)

    def test_dropped(self) -> None:
        """What is not passed on is counted by its reason."""
        self.make(max_sessions=1)
        self.ask()
        self.ask(BOB)
        self.assertEqual(self.entrance.dropped, {"sessions-full": 1})
        self.make(acl=Acl.parse(["deny:all"]))
        self.ask()
        self.assertEqual(self.entrance.dropped, {"denied": 1})
        self.make("10.0.0.1:53,weight=0")
        self.ask()
        self.assertEqual(self.entrance.dropped, {"no-backend": 1})
        self.make(rate=RateTable(Rate(1, 1)))
        self.ask()
        self.ask()
        self.assertEqual(self.entrance.dropped, {"rate": 1})

    def test_no_socket(self) -> None:
        """Without a socket there is no session; the backend is not blamed."""
        self.patch(FakeSocket, "refuses", OSError(24, "too many"))
        self.make("[2001:db8::1]:53")
        self.ask()
        self.assertEqual(self.entrance.dropped, {"no-socket": 1})
        self.assertEqual(self.table.row()["errors"], {"local": 1})
        self.assertTrue(self.socket().closed)

    def test_refused(self) -> None:
        """A closed port ends the session; the next datagram begins another one."""
        self.make()
        self.ask()
        self.answer(OSError(ECONNREFUSED, ""))
        self.assertEqual(self.table.row()["errors"], {"refused": 1})
        self.assertEqual(len(self.entrance.sessions), 0)
        self.ask()
        self.assertEqual(len(FakeSocket.made), 2)

    def test_refused_later(self) -> None:
        """After answers it is a reset; it may be met by sending, too."""
        self.make()
        self.ask()
        self.answer(b"1")
        self.socket().fails = OSError(ECONNREFUSED, "")
        self.ask()
        self.assertEqual(self.table.row()["errors"], {"reset": 1})

    def test_send_failed(self) -> None:
        """Other errors of one datagram are counted, and the session stays."""
        self.make()
        self.ask()
        self.socket().fails = OSError(ENETUNREACH, "")
        self.ask()
        self.port.takes = False
        self.answer(b"1")
        self.assertEqual(self.entrance.dropped, {"send-failed": 2})
        self.assertEqual(len(self.entrance.sessions), 1)

    def test_proxy_header(self) -> None:
        """Each datagram has its header."""
        self.make("10.0.0.1:53,send-proxy=v2")
        self.ask()
        self.ask(data=b"!")
        for sent, data in zip(self.socket().sent, (b"?", b"!"), strict=True):
            header, payload = decode_datagram(sent)
            self.assertEqual((header.source, payload), (ANN, data))
            self.assertEqual(header.destination, ("192.0.2.9", 53))

    def test_leave(self) -> None:
        """The sessions of a backend that is down are ended, and no others."""
        self.make("10.0.0.1:53,max=1", "10.0.0.2:53")
        self.ask()
        self.ask(BOB)
        one, two = self.table.pool.backends
        self.entrance.leave(one)
        self.assertEqual([s.backend for s in self.entrance.sessions.values()], [two])

    def test_stop(self) -> None:
        """After a stop nothing is left; a session is ended once."""
        self.make()
        self.ask()
        session = self.entrance.sessions[ANN]
        assert isinstance(session, UDPSession)
        self.assertEqual(session.logPrefix(), "udp session")
        self.entrance.stop()
        session.connectionLost(None)
        self.assertEqual((self.readers, self.table.row()["sessions"]), ([], 0))
