"""Servers as users name them: where they are, and how to check who they are."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TLSSettings:
    """
    How a connection is protected.

    @ivar ca: A PEM file of the only issuers to trust; C{None} for the system's.
    @ivar verify: Whether the certificate is checked.
    @ivar server_name: The name to ask for and to check; empty for the host.
    """

    ca: Path | None = None
    verify: bool = True
    server_name: str = ""


def is_address(host: str) -> bool:
    """Tell whether a host is an IPv4 or IPv6 address, perhaps with a scope."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, by its name or address alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def parse_target(text: str, default_port: int) -> tuple[str, int]:
    """
    Read C{HOST}, C{HOST:PORT}, C{[IPV6]}, C{[IPV6]:PORT} or a bare C{IPV6}.

    @param default_port: The port where none is given.
    @return: Host and port.
    @raise ValueError: With a sentence for the user.
    """
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r} is no [IPV6] or [IPV6]:PORT")
        _check_ipv6(host, text, default_port)
        return host, _port(rest[1:], text) if rest else default_port
    if text.count(":") > 1:
        _check_ipv6(text, text, default_port)
        return text, default_port
    host, colon, port = text.partition(":")
    if not host or host.startswith("-") or not host.isprintable() or " " in host:
        raise ValueError(f"{text!r} names no host")
    return host, _port(port, text) if colon else default_port


def _check_ipv6(host: str, text: str, port: int) -> None:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        raise ValueError(
            f"{text!r} is no IPv6 address (with a port it is written [::1]:{port})"
        ) from None


def _port(port: str, text: str) -> int:
    if not (port.isascii() and port.isdecimal() and len(port) <= 5):
        raise ValueError(f"{text!r} has no port number after the colon")
    if not 1 <= int(port) <= 65_535:
        raise ValueError(f"port {port} in {text!r} is not between 1 and 65535")
    return int(port)
