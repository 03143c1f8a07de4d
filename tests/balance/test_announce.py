"""Tests of L{netsvc.balance.announce}."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.announce import Announced, announce, announce_self
from netsvc.balance.client_hello import ClientHello
from netsvc.balance.proxy_header import TLV, Command, Header, TLVType
from netsvc.balance.proxy_protocol import Parser
from tests.balance.session_fakes import CLIENT, SERVER, Wire


class Handle:
    """What OpenSSL says of a connection."""

    def __init__(self, name: bytes | None, protocol: bytes) -> None:
        """Take what was agreed on."""
        self._name = name
        self._protocol = protocol

    def get_servername(self) -> bytes | None:
        """Give the name."""
        return self._name

    def get_alpn_proto_negotiated(self) -> bytes:
        """Give the protocol."""
        return self._protocol

    def get_protocol_version_name(self) -> str:
        """Give the version."""
        return "TLSv1.3"

    def get_cipher_name(self) -> str | None:
        """Give no cipher."""
        return None


class Secure:
    """A transport with TLS."""

    def __init__(self, handle: Handle) -> None:
        """Take its handle."""
        self._handle = handle

    def getHandle(self) -> Handle:
        """Give it."""
        return self._handle


class Idle:
    """A protocol that does nothing."""

    def makeConnection(self, transport: Any) -> None:
        """Take a transport."""


def read(header: bytes) -> Header:
    """Read a header."""
    found = Parser().feed(header)
    assert found is not None
    return found


class AnnounceTests(SynchronousTestCase):
    """What is said of a client."""

    def test_own_addresses(self) -> None:
        """Without more, it is the connection's addresses."""
        for version in (1, 2):
            said = read(announce(Wire(Idle()), None, version))
            self.assertEqual(said.source, (CLIENT.host, CLIENT.port))
            self.assertEqual(said.destination, (SERVER.host, SERVER.port))
        self.assertEqual(announce(Wire(Idle()), None, 0), b"")

    def test_unix(self) -> None:
        """A client on a UNIX socket has no address."""
        for version in (1, 2):
            said = read(announce(Wire(Idle(), UNIXAddress(None)), None, version))
            self.assertIsNone(said.source)

    def test_header(self) -> None:
        """A header that has come in is passed on, with its TLVs."""
        tlv = TLV(TLVType.UNIQUE_ID, b"7")
        came = Header.between(("192.0.2.7", 1), ("192.0.2.8", 2), tlvs=(tlv,))
        announced = Announced.by_header(came)
        said = read(announce(Wire(Idle()), announced, 2))
        self.assertEqual((said.source, said.tlvs), (came.source, (tlv,)))
        local = Announced.by_header(Header(2, Command.LOCAL))
        self.assertIsNone(local.source)

    def test_hello(self) -> None:
        """A ClientHello adds the name."""
        announced = Announced.by_hello(ClientHello("a.test", (b"h2",)), None)
        self.assertEqual((announced.name, announced.protocols), ("a.test", ("h2",)))
        said = read(announce(Wire(Idle()), announced, 2))
        self.assertEqual(said.authority, "a.test")
        self.assertIsNone(Announced.by_hello(ClientHello(), announced).name)

    def test_tls(self) -> None:
        """A handshake adds the name, the protocol and what TLS it is."""
        before = Announced(("192.0.2.7", 1), ("192.0.2.8", 2))
        announced = Announced.by_tls(Secure(Handle(b"A.test", b"h2")), before)
        self.assertEqual((announced.name, announced.protocols), ("a.test", ("h2",)))
        said = read(announce(Wire(Idle()), announced, 2))
        self.assertEqual((said.alpn, said.authority), (b"h2", "A.test"))
        assert said.ssl is not None
        self.assertEqual((said.ssl.client, said.source), (1, ("192.0.2.7", 1)))
        nothing = Announced.by_tls(Secure(Handle(None, b"")), None)
        self.assertEqual((nothing.name, nothing.protocols), (None, ()))

    def test_self(self) -> None:
        """A check of ours speaks for nobody."""
        self.assertEqual(announce_self(0), b"")
        self.assertEqual(announce_self(1), b"PROXY UNKNOWN\r\n")
        self.assertIs(read(announce_self(2)).command, Command.LOCAL)
