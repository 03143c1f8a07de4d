"""
Endpoints whose connections are the multiplexer's.

They take what Twisted's own TCP endpoints take, choose the family by the
address, and work with any factory.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
)
from twisted.internet.interfaces import IStreamClientEndpoint, IStreamServerEndpoint
from zope.interface import implementer

from netsvc.multiplex.listener import BACKLOG
from netsvc.multiplex.reactor import multiplexed


@implementer(IStreamServerEndpoint)
class MultiplexServerEndpoint:
    """A TCP port of the multiplexer, IPv4 or IPv6."""

    def __init__(
        self, reactor: Any, port: int, backlog: int = BACKLOG, interface: str = ""
    ) -> None:
        """
        @param reactor: The reactor (L{None}: the global one).
        @param port: The port number; 0 for any.
        @param backlog: How many connections may wait to be accepted.
        @param interface: The address to listen on; all IPv4 addresses by
            default, all IPv6 (and IPv4) addresses for C{"::"}.
        """
        self._endpoint = TCP4ServerEndpoint(
            multiplexed(reactor), port, backlog, interface
        )

    def listen(self, factory: Any) -> Any:
        """
        Start to listen.

        @param factory: Makes a protocol for each connection.
        @return: A Deferred that fires with the listening port, or fails with
            L{CannotListenError<twisted.internet.error.CannotListenError>}.
        """
        return self._endpoint.listen(factory)


@implementer(IStreamClientEndpoint)
class MultiplexClientEndpoint:
    """A TCP connection of the multiplexer to an address or a name."""

    def __init__(
        self,
        reactor: Any,
        host: str,
        port: int,
        timeout: float = 30.0,
        bindAddress: Any = None,
    ) -> None:
        """
        @param reactor: The reactor (L{None}: the global one).
        @param host: An address, or a name: then its addresses are tried as in
            RFC 8305.
        @param port: The port number.
        @param timeout: Seconds after which to give up.
        @param bindAddress: The local address: a host, or a tuple of host and
            port (literal addresses only).
        """
        mux = multiplexed(reactor)
        self._endpoint: Any
        if isIPAddress(host) or isIPv6Address(host):
            self._endpoint = TCP4ClientEndpoint(mux, host, port, timeout, bindAddress)
        else:
            self._endpoint = HostnameEndpoint(mux, host, port, timeout, bindAddress)

    def connect(self, factory: Any) -> Any:
        """
        Connect.

        @param factory: Makes the protocol.
        @return: A Deferred that fires with the connected protocol, or fails with a
            L{ConnectError<twisted.internet.error.ConnectError>}.
        """
        return self._endpoint.connect(factory)
