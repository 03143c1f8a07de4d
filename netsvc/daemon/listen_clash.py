"""Whether two listen strings mean the same port, before anything is bound."""

from __future__ import annotations

import ipaddress
from typing import Final

from netsvc.daemon.listen import Listen

_EVERYWHERE_4: Final = ("", "0.0.0.0")


def clash(one: Listen, other: Listen) -> bool:
    """
    Tell whether only one of two can be bound.

    It is not known of names of interfaces, sockets from systemd by number and name
    both, and other plugins' strings: these clash only if they are the same.
    """
    if one.text == other.text:
        return _number(one) != 0
    if one.kind == other.kind == "unix":
        return one.arguments[:1] == other.arguments[:1]
    number = _number(one)
    if not number or number != _number(other):
        return False
    if (one.kind == "udp") != (other.kind == "udp"):
        return False
    return _overlap(_interface(one), _interface(other))


def clash_key(listen: Listen) -> object:
    """Give what is the same for two that clash, so that few have to be compared."""
    if listen.kind == "unix":
        return listen.kind, *listen.arguments[:1]
    return _number(listen) or listen.text


def _number(listen: Listen) -> int | None:
    """Give the number of the port; L{None} if it has none."""
    if listen.kind in ("tcp", "tcp6", "udp", "ssl"):
        return listen.port
    if listen.kind != "tls":
        return None
    text = listen.named.get("port", "443")
    first = 0 if "path" in listen.named else 1
    if len(listen.arguments) > first:
        text = listen.arguments[first]
    return int(text) if text.isascii() and text.isdigit() else None


def _interface(listen: Listen) -> str:
    """Give the address to which it is bound; empty for all of IPv4."""
    default = "::" if listen.kind in ("tls", "tcp6") else ""
    return listen.named.get("interface", default)


def _overlap(one: str, other: str) -> bool:
    """Tell whether two addresses to bind to have one in common."""
    if "::" in (one, other):
        return True  # IPv4, too, unless the system is told otherwise
    if one in _EVERYWHERE_4:
        return other in _EVERYWHERE_4 or ":" not in other
    if other in _EVERYWHERE_4:
        return ":" not in one
    try:
        return ipaddress.ip_address(one) == ipaddress.ip_address(other)
    except ValueError:
        return one == other
