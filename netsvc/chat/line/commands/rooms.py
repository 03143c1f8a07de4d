"""Rooms: /join, /part, /list, /topic, /invite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netsvc.chat.line import greeting
from netsvc.chat.line.commands import command, need, two, where
from netsvc.chat.line.words import people
from netsvc.chat.names import fold
from netsvc.chat.text import clean, cut

if TYPE_CHECKING:
    from netsvc.chat.line.session import LineSession

#: Bytes of a topic in a list.
_TOPIC = 200


@command("join", "#ROOM [KEY]", "go into a room, or talk in another that you are in")
def join(session: LineSession, rest: str) -> None:
    """/join #ROOM [KEY]: go into a room, and talk there from now on."""
    name, key = two(need(rest, "join"))
    if not name.startswith("#"):
        name = f"#{name}"
    room = session.hub.join(session.me, name, key or None)
    if room is None:
        # The line that says where one is; nobody else sees it again.
        room = session.hub.room(name)
        session.note(f"{session.me.nick} has joined {room.name}")
        session.note(f"you were in {room.name}; what you type goes there from now on")
    session.talk_in(room.fold)


@command("part", "[#ROOM] [REASON]", "leave a room")
def part(session: LineSession, rest: str) -> None:
    """/part [#ROOM] [REASON]: leave a room; talk where one did before."""
    room, reason = where(session, rest)
    session.hub.part(session.me, room.name, reason)
    if session.room != room.fold:
        return
    before = session.fall_back()
    if before is not None:
        session.note(f"what you type goes to {before.name} now")
        return
    lobby = session.network.lobby
    if room.fold == fold(lobby):
        session.note("you are in no room now: /join #room takes you into one")
        return
    joined = session.hub.join(session.me, lobby)
    assert joined is not None, "who is in no room is not in the lobby"
    session.talk_in(joined.fold)


@command("list", "[PART OF A NAME]", "list the rooms")
def list_rooms(session: LineSession, rest: str) -> None:
    """/list [PART OF A NAME]: list the rooms, the fullest first."""
    part_of = fold(rest)
    hub, me = session.hub, session.me
    found = [
        room
        for room in hub.state.rooms.values()
        if part_of in room.fold and hub.visible(room, me)
    ]
    found.sort(key=lambda room: (-len(room.members), room.fold))
    most = session.frontend.options.rooms
    lines = []
    for room in found[:most]:
        topic = f": {clean(cut(room.topic, _TOPIC))}" if room.topic else ""
        lines.append(f"{room.name} ({people(len(room.members))}){topic}")
    if len(found) > most:
        lines.append(f"and {len(found) - most} more: /list WORD looks for names")
    session.reply("\n".join(f"* {line}" for line in lines or ["no such room"]))


@command("topic", "[TEXT]", "show or set the topic of the room; /topic - removes it")
def topic(session: LineSession, rest: str) -> None:
    """/topic [#ROOM] [TEXT]: show a room's topic, or set it; C{-} takes it away."""
    room, text = where(session, rest)
    if text:
        session.hub.set_topic(session.me, room.name, "" if text == "-" else text)
    else:
        session.reply(greeting.topic(room))


@command("invite", "NICK", "invite somebody into the room")
def invite(session: LineSession, rest: str) -> None:
    """/invite [#ROOM] NICK: invite somebody into a room."""
    room, name = where(session, need(rest, "invite"))
    session.hub.invite(session.me, need(two(name)[0], "invite"), room.name)
