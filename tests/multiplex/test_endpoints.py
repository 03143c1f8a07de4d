"""
Tests of L{netsvc.multiplex.endpoints} and of the prefix C{mux:}.

The endpoints pass Twisted's own tests of TCP endpoints, whose reactor lives in
memory: they run as on a system without epoll, where that reactor is used as it is.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.endpoints import clientFromString, serverFromString
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import (
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.test import test_endpoints
from twisted.internet.testing import MemoryReactorClock
from twisted.plugin import IPlugin
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from netsvc.multiplex import (
    MultiplexClientEndpoint,
    MultiplexServerEndpoint,
    multiplexed,
)
from netsvc.multiplex import reactor as reactor_module
from netsvc.multiplex.listener import BACKLOG
from netsvc.parsers import client_parser, server_parser


class NoSelect:
    """A select module of a system without epoll."""


class OverMultiplexer:
    """
    Makes Twisted's tests of TCP endpoints test the multiplexer's.

    @ivar interface: The address to listen on.
    @ivar host: The address to connect to.
    """

    interface: str
    host: str
    address_type: Any

    def setUp(self) -> None:
        """Let the endpoints use the reactor that they are given."""
        super().setUp()  # type: ignore[misc]
        self.patch(reactor_module, "select", NoSelect)  # type: ignore[attr-defined]

    def createServerEndpoint(  # noqa: N802 - Twisted's name
        self, reactor: Any, factory: Any, **args: Any
    ) -> Any:
        """Return an endpoint, what it should tell the reactor, and its address."""
        expected = (0, factory, args.get("backlog", BACKLOG), args.get("interface", ""))
        address = IPv4Address("TCP", "0.0.0.0", 0)
        endpoint = MultiplexServerEndpoint(reactor, 0, **args)
        return endpoint, expected, address

    def createClientEndpoint(  # noqa: N802 - Twisted's name
        self, reactor: Any, factory: Any, **args: Any
    ) -> Any:
        """Return an endpoint, what it should tell the reactor, and its address."""
        timeout, bind = args.get("timeout", 30), args.get("bindAddress")
        expected = (self.host, 80, factory, timeout, bind)
        address = self.address_type("TCP", self.host, 80)
        return (
            MultiplexClientEndpoint(reactor, self.host, 80, **args),
            expected,
            address,
        )


class TwistedIPv4Tests(OverMultiplexer, test_endpoints.TCP4EndpointsTests):  # type: ignore[misc]
    """Twisted's tests of TCP endpoints, with IPv4 addresses."""

    interface = "127.0.0.1"
    host = "192.0.2.1"
    address_type = IPv4Address


class TwistedIPv6Tests(OverMultiplexer, test_endpoints.TCP6EndpointsTests):  # type: ignore[misc]
    """Twisted's tests of TCP endpoints, with IPv6 addresses."""

    interface = "::1"
    host = "2001:db8::1"
    address_type = IPv6Address


class Names:
    """A resolver to which every name has two addresses."""

    def resolveHostName(self, receiver: Any, name: str, **kwargs: Any) -> Any:
        """Give an IPv6 and an IPv4 address."""
        port = kwargs["portNumber"]
        receiver.resolutionBegan(self)
        receiver.addressResolved(IPv6Address("TCP", "2001:db8::1", port))
        receiver.addressResolved(IPv4Address("TCP", "192.0.2.1", port))
        receiver.resolutionComplete()
        return self


