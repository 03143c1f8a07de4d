"""Which pool serves a client, by what its TLS ClientHello asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

P = TypeVar("P")


class Routes(Generic[P]):
    """
    Pools by server name (SNI, RFC 6066) and protocol (ALPN, RFC 7301).

    A name is matched before a protocol, and what is exact before what is not:
    C{www.example.org} with C{h2}, then without a protocol; C{*.example.org}, which
    stands for one label, likewise; then C{h2} for any name; then the default.

    @ivar need_hello: Whether the choice depends on a ClientHello at all.
    @ivar default: Who serves clients that ask for nothing, or for what nobody
        has; L{None} if nobody does.
    """

    def __init__(self, pools: Mapping[tuple[str, str], P]) -> None:
        """
        @param pools: Each pool under its name, in lower case, and its protocol;
            empty ones for any.
        """
        self.change(pools)

    def change(self, pools: Mapping[tuple[str, str], P]) -> None:
        """
        Serve clients by others from now on.

        @param pools: As for new ones.
        """
        self._pools = dict(pools)
        self.default = self._pools.get(("", ""))
        self.need_hello = any(route != ("", "") for route in self._pools)

    @property
    def by_route(self) -> dict[tuple[str, str], P]:
        """Each pool under its name and its protocol."""
        return dict(self._pools)

    @property
    def pools(self) -> list[P]:
        """All of them."""
        return list(self._pools.values())

    def find(self, name: str | None, protocols: Sequence[str] = ()) -> P | None:
        """
        Give the pool for a client.

        @param name: The name that it asks for, if it does.
        @param protocols: The protocols that it offers, in its order.
        """
        names = []
        if name:
            exact = name.lower().rstrip(".")
            names = [exact, f"*.{exact.partition('.')[2]}"]
        for candidate in (*names, ""):
            for protocol in (*protocols, ""):
                pool = self._pools.get((candidate, protocol))
                if pool is not None:
                    return pool
        return None
