"""
Certificates for C{ssl:} and C{tls:}: several names, and read again when they change.

C{ssl:} names the files of one certificate; C{tls:} a directory of PEM files, in
which each private key belongs to the certificate with its public key, as certbot
(two files each, in folders) and HAProxy (one file each) have them. Which certificate
a client is shown depends on the name that it asks for (SNI); who asks for none, or
for one that nobody has, is shown the first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.ssl import CertificateOptions
from twisted.logger import Logger
from zope.interface import implementer

from netsvc.daemon.listen import Listen
from netsvc.daemon.pem_files import PemError, check_pems, public_part, read_pem

#: Seconds between two looks at the files.
LOOK_INTERVAL = 1.0

#: Files of one directory that are read.
MAX_FILES = 1000


class CertificateError(ValueError):
    """There is no certificate where one should be; its text is for operators."""


class Identity:
    """
    A private key with its certificate chain.

    @ivar names: The DNS names that the certificate is for, in lower case.
    @ivar length: How many certificates the chain has.
    @ivar options: Makes contexts with it.
    """

    def __init__(
        self, key: Any, chain: Sequence[Any], alpn: Sequence[bytes], pick: Any
    ) -> None:
        """
        @param key: The private key.
        @param chain: The certificate, and those that have signed it.
        @param alpn: The protocols to offer.
        @param pick: Gives the context for a server name.
        """
        self.names = _names(chain[0])
        self.length = len(chain)
        self.options = CertificateOptions(
            privateKey=key,
            certificate=chain[0],
            extraCertChain=list(chain[1:]),
            acceptableProtocols=list(alpn) or None,
            contextForServerName=pick,
        )
        self.options.getContext()


def _reason(error: Exception) -> str:
    """Say in a few words what is wrong."""
    if isinstance(error, ValueError):
        return str(error)
    errors = error.args[0] if error.args and isinstance(error.args[0], list) else []
    words = "; ".join(str(each[-1]) for each in errors if each)
    return words or "key and certificate cannot be read"


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Give the names of a certificate: the alternative ones, else the common one."""
    try:
        extension = certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return tuple(str(name.value).lower() for name in common)
    found = extension.value.get_values_for_type(x509.DNSName)
    return tuple(name.lower() for name in found)


def read_identities(
    paths: Sequence[Path], alpn: Sequence[bytes], pick: Any
) -> list[Identity]:
    """
    Find the identities in some files, in the order of the certificates.

    @param paths: The files.
    @param alpn: The protocols to offer, the best first.
    @param pick: Gives the context for a server name.
    @raise CertificateError: There is none, or one that cannot be used.
    @raise OSError: A file cannot be read.
    """
    try:
        contents = [read_pem(path) for path in paths]
    except PemError as error:
        raise CertificateError(str(error)) from None
    keys = {
        public_part(key.public_key()): key for found, _ in contents for key in found
    }
    identities = []
    loose: list[Any] = []
    for _, chain in contents:
        key = keys.get(public_part(chain[0].public_key())) if chain else None
        if key is None:
            loose += chain
        else:
            identities.append((key, chain))
    if not identities:
        missing = "certificate with its private key" if keys else "private key"
        where = paths[0] if paths else "the directory"
        raise CertificateError(f"{where}: there is no {missing}")
    try:
        check_pems(paths, contents)
        return [
            Identity(key, _completed(chain, loose), alpn, pick)
            for key, chain in identities
        ]
    except PemError as error:
        raise CertificateError(str(error)) from None
    except (SSL.Error, ValueError) as error:
        raise CertificateError(f"{paths[0]}: {_reason(error)}") from None


def _completed(chain: list[Any], loose: Sequence[Any]) -> list[Any]:
    """Add those that have signed a certificate, from other files."""
    whole = list(chain)
    for _ in loose:
        issuer = whole[-1].issuer
        signer = next((each for each in loose if each.subject == issuer), None)
        if signer is None or signer in whole:
            break
        whole.append(signer)
    return whole


