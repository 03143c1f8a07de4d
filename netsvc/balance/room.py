"""How many sessions of each kind the descriptors have room for."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from netsvc.balance.settings import BalanceSettings
from netsvc.daemon.descriptors import connection_limit

#: Each client has a connection, and one to its backend.
DESCRIPTORS_EACH = 2


class Room(NamedTuple):
    """
    How many sessions there may be at once.

    @ivar connections: Of streams.
    @ivar udp_sessions: Of UDP, at each port.
    """

    connections: int
    udp_sessions: int


def find_room(
    settings: BalanceSettings, limit: Callable[[int], int] = connection_limit
) -> Room:
    """
    Make room for what the settings allow; if there is less, all have less of it.

    @param limit: Gives how many of so many descriptors are to be had.
    """
    connections, sessions = settings.max_connections, settings.udp_sessions
    ports = sum(listen.kind == "udp" for listen in settings.listen)
    streams = ports < len(settings.listen)
    wanted = connections * DESCRIPTORS_EACH * streams + sessions * ports
    share = min(1.0, limit(wanted) / wanted)
    return Room(
        max(1, int(connections * share)) if streams else connections,
        max(1, int(sessions * share)) if ports else sessions,
    )
