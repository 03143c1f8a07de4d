"""
TLS as a layer between a connection and a session, with half-close.

Twisted's own layer takes the peer's C{close_notify} for the end of both
directions, and has no way to end only one. Here C{close_notify} ends the
direction in which it is sent (RFC 8446 section 6.1), as a FIN does in TCP: an
answer that is late still arrives. From a client, an end of TCP without it is an
error, so that nobody can cut a request short unnoticed. Many servers never send it:
from a backend, the end of TCP is the end of its answer, and the client's protocol
has to know whether that is complete.
"""

from __future__ import annotations

from typing import Any

from OpenSSL.SSL import Error, WantReadError, ZeroReturnError
from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocolFactory
from twisted.internet.main import CONNECTION_LOST
from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

#: Bytes asked of OpenSSL in one go; a record holds 16 KiB at the most.
_RECORD = 2**15


@implementer(IHalfCloseableProtocol)
class TLSLayer(TLSMemoryBIOProtocol):
    """
    TLS below a protocol whose directions end one by one.

    The protocol has C{readConnectionLost}, and gets C{handshakeCompleted} if it
    is an L{IHandshakeListener<twisted.internet.interfaces.IHandshakeListener>}.
    """

    _input_ended = False
    _output_ended = False
    _preamble = b""

    def makeConnection(self, transport: Any) -> None:
        """Send the preamble, then begin."""
        if self._preamble:
            transport.write(self._preamble)
        super().makeConnection(transport)

    def _flushReceiveBIO(self) -> None:
        """Deliver what was decrypted, and the end of the input."""
        connection: Any = self._tlsConnection
        while not self._lostTLSConnection:
            try:
                data = connection.recv(_RECORD)
            except WantReadError:
                break
            except ZeroReturnError:
                self._end_input()
                break
            except Error:
                self._tlsShutdownFinished(Failure())
            else:
                if not self._aborted:
                    self.wrappedProtocol.dataReceived(data)
        self._flushSendBIO()

    def _end_input(self) -> None:
        """The peer has sent C{close_notify}."""
        if self._input_ended or self._aborted:
            return
        self._input_ended = True
        if self._output_ended or self.disconnecting:
            self._shutdownTLS()  # as both have: closes the connection
        wrapped: Any = self.wrappedProtocol
        wrapped.readConnectionLost()

    def loseWriteConnection(self) -> None:
        """Send C{close_notify} after what was written; go on receiving."""
        if self._output_ended or self.disconnecting or not self.connected:
            return
        self._output_ended = True
        if not self._appSendBuffer:
            self._shutdownTLS()

    def _unbufferPendingWrites(self) -> None:
        """Send what had to wait for the peer; then perhaps end."""
        super()._unbufferPendingWrites()
        if self._output_ended and not self._appSendBuffer and not self.disconnecting:
            self._shutdownTLS()

    def loseConnection(self) -> None:
        """End both directions; listen until the peer has ended, too."""
        super().loseConnection()
        transport: Any = self.transport
        if self.connected:
            transport.resumeProducing()  # it may have been paused

    def abortConnection(self) -> None:
        """End at once."""
        if self.connected:
            super().abortConnection()

    # IHalfCloseableProtocol, for the transport.

    def readConnectionLost(self) -> None:
        """
        TCP has ended: in order if TLS had, or if it is a backend's; cut short
        otherwise.

        Once we have ended ourselves many do not bother to say so.
        """
        transport: Any = self.transport
        factory: Any = self.factory
        if self._input_ended:
            return
        if self._output_ended and not self._appSendBuffer:
            self._end_input()
            transport.loseConnection()
        elif factory.is_client and self._handshakeDone:
            self._end_input()
        else:
            self._reason = self._reason or Failure(CONNECTION_LOST)
            transport.abortConnection()

    def writeConnectionLost(self) -> None:
        """TCP's half is never closed alone."""


class LayerFactory(TLSMemoryBIOFactory):
    """
    Makes the L{TLSLayer}s of one configuration.

    @ivar is_client: Whether we begin the handshake: the peers are backends.
    """

    protocol = TLSLayer
    is_client = False

    def wrap(self, protocol: Any, preamble: bytes = b"") -> TLSLayer:
        """
        Put TLS below a protocol.

        @param protocol: What is served; see L{TLSLayer}.
        @param preamble: What to send before TLS begins.
        @return: A protocol, to be given a transport with C{makeConnection}.
        """
        layer = TLSLayer(self, protocol)
        layer._preamble = preamble
        return layer

    def registerProtocol(self, p: Any) -> None:
        """Keep no list: who uses the layer has its own."""

    def unregisterProtocol(self, p: Any) -> None:
        """There is no list."""


def layers(creator: Any, is_client: bool, clock: Any) -> LayerFactory:
    """
    Make a factory of layers.

    @param creator: What makes OpenSSL's connections.
    @param is_client: Whether we begin the handshake.
    @param clock: The reactor (L{twisted.internet.interfaces.IReactorTime}).
    @return: What makes L{TLSLayer}s.
    """
    wrapped: IProtocolFactory = Factory()
    factory = LayerFactory(creator, is_client, wrapped, clock)
    factory.is_client = is_client
    return factory
