"""The UDP link against a socket that is not there."""

from __future__ import annotations

import errno
import socket
import sys
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netsvc.echo.probe.datagram import (
    MAX_READS_PER_WAKEUP,
    DatagramLink,
    connect_udp,
)
from netsvc.echo.probe.errors import ProbeError
from netsvc.echo.probe.rejection import Rejection
from netsvc.echo.probe.thresholds import Level
from tests.echo.probe_fakes import (
    LOCALHOST,
    LOCALHOST6,
    FakeReactor,
    FakeReceiver,
    FakeSocket,
)

REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "refused")


class LinkTests(SynchronousTestCase):
    """Reading and sending, with errors in between."""

    def setUp(self) -> None:
        """Make a link on a fake socket, as on Linux."""
        self.patch(sys, "platform", "linux")
        self.reactor = FakeReactor()
        self.socket = FakeSocket()
        self.receiver = FakeReceiver()
        self.link = self.make()

    def make(self) -> DatagramLink:
        connected: Any = self.socket
        return DatagramLink(self.reactor, connected, self.receiver)

    def test_send(self) -> None:
        """What is sent goes to the socket as it is."""
        self.link.send(1, b"ping")
        self.assertEqual(self.socket.sent, [b"ping"])

    def test_read(self) -> None:
        """All datagrams that wait are handed on, empty ones too."""
        self.socket.incoming.extend([b"one", b"", b"three"])
        self.link.doRead()
        self.assertEqual(self.receiver.datagrams, [b"one", b"", b"three"])

    def test_bounded_read(self) -> None:
        """A flood is read in bounded turns."""
        self.socket.incoming.extend([b"x"] * (MAX_READS_PER_WAKEUP + 1))
        self.link.doRead()
        self.assertEqual(len(self.receiver.datagrams), MAX_READS_PER_WAKEUP)

    def test_refusals(self) -> None:
        """Refusals are read from the error queue, with the packets they quote."""
        self.socket.incoming.append(REFUSED)
        self.socket.refuse(b"first")
        self.socket.refuse(b"second")
        self.link.doRead()
        quoted = [rejection.quoted for rejection in self.receiver.rejections]
        self.assertEqual(quoted, [b"first", b"second"])
        self.assertEqual(self.receiver.rejections[0].offender, "192.0.2.7")

    def test_queue_without_error(self) -> None:
        """Errors still queued when nothing else is to be read are read too."""
        self.socket.refuse(b"packet")
        self.link.doRead()
        self.assertEqual(len(self.receiver.rejections), 1)

    def test_bounded_queue(self) -> None:
        """A flood of errors is read in bounded turns."""
        for _ in range(MAX_READS_PER_WAKEUP + 1):
            self.socket.refuse(b"packet")
        self.link.doRead()
        self.assertEqual(len(self.receiver.rejections), MAX_READS_PER_WAKEUP)

    def test_unknown_message(self) -> None:
        """A message of the queue without an error in it is passed over."""
        self.socket.queue.append((b"?", []))
        self.link.doRead()
        self.assertEqual(self.receiver.rejections, [])

    def test_error_without_queue(self) -> None:
        """Where there is no error queue, the error number is all that is known."""
        self.patch(sys, "platform", "darwin")
        link = self.make()
        self.socket.refuse(b"packet")
        self.socket.incoming.extend([REFUSED, OSError()])
        link.doRead()
        self.assertEqual(
            self.receiver.rejections,
            [Rejection(errno.ECONNREFUSED, b""), Rejection(errno.EIO, b"")],
        )

    def test_send_after_refusal(self) -> None:
        """A refusal of an earlier packet is reported, and this packet still sent."""
        self.socket.failures.append(REFUSED)
        self.socket.refuse(b"earlier")
        self.link.send(2, b"later")
        self.assertEqual(self.receiver.rejections[0].quoted, b"earlier")
        self.assertEqual(self.socket.sent, [b"later"])

    def test_send_after_refusal_without_queue(self) -> None:
        """So it is where only the error number tells of the refusal."""
        self.socket.failures.append(REFUSED)
        self.link.send(2, b"later")
        self.assertEqual(self.socket.sent, [b"later"])

    def test_send_fails(self) -> None:
        """An error of this packet is the caller's."""
        self.socket.failures.append(OSError(errno.EMSGSIZE, "too long"))
        self.assertRaises(OSError, self.link.send, 1, b"ping")

    def test_closed_while_reading(self) -> None:
        """Who takes a datagram or an error may close the link."""
        self.receiver.react = self.link.close
        self.socket.incoming.extend([b"one", b"two"])
        self.link.doRead()
        self.assertEqual(self.receiver.datagrams, [b"one"])
        self.assertTrue(self.socket.closed)
        self.assertEqual(self.reactor.readers, [])

    def test_closed_while_sending(self) -> None:
        """So may who takes an error that sending brings up."""
        self.receiver.react = self.link.close
        self.socket.failures.append(REFUSED)
        self.socket.refuse(b"earlier")
        self.socket.refuse(b"more")
        self.link.send(2, b"later")
        self.assertEqual(self.socket.sent, [])
        self.assertEqual(len(self.receiver.rejections), 1)

    def test_reactor_closes(self) -> None:
        """The reactor's end closes the socket, once."""
        self.link.connectionLost(Failure(ConnectionDone()))
        self.link.close()
        self.assertTrue(self.socket.closed)

    def test_descriptor(self) -> None:
        """The reactor gets the socket's number and a name for logs."""
        self.assertEqual(self.link.fileno(), 99)
        self.assertEqual(self.link.logPrefix(), "probe")


