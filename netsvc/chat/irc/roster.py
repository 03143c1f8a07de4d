"""Who is in a room, as JOIN and NAMES tell it (353, 366)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from netsvc.chat.irc import numerics
from netsvc.chat.irc.packing import list_lines
from netsvc.chat.rooms import Room

if TYPE_CHECKING:
    from netsvc.chat.irc.session import IrcSession


def send_names(session: IrcSession, room: Room, name: str | None = None) -> None:
    """
    Tell who is in a room that the client may know of, and that this is all.

    @param name: The room's name as the client wrote it; by default as it is spelled.
    """
    name = room.name if name is None else name
    parts = names_lines(session, room, name)
    if parts:
        session.reply(b"".join(parts))
    session.numeric(numerics.RPL_ENDOFNAMES, name)


def names_lines(
    session: IrcSession, room: Room, name: str | None = None
) -> list[bytes]:
    """
    Give who is in a room that the client may know of (353).

    @param name: The room's name as the client wrote it; by default as it is spelled.
    """
    name = room.name if name is None else name
    symbol = "@" if room.secret else "="
    items = _items(session, room)
    return list_lines(session, numerics.RPL_NAMREPLY, symbol, name, items=items)


def _items(session: IrcSession, room: Room) -> Iterator[str]:
    """The members, with their prefixes; invisible ones only for other members."""
    every_prefix = "multi-prefix" in session.caps
    masks = "userhost-in-names" in session.caps
    all_ = session.me in room.members
    for member, statuses in room.members.items():
        if not all_ and "i" in member.modes:
            continue
        name = member.source.mask if masks else member.nick
        if statuses:
            prefixes = room.prefixes(member)
            name = (prefixes if every_prefix else prefixes[0]) + name
        yield name


def send_topic(session: IrcSession, room: Room, name: str | None = None) -> None:
    """
    Tell a room's topic, who set it and when (332, 333).

    @param name: The room's name as the client wrote it.
    """
    name = room.name if name is None else name
    session.numeric(numerics.RPL_TOPIC, name, text=room.topic)
    session.numeric(
        numerics.RPL_TOPICWHOTIME, name, room.topic_by, str(room.topic_time // 1000)
    )
