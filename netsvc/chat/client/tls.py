"""TLS as the command line wants it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

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

from netsvc.chat.client.target import TLSSettings
from netsvc.daemon.escape import escape

MAX_CA_FILE: Final = 16 << 20
"""The largest file of certificates that is read, bytes."""

_BEGIN = b"-----BEGIN CERTIFICATE-----"
_END = b"-----END CERTIFICATE-----"


class TLSSettingsError(Exception):
    """TLS cannot be had as it is wanted, for a reason that is one line."""


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


def connection_creator(
    settings: TLSSettings, host: str
) -> IOpenSSLClientConnectionCreator:
    """
    Make what makes the TLS connections to a host.

    @raise TLSSettingsError: If the file of issuers or the name is of no use.
    """
    name = settings.server_name or host.partition("%")[0]
    try:
        if not settings.verify:
            is_name = not (isIPAddress(name) or isIPv6Address(name))
            return _Unverified(name.encode("idna") if is_name else None)
        trust = None if settings.ca is None else _issuers(settings.ca)
        creator: IOpenSSLClientConnectionCreator = optionsForClientTLS(name, trust)
    except UnicodeError:
        raise TLSSettingsError(
            f"{escape(name)} is no name that a certificate can have"
        ) from None
    return creator


def _issuers(file: Path) -> Any:
    path = escape(str(file))
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_CA_FILE)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise TLSSettingsError(f"cannot read {path}: {reason}") from None
    parts = [
        _BEGIN + part.partition(_END)[0] + _END + b"\n"
        for part in content.split(_BEGIN)[1:]
    ]
    if not parts:
        raise TLSSettingsError(f"{path} holds no certificate in PEM form")
    try:
        return trustRootFromCertificates([Certificate.loadPEM(part) for part in parts])
    except crypto.Error:
        raise TLSSettingsError(
            f"{path} holds a certificate that cannot be read"
        ) from None
