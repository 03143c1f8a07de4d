"""
Who may see the admin pages, and who may ask for a reload. Pure.

A page in a browser can make it send requests to an address of this machine, and a name
that is the attacker's can be made to mean that address (DNS rebinding). So the name in
C{Host:} has to be one that cannot be theirs; and what changes something takes a token
that a browser does not send by itself.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from netsvc.daemon.escape import escape
from netsvc.daemon.files import read_file
from netsvc.daemon.targets import is_address

#: The most bytes of a file with a token, and the least of a token.
TOKEN_LIMIT: Final = 1024
LEAST_TOKEN: Final = 16


@dataclass(frozen=True)
class AdminSettings:
    """
    What the admin pages are told.

    @ivar hosts: Names that C{Host:} may have, beside addresses and C{localhost}.
    @ivar token: What is needed to ask for a reload over TCP, and for everything but
        health checks on an address that is not loopback; L{None} for none.
    """

    hosts: tuple[str, ...] = ()
    token: str | None = None


def read_token(path: Path) -> str:
    """
    Read a token from a file: its first line.

    @raise ValueError: There is none; the message is for operators.
    """
    try:
        text = read_file(path, TOKEN_LIMIT).decode("utf-8", "replace")
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    token = text.partition("\n")[0].strip()
    if not (LEAST_TOKEN <= len(token) < TOKEN_LIMIT):
        raise ValueError(f"{path}: a token has {LEAST_TOKEN} characters or more")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise ValueError(f"{path}: a token is of ASCII characters, without spaces")
    return token


def host_is_allowed(values: Sequence[str], names: Sequence[str]) -> bool:
    """
    Tell whether a request's C{Host:} cannot be an attacker's name.

    An address cannot: it is what a name would have been made to mean.

    @param values: The header's values; there has to be exactly one.
    @param names: The names that are allowed beside C{localhost}.
    """
    if len(values) != 1:
        return False
    host = host_of(values[0])
    if host is None:
        return False
    if host in ("localhost", *(name.lower().rstrip(".") for name in names)):
        return True
    return is_address(host)


def host_of(value: str) -> str | None:
    """Give the host of a C{Host:} header, in small letters, without its port."""
    value = value.strip().lower()
    if value.startswith("["):
        host, bracket, rest = value[1:].partition("]")
        if not bracket or ":" not in host:
            return None
    else:
        host, colon, port = value.partition(":")
        rest = colon + port
    if rest and not (rest[0] == ":" and rest[1:].isascii() and rest[1:].isdigit()):
        return None
    return host.rstrip(".") or None


def bearer(values: Sequence[str]) -> str | None:
    """Give the token of an C{Authorization: Bearer} header (RFC 6750 section 2.1)."""
    scheme, _, rest = (values[0] if len(values) == 1 else "").strip().partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else None


def basic_password(values: Sequence[str]) -> str | None:
    """Give the password of an C{Authorization: Basic} header (RFC 7617)."""
    scheme, _, rest = (values[0] if len(values) == 1 else "").strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        pair = base64.b64decode(rest.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return pair.partition(":")[2]


def token_fits(token: str | None, given: str | None) -> bool:
    """Compare a token in a time that does not depend on where it differs."""
    if token is None or given is None:
        return False
    return hmac.compare_digest(token.encode(), given.encode())


@dataclass(frozen=True)
class Refusal:
    """
    Why a request is not answered.

    @ivar code: The status (RFC 9110 section 15).
    @ivar text: What the client is told, one line.
    """

    code: int
    text: str


@dataclass(frozen=True)
class Door:
    """
    One address on which the pages are.

    @ivar is_unix: It is a UNIX socket, whose file says who may come in.
    @ivar is_loopback: It is reached from this machine only.
    """

    is_unix: bool
    is_loopback: bool

    def refuses(
        self,
        settings: AdminSettings,
        hosts: Sequence[str],
        authorization: Sequence[str],
        *,
        is_health: bool,
    ) -> Refusal | None:
        """Decide about a request that changes nothing."""
        if not self.is_unix and not host_is_allowed(hosts, settings.hosts):
            shown = escape(hosts[0][:100]) if hosts else ""
            return Refusal(
                421 if hosts else 400,
                f"there is no site '{shown}' here; names are allowed by admin_host",
            )
        if self.is_unix or self.is_loopback or is_health:
            return None
        given = bearer(authorization) or basic_password(authorization)
        if token_fits(settings.token, given):
            return None
        return Refusal(401, "this takes the token of admin_token")

    def refuses_action(
        self,
        settings: AdminSettings,
        authorization: Sequence[str],
        origins: Sequence[str],
    ) -> Refusal | None:
        """
        Decide about a request that changes something, after L{refuses}.

        @param origins: The values of C{Origin:}, which browsers send: they need the
            token on a UNIX socket, too, before which a proxy may be.
        """
        if token_fits(settings.token, bearer(authorization)):
            return None
        if self.is_unix and not origins:
            return None
        if settings.token is None:
            return Refusal(
                403, "over this address nothing is changed: there is no admin_token"
            )
        return Refusal(401, "this takes the token of admin_token, as Bearer")
