"""Failures in words, and the TLS settings that may be wrong."""

from __future__ import annotations

import datetime
import errno
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import error
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netsvc.echo.probe.errors import MAX_DETAIL, ProbeError, describe_failure
from netsvc.echo.probe.target import ProbeSettings, TLSSettings, Transport
from netsvc.echo.probe.tls import connection_creator


def certificate() -> bytes:
    """Make a self-signed certificate in PEM form."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "probe test")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


class FailureTests(SynchronousTestCase):
    """Each failure has its words."""

    def test_words(self) -> None:
        """Known failures are named without their class or number."""
        for reason, words in (
            (error.ConnectionDone(), "closed by the other side"),
            (error.ConnectionLost(), "connection lost"),
            (error.ConnectionRefusedError(errno.ECONNREFUSED), "connection refused"),
            (error.NoRouteError(errno.EHOSTUNREACH), "no route to host"),
            (error.TimeoutError(), "no answer to the connection attempt"),
            (
                error.ConnectBindError(errno.EADDRNOTAVAIL, "x"),
                "cannot use the source address: cannot assign requested address",
            ),
            (
                error.ConnectError("odd", "\x1bodd"),
                r"An error occurred while connecting: odd: \x1bodd",
            ),
            (ValueError("a\nb"), r"a\nb"),
            (ValueError(), "ValueError"),
        ):
            self.assertEqual(describe_failure(Failure(reason)), words)

    def test_bounded(self) -> None:
        """An unforeseen text is shown in part."""
        self.assertEqual(
            len(describe_failure(Failure(ValueError("x" * 999)))), MAX_DETAIL
        )

    def test_tls(self) -> None:
        """TLS failures say what may help."""
        for text, words in (
            ("certificate verify failed", "--ca FILE"),
            ("wrong version number", "perhaps the service does not speak TLS"),
            ("sslv3 alert\x07", r"TLS handshake failed: sslv3 alert\x07"),
        ):
            failure = Failure(SSL.Error([("SSL routines", "", text)]))
            self.assertIn(words, describe_failure(failure))
        for empty in (SSL.Error(), SSL.Error([])):
            self.assertIn("unexpected end", describe_failure(Failure(empty)))

    def test_name(self) -> None:
        """A certificate for another name says so."""
        words = describe_failure(Failure(VerificationError(errors=[])))
        self.assertIn("not for this name", words)


class CreatorTests(SynchronousTestCase):
    """Making TLS connections."""

    def make(self, host: str = "echo.example", **settings: Any) -> SSL.Connection:
        tls = TLSSettings(**settings)
        creator: Any = connection_creator(
            ProbeSettings(host, transport=Transport.TLS, tls=tls)
        )
        factory: Any = TLSMemoryBIOFactory(creator, True, Factory.forProtocol(Protocol))
        connection: SSL.Connection = creator.clientConnectionForTLS(
            factory.buildProtocol(None)
        )
        return connection

    def file(self, content: bytes) -> Path:
        path = Path(self.mktemp())
        path.write_bytes(content)
        return path

    def refusal(self, **settings: Any) -> str:
        with self.assertRaises(ProbeError) as caught:
            self.make(**settings)
        return str(caught.exception)

    def test_verified(self) -> None:
        """By default the certificate is checked."""
        self.assertTrue(self.make().get_verify_mode() & SSL.VERIFY_PEER)

    def test_issuers(self) -> None:
        """A file may hold several issuers, and text between them."""
        path = self.file(certificate() + b"\nanother:\n" + certificate())
        self.assertTrue(self.make(ca=path).get_verify_mode() & SSL.VERIFY_PEER)

    def test_insecure(self) -> None:
        """On demand any certificate is taken; the name is still asked for."""
        for host, server_name, expected in (
            ("echo.example", None, b"echo.example"),
            ("192.0.2.7", "other.example", b"other.example"),
            ("192.0.2.7", None, None),
            ("fe80::1%eth0", None, None),
        ):
            connection = self.make(host, insecure=True, server_name=server_name)
            self.assertEqual(connection.get_verify_mode(), SSL.VERIFY_NONE)
            self.assertEqual(connection.get_servername(), expected)

    def test_bad_name(self) -> None:
        """A name that no certificate can have is named."""
        for insecure in (True, False):
            reason = self.refusal(host="a" * 64 + ".example", insecure=insecure)
            self.assertIn("is no name that a certificate can have", reason)

    def test_bad_files(self) -> None:
        """A file that cannot be used is named, with the reason."""
        broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        for path, words in (
            (Path("no/such/file"), "cannot read no/such/file: no such file"),
            (self.file(b"nothing"), "holds no certificate in PEM form"),
            (self.file(broken), "holds a certificate that cannot be read"),
        ):
            self.assertIn(words, self.refusal(ca=path))
