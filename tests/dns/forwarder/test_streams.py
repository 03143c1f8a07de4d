"""Tests of L{netsvc.dns.forwarder.streams}."""

from __future__ import annotations

from netsvc.daemon.limits import Rate
from netsvc.dns.codes import REFUSED
from netsvc.dns.forwarder.request import MAX_QUERY
from netsvc.dns.forwarder.streams import MAX_PIPELINED
from netsvc.dns.names import from_text
from netsvc.dns.result import Message
from netsvc.dns.wire import parse
from tests.dns.forwarder.case import address, query
from tests.dns.forwarder.stream_case import GONE, StreamCase

LOCALHOST = query(from_text("localhost"))


def framed(*queries: bytes) -> bytes:
    """Put their lengths before messages."""
    return b"".join(len(each).to_bytes(2, "big") + each for each in queries)


class MessageTests(StreamCase):
    """Messages over TCP."""

    def messages(self) -> list[Message]:
        """Give the messages that were sent since the last time."""
        data = self.taken()
        found = []
        while data:
            size = int.from_bytes(data[:2], "big")
            found.append(parse(data[2 : 2 + size]))
            data = data[2 + size :]
        return found

    def test_bytes_by_bytes(self) -> None:
        """However queries are split, each is answered."""
        for byte in framed(LOCALHOST, LOCALHOST):
            self.protocol.dataReceived(bytes((byte,)))
        self.assertEqual(len(self.messages()), 2)
        self.protocol.dataReceived(framed(LOCALHOST, LOCALHOST))
        self.assertEqual(len(self.messages()), 2)
        self.assertEqual(self.factory.received, 4)

    def test_out_of_order(self) -> None:
        """What is in the cache does not wait for what is not (RFC 7766 6.2.1.1)."""
        self.protocol.dataReceived(framed(query(), LOCALHOST))
        self.assertEqual(len(self.messages()), 1)
        self.upstream.answer(address())
        self.assertEqual(self.messages()[0].answer, (address(),))
        self.protocol.dataReceived(framed(query()))
        self.assertEqual(len(self.messages()), 1)
        self.assertEqual(self.protocol.under_way, 0)

    def test_pipelined(self) -> None:
        """So many queries may be under way; more are not read."""
        names = [from_text(f"n{n}.example") for n in range(MAX_PIPELINED + 1)]
        self.protocol.dataReceived(framed(*map(query, names)))
        self.assertEqual(len(self.upstream.asked), MAX_PIPELINED)
        self.assertEqual(self.wire.producerState, "paused")
        self.upstream.answer(address())
        self.assertEqual(len(self.upstream.asked), MAX_PIPELINED + 1)
        self.upstream.answer(address())
        self.assertEqual(self.wire.producerState, "producing")

    def test_slow_reader(self) -> None:
        """A peer that does not read is not read from."""
        self.protocol.pauseProducing()
        self.assertEqual(self.wire.producerState, "paused")
        self.protocol.dataReceived(framed(LOCALHOST))
        self.assertEqual(self.messages(), [])
        self.protocol.resumeProducing()
        self.assertEqual(len(self.messages()), 1)
        self.assertEqual(self.wire.producerState, "producing")
        self.protocol.stopProducing()

    def test_not_dns(self) -> None:
        """Who sends what is no query is cut."""
        for data in (
            b"GET / HTTP/1.1\r\n\r\n",
            framed(query(flags=0x8000)),
            framed(b"short"),
            framed(bytes(MAX_QUERY + 1)),
        ):
            self.connect()
            self.protocol.dataReceived(data + framed(LOCALHOST))
            self.assertEqual((self.messages(), self.wire.aborted), ([], 1))

    def test_prohibited(self) -> None:
        """Others than those we serve are refused."""
        self.connect("8.8.8.8")
        self.protocol.dataReceived(framed(LOCALHOST))
        self.assertEqual([each.rcode for each in self.messages()], [REFUSED])

    def test_half_closed(self) -> None:
        """Who has sent all is closed when all is answered."""
        self.protocol.dataReceived(framed(query()))
        self.protocol.readConnectionLost()
        self.protocol.writeConnectionLost()
        self.assertFalse(self.wire.disconnecting)
        self.upstream.answer(address())
        self.assertEqual(len(self.messages()), 1)
        self.assertTrue(self.wire.disconnecting)
        self.connect()
        self.protocol.readConnectionLost()
        self.assertTrue(self.wire.disconnecting)

    def test_half_closed_while_held(self) -> None:
        """What was not read yet is answered before that, too."""
        self.protocol.pauseProducing()
        self.protocol.dataReceived(framed(LOCALHOST))
        self.protocol.readConnectionLost()
        self.assertFalse(self.wire.disconnecting)
        self.protocol.resumeProducing()
        self.assertEqual(len(self.messages()), 1)
        self.assertTrue(self.wire.disconnecting)

    def test_gone(self) -> None:
        """An answer for who is gone is dropped."""
        self.protocol.dataReceived(framed(query()))
        self.protocol.connectionLost(GONE)
        self.upstream.answer(address())
        self.assertEqual((self.messages(), self.protocol.under_way), ([], 0))

    def test_not_idle(self) -> None:
        """A connection with a query under way is not idle."""
        self.assertEqual(self.protocol.progress(), self.protocol.progress())
        self.protocol.dataReceived(framed(query()))
        self.assertNotEqual(self.protocol.progress(), self.protocol.progress())

    def test_slow(self) -> None:
        """A query that comes byte by byte is no progress before it is whole."""
        before = self.protocol.progress()
        *pieces, last = framed(LOCALHOST)
        for piece in pieces:
            self.protocol.dataReceived(bytes([piece]))
        self.assertEqual(self.protocol.progress(), before)
        self.protocol.dataReceived(bytes([last]))
        self.taken()
        self.assertNotEqual(self.protocol.progress(), before)

    def test_tls(self) -> None:
        """Over TLS it is called dot (RFC 7858)."""
        self.assertEqual(self.factory.acceptableProtocols(), [b"dot"])


class RateTests(StreamCase):
    """Too many queries over TCP."""

    rate = Rate(1, 1)

    def test_rate(self) -> None:
        """They are refused."""
        self.protocol.dataReceived(framed(LOCALHOST, LOCALHOST))
        self.assertEqual(self.forwarder.counts["rate-limited"], 1)
        self.assertEqual(len(self.taken()) > 2 * len(LOCALHOST), True)