@implementer(IOpenSSLServerConnectionCreator)
class Certificates:
    """
    The identities of one listen string.

    @ivar failures: How often changed files could not be used.
    """

    _log = Logger()

    def __init__(
        self,
        sources: Callable[[], Sequence[Path]],
        alpn: Sequence[bytes],
        now: Callable[[], float],
        service: Callable[[], str],
        listen: str,
    ) -> None:
        """
        Read them.

        @param sources: Gives the files.
        @param alpn: The protocols to offer, the best first.
        @param now: Gives the time in seconds.
        @param service: Gives what the balancer is called, for the log.
        @param listen: The listen string, for the log.
        @raise CertificateError: They cannot be used.
        @raise OSError: They cannot be read.
        """
        self._sources = sources
        self._alpn = alpn
        self._now = now
        self._service = service
        self._listen = listen
        self.failures = 0
        self._looked = now()
        self._stamp: Any = None
        self._first: Identity
        self._by_name: dict[str, Identity] = {}
        self._load(sources())

    def _load(self, paths: Sequence[Path]) -> None:
        """Read the files."""
        identities = read_identities(paths, self._alpn, self._pick)
        self._stamp = _stamp(paths)
        self._first = identities[0]
        by_name: dict[str, Identity] = {}
        for identity in identities:
            for name in identity.names:
                known = by_name.get(name)
                if known is None or known.length < identity.length:
                    by_name[name] = identity
        self._by_name = by_name

    def refresh(self) -> None:
        """Read the files again if they have changed; keep the old on error."""
        now = self._now()
        if now - self._looked < LOOK_INTERVAL:
            return
        self._looked = now
        try:
            sources = self._sources()
            stamp = _stamp(sources)
            if stamp == self._stamp:
                return
            self._stamp = stamp  # not again before the next change
            self._load(sources)
        except (CertificateError, OSError) as error:
            self.failures += 1
            self._log.error(
                "{service}: the changed certificates of {listen} cannot be used,"
                " the old ones stay: {error}",
                service=self._service(),
                listen=self._listen,
                error=str(error),
                event="certificates-kept",
            )
        else:
            self._log.info(
                "{service}: the certificates of {listen} were read again",
                service=self._service(),
                listen=self._listen,
                event="certificates",
            )

    def find(self, name: str) -> Identity:
        """
        Give the identity for a server name.

        @param name: The name, in any case; empty if none was asked for.
        """
        name = name.lower().rstrip(".")
        wildcard = f"*.{name.partition('.')[2]}"
        return self._by_name.get(name) or self._by_name.get(wildcard) or self._first

    def _pick(self, name: bytes | None) -> SSL.Context:
        """Give the context for a server name (OpenSSL's callback)."""
        return self.find((name or b"").decode("latin-1")).options.getContext()

    def serverConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        """Make OpenSSL's side of a new connection."""
        self.refresh()
        return self._first.options.serverConnectionForTLS(protocol)


def _stamp(paths: Sequence[Path]) -> list[tuple[str, int, int]]:
    """Give what changes when the files do."""
    found = []
    for path in paths:
        status = os.stat(path)
        found.append((str(path), status.st_mtime_ns, status.st_size))
    return found


def _directory(path: Path) -> list[Path]:
    """Give the PEM files of a directory and of its folders."""
    return sorted(path.glob("**/*.pem"))[:MAX_FILES]


def certificates(
    listen: Listen,
    alpn: Sequence[bytes],
    now: Callable[[], float],
    service: Callable[[], str],
) -> Certificates:
    """
    Read the certificates of an C{ssl:} or C{tls:} listen string.

    @param listen: It.
    @param alpn: The protocols to offer, the best first.
    @param now: Gives the time in seconds.
    @param service: Gives what the balancer is called, for the log.
    @raise CertificateError: There is none that could be used.
    @raise OSError: A file cannot be read.
    """
    named = listen.named
    if listen.kind == "tls":
        directory = Path(listen.arguments[0])
        if not directory.is_dir():
            raise CertificateError(f"{directory} is not a directory")
        return Certificates(
            lambda: _directory(directory), alpn, now, service, str(listen)
        )
    key = named.get("privateKey", "server.pem")
    paths = [key, named.get("certKey", key), named.get("extraCertChain", "")]
    files = [Path(path) for path in dict.fromkeys(paths) if path]
    return Certificates(lambda: files, alpn, now, service, str(listen))
