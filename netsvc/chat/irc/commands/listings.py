"""Asking about rooms: NAMES and LIST."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from netsvc.chat.irc import numerics
from netsvc.chat.irc.commands import command
from netsvc.chat.irc.link import Work
from netsvc.chat.irc.listing import ListRequest, parse_list
from netsvc.chat.irc.message import Message
from netsvc.chat.irc.pacing import paced
from netsvc.chat.irc.roster import names_lines
from netsvc.chat.irc.shown import may_see
from netsvc.chat.names import fold

if TYPE_CHECKING:
    from netsvc.chat.irc.session import IrcSession

#: Rooms named in one NAMES.
NAMES_LIMIT: Final = 100


def _nothing() -> None:
    """Every room of a NAMES has its own end."""


@command("NAMES")
def names(session: IrcSession, message: Message) -> Work | None:
    """NAMES [<channel>,...]: who is in these rooms, or in all."""
    asked = message.params[0] if message.params else ""
    if not asked:
        end = partial(session.numeric, numerics.RPL_ENDOFNAMES, "*")
        return paced(session, "NAMES", _all_names(session), end)
    wanted = {fold(name): name for name in asked.split(",") if name}
    if len(wanted) > NAMES_LIMIT:
        session.network.counters["irc-names-dropped"] += len(wanted) - NAMES_LIMIT
    chosen = list(wanted.values())[:NAMES_LIMIT]
    return paced(session, "NAMES", _names(session, chosen), _nothing)


def _names(session: IrcSession, wanted: list[str]) -> Iterator[bytes]:
    """Give who is in some rooms, and the end of each."""
    server = session.network.name
    for name in wanted:
        room = session.hub.state.rooms.get(fold(name))
        if room is not None and may_see(session, room):
            yield from names_lines(session, room, name)
        yield numerics.reply(server, numerics.RPL_ENDOFNAMES, session.client, name)


def _all_names(session: IrcSession) -> Iterator[bytes]:
    """Give who is in all rooms that the client may know of."""
    for room in list(session.hub.state.rooms.values()):
        if may_see(session, room):
            yield from names_lines(session, room)


@command("LIST")
def list_(session: IrcSession, message: Message) -> Work | None:
    """LIST [<channel>,...] [<condition>,...]: which rooms there are."""
    request = parse_list(message.params)
    if request.dropped:
        session.network.counters["irc-list-dropped"] += request.dropped
    session.numeric(numerics.RPL_LISTSTART, "Channel")
    end = partial(session.numeric, numerics.RPL_LISTEND)
    return paced(session, "LIST", _rooms(session, request), end)


def _rooms(session: IrcSession, request: ListRequest) -> Iterator[bytes]:
    """Give the rooms that are asked for and may be told."""
    rooms = session.hub.state.rooms
    server, client = session.network.name, session.client
    now = session.network.milliseconds()
    if request.rooms:
        chosen = [rooms[key] for key in request.rooms if key in rooms]
    else:
        chosen = list(rooms.values())
    for room in chosen:
        users = len(room.members)
        topic = room.topic_time if room.topic else None
        if may_see(session, room) and request.matches(
            room.name, users, room.created, topic, now
        ):
            yield numerics.reply(
                server,
                numerics.RPL_LIST,
                client,
                room.name,
                str(users),
                text=room.topic,
            )
        else:
            yield b""
