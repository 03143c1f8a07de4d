"""TLS to a server: whom to trust, which name to expect, and why there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from OpenSSL import SSL, crypto
from service_identity import VerificationError
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    optionsForClientTLS,
    trustRootFromCertificates,
)
from zope.interface import implementer

from netsvc.daemon.escape import escape
from netsvc.daemon.files import read_file
from netsvc.daemon.targets import TLSSettings, is_address

MAX_CA_FILE: Final = 16 << 20
"""The largest file of certificates that is used, bytes."""

MAX_DETAIL: Final = 200
"""The most characters of an error of OpenSSL's that are shown."""

_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"
_END: Final = b"-----END CERTIFICATE-----"

# What OpenSSL makes of an answer in another protocol.
_NOT_TLS: Final = frozenset(
    {
        "packet length too long",
        "record layer failure",
        "unexpected message",
        "wrong version number",
    }
)


class TLSSettingsError(ValueError):
    """TLS cannot be had as it is wanted; its text is one line for the user."""


class TrustError(TLSSettingsError):
    """A file of issuers is of no use."""


class ServerNameError(TLSSettingsError):
    """No certificate can have a name."""


def trust_root(path: Path) -> Any:
    """
    Read the certificates of those who may sign a server's.

    @param path: A PEM file; text between its certificates is passed over.
    @return: What L{connection_creator} takes.
    @raise TrustError: It cannot be read, or has none.
    """
    name = escape(str(path))
    try:
        content = read_file(path, MAX_CA_FILE)
    except OSError as error:
        raise TrustError(f"{name}: {error.strerror}") from None
    if len(content) > MAX_CA_FILE:
        raise TrustError(f"{name}: it has more than {MAX_CA_FILE} bytes")
    parts = [
        _BEGIN + part.partition(_END)[0] + _END + b"\n"
        for part in content.split(_BEGIN)[1:]
    ]
    if not parts:
        raise TrustError(f"{name}: there is no certificate")
    try:
        return trustRootFromCertificates([Certificate.loadPEM(part) for part in parts])
    except crypto.Error:
        raise TrustError(f"{name}: a certificate cannot be read") from None


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    """Makes connections that take any certificate."""

    def __init__(self, name: str) -> None:
        """@param name: The name to ask for; none if it is an address."""
        self._name = None if is_address(name) else name.encode("idna")
        self._context = CertificateOptions().getContext()

    def clientConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        """Make OpenSSL's side of a new connection."""
        connection = SSL.Connection(self._context, None)
        connection.set_app_data(protocol)
        if self._name is not None:
            connection.set_tlsext_host_name(self._name)
        return connection


def connection_creator(
    name: str, trust: Any = None, *, verify: bool = True
) -> IOpenSSLClientConnectionCreator:
    """
    Make what makes TLS connections to a server.

    @param name: The name or address to ask for and to check.
    @param trust: Of L{trust_root}; C{None} for the system's issuers.
    @param verify: Whether the certificate is checked.
    @raise ServerNameError: No certificate can have the name.
    """
    try:
        if not verify:
            return _Unverified(name)
        creator: IOpenSSLClientConnectionCreator = optionsForClientTLS(name, trust)
    except UnicodeError:
        raise ServerNameError(
            f"{escape(name)} is no name that a certificate can have"
        ) from None
    return creator


def creator_for(settings: TLSSettings, host: str) -> IOpenSSLClientConnectionCreator:
    """
    Make what makes TLS connections to a host, as the user wants them.

    @raise TLSSettingsError: The file of issuers or the name is of no use.
    """
    trust = None
    if settings.verify and settings.ca is not None:
        trust = trust_root(settings.ca)
    name = settings.server_name or host.partition("%")[0]
    return connection_creator(name, trust, verify=settings.verify)


def describe_tls(reason: SSL.Error | VerificationError, skip: str) -> str:
    """
    Say why a handshake failed.

    @param skip: The option that skips the check.
    """
    if isinstance(reason, VerificationError):
        return (
            "the certificate is not for this name "
            f"(--server-name NAME gives another, {skip} skips the check)"
        )
    texts = [str(entry[-1]) for entry in reason.args[0]] if reason.args else []
    text = texts[-1] if texts else "unexpected end"
    hint = ""
    if text == "certificate verify failed":
        hint = (
            ": the certificate is self-signed, expired or from an unknown issuer "
            f"(--ca FILE names an issuer, {skip} skips the check)"
        )
    elif text in _NOT_TLS:
        hint = ": perhaps the service does not speak TLS"
    return f"TLS handshake failed: {escape(text)[:MAX_DETAIL]}{hint}"
