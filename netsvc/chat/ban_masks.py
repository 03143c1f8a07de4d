"""
Whom a ban from the server (a K-line) means, and for how long.

A mask is C{user@host} with C{*} and C{?}, or C{user@network} in CIDR form. It is
compared with the host that others see and with the real address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from netsvc.chat.masks import glob
from netsvc.chat.names import fold

#: Code points in a mask.
LENGTH: Final = 150

#: Letters and digits that a mask must have besides C{*} and C{?}: one that has fewer
#: would mean nearly everybody.
LEAST: Final = 3

#: The shortest prefixes of networks that can be banned.
IPV4_BITS: Final = 8
IPV6_BITS: Final = 16

#: Seconds of each unit of a duration.
UNITS: Final = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}

#: The longest duration in seconds: a hundred years.
LONGEST: Final = 3_155_760_000

_DURATION: Final = re.compile(r"(?:[0-9]{1,9}[wdhms])+", re.ASCII | re.IGNORECASE)
_PART: Final = re.compile(r"([0-9]+)([wdhms])", re.ASCII | re.IGNORECASE)

_Network = IPv4Network | IPv6Network


def parse_duration(text: str) -> int | None:
    """
    Read a duration: minutes, or C{1w2d3h4m5s} or parts of that.

    @return: Seconds, 0 being for ever; C{None} when it is no duration.
    """
    if text.isascii() and text.isdigit() and len(text) <= 9:
        seconds = int(text) * UNITS["m"]
    elif _DURATION.fullmatch(text):
        parts = _PART.findall(text)
        seconds = sum(int(number) * UNITS[unit.lower()] for number, unit in parts)
    else:
        return None
    return min(seconds, LONGEST)


def full_mask(text: str) -> str | None:
    """
    Complete a mask: C{host} to C{*@host}; a nick in front is dropped.

    @return: C{user@host}, or C{None} when it is no mask, or means nearly everybody.
    """
    _, _, rest = text.rpartition("!")
    user, _, host = rest.rpartition("@")
    mask = f"{user or '*'}@{host}"
    if not host or len(mask) > LENGTH or any(char <= " " for char in mask):
        return None
    if "/" in host:
        network = _network(host)
        if network is None:
            return None
        least = IPV4_BITS if network.version == 4 else IPV6_BITS
        if network.prefixlen < least:
            return None
    elif sum(char.isalnum() for char in mask) < LEAST:
        return None
    return mask


@lru_cache(maxsize=16_384)
def _network(text: str) -> _Network | None:
    """Read a network; C{None} when it is none."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def means(mask: str, user: str, hosts: Iterable[str]) -> bool:
    """
    Say whether a mask means somebody.

    @param mask: As L{full_mask} gives it.
    @param user: The user name.
    @param hosts: The host that others see, and the real address.
    """
    user_pattern, at, host_pattern = fold(mask).rpartition("@")
    if at and not glob(user_pattern, fold(user)):
        return False
    network = _network(host_pattern) if "/" in host_pattern else None
    if network is None:
        return any(glob(host_pattern, fold(host)) for host in hosts)
    return any(_inside(host, network) for host in hosts)


def _inside(host: str, network: _Network) -> bool:
    """Is an address in a network? A name never is."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address) in network
