"""Tests of L{netsvc.dns.forwarder.https} and L{netsvc.dns.forwarder.requests}."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections import defaultdict
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    ResponseReceived,
    StreamReset,
)
from h2.settings import SettingCodes
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns.forwarder import https
from netsvc.dns.forwarder.https import MAX_RESETS, HTTPFactory
from netsvc.dns.forwarder.request import MAX_QUERY
from netsvc.dns.forwarder.requests import HTTPRefusal, HTTPRequest, freshness
from netsvc.dns.names import from_text
from netsvc.dns.wire import parse
from tests.dns.forwarder.case import address, query, text
from tests.dns.forwarder.stream_case import GONE, StreamCase

LOCALHOST = query(from_text("localhost"))
TYPE = "application/dns-message"


class Client:
    """
    An HTTP/2 client.

    @ivar headers: The header fields of responses by stream.
    @ivar bodies: Their contents.
    @ivar resets: Streams that were reset.
    """

    def __init__(self, case: HTTPCase) -> None:
        self._case = case
        self.h2 = H2Connection(H2Configuration(header_encoding="utf-8"))
        self.headers: dict[int, dict[str, str]] = {}
        self.bodies: dict[int, bytes] = defaultdict(bytes)
        self.resets: list[int] = []
        self.h2.initiate_connection()
        self.go_on()

    def go_on(self, acknowledge: bool = True) -> None:
        """Let bytes flow both ways until there are none."""
        while True:
            sent = self.h2.data_to_send()
            if sent and self._case.wire.connected:
                self._case.protocol.dataReceived(sent)
            got = self._case.taken()
            if not got and not sent:
                return
            for event in self.h2.receive_data(got):
                self._take(event, acknowledge)

    def _take(self, event: Any, acknowledge: bool) -> None:
        if isinstance(event, ResponseReceived):
            fields: Any = event.headers
            self.headers[event.stream_id] = dict(fields)
        elif isinstance(event, DataReceived):
            self.bodies[event.stream_id] += event.data
            if acknowledge:
                self.h2.acknowledge_received_data(
                    event.flow_controlled_length, event.stream_id
                )
        elif isinstance(event, StreamReset):
            self.resets.append(event.stream_id)

    def send(
        self,
        method: str = "POST",
        path: str = "/dns-query",
        body: bytes = b"",
        kind: str = TYPE,
        end: bool = True,
    ) -> int:
        """Send a request; give its stream."""
        stream = self.h2.get_next_available_stream_id()
        fields = [(":method", method), (":path", path)]
        fields += [(":scheme", "https"), (":authority", "dns.test")]
        if kind:
            fields.append(("content-type", kind))
        self.h2.send_headers(stream, fields, end_stream=not body and end)
        if body:
            self.h2.send_data(stream, body, end_stream=end)
        return stream

    def status(self, **request: Any) -> str:
        """Send a request and give the response's status."""
        stream = self.send(**request)
        self.go_on()
        return self.headers[stream][":status"]


class HTTPCase(StreamCase):
    """A connection for DNS over HTTPS."""

    factory_class = HTTPFactory

    def setUp(self) -> None:
        super().setUp()
        self.client = Client(self)


