"""Where a server is, and what the user wants of it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from netsvc.chat.charset import Encoding
from netsvc.chat.client.entry import Wishes

DEFAULT_PORT: Final = 7070
"""The port of the line frontend of C{netsvc-chat}."""

UDP_PORT: Final = 7075
"""The port of C{netsvc-relay}."""

UDP: Final = "udp:"
"""What a target over UDP begins with."""


@dataclass(frozen=True, slots=True)
class TLSSettings:
    """
    How the connection is protected.

    @ivar ca: A PEM file of the only issuers to trust; C{None} for the system's.
    @ivar verify: Whether the certificate is checked.
    @ivar server_name: The name to ask for and to check; empty for the host.
    """

    ca: Path | None = None
    verify: bool = True
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """
    Everything that the command line says.

    @ivar host: A name or an address.
    @ivar tls: C{None} for a plain connection.
    @ivar wishes: Nick, rooms, and what the server is told of the character set.
    @ivar encoding: The character set of the connection.
    @ivar reconnect: Come back after a loss.
    @ivar timestamps: Show when each line came.
    @ivar password: The server's, if it has one and it is known.
    @ivar commands: In a pipe, whether lines that begin with a slash are commands.
    @ivar udp: Whether it goes over UDP.
    """

    host: str
    port: int = DEFAULT_PORT
    tls: TLSSettings | None = None
    wishes: Wishes = field(default_factory=Wishes)
    encoding: Encoding = "utf-8"
    reconnect: bool = True
    timestamps: bool = False
    password: str = ""
    commands: bool = True
    udp: bool = False

    @property
    def where(self) -> str:
        """Host and port, as the user would write them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{UDP * self.udp}{host}:{self.port}"


def parse_target(text: str, default_port: int = DEFAULT_PORT) -> tuple[str, int]:
    """
    Read C{HOST}, C{HOST:PORT}, C{[IPV6]}, C{[IPV6]:PORT} or a bare C{IPV6}.

    @param default_port: The port where none is given.
    @return: host and port.
    @raise ValueError: With a sentence for the user.
    """
    host, port = text, ""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or not _is_ipv6(host) or rest[:1] not in ("", ":"):
            raise ValueError(f"{text!r} is no [IPV6] or [IPV6]:PORT")
        port = rest[1:] if rest else str(default_port)
    elif text.count(":") > 1:
        if not _is_ipv6(text):
            raise ValueError(f"{text!r} is no HOST:PORT and no IPv6 address")
        port = str(default_port)
    else:
        host, colon, port = text.partition(":")
        port = port if colon else str(default_port)
    if not host or host.startswith("-") or not host.isprintable() or " " in host:
        raise ValueError(f"{text!r} names no host")
    if not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) <= 65_535):
        raise ValueError(f"{text!r} has no port from 1 to 65535 behind the colon")
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Say whether a host is this one, by its name or address alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True
