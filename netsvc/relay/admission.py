"""
Who is sent what before they have shown that they read at their address.

The source of a datagram can be forged. Whoever is sent more than they asked for is a
victim, and we are the weapon. So, by the listener's admission:

  - C{open}: everybody is taken for who they seem to be. For networks in which nobody
    forges sources, or in which nobody else is harmed by it.
  - C{credit}: to an address that is not validated never more than L{FACTOR} times the
    bytes that came from it (RFC 9000 section 8).
  - C{cookie}: nothing but a challenge, no larger than that either, and nothing is kept.

C{auto} is C{open} for peers in private networks and on loopback, C{credit} for others.
It goes by the peer's address and not by the listener's: a victim is whoever the answer
goes to, and a listener in a private network may stand behind a forwarded port.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from netsvc.relay.tokens import CODE

OPEN: Final = "open"
CREDIT: Final = "credit"
COOKIE: Final = "cookie"
AUTO: Final = "auto"

#: What the setting may be.
CHOICES: Final = (AUTO, OPEN, CREDIT, COOKIE)

#: Bytes to an unvalidated address for each that came from it (RFC 9000 section 8.1).
FACTOR: Final = 3

#: Seconds between two challenges to one peer.
CHALLENGE_INTERVAL: Final = 5.0

#: Addresses of hosts near by: RFC 1122 (loopback), 1918, 3927, 4193, 4291.
_PRIVATE4: Final = (
    IPv4Network("127.0.0.0/8"),
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv4Network("169.254.0.0/16"),
)
_PRIVATE6: Final = tuple(map(IPv6Network, ("::1/128", "fc00::/7", "fe80::/10")))


def is_private(host: str) -> bool:
    """Say whether an address is of this host or of a private network."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        if mapped is None:
            return any(address in network for network in _PRIVATE6)
        address = mapped
    return any(address in network for network in _PRIVATE4)


def admission_of(host: str, setting: str) -> str:
    """
    Give how a peer is admitted.

    @param host: The peer's address.
    @param setting: One of L{CHOICES}.
    @return: L{OPEN}, L{CREDIT} or L{COOKIE}.
    """
    if setting != AUTO:
        return setting
    return OPEN if is_private(host) else CREDIT


class Credit:
    """
    How much may be sent to one address.

    @ivar validated: Whether its owner has shown that they read there: no bound then.
    @ivar left: Bytes of payload that may be sent until then.
    """

    __slots__ = ("left", "validated")

    def __init__(self, validated: bool = False) -> None:
        """Start without credit."""
        self.validated = validated
        self.left = 0

    def received(self, size: int) -> None:
        """A datagram of so many bytes has come."""
        if not self.validated:
            self.left += FACTOR * size

    def take(self, size: int) -> bool:
        """Say whether so many bytes may be sent now, and if so count them as sent."""
        if self.validated:
            return True
        if size > self.left:
            return False
        self.left -= size
        return True


#: Challenges, the longest first: the longest that is affordable is sent. None of them
#: is the answer to itself, so that a host that echoes does not validate itself.
_FORMS: Final = (
    b"* type {} to show that you are there, and you are in",
    b"type {}",
    b"?{}",
)
_STARTS: Final = (b"* type ", b"type ", b"?")
_ANY: Final = re.compile(
    b"|".join(re.escape(form).replace(rb"\{\}", CODE) for form in _FORMS)
)

#: How a program asks for a cookie, and sends it back; and what it is answered.
ASK_COOKIE: Final = b"/cookie"
COOKIE_ANSWER: Final = b"cookie "


def challenge(code: str, limit: int, end: bytes) -> bytes | None:
    """
    Give the challenge that tells a code.

    @param limit: The bytes that it may have.
    @param end: The line end that the peer uses; it is left out if that helps.
    """
    for form in _FORMS:
        data = form.replace(b"{}", code.encode())
        if len(data) + len(end) <= limit:
            return data + end
    return data if len(data) <= limit else None


def is_challenge(data: bytes, code: str) -> bool:
    """Say whether a datagram is a challenge of ours with that code, which came back."""
    return data.startswith(_STARTS) and code.encode() in data


def is_any_challenge(data: bytes) -> bool:
    """
    Say whether a datagram is some relay's challenge.

    Two that answer each other's would never end: nothing is kept that could tell.
    """
    return _ANY.fullmatch(data.rstrip(b"\r\n")) is not None
