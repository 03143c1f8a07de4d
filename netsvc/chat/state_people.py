"""
What events about people do to the hub's state, and who is shown them.

Nothing is decided here. An event about somebody who is gone does nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from netsvc.chat import events
from netsvc.chat.member import Member
from netsvc.chat.names import fold
from netsvc.chat.rooms import PREFIXES, audience

if TYPE_CHECKING:
    from netsvc.chat.state import State


def came(state: State, event: events.Came) -> None:
    """Somebody comes: whoever was expected under that nick."""
    member = state.arrivals.pop(fold(event.source.nick), None)
    if member is None:
        return
    state.add(member)
    state.most = max(state.most, len(state.members))
    state.tell_watchers(event, member)


def left(state: State, event: events.Quit) -> None:
    """Somebody leaves altogether: their rooms, and all lists that name them."""
    member = state.of(event.source)
    if member is None:
        return
    peers = state.peers(member)
    peers.pop(member, None)
    for room in member.rooms.values():
        state.keep(event, room)
    state.courier.deliver(event, audience(peers), member.session)
    for room in list(member.rooms.values()):
        state.leave(member, room)
    for key in member.watching:
        state.unwatch(member, key)
    for key in member.invited:
        room_of = state.rooms.get(key)
        if room_of is not None:
            room_of.invited.discard(member)
    state.remember(member, event.time)
    state.remove(member)
    state.tell_watchers(event, member)


def renamed(state: State, event: events.Renamed) -> None:
    """Somebody has another nick from now on."""
    member = state.of(event.source)
    if member is None:
        return
    peers = state.peers(member)
    peers.pop(member, None)
    for room in member.rooms.values():
        state.keep(event, room)
    new = fold(event.nick) != member.key
    if new:
        state.remember(member, event.time)
        gone = events.Quit(event.time, event.msgid, member.source)
        state.tell_watchers(gone, member)
    state.remove(member)
    member.nick = event.nick
    member.key = fold(event.nick)
    member.changed()
    state.add(member)
    state.courier.deliver(event, audience(peers), member.session)
    if new:
        state.tell_watchers(event, member)


def away_set(state: State, event: events.AwaySet) -> None:
    """Somebody is away, or back."""
    member = state.of(event.source)
    if member is not None:
        member.away = event.text
        state.to_peers(event, member)


def account_set(state: State, event: events.AccountSet) -> None:
    """Somebody has logged in, or out."""
    member = state.of(event.source)
    if member is not None:
        member.account = event.account
        member.changed()
        state.to_peers(event, member)


def realname_set(state: State, event: events.RealnameSet) -> None:
    """Somebody calls themselves otherwise."""
    member = state.of(event.source)
    if member is not None:
        member.realname = event.realname
        member.changed()
        state.to_peers(event, member)


def host_set(state: State, event: events.HostSet) -> None:
    """Somebody is shown with another user and host."""
    member = state.of(event.source)
    if member is None:
        return
    _come_again(state, event, member)
    member.user, member.host = event.user, event.host
    member.changed()
    state.to_peers(event, member)


def _come_again(state: State, event: events.HostSet, member: Member) -> None:
    """
    Show a new host to those who know no event for it: as if its bearer had left,
    and come back (IRCv3 chghost, "Fallback").
    """
    time, msgid, source = event.time, event.msgid, event.source
    peers = [
        peer
        for peer in state.peers(member)
        if peer is not member and not peer.session.wire.shows_hosts
    ]
    if not peers:
        return
    quit = events.Quit(time, msgid, source, "Changing host")
    state.courier.deliver(quit, audience(peers))
    again = replace(source, user=event.user, host=event.host)
    for room in member.rooms.values():
        inside = audience(peer for peer in peers if peer in room.members)
        joined = events.Joined(time, msgid, again, room.name, member.away)
        state.courier.deliver(joined, inside)
        given = tuple(
            events.Change(True, letter, member.nick)
            for letter in PREFIXES
            if letter in room.members[member]
        )
        if given:
            server = events.server_source(state.name)
            modes = events.ModesSet(time, msgid, server, room.name, given)
            state.courier.deliver(modes, inside)


def announced(state: State, event: events.Announced) -> None:
    """Operators, and who listens to them, are told something."""
    listeners = [
        each for each in state.members.values() if not each.modes.isdisjoint("ow")
    ]
    state.courier.deliver(event, audience(listeners))
