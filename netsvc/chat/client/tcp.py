"""Lines over TCP, or over TLS."""

from __future__ import annotations

import socket
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IDelayedCall,
    IHandshakeListener,
    IPushProducer,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from netsvc.chat.charset import Encoding
from netsvc.chat.client.failures import describe
from netsvc.chat.client.framing import Framing
from netsvc.chat.client.link import Receiver
from netsvc.chat.client.target import ClientSettings
from netsvc.daemon.client_tls import creator_for

CONNECT_TIMEOUT: Final = 20.0
"""Seconds to find the host, connect and shake hands."""

CLOSE_TIMEOUT: Final = 2.0
"""Seconds that a connection may take to close before it is cut."""

KEEPALIVE: Final = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
"""
When a silent server is asked whether it is there, and how often, in seconds: a host
that is gone is noticed after two minutes, where the system's default is two hours.
"""


@implementer(IHandshakeListener, IPushProducer)
class _Connection(Protocol):
    """One connection of a L{TCPLink}."""

    def __init__(self, link: TCPLink) -> None:
        self._link = link
        self._framing = Framing(link.encoding)

    def connectionMade(self) -> None:
        """Be open, unless there is a handshake to wait for."""
        transport: Any = self.transport
        transport.setTcpNoDelay(True)
        transport.setTcpKeepAlive(True)
        _hasten_keepalive(transport)
        self._link.connected(self)
        if not self._link.is_secure:
            self._opened()

    def handshakeCompleted(self) -> None:
        """Be open after the TLS handshake."""
        self._opened()

    def _opened(self) -> None:
        transport: Any = self.transport
        transport.registerProducer(self, True)
        self._link.opened()

    def dataReceived(self, data: bytes) -> None:
        """Pass on the lines that C{data} completes."""
        for line in self._framing.feed(data):
            self._link.receiver.received(line)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Pass on the last line, and that there is no connection."""
        for line in self._framing.end():
            self._link.receiver.received(line)
        self._link.lost(reason)

    def send(self, line: str) -> None:
        """Write a line."""
        transport: Any = self.transport
        transport.write(self._framing.encode(line))

    def close(self, at_once: bool) -> None:
        """End in order, or at once."""
        transport: Any = self.transport
        if at_once:
            transport.abortConnection()
        else:
            transport.unregisterProducer()
            transport.loseConnection()

    def pauseProducing(self) -> None:
        """Take that the server does not read."""
        self._link.receiver.held(True)

    def resumeProducing(self) -> None:
        """Take that the server reads again."""
        self._link.receiver.held(False)

    def stopProducing(self) -> None:
        """Take that nothing can be sent; L{connectionLost} follows."""


class TCPLink:
    """
    A L{netsvc.chat.client.link.Link} of connections to an endpoint.

    @ivar receiver: Who takes what it gives.
    @ivar encoding: Of the lines.
    @ivar is_secure: Whether it is TLS.
    """

    def __init__(
        self,
        reactor: Any,
        endpoint: IStreamClientEndpoint,
        receiver: Receiver,
        encoding: Encoding = "utf-8",
        is_secure: bool = False,
    ) -> None:
        """
        Prepare to connect.

        @param reactor: Gives time.
        """
        self._reactor = reactor
        self._endpoint = endpoint
        self.receiver = receiver
        self.encoding = encoding
        self.is_secure = is_secure
        self._attempt: Deferred[Any] | None = None
        self._connection: _Connection | None = None
        self._is_open = False
        self._timer: IDelayedCall | None = None
        self._reason = ""

    def open(self) -> None:
        """Begin to connect, which ends within L{CONNECT_TIMEOUT}."""
        self._reason = ""
        factory: Any = Factory.forProtocol(lambda: _Connection(self))
        factory.noisy = False
        self._timer = self._reactor.callLater(CONNECT_TIMEOUT, self._too_slow)
        attempt = self._attempt = self._endpoint.connect(factory)
        attempt.addErrback(self._not_made)

    def send(self, line: str) -> None:
        """Send a line, if there is a connection."""
        if self._connection is not None and self._is_open:
            self._connection.send(line)

    def close(self) -> None:
        """End the connection within L{CLOSE_TIMEOUT}, or the attempt at once."""
        if self._connection is None:
            if self._attempt is not None:
                self._attempt.cancel()
            return
        self._stop_timer()
        is_open, self._is_open = self._is_open, False
        if is_open:
            self._timer = self._reactor.callLater(CLOSE_TIMEOUT, self._cut)
        self._connection.close(at_once=not is_open)

    def connected(self, connection: _Connection) -> None:
        """Take that there is a connection, which is not open yet."""
        self._attempt = None
        self._connection = connection

    def opened(self) -> None:
        """Take that lines can be sent."""
        self._stop_timer()
        self._is_open = True
        self.receiver.opened()

    def lost(self, failure: Failure) -> None:
        """Take that the connection is gone."""
        self._stop_timer()
        self._connection = None
        in_order = self._is_open and failure.check(ConnectionDone) is not None
        self._is_open = False
        self.receiver.closed(self._reason or describe(failure), in_order)

    def _not_made(self, failure: Failure) -> None:
        self._stop_timer()
        self._attempt = None
        self.receiver.closed(self._reason or describe(failure), False)

    def _too_slow(self) -> None:
        self._timer = None
        self._reason = f"no answer within {CONNECT_TIMEOUT:g} s"
        if self._connection is not None:
            self._connection.close(at_once=True)
        elif self._attempt is not None:
            self._attempt.cancel()

    def _cut(self) -> None:
        self._timer = None
        if self._connection is not None:
            self._connection.close(at_once=True)

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None


def tcp_link(reactor: Any, settings: ClientSettings, receiver: Receiver) -> TCPLink:
    """
    Make the link that the settings ask for.

    @raise netsvc.daemon.client_tls.TLSSettingsError: If TLS cannot be as they want.
    """
    endpoint: IStreamClientEndpoint = HostnameEndpoint(
        reactor, settings.host, settings.port, timeout=CONNECT_TIMEOUT
    )
    if settings.tls is not None:
        creator = creator_for(settings.tls, settings.host)
        endpoint = wrapClientTLS(creator, endpoint)
    return TCPLink(
        reactor, endpoint, receiver, settings.encoding, settings.tls is not None
    )


def _hasten_keepalive(transport: Any) -> None:
    """Set what this system has of L{KEEPALIVE}."""
    handle = getattr(transport, "socket", None)
    for name, value in KEEPALIVE.items():
        option = getattr(socket, name, None)
        if option is not None and handle is not None:
            handle.setsockopt(socket.IPPROTO_TCP, option, value)
