"""Keeping order: /kick, /ban, /mute, /op, /voice, and their opposites."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netsvc.chat.events import Change
from netsvc.chat.line.commands import command, need, two, where
from netsvc.chat.line.refusals import LONGEST, Mistake
from netsvc.chat.line.words import stamp
from netsvc.chat.masks import ACCOUNT, EXTENDED, MUTE, Identity, Mask, full
from netsvc.chat.names import fold
from netsvc.chat.text import clean

if TYPE_CHECKING:
    from netsvc.chat.line.session import LineSession
    from netsvc.chat.member import Member
    from netsvc.chat.rooms import Room

_MUTE = f"{EXTENDED}{MUTE}:"


def _change(session: LineSession, room: Room, change: Change) -> None:
    """
    Change a mode of a room, if that changes anything.

    @raise HubError: If they may not, or it cannot be.
    """
    for refusal in session.hub.set_modes(session.me, room.name, [change]):
        raise refusal


def _status(
    session: LineSession, rest: str, name: str, letter: str, adding: bool
) -> None:
    """Give somebody a status in a room, or take it."""
    room, words = where(session, need(rest, name))
    member = session.hub.member(need(two(words)[0], name))
    was = letter in room.members.get(member, ())
    _change(session, room, Change(adding, letter, member.nick))
    if was == adding:
        session.note(f"that is so already for {member.nick} in {room.name}")


@command("op", "NICK", "make somebody an operator of the room")
def op(session: LineSession, rest: str) -> None:
    """/op [#ROOM] NICK: make somebody an operator."""
    _status(session, rest, "op", "o", True)


@command("deop", "NICK", "make somebody an operator of the room no more")
def deop(session: LineSession, rest: str) -> None:
    """/deop [#ROOM] NICK: make somebody an operator no more."""
    _status(session, rest, "deop", "o", False)


@command("voice", "NICK", "let somebody speak in the room even when it is moderated")
def voice(session: LineSession, rest: str) -> None:
    """/voice [#ROOM] NICK: give somebody a voice."""
    _status(session, rest, "voice", "v", True)


@command("devoice", "NICK", "take that from somebody")
def devoice(session: LineSession, rest: str) -> None:
    """/devoice [#ROOM] NICK: take somebody's voice."""
    _status(session, rest, "devoice", "v", False)


@command("kick", "NICK [REASON]", "put somebody out of the room")
def kick(session: LineSession, rest: str) -> None:
    """/kick [#ROOM] NICK [REASON]: put somebody out of a room."""
    room, words = where(session, need(rest, "kick"))
    nick, reason = two(need(words, "kick"))
    session.hub.kick(session.me, room.name, nick, reason)


def _mask(session: LineSession, room: Room, who: str) -> str:
    """
    Give the mask that a nick, or a mask, stands for.

    A person is meant by their account or their host; by their nick, where the host is
    also that of an operator of the room: a class may sit behind one address.

    @raise HubError: If it is a nick that nobody has.
    """
    if any(char in who for char in "!@*?:"):
        return full(who)
    member = session.hub.member(who)
    if member.account is not None:
        return f"{EXTENDED}{ACCOUNT}:{member.account}"
    mask = Mask(f"*!*@{member.host}")
    if any(room.operator(each) and mask.matches(_shown(each)) for each in room.members):
        return full(member.nick)
    return mask.text


def _listed(session: LineSession, room: Room, mutes: bool) -> None:
    """Tell who is banned or muted."""
    found = [mask for mask in room.lists["b"].values() if mask.mutes == mutes]
    now, zone = session.network.milliseconds(), session.frontend.zone
    what = "muted" if mutes else "banned"
    lines = [
        f"* {what} in {room.name}: {clean(mask.text).removeprefix(_MUTE)}"
        f" (by {clean(mask.setter).partition('!')[0]} {stamp(mask.time, now, zone)})"
        for mask in found[: session.frontend.options.masks]
    ]
    if len(found) > len(lines):
        lines.append(f"* and {len(found) - len(lines)} more")
    session.reply("\n".join(lines) or f"* nobody is {what} in {room.name}")


def _add(session: LineSession, room: Room, who: str, prefix: str) -> None:
    """Put somebody on the list of bans."""
    mask = prefix + _mask(session, room, who)
    was = fold(mask) in room.lists["b"]
    _change(session, room, Change(True, "b", mask))
    if was:
        session.note(f"that is so already: {clean(mask)}")


def _shown(member: Member) -> Identity:
    """Give what masks are compared with, but for the real address."""
    account = member.account
    names = (fold(member.source.mask),)
    return Identity(names, None if account is None else fold(account))


def _take_off(session: LineSession, room: Room, who: str, prefix: str) -> None:
    """
    Take somebody off the list of bans.

    @raise Mistake: If they are not on it.
    """
    member = session.hub.state.members.get(fold(who))
    # By what everybody sees: a mask must not tell whose address it fits.
    shown = None if member is None else _shown(member)
    listed = room.lists["b"]
    keys = {fold(prefix + who), fold(full(prefix + who))}
    found = [
        mask.text
        for key, mask in listed.items()
        if key in keys
        or (shown is not None and mask.mutes == bool(prefix) and mask.matches(shown))
    ]
    if not found:
        name = "mute" if prefix else "ban"
        raise Mistake(f"nobody like {who[:LONGEST]} is on that list: /{name} shows it")
    for mask in found:
        _change(session, room, Change(False, "b", mask))


@command("ban", "[NICK or MASK] [REASON]", "keep somebody out of the room; list bans")
def ban(session: LineSession, rest: str) -> None:
    """/ban [#ROOM] [NICK or MASK] [REASON]: keep somebody out of a room."""
    room, words = where(session, rest)
    who, reason = two(words)
    if not who:
        _listed(session, room, mutes=False)
        return
    target = session.hub.state.members.get(fold(who))
    _add(session, room, who, "")
    if target is not None and target in room.members:
        session.hub.kick(session.me, room.name, target.nick, reason or "banned")


@command("unban", "NICK or MASK", "let somebody into the room again")
def unban(session: LineSession, rest: str) -> None:
    """/unban [#ROOM] NICK or MASK: let somebody in again."""
    room, words = where(session, need(rest, "unban"))
    _take_off(session, room, need(two(words)[0], "unban"), "")


@command("mute", "[NICK or MASK]", "let somebody no longer speak in the room")
def mute(session: LineSession, rest: str) -> None:
    """/mute [#ROOM] [NICK or MASK]: let somebody no longer speak; list those."""
    room, words = where(session, rest)
    who = two(words)[0]
    if who:
        _add(session, room, who, _MUTE)
    else:
        _listed(session, room, mutes=True)


@command("unmute", "NICK or MASK", "let somebody speak in the room again")
def unmute(session: LineSession, rest: str) -> None:
    """/unmute [#ROOM] NICK or MASK: let somebody speak again."""
    room, words = where(session, need(rest, "unmute"))
    _take_off(session, room, need(two(words)[0], "unmute"), _MUTE)
