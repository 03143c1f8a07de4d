"""TLS to backends: whom to trust, and which name to expect."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    optionsForClientTLS,
    trustRootFromCertificates,
)
from zope.interface import implementer

from netsvc.balance.backends import BackendSpec, is_address
from netsvc.balance.certificates import CertificateError
from netsvc.balance.tls import LayerFactory, layers
from netsvc.daemon.kinds import found


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    """Makes connections that take any certificate."""

    def __init__(self, name: str) -> None:
        """@param name: the name to ask for; none if it is an address."""
        self._name = None if is_address(name) else name.encode("idna")
        self._context = CertificateOptions().getContext()

    def clientConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        """Make OpenSSL's side of a new connection."""
        connection = SSL.Connection(self._context, None)
        connection.set_app_data(protocol)
        if self._name is not None:
            connection.set_tlsext_host_name(self._name)
        return connection


class BadNameError(ValueError):
    """No certificate can have this name; its text is for operators."""


def _trust_root(path: Path) -> Any:
    """
    Read the certificates of who may sign a backend's.

    @raise CertificateError: There is none.
    @raise OSError: The file cannot be read.
    """
    text = path.read_bytes()
    end = b"-----END CERTIFICATE-----"
    blocks = [block + end for block in text.split(end)[:-1]]
    try:
        found = [Certificate.loadPEM(block) for block in blocks]
    except crypto.Error:
        raise CertificateError(f"{path}: a certificate cannot be read") from None
    if not found:
        raise CertificateError(f"{path}: there is no certificate")
    return trustRootFromCertificates(found)


def backend_layers(
    specs: Iterable[BackendSpec], authorities: Path | None, clock: Any
) -> dict[BackendSpec, LayerFactory]:
    """
    Make the TLS configurations of those backends that have TLS.

    @param specs: The backends.
    @param authorities: The certificates of who may sign theirs, in a PEM file;
        L{None} for the system's.
    @param clock: The reactor.
    @raise CertificateError: The file has no certificate.
    @raise OSError: It cannot be read.
    @raise BadNameError: No certificate can have the name of a backend.
    """
    trust = None if authorities is None else _trust_root(authorities)
    made: dict[BackendSpec, LayerFactory] = {}
    by_name: dict[tuple[str, bool], LayerFactory] = {}
    for spec in specs:
        if not spec.tls:
            continue
        key = (spec.server_name, spec.tls_verify)
        if key not in by_name:
            by_name[key] = layers(_creator(spec, trust), True, clock)
        made[spec] = by_name[key]
    return made


def _creator(spec: BackendSpec, trust: Any) -> Any:
    """
    Make what makes TLS connections to a backend.

    @raise BadNameError: No certificate can have its name.
    """
    try:
        if spec.tls_verify:
            return optionsForClientTLS(spec.server_name, trust)
        return _Unverified(spec.server_name)
    except UnicodeError:
        raise BadNameError(
            f"{found(spec.text)}: no certificate can have the name"
            f" {found(spec.server_name)}; give another one, tls-name=NAME"
        ) from None
