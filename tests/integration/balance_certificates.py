"""Certificates for tests of TLS: an authority, and what it has signed."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID


class Authority:
    """
    A certificate authority of its own making.

    @ivar file: its certificate.
    """

    def __init__(self, folder: Path) -> None:
        """Make it, in a folder."""
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
        certificate = self._sign(self._name, self._key, "", is_authority=True)
        self.file = folder / "ca.crt"
        self.file.write_bytes(certificate.public_bytes(Encoding.PEM))

    def _sign(self, name: Any, key: Any, host: str, is_authority: bool = False) -> Any:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(is_authority, None), True)
        )
        if host:
            names = x509.SubjectAlternativeName([x509.DNSName(host)])
            builder = builder.add_extension(names, False)
        return builder.sign(self._key, SHA256())

    def issue(self, host: str, file: str = "") -> Path:
        """Write a key and a certificate for a name into one PEM file."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        path = self._folder / (file or f"{host}.pem")
        path.parent.mkdir(exist_ok=True)
        form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        certificate = self._sign(name, key, host)
        path.write_bytes(
            key.private_bytes(*form) + certificate.public_bytes(Encoding.PEM)
        )
        return path

    def server(self, path: Path) -> ssl.SSLContext:
        """Give the context of a server with a certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def client(self, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
        """Give the context of a client that trusts the authority."""
        context = ssl.create_default_context(cafile=self.file)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context
