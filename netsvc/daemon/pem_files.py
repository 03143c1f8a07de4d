"""
PEM files with private keys and certificates, looked at before they are used.

TLS libraries leave out what they cannot use in a directory: who asks for that name is
then shown another one's certificate. An operator wants to hear of it instead, while
the files from before are still in use.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from netsvc.daemon.files import read_file

#: Bytes that a file may have.
MAX_BYTES: Final = 1024 * 1024

_BLOCK: Final = re.compile(
    rb"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL
)
_BEGIN: Final = re.compile(rb"^-----BEGIN ", re.MULTILINE)


class PemError(ValueError):
    """A file cannot be used; its text is one line for operators."""


#: What is in a file: private keys, and certificates.
Content = tuple[list[Any], list[Any]]


def read_pem(path: Path) -> Content:
    """
    Read a file.

    @raise PemError: One of them cannot be read, or there is none.
    @raise OSError: The file cannot be read.
    """
    keys, chain = [], []
    data = read_file(path, MAX_BYTES)
    blocks = list(_BLOCK.finditer(data))
    if len(data) > MAX_BYTES:
        raise PemError(f"{path} has more than {MAX_BYTES} bytes")
    if len(_BEGIN.findall(data)) > len(blocks):
        raise PemError(f"{path}: what begins in it does not end")
    try:
        for match in blocks:
            if match[1] == b"CERTIFICATE":
                chain.append(x509.load_pem_x509_certificate(match[0]))
            elif match[1].endswith(b"PRIVATE KEY"):
                keys.append(load_pem_private_key(match[0], None))
    except TypeError:
        raise PemError(f"{path}: the private key has a passphrase") from None
    except (ValueError, UnsupportedAlgorithm) as error:
        raise PemError(f"{path}: {str(error).splitlines()[0]}") from None
    if not (keys or chain):
        raise PemError(f"{path} has neither a certificate nor a private key")
    return keys, chain


def public_part(key: Any) -> bytes:
    """Give what a private key and its certificate have in common, of a public key."""
    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def check_pems(paths: Sequence[Path], contents: Sequence[Content]) -> None:
    """
    See that all in some files can be used: each key has its certificate in one of
    them, and each certificate of a server its key.

    @param paths: The files.
    @param contents: What L{read_pem} has read from each.
    @raise PemError: It is not so.
    """
    keys: dict[bytes, Path] = {}
    certificates: dict[bytes, tuple[Path, Any]] = {}
    for path, (found, chain) in zip(paths, contents, strict=True):
        keys.update((public_part(each.public_key()), path) for each in found)
        for each in chain:
            certificates[public_part(each.public_key())] = path, each
    for key, path in keys.items():
        if key not in certificates:
            raise PemError(f"{path}: there is no certificate for its private key")
    for key, (path, certificate) in certificates.items():
        if key not in keys and _is_servers(certificate):
            raise PemError(f"{path}: there is no private key for its certificate")


def _is_servers(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate is one of a server, not of who signs others."""
    try:
        constraints = certificate.extensions.get_extension_for_class(
            x509.BasicConstraints
        )
    except (x509.ExtensionNotFound, ValueError):
        return False
    return not constraints.value.ca