class HTTPTests(HTTPCase):
    """DNS over HTTPS."""

    def test_post(self) -> None:
        """A query in the content is answered."""
        stream = self.client.send(body=LOCALHOST)
        self.client.go_on()
        fields = self.client.headers[stream]
        self.assertEqual((fields[":status"], fields["content-type"]), ("200", TYPE))
        self.assertEqual(fields["cache-control"], "max-age=10800")
        reply = self.client.bodies[stream]
        self.assertEqual(fields["content-length"], str(len(reply)))
        self.assertEqual(parse(reply).answer[0].common_text, "127.0.0.1")

    def test_get(self) -> None:
        """So is one in the URL, without padding."""
        text = urlsafe_b64encode(LOCALHOST).decode().rstrip("=")
        path = f"/dns-query?dns={text}"
        stream = self.client.send("GET", path, kind="")
        self.client.go_on()
        self.assertEqual(len(parse(self.client.bodies[stream]).answer), 1)

    def test_later(self) -> None:
        """Answers come when they are there, in any order."""
        first = self.client.send(body=query())
        second = self.client.send(body=LOCALHOST)
        self.client.go_on()
        self.assertEqual(list(self.client.headers), [second])
        self.upstream.answer(address())
        self.client.go_on()
        self.assertEqual(parse(self.client.bodies[first]).answer, (address(),))

    def test_refused(self) -> None:
        """A request for anything else gets the status that says what is wrong."""
        status = self.client.status
        self.assertEqual(status(method="GET", path="/", kind=""), "404")
        self.assertEqual(status(method="GET", kind=""), "400")
        self.assertEqual(status(method="GET", path="/dns-query?dns=%FF"), "400")
        self.assertEqual(status(method="GET", path="/dns-query?dns=A"), "400")
        long = "A" * (MAX_QUERY // 3 * 4 + 8)
        self.assertEqual(status(method="GET", path=f"/dns-query?dns={long}"), "414")
        self.assertEqual(status(method="PUT", body=LOCALHOST), "405")
        self.assertEqual(status(body=LOCALHOST, kind="text/plain"), "415")
        self.assertEqual(status(body=bytes(MAX_QUERY + 1)), "413")
        self.assertEqual(status(body=query(flags=0x8000)), "400")
        self.assertEqual(status(body=LOCALHOST), "200")

    def test_content_of_get(self) -> None:
        """The content of a GET means nothing."""
        text = urlsafe_b64encode(LOCALHOST).decode()
        path = f"/dns-query?dns={text}"
        stream = self.client.send("GET", path, body=b"junk", kind="")
        self.client.go_on()
        self.assertEqual(self.client.headers[stream][":status"], "200")

    def test_flow_control(self) -> None:
        """A client that gives little room gets the answer piece by piece."""
        self.client.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 100})
        self.client.go_on()
        stream = self.client.send(body=query(rtype=16))
        self.client.go_on()
        self.upstream.answer(text(count=5))
        self.client.go_on(acknowledge=False)
        self.assertEqual(len(self.client.bodies[stream]), 100)
        self.assertGreater(self.protocol._unsent_size, 0)
        self.client.h2.increment_flow_control_window(5000, stream)
        self.client.go_on(acknowledge=False)
        self.assertEqual(len(parse(self.client.bodies[stream]).answer), 1)
        self.assertEqual(self.protocol._unsent_size, 0)

    def test_unsent_is_bounded(self) -> None:
        """A client that gives no room at all is served no more."""
        self.patch(https, "MAX_UNSENT", 50)
        self.client.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
        self.client.go_on()
        streams = []
        for _ in range(3):
            streams.append(self.client.send(body=LOCALHOST))
            self.client.go_on()
        self.assertEqual(self.client.resets, streams[2:])
        self.client.h2.reset_stream(streams[0])
        self.client.go_on()
        self.assertLess(self.protocol._unsent_size, 60)

    def test_many(self) -> None:
        """As many requests may be under way as there may be streams."""
        self.patch(https, "MAX_PIPELINED", 1)
        streams = [
            self.client.send(body=query(from_text(f"n{number}.example")))
            for number in range(2)
        ]
        self.client.go_on()
        self.assertEqual(self.client.resets, streams[1:])

    def test_taken_back(self) -> None:
        """A request that is taken back is not answered."""
        stream = self.client.send(body=query())
        self.client.go_on()
        self.client.h2.reset_stream(stream)
        self.client.go_on()
        self.upstream.answer(address())
        self.client.go_on()
        self.assertEqual(self.client.headers, {})
        self.assertEqual(self.client.status(body=LOCALHOST), "200")

    def test_rapid_reset(self) -> None:
        """Who takes back one request after the other is cut (CVE-2023-44487)."""
        for _ in range(MAX_RESETS + 1):
            stream = self.client.send(end=False)
            self.client.h2.reset_stream(stream)
            self.client.go_on()
        self.assertTrue(self.wire.disconnecting)
        self.protocol.dataReceived(b"more")

    def test_not_http(self) -> None:
        """What is no HTTP/2 ends the connection."""
        self.connect()
        self.taken()
        self.protocol.dataReceived(b"GET /dns-query HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertTrue(self.wire.disconnecting)
        self.connect()
        self.client = Client(self)
        self.protocol.dataReceived(b"\xff\xff\xff" + bytes(6))
        self.assertTrue(self.wire.disconnecting)

    def test_ended(self) -> None:
        """A client may end it; what is answered later is dropped."""
        self.client.send(body=query())
        self.client.go_on()
        self.client.h2.close_connection()
        self.client.go_on()
        self.assertTrue(self.wire.disconnecting)
        self.protocol.connectionLost(GONE)
        self.upstream.answer(address())

    def test_closed_below(self) -> None:
        """An answer after the end of HTTP/2 closes the connection, too."""
        self.client.send(body=query())
        self.client.go_on()
        self.protocol._h2.close_connection()
        self.upstream.answer(address())
        self.assertTrue(self.wire.disconnecting)


class TLSTests(HTTPCase):
    """DNS over HTTPS, with the handshake of TLS before it."""

    transport = "tls"

    def setUp(self) -> None:
        StreamCase.setUp(self)

    def test_handshake(self) -> None:
        """Nothing is sent before the handshake is done."""
        self.assertEqual(self.taken(), b"")
        self.wire.negotiatedProtocol = b"h2"  # type: ignore[attr-defined]
        self.protocol.handshakeCompleted()
        self.client = Client(self)
        self.assertEqual(self.client.status(body=LOCALHOST), "200")
        self.assertEqual(self.factory.acceptableProtocols(), [b"h2"])
        self.assertEqual(self.factory.transport, "https")

    def test_other_protocol(self) -> None:
        """Who wants to speak something else is cut."""
        self.wire.negotiatedProtocol = b"http/1.1"  # type: ignore[attr-defined]
        self.protocol.handshakeCompleted()
        self.assertEqual((self.taken(), self.wire.aborted), (b"", 1))


class RequestTests(SynchronousTestCase):
    """What does not depend on HTTP/2."""

    def test_no_path(self) -> None:
        """A request without any header field asks for nothing."""
        with self.assertRaises(HTTPRefusal) as caught:
            HTTPRequest({})
        self.assertEqual(caught.exception.status, 404)

    def test_freshness(self) -> None:
        """A reply without records, or that cannot be read, is not to be kept."""
        self.assertEqual((freshness(LOCALHOST), freshness(b"")), (0, 0))
