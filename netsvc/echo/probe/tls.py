"""TLS as the probe's settings want it."""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL, crypto
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    optionsForClientTLS,
    trustRootFromCertificates,
)
from zope.interface import implementer

from netsvc.daemon.escape import escape
from netsvc.echo.probe.errors import ProbeError
from netsvc.echo.probe.rejection import describe_errno
from netsvc.echo.probe.target import ProbeSettings, TLSSettings

__all__ = ["MAX_CA_FILE", "connection_creator"]

#: The largest file of certificates that is read, bytes.
MAX_CA_FILE = 16 << 20
_BEGIN = b"-----BEGIN CERTIFICATE-----"
_END = b"-----END CERTIFICATE-----"


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    """Makes connections that take any certificate."""

    def __init__(self, server_name: bytes | None) -> None:
        self._server_name = server_name
        self._context = CertificateOptions(verify=False).getContext()

    def clientConnectionForTLS(
        self,
        tlsProtocol: Any,  # noqa: N803  the interface's name
    ) -> SSL.Connection:
        """Make a connection, naming the server if it has a name."""
        connection = SSL.Connection(self._context, None)
        if self._server_name is not None:
            connection.set_tlsext_host_name(self._server_name)
        return connection


def connection_creator(settings: ProbeSettings) -> IOpenSSLClientConnectionCreator:
    """Make what TLS connections of this run are made by.

    @raise ProbeError: if the file of issuers or the name is of no use.
    """
    tls = settings.tls
    name = tls.server_name or settings.host.partition("%")[0]
    try:
        if tls.insecure:
            is_name = not (isIPAddress(name) or isIPv6Address(name))
            return _Unverified(name.encode("idna") if is_name else None)
        trust = None if tls.ca is None else _issuers(tls)
        creator: IOpenSSLClientConnectionCreator = optionsForClientTLS(name, trust)
    except UnicodeError:
        text = escape(name)
        raise ProbeError(f"{text} is no name that a certificate can have") from None
    return creator


def _issuers(tls: TLSSettings) -> Any:
    assert tls.ca is not None
    path = escape(str(tls.ca))
    try:
        with tls.ca.open("rb") as file:
            content = file.read(MAX_CA_FILE)
    except OSError as error:
        reason = describe_errno(error.errno or 0)
        raise ProbeError(f"cannot read {path}: {reason}") from None
    parts = [
        _BEGIN + part.partition(_END)[0] + _END + b"\n"
        for part in content.split(_BEGIN)[1:]
    ]
    if not parts:
        raise ProbeError(f"{path} holds no certificate in PEM form")
    try:
        return trustRootFromCertificates([Certificate.loadPEM(part) for part in parts])
    except crypto.Error:
        raise ProbeError(f"{path} holds a certificate that cannot be read") from None
