"""How a resolver asks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Order(Enum):
    """In which order servers are asked."""

    #: The one that has answered quickest so far; those not known before.
    FASTEST = "fastest"
    #: As they are given.
    FIXED = "fixed"
    #: Each in its turn (resolv.conf's C{rotate}).
    ROTATE = "rotate"


@dataclass(frozen=True, slots=True)
class ResolverSettings:
    """
    How a resolver asks.

    @ivar total: Seconds after which a lookup fails.
    @ivar timeout: The most seconds until another server is asked, too, or the same
        one again.
    @ivar tries: How often each server is asked.
    @ivar order: In which order they are.
    @ivar parallel: How many are asked at once.
    @ivar hedge: Whether another one is asked as soon as nearly all answers of the
        first would have come.
    @ivar cookies: Whether DNS cookies are used (RFC 7873).
    @ivar mix_case: Whether the case of letters is set at random over UDP.
    @ivar max_mismatches: After how many datagrams that are no reply to a question its
        server is asked over TCP: somebody tries to forge the reply, and may have
        filled the socket's buffer, so that the right one was dropped.
    @ivar max_lookups: How many lookups may be under way.
    @ivar max_waiting: How many may wait for the same one.
    @ivar authorities: Whose signatures are trusted over TLS, in a PEM file; L{None}
        for the system's authorities.
    """

    total: float = 5.0
    timeout: float = 1.0
    tries: int = 3
    order: Order = Order.FASTEST
    parallel: int = 1
    hedge: bool = False
    cookies: bool = True
    mix_case: bool = True
    max_mismatches: int = 100
    max_lookups: int = 10_000
    max_waiting: int = 1000
    authorities: Path | None = None


#: How a resolver asks if nothing else is said.
DEFAULT = ResolverSettings()
