"""Tests of L{netsvc.dns.doh} against the h2 package's server side, in memory."""

from __future__ import annotations

from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived, StreamReset
from h2.settings import SettingCodes

from netsvc.dns.doh import FIRST_WINDOW, HTTPConnection
from netsvc.dns.errors import ConnectionClosed, HTTPFailed, TLSFailed
from netsvc.dns.servers import parse_server
from netsvc.dns.stream import StreamCarrier
from tests.dns.fakes import GOOD
from tests.dns.test_stream import CarrierTestCase as _CarrierTestCase
from tests.dns.test_stream import answer_to

DNS = ("content-type", "application/dns-message")


SERVER = H2Configuration(client_side=False, header_encoding="utf-8")


class DoHTests(_CarrierTestCase):
    """DNS over HTTP/2."""

    protocol = b"h2"
    accepted = True

    def build(self, carrier: StreamCarrier) -> Any:
        """Make a connection."""
        server = parse_server("https://[2001:db8::1]:444/q?pin=" + "A" * 43 + "=")
        return HTTPConnection(carrier, server, lambda transport: self.accepted)

    def begin(self, *names: str) -> None:
        """Ask, connect, and read the requests."""
        for name in names:
            self.ask(name)
        self.client, self.transport = self.connect()
        self.transport.negotiatedProtocol = self.protocol
        self.peer = H2Connection(
            H2Configuration(client_side=False, header_encoding="utf-8")
        )
        self.peer.initiate_connection()
        self.requests: dict[int, tuple[dict[str, str], bytes]] = {}
        self.resets: list[int] = []
        self.client.handshakeCompleted()
        self.pump()

    def pump(self) -> None:
        """Carry bytes in both directions."""
        while True:
            data = self.transport.value()
            self.transport.clear()
            for event in self.peer.receive_data(data) if data else ():
                if isinstance(event, RequestReceived):
                    headers = {
                        str(key): str(value) for key, value in event.headers or ()
                    }
                    self.requests[event.stream_id or 0] = (headers, b"")
                elif isinstance(event, DataReceived):
                    stream = event.stream_id or 0
                    headers, body = self.requests[stream]
                    self.requests[stream] = (headers, body + (event.data or b""))
                elif isinstance(event, StreamReset):
                    self.resets.append(event.stream_id or 0)
            back = self.peer.data_to_send()
            if back and self.transport.connected:
                self.client.dataReceived(back)
            elif not self.transport.value():
                return

    def respond(
        self, stream: int, body: bytes | None = None, status: str = "200", **more: Any
    ) -> None:
        """Answer a request."""
        if body is None:
            body = answer_to(self.requests[stream][1])[2:]
        self.peer.send_headers(stream, [(":status", status), more.get("kind", DNS)])
        while body:
            size = min(len(body), self.peer.local_flow_control_window(stream), 16384)
            if size <= 0:
                break
            self.peer.send_data(stream, body[:size])
            body = body[size:]
            self.pump()
            if stream in self.resets:
                return
        self.peer.end_stream(stream)
        self.pump()

    def test_request(self) -> None:
        """A query is a POST of its own, with the id 0."""
        self.begin("a.test", "b.test")
        self.assertEqual(list(self.requests), [1, 3])
        headers, body = self.requests[1]
        self.assertEqual(
            headers,
            {
                ":method": "POST",
                ":scheme": "https",
                ":authority": "[2001:db8::1]:444",
                ":path": "/q",
                "accept": "application/dns-message",
                "content-type": "application/dns-message",
                "content-length": str(len(body)),
            },
        )
        self.assertEqual(body[:2], b"\0\0")
        self.respond(3)
        self.respond(1)
        self.assertEqual(self.ended, [(GOOD,), (GOOD,)])

    def test_refusals(self) -> None:
        """Whatever is no DNS message fails its request, and no other."""
        self.begin("a.test", "b.test", "c.test", "d.test")
        self.respond(1, b"", status="404")
        self.respond(3, b"hello", kind=("content-type", "text/html"))
        self.peer.reset_stream(5, ErrorCodes.INTERNAL_ERROR)
        self.pump()
        self.assertEqual(self.ended, [HTTPFailed] * 3)
        self.respond(7)
        self.assertEqual(self.ended[3], (GOOD,))

    def test_too_long(self) -> None:
        """A response without an end is cut off."""
        self.begin("a.test")
        self.respond(1, bytes(200_000))
        self.assertEqual(self.ended, [HTTPFailed])
        self.assertEqual(self.resets, [1])
        self.assertTrue(self.transport.connected)

    def test_refused_stream(self) -> None:
        """A request that the server has not begun with is sent again, once."""
        self.begin("a.test")
        self.peer.reset_stream(1, ErrorCodes.REFUSED_STREAM)
        self.pump()
        self.assertEqual(self.ended, [])
        self.peer.reset_stream(3, ErrorCodes.REFUSED_STREAM)
        self.pump()
        self.assertEqual(self.ended, [HTTPFailed])

    def test_window(self) -> None:
        """No more streams than the server takes; before it says so, few."""
        names = [f"n{number}.test" for number in range(FIRST_WINDOW + 5)]
        for name in names:
            self.ask(name)
        self.client, self.transport = self.connect()
        self.transport.negotiatedProtocol = b"h2"
        self.peer = H2Connection(
            H2Configuration(client_side=False, header_encoding="utf-8")
        )
        self.requests, self.resets = {}, []
        self.client.handshakeCompleted()
        self.pump()
        self.assertEqual(len(self.requests), FIRST_WINDOW)
        self.peer.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 12})
        self.pump()
        self.assertEqual(len(self.requests), 12)
        self.respond(1)
        self.assertEqual(len(self.requests), 13)

    def test_flow_control(self) -> None:
        """When the server takes no more bytes, queries wait until it does."""
        self.begin("a.test")
        self.patch(self.client._h2, "outbound_flow_control_window", 100)
        self.ask("b.test")
        self.pump()
        self.assertEqual(len(self.requests), 1)
        self.patch(self.client._h2, "outbound_flow_control_window", 5000)
        self.peer.increment_flow_control_window(1000)
        self.pump()
        self.assertEqual(len(self.requests), 2)

    def test_goaway(self) -> None:
        """The server ends the connection: what was pending has failed."""
        self.begin("a.test")
        self.peer.close_connection()
        self.pump()
        self.assertEqual(self.ended, [ConnectionClosed])
        self.assertFalse(self.transport.connected)

    def test_garbage(self) -> None:
        """What is no HTTP/2 ends the connection."""
        self.begin("a.test")
        self.client.dataReceived(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        self.assertEqual(self.ended, [HTTPFailed])
        self.setUp()
        self.begin("a.test")
        self.client.dataReceived(b"\0\0\4\x08\0\0\0\0\0\0\0\0\0")
        self.assertEqual(self.ended, [HTTPFailed])

    def test_no_http2(self) -> None:
        """A server that has not agreed on HTTP/2 is not asked."""
        self.protocol = b"http/1.1"
        self.begin("a.test")
        self.assertEqual(self.ended, [HTTPFailed])

    def test_pins(self) -> None:
        """A key that is not pinned is refused."""
        self.accepted = False
        self.begin("a.test")
        self.assertEqual(self.ended, [TLSFailed])

    def test_given_up(self) -> None:
        """A late response does no harm."""
        lookup = self.ask("a.test")
        self.begin()
        lookup.cancel()
        self.respond(1)
        self.assertTrue(self.transport.connected)
