"""
Cloaks: a host name for each address that tells nobody the address.

It is the same for the same address as long as the secret is the same, so that bans
hold; and addresses of one network share its end, so that a network can be banned:
C{HOST.NET.ip}, where NET is made of the /16 (IPv6: /48) alone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
from collections.abc import Callable


def _short(secret: bytes, what: str) -> str:
    """Eleven characters that only the secret can make."""
    digest = hmac.new(secret, what.encode(), hashlib.sha256).digest()
    return base64.b32encode(digest)[:11].decode().lower()


def cloaker(secret: bytes) -> Callable[[str | None], str]:
    """
    Make a function that gives the cloak of an address.

    @param secret: At least 16 bytes, kept over restarts.
    """

    def cloak(address: str | None) -> str:
        if not address:
            return "local.unix"
        try:
            ip = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return f"{_short(secret, address)}.host"
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
            ip = ip.ipv4_mapped
        if isinstance(ip, ipaddress.IPv6Address):
            # One host owns a /64.
            own = ipaddress.ip_network((ip, 64), strict=False)
            net = ipaddress.ip_network((ip, 48), strict=False)
            return f"{_short(secret, str(own))}.{_short(secret, str(net))}.ip"
        wide = ipaddress.ip_network((ip, 16), strict=False)
        return f"{_short(secret, str(ip))}.{_short(secret, str(wide))}.ip"

    return cloak


def uncloaked(address: str | None) -> str:
    """Give an address as a host name that never starts with a colon."""
    if not address:
        return "local.unix"
    return "0" + address if address.startswith(":") else address