class FailingSocket:
    """A socket on which one call fails."""

    def __init__(self, failing: str) -> None:
        self.failing = failing
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def call(*args: object) -> None:
            self.calls.append(name)
            if name == self.failing:
                raise OSError(errno.EADDRNOTAVAIL, "no")

        return call


class ConnectTests(SynchronousTestCase):
    """Opening the socket."""

    def connect(self, failing: str = "", source: str | None = None) -> FailingSocket:
        made = FailingSocket(failing)
        self.patch(socket, "socket", lambda family, kind: made)
        self.made = made
        connect_udp(LOCALHOST, source)
        return made

    def test_connected(self) -> None:
        """The socket is bound to the source and connected to the target."""
        calls = self.connect(source="127.0.0.9").calls
        self.assertEqual(calls[-2:], ["bind", "connect"])
        self.assertNotIn("close", calls)

    def test_no_source(self) -> None:
        """Without a source the system chooses."""
        self.assertNotIn("bind", self.connect().calls)

    def test_no_queue(self) -> None:
        """Where there is no error queue, none is asked for."""
        self.patch(sys, "platform", "darwin")
        self.assertEqual(self.connect().calls.count("setsockopt"), 1)

    def test_failures(self) -> None:
        """A target or source that cannot be used is named, and the socket closed."""
        for failing, words in (
            ("connect", "127.0.0.1 port 7007/udp: cannot assign"),
            ("bind", "cannot use the source address 192.0.2.9: cannot assign"),
        ):
            with self.assertRaises(ProbeError) as caught:
                self.connect(failing, "192.0.2.9")
            self.assertIn(words, str(caught.exception))
            self.assertIs(caught.exception.level, Level.UNKNOWN)
            self.assertEqual(self.made.calls[-1], "close")

    def test_families(self) -> None:
        """The socket has the family of the address."""
        families = []

        def make(family: int, kind: int) -> FailingSocket:
            families.append((family, kind))
            return FailingSocket("")

        self.patch(socket, "socket", make)
        connect_udp(LOCALHOST6, None)
        self.assertEqual(families, [(socket.AF_INET6, socket.SOCK_DGRAM)])
