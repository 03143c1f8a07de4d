"""
The endpoint string prefix C{mux:}, for Twisted's plugin system.

The parsers' arguments are the parts of the string (the interface says only
C{*args, **kwargs}). This module is read whenever any program parses an endpoint
string, so it imports the multiplexer only when the prefix is used.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import (
    IStreamClientEndpointStringParserWithReactor,
    IStreamServerEndpointStringParser,
)
from twisted.plugin import IPlugin
from zope.interface import implementer


@implementer(IPlugin, IStreamServerEndpointStringParser)
class ServerParser:
    """Parses C{mux:PORT[:interface=ADDRESS][:backlog=N]}."""

    prefix = "mux"

    def parseStreamServer(  # type: ignore[override]
        self, reactor: Any, port: str, interface: str = "", backlog: str = ""
    ) -> Any:
        """
        Make a server endpoint.

        @param reactor: The reactor to listen with.
        @param port: A port number; 0 for any.
        @param interface: The address to listen on.
        @param backlog: How many connections may wait to be accepted.
        @raise ValueError: A number is none.
        """
        from netsvc.multiplex.endpoints import MultiplexServerEndpoint
        from netsvc.multiplex.listener import BACKLOG

        return MultiplexServerEndpoint(
            reactor, int(port), int(backlog or BACKLOG), interface
        )


@implementer(IPlugin, IStreamClientEndpointStringParserWithReactor)
class ClientParser:
    """Parses C{mux:HOST:PORT[:timeout=SECONDS][:bindAddress=ADDRESS]}."""

    prefix = "mux"

    def parseStreamClient(  # type: ignore[override]
        self,
        reactor: Any,
        host: str,
        port: str,
        timeout: str = "30",
        bindAddress: str | None = None,
    ) -> Any:
        """
        Make a client endpoint.

        @param reactor: The reactor to connect with.
        @param host: A name or an address.
        @param port: A port number.
        @param timeout: Seconds after which to give up.
        @param bindAddress: The local address.
        @raise ValueError: A number is none.
        """
        from netsvc.multiplex.endpoints import MultiplexClientEndpoint

        bind = None if bindAddress is None else (bindAddress, 0)
        return MultiplexClientEndpoint(reactor, host, int(port), float(timeout), bind)


server_parser = ServerParser()
client_parser = ClientParser()
