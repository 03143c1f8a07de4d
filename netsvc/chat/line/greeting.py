"""What somebody is told when they come, and when they come into a room."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from netsvc.chat.events import Event, HubError, Joined
from netsvc.chat.line.words import days, people, stamp, words
from netsvc.chat.names import fold
from netsvc.chat.network import NoSuchMessage, Point
from netsvc.chat.text import clean

if TYPE_CHECKING:
    from netsvc.chat.line.session import LineSession
    from netsvc.chat.rooms import Room

#: Code points in a line of names.
NAMES_WIDTH: Final = 400


def greet(session: LineSession) -> None:
    """Tell somebody where they are, and take them into the lobby."""
    network = session.network
    session.note(
        f"welcome to {network.network}, you are {session.me.nick}:"
        " /nick NAME gives you another name"
    )
    try:
        room = session.hub.join(session.me, network.lobby)
    except HubError as error:
        session.is_new = False
        session.refuse(error)
        session.note("you are in no room: /list tells which there are, /help the rest")
        return
    assert room is not None, "who has just come is in no room"
    session.talk_in(room.fold)
    session.note(
        f"{people(len(room.members))} in {room.name}, and what you type goes there;"
        " /help lists the commands"
    )
    history = network.history
    if history is not None:
        most = f", at most {history.messages} messages a room" * bool(history.messages)
        session.note(
            f"what is said is kept {days(history.days)}{most}: /history shows it"
        )


def show_room(session: LineSession, joined: Joined) -> None:
    """
    Show a room to somebody whose coming into it is being shown to them.

    @param joined: That.
    """
    room = session.hub.state.rooms.get(fold(joined.room))
    if room is None:
        return
    if room.topic:
        session.show(topic(room))
    if session.is_new:
        session.is_new = False  # the greeting is short: it only counts them
    else:
        session.show("\n".join(names(session, room)))
    if session.network.history is not None and session.frontend.options.replay:
        session.start(_replay(session, room.fold, joined))


async def _replay(session: LineSession, key: str, joined: Joined) -> None:
    """
    Show what was said in a room before somebody came.

    @raise HistoryBusy: If that cannot be read.
    """
    history, limit = session.network.history, session.frontend.options.replay
    assert history is not None
    target = history.room_target(key)
    try:
        said = await history.before(target, Point(msgid=joined.msgid), limit)
    except NoSuchMessage:  # their coming was not kept
        said = await history.before(target, Point(time=joined.time), limit)
    lines = past(session, said)
    if lines:
        last = "the last message" if len(lines) == 1 else f"the last {len(lines)}"
        what = "" if len(lines) == 1 else " messages"
        session.note("\n".join([f"{last}{what} of {joined.room}:", *lines]))


def past(session: LineSession, said: Iterable[Event]) -> list[str]:
    """Give lines for what was said before, with the times."""
    now, zone = session.network.milliseconds(), session.frontend.zone
    return [
        f"{stamp(event.time, now, zone)} {text}"
        for event in said
        if (text := words(event, here=True))
    ]


def topic(room: Room) -> str:
    """Give the line that tells the topic of a room."""
    if not room.topic:
        return f"* {room.name} has no topic"
    return f"* topic of {room.name}: {clean(room.topic)}"


def names(session: LineSession, room: Room) -> list[str]:
    """Give lines that tell who is in a room, operators first."""
    me = session.me
    inside = me in room.members
    found = [
        (room.prefixes(each)[:1], each.nick)
        for each in room.members
        if inside or "i" not in each.modes or session.hub.share_room(me, each)
    ]
    found.sort(key=lambda each: ("@+".find(each[0]) if each[0] else 2, fold(each[1])))
    most = session.frontend.options.names
    lines = _filled(
        f"* in {room.name}:", [prefix + nick for prefix, nick in found[:most]]
    )
    if len(found) > most:
        lines.append(f"* and {len(found) - most} more in {room.name}")
    return lines


def _filled(start: str, parts: Sequence[str]) -> list[str]:
    """Give lines of the same start that are not too long."""
    lines: list[list[str]] = [[]]
    width = 0
    for part in parts:
        if width + len(part) > NAMES_WIDTH:
            lines.append([])
            width = 0
        lines[-1].append(part)
        width += len(part) + 2
    return [f"{start} {', '.join(line)}" for line in lines]
