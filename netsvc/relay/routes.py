"""How a peer is sent to, so that what it gets comes from the address that it asked."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from netsvc.multiplex.batch import Batch

Address = tuple[str, int]

#: What sends to a peer, what to tell that as the address, and what sends to many such
#: at once, or C{None} where that cannot be.
Route = tuple[Callable[[bytes, Any], object], Any, Batch | None]


def route_to(transport: Any, addr: Address, batch: Batch | None) -> Route:
    """
    Give how to send to a peer whose datagram is being dispatched.

    It is the socket's own method wherever that sends from the right address: it is
    called for each datagram.

    @param transport: The port.
    @param addr: The peer's address.
    @param batch: The port's.
    """
    skt = transport.getHandle()
    if not hasattr(transport, "origin"):
        return skt.sendto, addr, batch
    control, to = transport.origin()
    if not control or transport.asked() == source_for(skt.family, to):
        return skt.sendto, to, batch
    return partial(_send_from, skt, control), to, None


def _send_from(skt: Any, control: Any, data: bytes, to: Any) -> None:
    """Send from the address that a control message names."""
    skt.sendmsg((data,), control, 0, to)


def source_for(family: int, to: Any) -> str | None:
    """
    Give the address of ours from which the system sends to another by itself.

    @return: C{None} if it cannot.
    """
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(to)
        except OSError:
            return None
        return str(probe.getsockname()[0])


def plain(addr: Address) -> Address:
    """Give an address without the clothes that IPv4 wears on an IPv6 socket."""
    host = addr[0]
    if host.startswith("::ffff:") and "." in host:
        return host[7:], addr[1]
    return host, addr[1]
