"""TLS as the command line wants it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.client.target import TLSSettings
from netsvc.chat.client.tls import TLSSettingsError, connection_creator
from tests.integration.balance_certificates import Authority


class CreatorTests(SynchronousTestCase):
    """What makes connections."""

    def hello(self, settings: TLSSettings, host: str) -> bytes:
        """The first bytes that a connection of that kind sends."""
        creator = connection_creator(settings, host)
        factory: Any = TLSMemoryBIOFactory(creator, True, Factory.forProtocol(Protocol))
        protocol = factory.buildProtocol(None)
        transport = StringTransport()
        protocol.makeConnection(transport)
        self.addCleanup(protocol.connectionLost, None)
        sent: bytes = transport.value()
        return sent

    def test_names(self) -> None:
        """The server is told which name is wanted, checked or not."""
        for verify in (True, False):
            settings = TLSSettings(verify=verify)
            self.assertIn(b"chat.example", self.hello(settings, "chat.example"))
            named = TLSSettings(verify=verify, server_name="other.example")
            self.assertIn(b"other.example", self.hello(named, "chat.example"))
            self.assertTrue(self.hello(settings, "192.0.2.1"))
            self.assertTrue(self.hello(settings, "fe80::1%eth0"))

    def test_verify(self) -> None:
        """Certificates are checked unless it is said that they are not to be."""
        for verify, mode in ((True, SSL.VERIFY_PEER), (False, SSL.VERIFY_NONE)):
            creator: Any = connection_creator(TLSSettings(verify=verify), "a.example")
            protocol: Any = None
            factory: Any = TLSMemoryBIOFactory(
                creator, True, Factory.forProtocol(Protocol)
            )
            protocol = factory.buildProtocol(None)
            protocol.makeConnection(StringTransport())
            self.addCleanup(protocol.connectionLost, None)
            found = protocol.getHandle().get_context().get_verify_mode()
            self.assertEqual(found & SSL.VERIFY_PEER, mode)

    def test_issuers(self) -> None:
        """A file of issuers is read."""
        folder = Path(self.mktemp())
        folder.mkdir()
        authority = Authority(folder)
        self.assertTrue(self.hello(TLSSettings(authority.file), "a.example"))

    def test_bad(self) -> None:
        """What is of no use is one line that says why."""
        path = Path(self.mktemp())
        path.mkdir()
        empty, broken = path / "empty", path / "broken"
        empty.write_text("")
        broken.write_text(
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        )
        for settings, host, text in (
            (TLSSettings(path / "none"), "a", "No such file"),
            (TLSSettings(empty), "a", "holds no certificate"),
            (TLSSettings(broken), "a", "cannot be read"),
            (TLSSettings(), "\udc80" * 3, "is no name"),
            (TLSSettings(verify=False), "a" * 70, "is no name"),
        ):
            error = self.assertRaises(
                TLSSettingsError, connection_creator, settings, host
            )
            self.assertIn(text, str(error))
            self.assertNotIn("\n", str(error))
