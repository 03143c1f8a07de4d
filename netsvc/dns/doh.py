"""DNS over HTTPS (RFC 8484), over HTTP/2 by the h2 package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import H2Error
from twisted.internet.interfaces import IHandshakeListener
from zope.interface import implementer

from netsvc.dns.asked import Asked
from netsvc.dns.errors import ConnectionClosed, HTTPFailed, TLSFailed
from netsvc.dns.frames import FrameGuard
from netsvc.dns.servers import PORTS, Server
from netsvc.dns.stream import WINDOW, Connection, StreamCarrier
from netsvc.dns.wire import MAX_MESSAGE, pack_query

#: The media type of messages (RFC 8484 section 6).
MEDIA_TYPE = "application/dns-message"

#: Requests under way before the server has said how many it takes.
FIRST_WINDOW = 10

#: Bytes that the server has to be ready to take: more than any query has.
ROOM = 1024

#: The id of every query, for the sake of HTTP caches (RFC 8484 section 4.1).
_NO_ID = b"\0\0"


class _Response:
    """A response that is coming."""

    __slots__ = ("body", "size", "trouble")

    def __init__(self) -> None:
        self.trouble = "no response"
        self.body: list[bytes] = []
        self.size = 0


@implementer(IHandshakeListener)
class HTTPConnection(Connection):
    """An HTTP/2 connection; each query is a stream."""

    def __init__(
        self, carrier: StreamCarrier, server: Server, accepts: Callable[[Any], bool]
    ) -> None:
        """
        @param carrier: Whose it is.
        @param server: Has the name and the path of the URL.
        @param accepts: Looks at the transport once the handshake is over.
        """
        super().__init__(carrier)
        self._accepts = accepts
        self.window = FIRST_WINDOW
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self._guard = FrameGuard()
        self._responses: dict[int, _Response] = {}
        host = f"[{server.name}]" if ":" in server.name else server.name
        port = f":{server.port}" if server.port != PORTS["https"] else ""
        self._headers = [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", host + port),
            (":path", server.path),
            ("accept", MEDIA_TYPE),
            ("content-type", MEDIA_TYPE),
        ]

    @property
    def has_room(self) -> bool:
        """Whether it takes another query now."""
        return super().has_room and self._h2.outbound_flow_control_window > ROOM

    def connectionMade(self) -> None:
        """Wait for the handshake."""
        self.carrier.connected(self)

    def handshakeCompleted(self) -> None:
        """Begin HTTP/2, and send what waits."""
        if not self._accepts(self.transport):
            self.give_up(TLSFailed, "the public key is not one that is pinned")
        elif self.transport.negotiatedProtocol != b"h2":
            self.give_up(HTTPFailed, "the server does not speak HTTP/2")
        else:
            self._h2.initiate_connection()
            self._flush()
            self.begin()

    def _flush(self) -> None:
        """Send what h2 has to say."""
        data = self._h2.data_to_send()
        if data:
            self.transport.write(data)

    def write_query(self, asked: Asked) -> int:
        """Send a query as a request of its own."""
        query = pack_query(_NO_ID, asked.question, asked.rest, asked.flags)
        stream = self._h2.get_next_available_stream_id()
        length = ("content-length", str(len(query)))
        self._h2.send_headers(stream, [*self._headers, length])
        self._h2.send_data(stream, query, end_stream=True)
        self._responses[stream] = _Response()
        self._flush()
        return stream

    def dataReceived(self, data: bytes) -> None:
        """See what has come."""
        self.data_came()
        if not self._guard.accepts(data):
            self.give_up(HTTPFailed, "an HTTP/2 frame that is too long")
            return
        try:
            events = self._h2.receive_data(data)
        except H2Error as error:
            self._flush()
            self.give_up(HTTPFailed, f"HTTP/2: {type(error).__name__}")
            return
        for event in events:
            if not self.closed:
                self._dispatch(event)
        if not self.closed:
            self._flush()

    def _dispatch(self, event: Event) -> None:
        if isinstance(event, ResponseReceived):
            self._begun(event)
        elif isinstance(event, DataReceived):
            self._more(event)
        elif isinstance(event, StreamEnded):
            self._complete(event.stream_id)
        elif isinstance(event, StreamReset):
            self._reset(event)
        elif isinstance(event, RemoteSettingsChanged):
            self.window = min(WINDOW, self._h2.remote_settings.max_concurrent_streams)
            self.carrier.flush()
        elif isinstance(event, WindowUpdated):
            self.carrier.flush()
        elif isinstance(event, ConnectionTerminated):
            # What it has not begun, and what it has, is asked again elsewhere.
            self.give_up(ConnectionClosed, "the server ends HTTP/2")

    def _begun(self, event: ResponseReceived) -> None:
        """Headers have come."""
        response = self._responses.get(event.stream_id)
        if response is None:
            return
        headers = dict(event.headers or ())
        status = headers.get(b":status", b"").decode("latin-1")
        kind = headers.get(b"content-type", b"").decode("latin-1")
        if status != "200":
            response.trouble = f"status {status[:3]}"
        elif kind.partition(";")[0].strip().lower() != MEDIA_TYPE:
            response.trouble = "the content is no DNS message"
        else:
            response.trouble = ""

    def _more(self, event: DataReceived) -> None:
        """A piece of the content has come."""
        stream = event.stream_id
        self._h2.acknowledge_received_data(event.flow_controlled_length, stream)
        response = self._responses.get(stream)
        if response is None:
            return
        response.size += len(event.data or b"")
        if response.size > MAX_MESSAGE:
            self._h2.reset_stream(stream, ErrorCodes.CANCEL)
            self._bad(stream, "the content is too long")
        elif not response.trouble:
            response.body.append(event.data or b"")

    def _complete(self, stream: int) -> None:
        """The response is complete."""
        response = self._responses.get(stream)
        if response is None:
            return
        if response.trouble:
            self._bad(stream, response.trouble)
            return
        del self._responses[stream]
        self.received(stream, b"".join(response.body))

    def _reset(self, event: StreamReset) -> None:
        """A request was refused: perhaps before anything was done about it."""
        asked = self.pending.get(event.stream_id)
        refused = event.error_code == ErrorCodes.REFUSED_STREAM
        if refused and asked is not None and not asked.retried:
            asked.retried = True
            del self.pending[event.stream_id], self._responses[event.stream_id]
            self.carrier.send(asked)
            return
        self._bad(event.stream_id, "the request was reset")

    def _bad(self, stream: int, trouble: str) -> None:
        """One request has failed; the others have not."""
        self._responses.pop(stream, None)
        asked = self.pending.pop(stream, None)
        if asked is not None:
            asked.failed(HTTPFailed, trouble)
        self.carrier.idle(self)
