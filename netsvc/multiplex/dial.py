"""
Outgoing connections without a factory, a connector or a timer of their own.

L{twisted.internet.tcp.Connector} begins to connect a turn later and has a
delayed call for each attempt; who proxies a connection for each one accepted
pays for that as much as for the bytes. L{dial} connects a protocol at once and
leaves the deadline to its caller, who calls L{Dial.cancel}.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from errno import EINPROGRESS, EISCONN
from functools import lru_cache
from typing import Any

from twisted.internet.abstract import isIPAddress
from twisted.internet.error import ConnectError, getConnectError
from twisted.internet.interfaces import IReadWriteDescriptor
from twisted.internet.protocol import ClientFactory
from zope.interface import implementer

from netsvc.multiplex.reactor import Multiplexer, multiplexed
from netsvc.multiplex.stream import ServerConnection

#: Seconds that an attempt may last where the reactor wants to know: for ever.
_NO_TIMEOUT = 86400.0

#: Addresses that are remembered in the form that the system takes.
ADDRESSES = 1024

# One system call less than to set it later.
_STREAM = socket.SOCK_STREAM | getattr(socket, "SOCK_NONBLOCK", 0)

#: What is called when a connection could not be made.
Failed = Callable[[Exception], None]


class DialedConnection(ServerConnection):
    """The client's end of a connection that L{dial} has made."""

    _tlsClientDefault = True

    def startReading(self) -> None:
        """Read, but not before the descriptor is handed over."""
        if self.connected:
            super().startReading()


@lru_cache(ADDRESSES)
def _address(host: str, port: int) -> tuple[int, tuple[Any, ...]]:
    """
    Give the family and the socket address of a literal address.

    @raise OSError: It is none.
    """
    if isIPAddress(host):
        return int(socket.AF_INET), (host, port)
    found = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
    )
    return int(found[0][0]), found[0][4]


@implementer(IReadWriteDescriptor)
class Dial:
    """
    An attempt to connect, which ends in a connection, a failure or L{cancel}.

    @ivar connected: Whether it is to be looked at at the end of the batch; what has
        something to do there is called so.
    """

    connected = False

    def __init__(
        self, mux: Multiplexer, host: str, port: int, protocol: Any, failed: Failed
    ) -> None:
        """
        Begin; see L{dial}.

        @raise OSError: The system refuses even to try.
        @raise ConnectError: The same, in Twisted's words.
        """
        self._mux = mux
        self._protocol = protocol
        self._failed = failed
        family, self._to = _address(host, port)
        skt = socket.socket(family, _STREAM)
        try:
            skt.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            error = skt.connect_ex(self._to)
            if error not in (0, EINPROGRESS, EISCONN):
                raise getConnectError((error, os.strerror(error)))
        except BaseException:
            skt.close()
            raise
        self._socket: socket.socket | None = skt
        self.fileno = skt.fileno
        if mux.dispatching:
            self.connected = True
            mux.late[self] = None
        else:
            self.arm()

    def cancel(self) -> None:
        """Give up; nothing is called any more."""
        skt, self._socket = self._socket, None
        self.connected = False
        if skt is not None:
            self._mux.forget(self)
            skt.close()

    # IReadWriteDescriptor

    def doWrite(self) -> None:
        """
        The attempt has ended: see how.

        At the end of the batch in which it began it may have ended well already, as it
        mostly has on the same machine: then there is no waiting for an event.
        """
        skt = self._socket
        if skt is None:
            return
        if self.connected:
            self.connected = False
            try:
                skt.getpeername()
            except OSError:
                self.arm()
                return
            self._made(skt)
            return
        error = skt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self.cancel()
            self._failed(getConnectError((error, os.strerror(error))))
            return
        self._made(skt)

    def arm(self) -> None:
        """Wait for the end of the attempt."""
        self._mux.addWriter(self)

    def _made(self, skt: socket.socket) -> None:
        """Hand the connection over."""
        self._socket = None
        protocol, mux = self._protocol, self._mux
        transport = DialedConnection(skt, protocol, self._to, None, 0, mux)
        mux.hand_over(self, transport)
        try:
            protocol.makeConnection(transport)
        except BaseException:
            transport.abortConnection()
            raise  # the set logs it

    def doRead(self) -> None:
        """Never asked for."""

    def logPrefix(self) -> str:
        """Return what marks log lines about the attempt."""
        return "dial"

    def connectionLost(self, reason: Any) -> None:
        """The reactor is shutting down."""
        if self._socket is not None:
            self.cancel()
            self._failed(ConnectError(string="the reactor has stopped"))


class _Once(ClientFactory):
    """Connects one protocol, on a reactor without a multiplexer."""

    noisy = False

    def __init__(self, protocol: Any, failed: Failed) -> None:
        """
        @param protocol: What to connect.
        @param failed: Called when that fails.
        """
        self._protocol = protocol
        self._failed: Failed | None = failed
        self.connector: Any = None

    def buildProtocol(self, addr: Any) -> Any:
        """Give the protocol."""
        self._failed = None
        return self._protocol

    def clientConnectionFailed(self, connector: Any, reason: Any) -> None:
        """Tell why not."""
        failed, self._failed = self._failed, None
        if failed is not None:
            failed(reason.value)

    def cancel(self) -> None:
        """Give up; nothing is called any more."""
        if self._failed is not None:
            self._failed = None
            self.connector.stopConnecting()


class _Hopeless:
    """An attempt that the system has refused at once: tells so a turn later."""

    def __init__(self, reactor: Any, error: Exception, failed: Failed) -> None:
        """
        @param reactor: Has the time.
        @param error: Why not.
        @param failed: What to call.
        """
        self._call = reactor.callLater(0, failed, error)

    def cancel(self) -> None:
        """Tell nothing."""
        if self._call.active():
            self._call.cancel()


def dial(reactor: Any, host: str, port: int, protocol: Any, failed: Failed) -> Any:
    """
    Connect a protocol to an address.

    @param reactor: The reactor or its multiplexer.
    @param host: A literal address.
    @param port: A port number.
    @param protocol: Gets C{makeConnection} when the connection is there.
    @param failed: Called with a L{ConnectError<twisted.internet.error.ConnectError>}
        or C{OSError} if it cannot be made; never before this returns.
    @return: The attempt; its C{cancel()} gives up, without a call of C{failed}.
    """
    mux = multiplexed(reactor)
    if isinstance(mux, Multiplexer):
        try:
            return Dial(mux, host, port, protocol, failed)
        except (OSError, ConnectError) as error:
            return _Hopeless(reactor, error, failed)
    once = _Once(protocol, failed)
    once.connector = mux.connectTCP(host, port, once, timeout=_NO_TIMEOUT)
    return once