class EndpointTests(SynchronousTestCase):
    """Tests of what the endpoints add to Twisted's."""

    def test_multiplexed(self) -> None:
        """They listen and connect with the multiplexer of the reactor."""
        reactor = MemoryReactorClock()
        for endpoint in (
            MultiplexServerEndpoint(reactor, 0),
            MultiplexClientEndpoint(reactor, "192.0.2.1", 7),
            MultiplexClientEndpoint(multiplexed(reactor), "2001:db8::1", 7),
        ):
            self.assertIs(endpoint._endpoint._reactor, multiplexed(reactor))

    def test_name(self) -> None:
        """A host that is no address is looked up, and its addresses are tried."""
        self.patch(reactor_module, "select", NoSelect)
        reactor = MemoryReactorClock()
        names: Any = Names()
        reactor.installNameResolver(names)
        endpoint = MultiplexClientEndpoint(reactor, "example.com", 80, 10)
        connected = endpoint.connect(Factory.forProtocol(Protocol))
        for _ in range(3):
            reactor.advance(1)
        hosts = [client[0] for client in reactor.tcpClients]
        self.assertEqual(sorted(hosts), ["192.0.2.1", "2001:db8::1"])
        for client in reactor.tcpClients:
            factory: Any = client[2]
            factory.clientConnectionFailed(None, Failure(ConnectionRefusedError()))
        self.failureResultOf(connected, ConnectionRefusedError)


class StringTests(SynchronousTestCase):
    """Tests of C{mux:} in endpoint strings."""

    def setUp(self) -> None:
        """Use a reactor in memory."""
        self.patch(reactor_module, "select", NoSelect)
        self.reactor = MemoryReactorClock()
        self.factory = Factory.forProtocol(Protocol)

    def test_plugins(self) -> None:
        """Both parsers are plugins for the prefix."""
        for parser in (server_parser, client_parser):
            self.assertTrue(verifyObject(IPlugin, parser))
            self.assertEqual(parser.prefix, "mux")

    def listen(self, text: str) -> Any:
        """Return what the server of a string tells the reactor."""
        endpoint = serverFromString(self.reactor, text)
        self.assertTrue(verifyObject(IStreamServerEndpoint, endpoint))
        self.assertIsInstance(endpoint, MultiplexServerEndpoint)
        self.successResultOf(endpoint.listen(self.factory))
        port, factory, backlog, interface = self.reactor.tcpServers.pop()
        self.assertIs(factory, self.factory)
        return port, backlog, interface

    def test_server(self) -> None:
        """A server string names a port, and perhaps an interface and a backlog."""
        self.assertEqual(self.listen("mux:8080"), (8080, BACKLOG, ""))
        self.assertEqual(
            self.listen("mux:8080:interface=127.0.0.1:backlog=5"),
            (8080, 5, "127.0.0.1"),
        )
        self.assertEqual(
            self.listen(r"mux:port=0:interface=\:\:1"), (0, BACKLOG, "::1")
        )

    def connect(self, text: str) -> Any:
        """Return what the client of a string tells the reactor."""
        endpoint = clientFromString(self.reactor, text)
        self.assertTrue(verifyObject(IStreamClientEndpoint, endpoint))
        self.assertIsInstance(endpoint, MultiplexClientEndpoint)
        connecting = endpoint.connect(self.factory)
        host, port, _, timeout, bind = self.reactor.tcpClients.pop()
        connecting.addErrback(lambda failure: None)
        connecting.cancel()
        return host, port, timeout, bind

    def test_client(self) -> None:
        """A client string names host and port, and perhaps time-out and address."""
        self.assertEqual(self.connect("mux:192.0.2.1:80"), ("192.0.2.1", 80, 30, None))
        self.assertEqual(
            self.connect(r"mux:2001\:db8\:\:1:80:timeout=2.5:bindAddress=\:\:1"),
            ("2001:db8::1", 80, 2.5, ("::1", 0)),
        )
        self.assertEqual(
            self.connect("mux:host=192.0.2.1:port=80"), ("192.0.2.1", 80, 30, None)
        )

    def test_mistakes(self) -> None:
        """What is no number, or no argument, is refused when the string is read."""
        for text in ("mux:http", "mux:80:backlog=many", "mux:", "mux:80:nonsense=1"):
            self.assertRaises(
                (ValueError, TypeError), serverFromString, self.reactor, text
            )
        for text in ("mux:host", "mux:host:http", "mux:host:80:timeout=soon"):
            self.assertRaises(
                (ValueError, TypeError), clientFromString, self.reactor, text
            )
