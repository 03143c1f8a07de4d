"""The settings of every service that takes connections: limits and timeouts."""

from __future__ import annotations

from dataclasses import dataclass

from netsvc.daemon.settings import (
    Count,
    Duration,
    Rate,
    RateLimit,
    Settings,
    setting,
)

LIMITS = "Limits"
TIMEOUTS = "Timeouts"


@dataclass(frozen=True, kw_only=True)
class ServiceSettings(Settings):
    """
    What is the same for all services. One that means it otherwise declares the
    field again.
    """

    max_connections: int = setting(
        Count(1, 1_000_000),
        default=10_000,
        group=LIMITS,
        help="Connections in all. Less if the system allows fewer descriptors.",
    )
    max_connections_per_source: int = setting(
        Count(0, 1_000_000, zero_means="no limit"),
        default=256,
        group=LIMITS,
        help="Connections of one address (IPv6: of one /64).",
    )
    connection_rate: Rate | None = setting(
        RateLimit(),
        default="off",
        group=LIMITS,
        help="New connections of one address.",
    )
    idle_timeout: float = setting(
        Duration(1, 7 * 86400, zero_means="never"),
        default="5m",
        group=TIMEOUTS,
        help="Close a connection on which nothing has moved for so long.",
    )
    handshake_timeout: float = setting(
        Duration(0.1, 3600),
        default="10s",
        group=TIMEOUTS,
        help="Cut a connection whose TLS handshake is not done by then.",
    )
    close_timeout: float = setting(
        Duration(0.1, 3600),
        default="10s",
        group=TIMEOUTS,
        help="Cut a connection that is being closed when its peer takes nothing"
        " for so long.",
    )
    drain_timeout: float = setting(
        Duration(0, 86400, zero_means="at once"),
        default="30s",
        group=TIMEOUTS,
        help="At SIGTERM or SIGINT, how long to let connections finish.",
    )
