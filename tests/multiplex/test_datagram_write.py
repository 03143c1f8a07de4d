"""Tests of how L{netsvc.multiplex.datagram} sends, and of its socket options."""

from __future__ import annotations

import socket
from errno import (
    EAGAIN,
    ECONNREFUSED,
    EINVAL,
    EMSGSIZE,
    ENETUNREACH,
    ENOBUFS,
    EPERM,
)
from ipaddress import IPv4Address

from twisted.internet.error import InvalidAddressError, MessageLengthError

from netsvc.multiplex import datagram
from netsvc.multiplex.datagram import CHECKED
from tests.multiplex.datagram_case import CLIENT, DatagramTestCase


class WriteTests(DatagramTestCase):
    """Tests of C{write}."""

    def test_taken(self) -> None:
        """The caller is told whether the kernel has taken a datagram."""
        port = self.port()
        self.assertIs(port.write(b"x", CLIENT), True)
        self.assertIs(port.write(b"", CLIENT), True)
        self.assertEqual(self.socket.sent, [(b"x", CLIENT, None), (b"", CLIENT, None)])

    def test_errors(self) -> None:
        """What is wrong with one destination is counted, and raises nothing."""
        port = self.port()
        errnos = [EPERM, ENETUNREACH, EINVAL, EAGAIN, ENOBUFS, ECONNREFUSED, EPERM]
        self.socket.errors = [OSError(errno, "") for errno in errnos]
        for _ in errnos:
            self.assertIs(port.write(b"x", CLIENT), False)
        self.assertEqual(
            port.failed,
            {
                "EPERM": 2,
                "ENETUNREACH": 1,
                "EINVAL": 1,
                "EAGAIN": 1,
                "ENOBUFS": 1,
                "ECONNREFUSED": 1,
            },
        )
        self.assertIs(port.write(b"x", CLIENT), True)

    def test_answer_errors(self) -> None:
        """An answer that cannot be sent is counted; the next one is sent."""
        for interface in ("127.0.0.1", "0.0.0.0"):
            port = self.port(interface)
            self.echo()
            self.socket.inbox = [(b"1", ("192.0.2.1", 0), []), (b"2", CLIENT, [])]
            self.socket.errors = [OSError(EINVAL, "")]
            port.doRead()
            self.assertEqual([data for data, _, _ in self.socket.sent], [b"2"])
            self.assertEqual(port.failed, {"EINVAL": 1})

    def test_too_long(self) -> None:
        """A datagram that cannot exist is the caller's mistake."""
        port = self.port()
        self.socket.errors = [OSError(EMSGSIZE, "")]
        self.assertRaises(MessageLengthError, port.write, bytes(65_508), CLIENT)
        self.assertEqual(port.failed, {})

    def test_connected(self) -> None:
        """A connected port writes to its peer only, and hears that it refuses."""
        port = self.port()
        port._connectedAddr = CLIENT
        self.assertIs(port.write(b"1"), True)
        self.assertIs(port.write(b"2", CLIENT), True)
        self.assertRaises(AssertionError, port.write, b"3", ("192.0.2.2", 9))
        self.socket.errors = [OSError(ECONNREFUSED, "")]
        self.assertIs(port.write(b"4"), False)
        self.assertEqual(self.socket.sent, [(b"1", None, None), (b"2", None, None)])
        self.assertEqual(self.peer.refusals, 1)

    def test_no_destination(self) -> None:
        """A port that is not connected needs an address."""
        self.assertRaises(AssertionError, self.port().write, b"x")

    def test_hosts(self) -> None:
        """Only literal addresses of the port's family are taken: no look-ups."""
        port = self.port()
        for host in ("localhost", "example.org", "::1", "1.2.3", ""):
            self.assertRaises(InvalidAddressError, port.write, b"x", (host, 7))
        self.assertTrue(port.write(b"x", ("<broadcast>", 7)))
        port = self.port("::1")
        for host in ("localhost", "192.0.2.1", "<broadcast>"):
            self.assertRaises(InvalidAddressError, port.write, b"x", (host, 7))
        self.assertTrue(port.write(b"x", ("2001:db8::9", 7)))

    def test_bounded(self) -> None:
        """The memory of addresses that were checked is bounded."""
        port = self.port()
        for number in range(CHECKED + 10):
            port.write(b"x", (str(IPv4Address(0x0A000000 + number)), 7))
        self.assertLessEqual(len(port._checked), CHECKED)
        self.assertEqual(len(self.socket.sent), CHECKED + 10)


class OptionTests(DatagramTestCase):
    """Tests of the socket options of a port."""

    def test_receive_buffer(self) -> None:
        """A large buffer is asked for by force, and politely where that is refused."""
        port = self.port()
        port._enlarge()
        self.socket.name = ("force",)
        port._enlarge()
        size = datagram.RECEIVE_BUFFER
        self.assertEqual(
            self.socket.options,
            [
                (socket.SOL_SOCKET, 33, size),
                (socket.SOL_SOCKET, socket.SO_RCVBUF, size),
            ],
        )

    def test_no_counter(self) -> None:
        """A system that does not count drops has none."""
        self.assertEqual(self.port().kernel_drops, 0)
