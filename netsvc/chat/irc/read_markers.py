"""How far people have read (IRCv3 C{draft/read-marker})."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netsvc.chat.irc.message import build
from netsvc.chat.irc.times import format_time
from netsvc.chat.names import fold
from netsvc.chat.network import HistoryBusy

if TYPE_CHECKING:
    from netsvc.chat.irc.session import IrcSession


def marker_line(session: IrcSession, target: str, marker: int | None) -> bytes:
    """
    Write MARKREAD.

    @param target: The room or nick, as the client spells it.
    @param marker: The time in ms, or C{None}.
    """
    value = "*" if marker is None else f"timestamp={format_time(marker)}"
    return build("MARKREAD", target, value, source=session.network.name)


async def read_marker(session: IrcSession, target: str) -> int | None:
    """Give how far a client has read; who has no account has read alone."""
    history, account = session.network.history, session.account_name
    if history is None or account is None:
        return (session.markers or {}).get(fold(target))
    try:
        return await history.marker(fold(account), fold(target))
    except HistoryBusy:
        return None


async def move_marker(session: IrcSession, target: str, time: int) -> int:
    """
    Move a client's marker forwards, and give where it is then.

    @raise HistoryBusy: If it cannot be kept.
    """
    history, account = session.network.history, session.account_name
    if history is not None and account is not None:
        return await history.set_marker(fold(account), fold(target), time)
    markers = session.markers
    if markers is None:
        markers = session.markers = {}
    key = fold(target)
    # What was moved last comes last: the oldest gives way.
    markers[key] = time = max(time, markers.pop(key, time))
    if len(markers) > session.frontend.config.markers:
        del markers[next(iter(markers))]
    return time
