"""The forwarder over HTTPS (RFC 8484), with HTTP/2 by the h2 package."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import H2Error, StreamClosedError
from h2.settings import SettingCodes, Settings
from twisted.protocols.tls import TLSMemoryBIOProtocol

from netsvc.dns.forwarder.requests import (
    MEDIA_TYPE,
    HTTPRefusal,
    HTTPRequest,
    freshness,
)
from netsvc.dns.forwarder.streams import (
    MAX_PIPELINED,
    ForwarderFactory,
    StreamBase,
)
from netsvc.dns.frames import FrameGuard

#: Bytes of what a client sends before its first frame (RFC 9113 section 3.4).
PREFACE: Final = 24

#: Bytes of a request's header fields.
MAX_HEADERS: Final = 8192

#: Requests that a client may take back before its connection is cut: who does so all
#: the time wants our work for nothing (CVE-2023-44487).
MAX_RESETS: Final = 200

#: Bytes of replies for which the client has given no room.
MAX_UNSENT: Final = 1024 * 1024


class HTTPStream(StreamBase):
    """An HTTP/2 connection; each request is a query."""

    def connectionMade(self) -> None:
        """Begin, unless a TLS handshake has to be done before."""
        super().connectionMade()
        config = H2Configuration(client_side=False, header_encoding=None)
        self._h2 = H2Connection(config)
        self._h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: MAX_PIPELINED,
                SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADERS,
                SettingCodes.ENABLE_PUSH: 0,
            },
        )
        self._guard = FrameGuard(PREFACE)
        self._requests: dict[int, HTTPRequest] = {}
        self._unsent: dict[int, bytes] = {}
        self._unsent_size = 0
        self._resets = 0
        self._write = self.transport.write
        if isinstance(self.transport, TLSMemoryBIOProtocol):
            # Not by way of what gathers small writes: each reply has a TLS record of
            # its own then, as with other servers, and dnsperf overlooks all but one
            # of those in a record.
            self._write = partial(TLSMemoryBIOProtocol.write, self.transport)
        if not self._handshaking:
            self._begin()

    def handshakeCompleted(self) -> None:
        """Begin HTTP/2, if that is what the client speaks."""
        super().handshakeCompleted()
        if self.transport.negotiatedProtocol in (None, self.factory.protocol_name):
            self._begin()
        else:
            self.abort()

    def _begin(self) -> None:
        # Not before the handshake is done: what TLS cannot send at once makes it ask
        # its producer to wait, and then nothing is read either.
        self._h2.initiate_connection()
        self._flush()

    def _flush(self) -> None:
        """Send what h2 has to say."""
        data = self._h2.data_to_send()
        if data and not self._gone:
            self._write(data)

    def dataReceived(self, data: bytes) -> None:
        """Take frames."""
        if self._closing:
            return
        try:
            if not self._guard.accepts(data):
                raise H2Error("a frame that is too long")
            for event in self._h2.receive_data(data):
                self._dispatch(event)
            self._flush()
        except H2Error:
            self.factory.forwarder.counts["http-errors"] += 1
            self._flush()
            self.close()

    def _dispatch(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self._begun(event)
        elif isinstance(event, DataReceived):
            self._more(event)
        elif isinstance(event, StreamEnded):
            self._complete(event.stream_id)
        elif isinstance(event, WindowUpdated):
            self._pump()
        elif isinstance(event, StreamReset):
            self._reset(event.stream_id)
        elif isinstance(event, ConnectionTerminated):
            self.close()

    def _begun(self, event: RequestReceived) -> None:
        """The header fields of a request have come."""
        stream = event.stream_id
        if self.under_way >= MAX_PIPELINED or self._unsent_size > MAX_UNSENT:
            self._h2.reset_stream(stream, ErrorCodes.REFUSED_STREAM)
            return
        try:
            # In bytes, for there is no header encoding.
            self._requests[stream] = HTTPRequest(dict(event.headers))
        except HTTPRefusal as refusal:
            self._refuse(stream, refusal.status)

    def _more(self, event: DataReceived) -> None:
        """A piece of the content has come."""
        stream = event.stream_id
        self._h2.acknowledge_received_data(event.flow_controlled_length, stream)
        request = self._requests.get(stream)
        if request is None:
            return
        try:
            request.add(event.data or b"")
        except HTTPRefusal as refusal:
            del self._requests[stream]
            self._refuse(stream, refusal.status)

    def _complete(self, stream: int) -> None:
        """The request is complete."""
        request = self._requests.pop(stream, None)
        if request is not None:
            self.ask(request.message(), partial(self._reply, stream))

    def _reset(self, stream: int) -> None:
        """The client takes a request back."""
        self._requests.pop(stream, None)
        self._unsent_size -= len(self._unsent.pop(stream, b""))
        self._resets += 1
        if self._resets > MAX_RESETS:
            raise H2Error("too many requests taken back")

    def _refuse(self, stream: int, status: int) -> None:
        """Answer with a status alone."""
        self.factory.forwarder.counts[f"http-{status}"] += 1
        fields = [(":status", str(status)), ("content-length", "0")]
        if status == 405:
            fields.append(("allow", "GET, POST"))
        self._h2.send_headers(stream, fields, end_stream=True)

    def _reply(self, stream: int, reply: bytes) -> None:
        """Answer with a message; an empty one: there is none."""
        try:
            if reply:
                fields = [
                    (":status", "200"),
                    ("content-type", MEDIA_TYPE.decode()),
                    ("content-length", str(len(reply))),
                    ("cache-control", f"max-age={freshness(reply)}"),
                ]
                self._h2.send_headers(stream, fields)
                self._unsent[stream] = reply
                self._unsent_size += len(reply)
                self._send(stream)
            else:
                self._refuse(stream, 400)
        except StreamClosedError:
            self._unsent_size -= len(self._unsent.pop(stream, b""))
        except H2Error:
            self.close()
        self._flush()

    def _pump(self) -> None:
        """Send what the client has room for now."""
        for stream in list(self._unsent):
            self._send(stream)

    def _send(self, stream: int) -> None:
        """Send as much of a reply as the client has room for."""
        data = self._unsent[stream]
        room = self._h2.local_flow_control_window(stream)
        while data and room > 0:
            size = min(len(data), room, self._h2.max_outbound_frame_size)
            self._h2.send_data(stream, data[:size], end_stream=size == len(data))
            data = data[size:]
            room -= size
            self._unsent_size -= size
        if data:
            self._unsent[stream] = data
        else:
            del self._unsent[stream]


class HTTPFactory(ForwarderFactory):
    """Makes the connections of one listen string for HTTPS."""

    protocol_name = b"h2"
    kind = HTTPStream

    def __init__(self, connections: Any, transport: str, forwarder: Any) -> None:
        """See L{ForwarderFactory}."""
        super().__init__(connections, transport, forwarder)
        self.transport = "https"
