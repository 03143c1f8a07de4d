"""
TLS to DNS servers: certificates verified, or public keys pinned.

Verified is by the system's authorities, or those of a file, and for the server's
name or address (RFC 8310 section 8.1, with service_identity). A pinned server is
taken by its public key alone (RFC 7858 section 4.2).
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator as Creator
from twisted.internet.protocol import Factory
from twisted.internet.ssl import (
    CertificateOptions,
    optionsForClientTLS,
    platformTrust,
)
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from netsvc.daemon import client_tls
from netsvc.daemon.targets import is_address
from netsvc.dns.errors import DNSError, InvalidName
from netsvc.dns.servers import Server


class TLSSettingsError(DNSError):
    """Certificates of authorities cannot be read."""


def trust_root(path: Path | None) -> Any:
    """
    Say whose signatures are trusted.

    @param path: A PEM file; L{None} for the system's authorities.
    @raise TLSSettingsError: The file has no certificate that can be read.
    """
    if path is None:
        return platformTrust()
    try:
        return client_tls.trust_root(path)
    except client_tls.TrustError as error:
        raise TLSSettingsError(str(error)) from None


def key_pin(certificate: Any) -> bytes:
    """Give the SHA-256 digest of a certificate's public key (RFC 7858 appendix A)."""
    key = certificate.to_cryptography().public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(spki).digest()


@implementer(Creator)
class _Pinned:
    """Makes connections that take only some public keys, whoever has signed them."""

    def __init__(self, server: Server, alpn: bytes) -> None:
        self._context = CertificateOptions().getContext()
        self._alpn = alpn
        self._context.set_verify(SSL.VERIFY_PEER, self._verify)
        self._pins = server.pins
        self._name = None if is_address(server.name) else server.name.encode("idna")

    def _verify(
        self, connection: Any, cert: Any, error: int, depth: int, _: int
    ) -> bool:
        """Look at the server's own certificate; those above it mean nothing here."""
        return depth > 0 or key_pin(cert) in self._pins

    def clientConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        """Make OpenSSL's side of a new connection."""
        connection = SSL.Connection(self._context, None)
        connection.set_app_data(protocol)
        connection.set_alpn_protos([self._alpn])
        if self._name is not None:
            connection.set_tlsext_host_name(self._name)
        return connection


class _One(Factory):
    """Builds one protocol that is there already."""

    noisy = False

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: Any) -> Any:
        """Give it."""
        return self._protocol


class TLSClient:
    """
    The TLS configuration for one server.

    @ivar server: The server.
    """

    def __init__(self, server: Server, trust: Any, alpn: bytes) -> None:
        """
        @param server: Its C{name} is verified, or its C{pins}.
        @param trust: See L{trust_root}; not used where there are pins.
        @param alpn: The protocol to agree on: C{b"dot"} or C{b"h2"}.
        @raise InvalidName: No certificate can have its C{name}.
        """
        self.server = server
        self._creator: Any
        try:
            self._creator = (
                _Pinned(server, alpn)
                if server.pins
                else optionsForClientTLS(server.name, trust, acceptableProtocols=[alpn])
            )
        except UnicodeError:
            raise InvalidName(
                f"{server}: no certificate can have the name {server.name!r}"
            ) from None

    def wrap(self, protocol: Any) -> Any:
        """Put TLS below a protocol."""
        factory = TLSMemoryBIOFactory(self._creator, True, _One(protocol))
        return factory.buildProtocol(None)

    def accepts(self, transport: Any) -> bool:
        """Look once more at the key, after the handshake."""
        pins = self.server.pins
        return not pins or key_pin(transport.getPeerCertificate()) in pins
