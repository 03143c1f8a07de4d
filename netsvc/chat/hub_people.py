"""
Commands of the hub: coming and going, what one is called, and whom one watches.

Each takes the hub, of which it is a method (L{netsvc.chat.hub}).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netsvc.chat import confusables, events
from netsvc.chat.admission import muted
from netsvc.chat.events import HubError, Reason, Session, Source
from netsvc.chat.member import USER_MODES, Member, Person
from netsvc.chat.names import fold, valid_nick
from netsvc.chat.text import cut

if TYPE_CHECKING:
    from netsvc.chat.hub import Hub


def check_nick(
    hub: Hub, nick: str, account: str | None = None, own: Member | None = None
) -> None:
    """
    Say whether somebody may take a nick.

    @param account: The account that they are logged in to.
    @param own: Who asks, when they are a member: their own nick is no obstacle.
    @raise HubError: If not.
    """
    if not nick:
        raise HubError(Reason.NICK_EMPTY)
    if not valid_nick(nick, length=hub.limits.nick):
        raise HubError(Reason.NICK_INVALID, nick)
    key = fold(nick)
    holder = hub.state.members.get(key)
    if holder is not None and holder is not own:
        raise HubError(Reason.NICK_IN_USE, nick)
    owner = hub.reserved(key)
    if owner is not None and (account is None or fold(account) != fold(owner)):
        if fold(owner) == key:
            raise HubError(Reason.NICK_RESERVED, nick)
        if confusables.confusable(nick, owner):
            raise HubError(Reason.NICK_CONFUSABLE, nick)
    skeleton = confusables.key(nick)
    for other in hub.state.skeletons.get(skeleton, ()):
        if other is not own and confusables.confusable(nick, other.nick):
            raise HubError(Reason.NICK_CONFUSABLE, nick)


def enter(hub: Hub, session: Session, nick: str, person: Person) -> Member:
    """
    Let somebody in.

    @raise HubError: If they may not have the nick, or the hub is full.
    """
    check_nick(hub, nick, person.account)
    if len(hub.state.members) >= hub.limits.members:
        raise hub.refusal("members", Reason.HUB_FULL)
    time, msgid = hub.stamp()
    member = Member(session, nick, person, time)
    hub.state.expect(member)
    hub.bus.publish(events.Came(time, msgid, member.source))
    return member


def leave(hub: Hub, member: Member, reason: str) -> None:
    """Somebody leaves altogether; who has left already is left alone."""
    if hub.here(member):
        reason = cut(reason, hub.limits.reason)
        if reason.startswith("Quit: ") and any(
            muted(room, member) for room in member.rooms.values()
        ):
            reason = "Quit"
        hub.bus.publish(events.Quit(*hub.stamp(), member.source, reason))


def rename(hub: Hub, member: Member, nick: str) -> bool:
    """
    Give somebody another nick.

    @return: Whether anything changed.
    @raise HubError: If they may not have it.
    """
    hub.still_here(member)
    if nick == member.nick:
        return False
    check_nick(hub, nick, member.account, member)
    for room in member.rooms.values():
        # Under another nick the ban, or the mute, might mean somebody else.
        if not room.voiced(member) and room.silenced(member.identity):
            raise HubError(Reason.MUTED, room.name)
    hub.spend("nick-changes", member)
    hub.bus.publish(events.Renamed(*hub.stamp(), member.source, nick))
    return True


def set_away(hub: Hub, member: Member, text: str | None) -> None:
    """Mark somebody away; empty or C{None} is back."""
    text = cut(text, hub.limits.away) if text else None
    if hub.here(member):
        if member.rooms:
            hub.spend("messages", member)
        hub.bus.publish(events.AwaySet(*hub.stamp(), member.source, text))


def set_account(hub: Hub, member: Member, account: str | None) -> None:
    """Somebody has logged in, or out."""
    if account == member.account or not hub.here(member):
        return
    source = Source(
        member.nick,
        member.user,
        member.host,
        account,
        member.realname,
        "B" in member.modes,
    )
    hub.bus.publish(events.AccountSet(*hub.stamp(), source, account))


def set_realname(hub: Hub, member: Member, realname: str) -> None:
    """Somebody calls themselves otherwise."""
    realname = cut(realname, hub.limits.realname)
    if hub.here(member):
        if member.rooms:
            hub.spend("messages", member)
        hub.bus.publish(events.RealnameSet(*hub.stamp(), member.source, realname))


def set_host(hub: Hub, member: Member, user: str, host: str) -> None:
    """Show others another user and host for somebody."""
    if hub.here(member) and (user, host) != (member.user, member.host):
        hub.bus.publish(events.HostSet(*hub.stamp(), member.source, user, host))


def set_user_modes(hub: Hub, member: Member, adding: bool, letters: str) -> str:
    """
    Change somebody's own modes; letters that are unknown are passed over.

    @return: The letters that changed.
    """
    changed = ""
    for letter in letters:
        if letter not in USER_MODES or (letter in member.modes) == adding:
            continue
        member.modes ^= {letter}
        changed += letter
    if changed:
        member.changed()
    return changed


def set_operator(hub: Hub, member: Member, name: str | None) -> bool:
    """
    Make somebody an operator of the server, or none any more (C{None}).

    @param name: The name under which they are one.
    @return: Whether their mode C{o} changed.
    """
    member.oper = name
    return bool(set_user_modes(hub, member, name is not None, "o"))


def announce(hub: Hub, member: Member | None, text: str) -> None:
    """
    Speak to all operators, and to all who listen to them (WALLOPS).

    @param member: Who speaks; C{None} is the server.
    """
    source = hub.source if member is None else member.source
    hub.bus.publish(events.Announced(*hub.stamp(), source, text))


def watch(hub: Hub, member: Member, nick: str) -> bool:
    """
    Tell somebody when a nick comes and goes.

    @return: Whether there was place in their list.
    """
    if fold(nick) in member.watching or not hub.here(member):
        return True
    if len(member.watching) >= hub.limits.watching:
        hub.refused["watching"] += 1
        return False
    hub.state.watch(member, nick)
    return True


def unwatch(hub: Hub, member: Member, nick: str) -> None:
    """Tell them no more."""
    if member.watching.pop(fold(nick), None) is not None:
        hub.state.unwatch(member, fold(nick))
