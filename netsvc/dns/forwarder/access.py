"""
Whom the forwarder serves.

A DNS server that answers all the world helps to attack others: its answers are longer
than the questions, and UDP's addresses can be forged. So only loopback and private
networks are served unless the operator says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

#: Networks that one list may have.
MAX_NETWORKS: Final = 1024

#: Peers whose verdict is remembered.
MAX_KNOWN: Final = 4096

ALL: Final = "all"
LOCAL: Final = "local"
UNIX: Final = "unix"

_Network = IPv4Network | IPv6Network

#: Loopback, private (RFC 1918, RFC 4193) and link-local networks.
_LOCAL: Final = tuple(
    ip_network(text)
    for text in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)


@dataclass(frozen=True, slots=True)
class Allowed:
    """
    One thing that C{--allow} names.

    @ivar text: C{local}, C{all}, C{unix}, an address or a network.
    """

    text: str
    networks: tuple[_Network, ...] = field(compare=False, repr=False)

    def __str__(self) -> str:
        """Give the text back."""
        return self.text


def parse_allowed(text: str) -> Allowed:
    """
    Read an address, a network, C{local}, C{all} or C{unix}.

    @raise ValueError: It is none of them.
    """
    if text == LOCAL:
        return Allowed(text, _LOCAL)
    if text in (ALL, UNIX):
        return Allowed(text, ())
    try:
        network = ip_network(text)
    except ValueError as error:
        raise ValueError(
            f"it must be an address, a network such as 192.0.2.0/24, local (loopback"
            f" and private networks), unix or all: {error}"
        ) from None
    return Allowed(text, (network,))


class Access:
    """Decides whom to serve, and remembers it for the peers of the last time."""

    def __init__(self, allowed: Iterable[Allowed]) -> None:
        """
        @param allowed: Whom.
        @raise ValueError: There are more than L{MAX_NETWORKS}.
        """
        self._known: dict[str, bool] = {}
        self.change(allowed)

    def change(self, allowed: Iterable[Allowed]) -> None:
        """
        Serve others from now on.

        @param allowed: Whom.
        @raise ValueError: There are more than L{MAX_NETWORKS}.
        """
        given = tuple(allowed)
        words = {each.text for each in given}
        self._all = ALL in words
        self._unix = bool(words & {ALL, LOCAL, UNIX})
        self._networks = tuple(net for each in given for net in each.networks)
        if len(self._networks) > MAX_NETWORKS:
            raise ValueError(f"more than {MAX_NETWORKS} networks")
        self._known.clear()

    def allows(self, host: str | None) -> bool:
        """
        Tell whether to serve a peer.

        @param host: Its address, perhaps with a scope; L{None} or empty for one on a
            UNIX socket.
        """
        if not host:
            return self._unix
        known = self._known.get(host)
        if known is None:
            known = self._decide(host)
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[host] = known
        return known

    def _decide(self, host: str) -> bool:
        if self._all:
            return True
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        if isinstance(mapped, IPv4Address):
            address = mapped
        return any(address in network for network in self._networks)
