"""Private keys and certificates for tests."""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)


def make_pem(name: str, *, is_authority: bool | None = False) -> tuple[str, str]:
    """
    Make a private key and a certificate that it has signed, good for a day.

    @param name: What it is for.
    @param is_authority: What it says of itself; L{None}: nothing.
    @return: The key and the certificate, in PEM.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
    )
    if is_authority is not None:
        constraints = x509.BasicConstraints(ca=is_authority, path_length=None)
        builder = builder.add_extension(constraints, critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    form = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    return (
        key.private_bytes(*form).decode(),
        certificate.public_bytes(Encoding.PEM).decode(),
    )


def write_pem(path: Path, name: str) -> None:
    """Write a private key and its certificate to a file."""
    path.write_text("".join(make_pem(name)))
