"""Rooms, which IRC calls channels: JOIN, PART, TOPIC, INVITE, KICK; and SETNAME."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from netsvc.chat.events import HubError, Reason
from netsvc.chat.irc import numerics
from netsvc.chat.irc.commands import command
from netsvc.chat.irc.link import Work
from netsvc.chat.irc.message import Message
from netsvc.chat.irc.read_markers import marker_line, read_marker
from netsvc.chat.irc.roster import send_names, send_topic
from netsvc.chat.names import fold
from netsvc.chat.rooms import Room

if TYPE_CHECKING:
    from netsvc.chat.irc.session import IrcSession

#: JOIN of this leaves all rooms (RFC 2812 section 3.2.1).
NO_ROOM = "0"


@command("JOIN", least=1)
def join(session: IrcSession, message: Message) -> Work | None:
    """JOIN <channel>,... [<key>,...], or JOIN 0: come into rooms, or leave all."""
    if message.params[0] == NO_ROOM:
        for left in list(session.me.rooms.values()):
            session.hub.part(session.me, left.name)
        return None
    names = message.params[0].split(",")
    keys = message.params[1].split(",") if len(message.params) > 1 else []
    pairs = [(name, key) for name, key in zip_longest(names, keys) if name]
    if "draft/read-marker" in session.caps:
        return _join_marked(session, pairs)
    for name, key in pairs:
        room = _enter(session, name, key)
        if room is not None:
            _show(session, room)
    return None


async def _join_marked(
    session: IrcSession, pairs: list[tuple[str, str | None]]
) -> None:
    """Join, and tell how far each room has been read (C{draft/read-marker})."""
    for name, key in pairs:
        if session.closing:
            return
        room = _enter(session, name, key)
        if room is not None:
            marker = await read_marker(session, room.name)
            session.reply(marker_line(session, room.name, marker))
            _show(session, room)


def _enter(session: IrcSession, name: str, key: str | None) -> Room | None:
    """Come into a room; give it if that is new."""
    try:
        return session.hub.join(session.me, name, key or None)
    except HubError as error:
        session.refuse(error, "JOIN")
        return None


def _show(session: IrcSession, room: Room) -> None:
    """Tell what one must know of a room that one has come into."""
    if room.topic:
        send_topic(session, room)
    if "no-implicit-names" not in session.caps:
        send_names(session, room)


@command("PART", least=1)
def part(session: IrcSession, message: Message) -> None:
    """PART <channel>,... [reason]: leave rooms."""
    reason = message.params[1] if len(message.params) > 1 else ""
    for name in message.params[0].split(","):
        if name:
            try:
                session.hub.part(session.me, name, reason)
            except HubError as error:
                session.refuse(error, "PART")


@command("TOPIC", least=1)
def topic(session: IrcSession, message: Message) -> None:
    """TOPIC <channel> [text]: ask for a room's topic, set it, or take it away."""
    name = message.params[0]
    if len(message.params) > 1:
        session.hub.set_topic(session.me, name, message.params[1])
        return
    room = session.hub.room(name)
    if not session.hub.visible(room, session.me):
        raise HubError(Reason.NO_SUCH_ROOM, name)
    if room.topic:
        send_topic(session, room, name)
    else:
        session.numeric(numerics.RPL_NOTOPIC, name)


@command("INVITE")
def invite(session: IrcSession, message: Message) -> None:
    """INVITE <nick> <channel>: invite somebody; INVITE: ask where one is invited."""
    params = message.params
    if len(params) == 1:
        session.need_more("INVITE")
    elif params:
        nick, name = params[:2]
        target = session.hub.invite(session.me, nick, name)
        session.numeric(numerics.RPL_INVITING, target.nick, name)
        if target.away is not None:
            session.numeric(numerics.RPL_AWAY, target.nick, text=target.away)
    else:
        for key in session.me.invited:
            session.numeric(numerics.RPL_INVITELIST, session.hub.room(key).name)
        session.numeric(numerics.RPL_ENDOFINVITELIST)


@command("KICK", least=2)
def kick(session: IrcSession, message: Message) -> None:
    """KICK <channel> <nick>,... [reason]: put people out of a room."""
    names = message.params[0].split(",")
    nicks = message.params[1].split(",")
    reason = message.params[2] if len(message.params) > 2 else ""
    if len(names) == 1:
        names *= len(nicks)
    if len(names) != len(nicks):
        session.need_more("KICK")
        return
    for name, nick in zip(names, nicks, strict=True):
        if nick:
            try:
                session.hub.kick(session.me, name, nick, reason)
            except HubError as error:
                session.refuse(_nobody(session, error), "KICK")


def _nobody(session: IrcSession, error: HubError) -> HubError:
    """Say 401 rather than 441 of somebody who is not there at all."""
    if error.reason is Reason.NOT_ON_ROOM:
        nick = error.context[0]
        if fold(nick) not in session.hub.state.members:
            return HubError(Reason.NO_SUCH_NICK, nick)
    return error


@command("SETNAME", least=1)
def setname(session: IrcSession, message: Message) -> None:
    """SETNAME <real name>: call oneself otherwise (IRCv3 C{setname})."""
    name = message.params[0]
    if not name or len(name.encode()) > session.hub.limits.realname:
        text = "Realname is empty, or too long"
        session.fail("SETNAME", "INVALID_REALNAME", text=text)
    else:
        session.hub.set_realname(session.me, name)
