"""What the parts of a balancer have counted, by the names of its counters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netsvc.balance.pool import Pool

if TYPE_CHECKING:
    from netsvc.balance.udp import UDPEntrance


def moved(pool: Pool) -> dict[str, int]:
    """Give what a pool has counted."""
    return {
        "sessions": pool.sessions_total,
        "bytes-in": pool.bytes_in,
        "bytes-out": pool.bytes_out,
    }


def datagrams(entrance: UDPEntrance) -> dict[str, int]:
    """Give what a UDP entrance has counted."""
    counted = {"datagrams": entrance.received, "udp-sessions": entrance.begun}
    for why, number in entrance.dropped.items():
        counted[f"dropped-{why}"] = number
    return counted
