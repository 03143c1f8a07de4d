"""Tests of L{netsvc.balance.entrance} and L{netsvc.balance.preface}."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance import preface
from netsvc.balance.acl import Networks, parse_network
from netsvc.balance.entrance import Entrance
from netsvc.balance.preface import Preface
from netsvc.balance.proxy_header import Command, Header
from netsvc.balance.proxy_protocol import encode_v1, encode_v2
from netsvc.balance.session import Session
from netsvc.daemon.limits import Rate, RateTable
from tests.balance.hellos import client_hello
from tests.balance.session_fakes import CLIENT, Table, Wire

HEADER = Header.between(("198.51.100.7", 1234), ("203.0.113.1", 80))


class EntranceCase(SynchronousTestCase):
    """A test with an entrance."""

    def make(self, *backends: str, trust: str = "", **how: Any) -> None:
        """Make the parts."""
        self.table = Table(*backends, **how)
        self.door = self.table.door
        if trust:
            self.door.trusted = Networks([parse_network(trust)])
        self.entrance = Entrance(self.door)

    def come(self, address: Any = CLIENT) -> Wire:
        """Let a client come in."""
        protocol = self.entrance.buildProtocol(address)
        assert protocol is not None
        return Wire(protocol, address)

    def far(self, number: int = -1) -> Wire:
        """Connect the backend."""
        return self.table.network.attempts[number].succeed()

    def host(self, number: int = -1) -> str:
        """Give the address of a backend that was tried."""
        return self.table.network.attempts[number].address[0]


class AdmissionTests(EntranceCase):
    """Who comes in."""

    def test_session(self) -> None:
        """With nothing before it a session begins at once."""
        self.make()
        protocol = self.entrance.buildProtocol(CLIENT)
        self.assertIsInstance(protocol, Session)

    def test_unix(self) -> None:
        """A client on a UNIX socket has no address."""
        self.make()
        near = self.come(UNIXAddress(None))
        self.assertIsNone(near.protocol.host)
        near.reset()

    def test_denied(self) -> None:
        """Who is denied is refused, and counted."""
        self.make(acl=["deny:192.0.2.0/24"])
        self.assertIsNone(self.entrance.buildProtocol(CLIENT))
        self.assertEqual(self.door.refused, {"denied": 1})

    def test_total_rate(self) -> None:
        """New connections in all are limited."""
        self.make()
        self.door.rate = RateTable(Rate(1, 2), 1)
        made = [self.entrance.buildProtocol(CLIENT) for _ in range(3)]
        self.assertIsNone(made[2])
        self.assertEqual(self.door.refused, {"total-connection-rate": 1})

    def test_limits(self) -> None:
        """So are live ones."""
        self.make()
        for _ in range(100):
            self.come()
        self.assertIsNone(self.entrance.buildProtocol(CLIENT))
        self.assertEqual(self.table.sessions.limits.refused, {"max-connections": 1})


class HeaderTests(EntranceCase):
    """A PROXY header comes first."""

    def test_trusted(self) -> None:
        """The address that a trusted proxy gives is the client's."""
        for encode in (encode_v1, encode_v2):
            self.make(trust="192.0.2.0/24")
            near = self.come()
            for byte in encode(HEADER) + b"early":
                near.protocol.dataReceived(bytes([byte]))
            self.assertIsInstance(near.protocol, Session)
            self.assertEqual(near.protocol.host, "198.51.100.7")
            self.assertEqual(self.far().written, b"early")

    def test_server_speaks_first(self) -> None:
        """A header alone begins the session."""
        self.make(trust="192.0.2.0/24")
        near = self.come()
        near.protocol.dataReceived(encode_v1(HEADER))
        self.assertIsInstance(near.protocol, Session)

    def test_local(self) -> None:
        """With a LOCAL header the connection's own address counts."""
        self.make(trust="192.0.2.0/24")
        near = self.come()
        near.protocol.dataReceived(encode_v2(Header(2, Command.LOCAL)))
        self.assertEqual(near.protocol.host, CLIENT.host)

    def test_untrusted(self) -> None:
        """Nobody else's header is read."""
        self.make(trust="10.0.0.0/8")
        self.assertIsInstance(self.entrance.buildProtocol(CLIENT), Session)

    def test_bad(self) -> None:
        """What is no header ends the connection; what follows is not looked at."""
        self.make(trust="all")
        near = self.come()
        near.protocol.dataReceived(b"GET / HTTP/1.0\r\n")
        near.protocol.dataReceived(b"\r\n")
        near.protocol.end("again")
        near.protocol.writeConnectionLost()
        self.assertEqual(near.events, ["abort"])
        self.assertEqual(self.door.prefaces.ended, {"bad-proxy-header": 1})

    def test_denied(self) -> None:
        """A client whose real address is denied is refused."""
        self.make(trust="all", acl=["deny:198.51.100.7"])
        near = self.come()
        near.protocol.dataReceived(encode_v1(HEADER))
        self.assertEqual(near.events, ["abort"])
        self.assertEqual(self.door.refused, {"denied": 1})

    def test_ended_early(self) -> None:
        """One that ends within the header comes to nothing."""
        self.make(trust="all")
        near = self.come()
        near.protocol.dataReceived(b"PROXY")
        near.protocol.readConnectionLost()
        self.assertEqual(self.door.prefaces.ended, {"ended-early": 1})
        near.end()
        self.assertEqual(len(self.door.prefaces.live), 0)

    def test_timeout(self) -> None:
        """Who takes too long is cut, in all, whatever comes meanwhile."""
        self.make(trust="all")
        near = self.come()
        for _ in range(4):
            self.table.pass_time(1)
            near.protocol.dataReceived(b"PROXY"[:1] if _ == 0 else b"")
        self.assertEqual(near.events, [])
        self.table.pass_time(1)
        self.assertEqual(near.events, ["abort"])
        self.assertEqual(self.door.prefaces.ended, {"client-timeout": 1})

    def test_bounded(self) -> None:
        """So many may be in their preface at once."""
        self.patch(preface, "MAX_PREFACES", 2)
        self.make(trust="all")
        self.come()
        self.come()
        self.assertIsNone(self.entrance.buildProtocol(CLIENT))
        self.assertEqual(self.door.refused, {"prefaces-full": 1})

    def test_stop(self) -> None:
        """Stopping cuts them."""
        self.make(trust="all")
        near = self.come()
        self.door.prefaces.stop()
        self.assertEqual(near.events, ["abort"])


