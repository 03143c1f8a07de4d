"""Tests of how L{netsvc.multiplex.datagram} reads, and where answers leave from."""

from __future__ import annotations

import struct
from errno import ECONNREFUSED, EMSGSIZE, EPERM
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from twisted.internet.interfaces import IListeningPort, IUDPTransport
from zope.interface.verify import verifyObject

from netsvc.multiplex.datagram import CHECKED, DRAIN
from tests.multiplex.datagram_case import (
    CLIENT,
    CLIENT6,
    DatagramTestCase,
    asked4,
    asked6,
)


class ReadTests(DatagramTestCase):
    """Tests of C{doRead}."""

    def test_interfaces(self) -> None:
        """The port is one of Twisted's."""
        port = self.port()
        self.assertTrue(verifyObject(IListeningPort, port))
        self.assertTrue(verifyObject(IUDPTransport, port))

    def test_bounded(self) -> None:
        """However many have arrived, a bounded number is read in one event."""
        for interface in ("127.0.0.1", "0.0.0.0"):
            port = self.port(interface)
            self.socket.inbox = [(b"%d" % n, CLIENT, []) for n in range(DRAIN + 5)]
            port.doRead()
            self.assertEqual(len(self.peer.received), DRAIN)
            port.doRead()
            self.assertEqual(
                [data for data, _ in self.peer.received],
                [b"%d" % n for n in range(DRAIN + 5)],
            )
            self.assertEqual(port.failed, {})

    def test_stopped(self) -> None:
        """A protocol that stops to read in the middle of a batch is handed no more;
        the rest stays with the kernel until it reads again."""
        for interface in ("127.0.0.1", "0.0.0.0"):
            port = self.port(interface)
            self.peer.on_datagram = lambda data, addr: self.peer.transport.stopReading()
            self.socket.inbox = [(b"%d" % n, CLIENT, []) for n in range(5)]
            port.doRead()
            self.assertEqual([data for data, _ in self.peer.received], [b"0"])
            self.assertNotIn(port, self.mux.getReaders())
            port.startReading()
            self.assertIn(port, self.mux.getReaders())
            self.peer.on_datagram = lambda data, addr: None
            port.doRead()
            self.assertEqual(
                [data for data, _ in self.peer.received],
                [b"%d" % n for n in range(5)],
            )

    def test_addresses(self) -> None:
        """A sender is a host and a port, in IPv6 too."""
        for interface, sender in (
            ("127.0.0.1", CLIENT),
            ("0.0.0.0", CLIENT),
            ("::1", CLIENT6),
            ("::", CLIENT6),
        ):
            port = self.port(interface)
            self.socket.inbox = [(b"x", sender, [])]
            port.doRead()
            self.assertEqual(self.peer.received, [(b"x", sender[:2])])

    def test_faulty_protocol(self) -> None:
        """A protocol that raises is logged; the next datagram is read."""
        for interface in ("127.0.0.1", "0.0.0.0"):
            port = self.port(interface)
            self.socket.inbox = [(b"1", CLIENT, []), (b"2", CLIENT, [])]

            def fault(data: bytes, addr: Any) -> None:
                raise ValueError(data)

            self.peer.on_datagram = fault
            port.doRead()
            self.assertEqual(len(self.peer.received), 2)
            self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)

    def test_errors(self) -> None:
        """An error of the socket is counted, and is not the end of the port."""
        for interface in ("127.0.0.1", "0.0.0.0"):
            port = self.port(interface)
            self.socket.inbox = [
                OSError(ECONNREFUSED, ""),
                OSError("what"),
                (b"x", CLIENT, []),
            ]
            for _ in range(3):
                port.doRead()
            self.assertEqual(port.failed, {"ECONNREFUSED": 1, "?": 1})
            self.assertEqual(len(self.peer.received), 1)
            self.assertEqual(self.peer.refusals, 0)

    def test_refused(self) -> None:
        """A connected port's protocol is told that its peer refuses."""
        port = self.port()
        port._connectedAddr = CLIENT
        self.socket.inbox = [OSError(ECONNREFUSED, "")]
        port.doRead()
        self.assertEqual((self.peer.refusals, port.failed), (1, {}))


