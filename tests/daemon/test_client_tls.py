"""TLS to a server, as the user wants it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon import client_tls
from netsvc.daemon.client_tls import (
    MAX_DETAIL,
    ServerNameError,
    TLSSettingsError,
    TrustError,
    creator_for,
    describe_tls,
    trust_root,
)
from netsvc.daemon.targets import TLSSettings
from tests.integration.balance_certificates import Authority

BROKEN = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


class CreatorTests(SynchronousTestCase):
    """What makes connections."""

    def make(self, host: str = "echo.example", **settings: Any) -> SSL.Connection:
        """Make OpenSSL's side of a connection."""
        creator: Any = creator_for(TLSSettings(**settings), host)
        factory: Any = TLSMemoryBIOFactory(creator, True, Factory.forProtocol(Protocol))
        connection: SSL.Connection = creator.clientConnectionForTLS(
            factory.buildProtocol(None)
        )
        return connection

    def file(self, content: bytes) -> Path:
        """Make a file."""
        path = Path(self.mktemp())
        path.write_bytes(content)
        return path

    def test_verified(self) -> None:
        """Certificates are checked unless it is said that they are not to be."""
        self.assertTrue(self.make().get_context().get_verify_mode() & SSL.VERIFY_PEER)
        connection = self.make(verify=False)
        self.assertEqual(connection.get_context().get_verify_mode(), SSL.VERIFY_NONE)

    def test_names(self) -> None:
        """The server is told which name is wanted, if it is one and not an address."""
        for verify in (True, False):
            for host, server_name, expected in (
                ("echo.example", "", b"echo.example"),
                ("192.0.2.7", "other.example", b"other.example"),
            ):
                found = self.make(host, verify=verify, server_name=server_name)
                self.assertEqual(found.get_servername(), expected)
        for host in ("192.0.2.7", "fe80::1%eth0"):
            self.assertIsNone(self.make(host, verify=False).get_servername())

    def test_issuers(self) -> None:
        """A file may hold several issuers, and text between them."""
        folder = Path(self.mktemp())
        folder.mkdir()
        own = Authority(folder).file.read_bytes()
        path = self.file(own + b"\nanother:\n" + own)
        self.assertTrue(self.make(ca=path).get_verify_mode() & SSL.VERIFY_PEER)

    def test_bad_names(self) -> None:
        """A name that no certificate can have is told."""
        for host in ("\udc80" * 3, "a" * 70):
            for verify in (True, False):
                error = self.assertRaises(
                    ServerNameError, creator_for, TLSSettings(verify=verify), host
                )
                self.assertIn("is no name that a certificate can have", str(error))
                self.assertTrue(str(error).isprintable())

    def test_bad_files(self) -> None:
        """A file that is of no use is told, with the reason, in one line."""
        self.patch(client_tls, "MAX_CA_FILE", 100)
        for path, text in (
            (Path("no/such/file"), "no/such/file: No such file"),
            (Path("a\nb"), "a\\nb: No such"),
            (self.file(b""), "there is no certificate"),
            (self.file(b"x-----END CERTIFICATE-----"), "there is no certificate"),
            (self.file(BROKEN), "a certificate cannot be read"),
            (self.file(b" " * 101), "has more than 100 bytes"),
        ):
            error = self.assertRaises(TrustError, trust_root, path)
            self.assertIn(text, str(error))
            self.assertTrue(str(error).isprintable())
            self.assertRaises(TLSSettingsError, creator_for, TLSSettings(path), "a")

    def test_unused_file(self) -> None:
        """Where nothing is checked, the issuers are not looked at."""
        self.assertTrue(self.make(ca=Path("no/such/file"), verify=False))


class DescribeTests(SynchronousTestCase):
    """Why a handshake failed."""

    def test_words(self) -> None:
        """A failure says what may help, with the option that skips the check."""
        for reason, words in (
            (VerificationError([]), "--server-name NAME gives another, --skip skips"),
            (_error("certificate verify failed"), "--ca FILE names an issuer, --skip"),
            (_error("wrong version number"), "perhaps the service does not speak TLS"),
            (_error("alert\x07"), r"TLS handshake failed: alert\x07"),
            (SSL.Error(), "unexpected end"),
            (SSL.Error([]), "unexpected end"),
        ):
            self.assertIn(words, describe_tls(reason, "--skip"))

    def test_long(self) -> None:
        """A long text is cut."""
        self.assertLess(len(describe_tls(_error("x" * 999), "")), MAX_DETAIL + 50)


def _error(text: str) -> SSL.Error:
    """An error of OpenSSL's."""
    return SSL.Error([("SSL routines", "", text)])