class HelloTests(EntranceCase):
    """A ClientHello says where a client goes."""

    BACKENDS = ("10.0.0.1:1,sni=a.test", "10.0.0.2:1,sni=*.b.test", "10.0.0.3:1")

    def test_by_name(self) -> None:
        """The name decides, and the backend gets every byte."""
        for name, host in (
            ("a.test", "10.0.0.1"),
            ("www.b.test", "10.0.0.2"),
            ("c.test", "10.0.0.3"),
        ):
            self.make(*self.BACKENDS)
            near = self.come()
            hello = client_hello(name)
            near.protocol.dataReceived(hello[:20])
            self.assertIsInstance(near.protocol, Preface)
            near.protocol.dataReceived(hello[20:] + b"more")
            self.assertEqual(self.host(), host)
            self.assertEqual(self.far().written, hello + b"more")

    def test_no_tls(self) -> None:
        """What is no TLS goes to the default pool."""
        self.make(*self.BACKENDS)
        near = self.come()
        near.protocol.dataReceived(b"GET / HTTP/1.0\r\n")
        self.assertEqual(self.host(), "10.0.0.3")
        self.assertEqual(self.far().written, b"GET / HTTP/1.0\r\n")

    def test_short_and_ended(self) -> None:
        """What ends before it could be told goes there, too, with its end."""
        self.make(*self.BACKENDS)
        near = self.come()
        near.protocol.dataReceived(b"\x16")
        near.protocol.readConnectionLost()
        far = self.far()
        self.assertEqual((far.written, far.events), (b"\x16", ["half-close"]))

    def test_short_and_refused(self) -> None:
        """If there is no such pool, it is closed."""
        self.make("10.0.0.1:1,sni=a.test")
        near = self.come()
        near.protocol.dataReceived(b"\x16")
        near.protocol.readConnectionLost()
        self.assertEqual(near.events, ["abort"])
        self.assertEqual(self.table.dialer.refused, {"no-route": 1})

    def test_nothing(self) -> None:
        """Who sends nothing at all gets no backend."""
        self.make(*self.BACKENDS)
        near = self.come()
        near.protocol.readConnectionLost()
        self.assertEqual(near.events, ["abort"])

    def test_denied(self) -> None:
        """Who is denied is refused before anything is read."""
        self.make(*self.BACKENDS, acl=["deny:all"])
        self.assertIsNone(self.entrance.buildProtocol(CLIENT))
        self.assertEqual(self.door.refused, {"denied": 1})

    def test_behind_header(self) -> None:
        """A header may come before, in the same bytes or not."""
        for cut in (0, 5, 10_000):
            self.make("10.0.0.1:1,sni=a.test,send-proxy=v2", trust="all")
            near = self.come()
            start, hello = encode_v1(HEADER), client_hello("a.test")
            whole = start + hello
            near.protocol.dataReceived(whole[: len(start) + cut])
            if whole[len(start) + cut :]:
                near.protocol.dataReceived(whole[len(start) + cut :])
            written = self.far().written
            self.assertTrue(written.endswith(hello))
            self.assertIn(b"a.test", written[: -len(hello)])
            self.assertEqual(near.protocol.host, "198.51.100.7")


class AddressTests(EntranceCase):
    """The default pool serves all addresses."""

    def test_key(self) -> None:
        """The address of a client is its key."""
        self.make()
        near = self.come(IPv4Address("TCP", "192.0.2.77", 1))
        self.assertEqual(near.protocol.key, b"192.0.2.77")