class OriginTests(DatagramTestCase):
    """Tests of where an answer leaves from on a wildcard address."""

    def test_ipv4(self) -> None:
        """An answer leaves from the address that was asked."""
        port = self.port("0.0.0.0")
        self.echo()
        for address in ("127.0.0.1", "127.0.0.2", "127.0.0.1"):
            self.socket.inbox.append((b"x", CLIENT, [asked4(address)]))
        port.doRead()
        origins = [
            struct.unpack("I4s4s", control[0][2])[:2]
            for _, _, control in self.socket.sent
        ]
        self.assertEqual(
            origins,
            [(0, bytes([127, 0, 0, last])) for last in (1, 2, 1)],
        )

    def test_ipv6(self) -> None:
        """The same in IPv6; only a link-local answer is bound to its interface."""
        port = self.port("::")
        self.echo()
        for address in ("2001:db8::7", "fe80::7", "ff02::1"):
            self.socket.inbox.append((b"x", CLIENT6, [asked6(address)]))
        port.doRead()
        self.assertEqual(
            [
                struct.unpack("16sI", control[0][2])
                for _, _, control in self.socket.sent
            ],
            [
                (IPv6Address("2001:db8::7").packed, 0),
                (IPv6Address("fe80::7").packed, 3),
                (bytes(16), 0),
            ],
        )

    def test_scope(self) -> None:
        """An answer goes back to the scope from which it was asked."""
        for interface in ("::", "::1"):
            port = self.port(interface)
            self.echo()
            sender = ("fe80::9", 50_000, 0, 3)
            self.socket.inbox = [(b"x", sender, [])]
            port.doRead()
            self.assertEqual(self.socket.sent[0][1], sender)

    def test_without_origin(self) -> None:
        """An answer to a datagram without that information leaves as ever."""
        port = self.port("0.0.0.0")
        self.echo()
        self.socket.inbox = [
            (b"1", CLIENT, [asked4("127.0.0.2")]),
            (b"2", CLIENT, []),
        ]
        port.doRead()
        self.assertEqual([bool(one[2]) for one in self.socket.sent], [True, False])

    def test_to_group(self) -> None:
        """While a datagram is dispatched the port knows whether it was sent to many
        hosts: to a broadcast or multicast address."""
        for interface, sender, questions in (
            (
                *("0.0.0.0", CLIENT),
                [
                    ([asked4("127.0.0.1")], False),
                    ([asked4("192.0.2.255", local="192.0.2.7")], True),
                    ([asked4("224.0.0.1", local="192.0.2.7")], True),
                ],
            ),
            (
                *("::", CLIENT6),
                [([asked6("2001:db8::7")], False), ([asked6("ff02::1")], True)],
            ),
            ("127.0.0.1", CLIENT, []),
        ):
            port = self.port(interface)
            seen: list[bool] = []

            def note(data: bytes, addr: Any) -> None:
                seen.append(self.peer.transport.to_group)  # noqa: B023  called now

            self.peer.on_datagram = note
            # Twice: as it is learnt, and as it is known. Then without origin.
            control = [asked for asked, _ in questions * 2] + [[]]
            self.socket.inbox = [(b"x", sender, asked) for asked in control]
            port.doRead()
            self.assertEqual(seen, [group for _, group in questions * 2] + [False])

    def test_not_an_answer(self) -> None:
        """What is sent to another, or later, leaves from where the system likes."""
        port = self.port("0.0.0.0")
        other = ("192.0.2.2", 9)
        self.peer.on_datagram = lambda data, addr: port.write(data, other)
        self.socket.inbox = [(b"x", CLIENT, [asked4("127.0.0.2")])]
        port.doRead()
        port.write(b"later", CLIENT)
        self.assertEqual(
            self.socket.sent, [(b"x", other, None), (b"later", CLIENT, None)]
        )

    def test_bounded(self) -> None:
        """A host with very many addresses does not fill the memory."""
        port = self.port("0.0.0.0")
        self.echo()
        for number in range(CHECKED + 10):
            asked = str(IPv4Address(0x7F000000 + number))
            self.socket.inbox.append((b"x", CLIENT, [asked4(asked)]))
        while self.socket.inbox:
            port.doRead()
        self.assertLessEqual(len(port._origins), CHECKED)
        last = struct.unpack("I4s4s", self.socket.sent[-1][2][0][2])
        self.assertEqual(last[1], IPv4Address(0x7F000000 + CHECKED + 9).packed)


class LaterAnswerTests(DatagramTestCase):
    """Tests of C{origin} and C{answer}."""

    def note(self, port: Any, origins: list[Any], data: bytes, addr: Any) -> None:
        """Answer at once, and note what it takes to answer later."""
        port.write(b"now", addr)
        origins.append(port.origin())

    def test_answer(self) -> None:
        """A later answer goes where, and leaves from where, one at once would."""
        for interface in ("0.0.0.0", "127.0.0.1"):
            port = self.port(interface)
            origins: list[Any] = []
            self.peer.on_datagram = partial(self.note, port, origins)
            other = ("192.0.2.2", 9)
            self.socket.inbox = [
                (b"1", CLIENT, [asked4("127.0.0.2")]),
                (b"2", other, [asked4("127.0.0.3")]),
                (b"3", other, []),
            ]
            port.doRead()
            at_once, self.socket.sent = self.socket.sent, []
            for origin in origins:
                self.assertTrue(port.answer(b"now", origin))
            self.assertEqual(
                [(data, addr, control or None) for data, addr, control in at_once],
                self.socket.sent,
            )

    def test_errors(self) -> None:
        """What is wrong with an answer is counted, and raises nothing."""
        port = self.port("0.0.0.0")
        errnos = [EPERM, EMSGSIZE]
        self.socket.errors = [OSError(errno, "") for errno in errnos]
        for _ in errnos:
            self.assertIs(port.answer(b"x", ([], CLIENT)), False)
        self.assertEqual(port.failed, {"EPERM": 1, "EMSGSIZE": 1})
