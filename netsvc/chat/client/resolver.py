"""Names to addresses, in threads that nobody has to wait for."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IResolutionReceiver,
)
from zope.interface import implementer

MAX_ADDRESSES: Final = 8
"""Addresses of a name that are tried."""

GetAddrInfo = Callable[..., Sequence[Any]]


@implementer(IHostResolution)
class _Resolution:
    """A look-up; its result is dropped once it is cancelled."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_cancelled = False

    def cancel(self) -> None:
        """Do not report."""
        self.is_cancelled = True


@implementer(IHostnameResolver)
class ThreadResolver:
    """
    The system's resolver, each look-up in a thread of its own.

    Not the reactor's pool, whose threads are waited for at the end: nothing can
    interrupt C{getaddrinfo}, and Ctrl-C should not wait for it.
    """

    def __init__(
        self, reactor: Any, getaddrinfo: GetAddrInfo = socket.getaddrinfo
    ) -> None:
        """
        Prepare.

        @param reactor: Takes the results from the threads.
        """
        self._reactor = reactor
        self._getaddrinfo = getaddrinfo

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,  # noqa: N803
        portNumber: int = 0,  # noqa: N803
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",  # noqa: N803
    ) -> IHostResolution:
        """Begin to look up; what is not an IP address of TCP is not found."""
        resolution = _Resolution(hostName)

        def report(addresses: Sequence[IAddress]) -> None:
            if resolution.is_cancelled:
                return
            resolutionReceiver.resolutionBegan(resolution)
            for address in addresses:
                resolutionReceiver.addressResolved(address)
            resolutionReceiver.resolutionComplete()

        def look_up() -> None:
            addresses = self._addresses(hostName, portNumber)
            self._reactor.callFromThread(report, addresses)

        threading.Thread(target=look_up, daemon=True).start()
        return resolution

    def _addresses(self, host: str, port: int) -> list[IAddress]:
        try:
            found = self._getaddrinfo(host, port, 0, socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return []
        addresses: list[IAddress] = []
        for family, _, _, _, place in found[:MAX_ADDRESSES]:
            if family == socket.AF_INET:
                addresses.append(IPv4Address("TCP", *place))
            elif family == socket.AF_INET6:
                addresses.append(_ipv6(*place))
        return addresses


def _ipv6(host: str, port: int, flow: int, scope: int) -> IPv6Address:
    """Give an address whose text has its scope, by which it is connected to."""
    text = f"{host}%{scope}" if scope else host
    return IPv6Address("TCP", text, port, flow, scope)
