"""
Events in words: what people on lines read.

Nothing here is safe by accident: nicks and rooms have no character that could do harm
(L{netsvc.chat.names}), and all other text goes through L{netsvc.chat.text.clean}.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Any, Final

from netsvc.chat import events
from netsvc.chat.events import Change, Event, Kind, Said, Source
from netsvc.chat.text import action, clean, is_ctcp

_FLAGS: Final = {
    ("C", True): "{who} does not let CTCP into {room} any more",
    ("C", False): "{who} lets CTCP into {room}",
    ("i", True): "{who} made {room} a room for invited people only",
    ("i", False): "{who} opened {room} to people who are not invited",
    ("m", True): "{who} lets only operators and people with a voice speak in {room}",
    ("m", False): "{who} lets everybody speak in {room}",
    ("n", True): "{who} lets only those speak in {room} who are in it",
    ("n", False): "{who} lets people speak in {room} from outside",
    ("R", True): "{who} made {room} a room for people who are logged in",
    ("R", False): "{who} opened {room} to people who are not logged in",
    ("s", True): "{who} hid {room} from lists",
    ("s", False): "{who} shows {room} in lists",
    ("t", True): "{who} lets only operators set the topic of {room}",
    ("t", False): "{who} lets everybody set the topic of {room}",
    ("k", True): "{who} locked {room} with the key {what}",
    ("k", False): "{who} took the key of {room} away",
    ("l", True): "{who} limited {room} to {what} people",
    ("l", False): "{who} took the limit of people in {room} away",
    ("o", True): "{who} made {what} an operator of {room}",
    ("o", False): "{who} made {what} an operator of {room} no more",
    ("v", True): "{who} gave {what} a voice in {room}",
    ("v", False): "{who} took the voice in {room} from {what}",
    ("b", True): "{who} has banned {what} from {room}",
    ("b", False): "{who} has lifted the ban of {what} from {room}",
    ("e", True): "{who} has exempted {what} from the bans of {room}",
    ("e", False): "{who} has ended the exemption of {what} from the bans of {room}",
    ("I", True): "{who} has invited {what} to {room} for good",
    ("I", False): "{who} has ended the standing invitation of {what} to {room}",
}
_MUTES: Final = {
    True: "{who} has muted {what} in {room}",
    False: "{who} has lifted the mute of {what} in {room}",
}
_MUTE: Final = "~m:"


def name_of(source: Source) -> str:
    """Give who did something: a nick, or the server's name."""
    return source.nick or source.host


def _because(reason: str) -> str:
    """A reason behind what happened, if there is any."""
    reason = clean(reason).strip()
    return f" ({reason})" if reason else ""


def _said(event: Said, here: bool) -> str:
    if event.kind is Kind.TAGS:
        return ""
    nick = name_of(event.source)
    text = event.text
    done = None
    if is_ctcp(text):
        done = action(text)
        if done is None:
            return ""
        done = clean(done)
    else:
        text = clean(text)
    if event.to is not None:
        return f"-{nick}- {text}" if done is None else f"-{nick}- * {nick} {done}"
    place = "" if here else f"{event.target} "
    if event.status:
        place += f"({event.status} only) "
    return f"{place}<{nick}> {text}" if done is None else f"{place}* {nick} {done}"


def _joined(event: events.Joined) -> str:
    return f"* {name_of(event.source)} has joined {event.room}"


def _parted(event: events.Parted) -> str:
    return f"* {name_of(event.source)} has left {event.room}{_because(event.reason)}"


def _kicked(event: events.Kicked) -> str:
    who = name_of(event.source)
    reason = "" if event.reason == who else _because(event.reason)
    return f"* {event.nick} was kicked from {event.room} by {who}{reason}"


def _quit(event: events.Quit) -> str:
    return f"* {name_of(event.source)} has quit{_because(event.reason)}"


def _renamed(event: events.Renamed) -> str:
    return f"* {name_of(event.source)} is now known as {event.nick}"


def _topic(event: events.TopicSet) -> str:
    who = name_of(event.source)
    if not event.topic:
        return f"* {who} took the topic of {event.room} away"
    return f"* {who} set the topic of {event.room} to: {clean(event.topic)}"


def _mode(event: events.ModesSet, change: Change) -> str:
    letter, what = change.letter, clean(change.argument or "")
    words = _FLAGS.get((letter, change.adding))
    if letter == "b" and what.startswith(_MUTE):
        words, what = _MUTES[change.adding], what.removeprefix(_MUTE)
    if words is None:
        words = "{who} changed the mode {what} of {room}"
        what = ("+" if change.adding else "-") + letter
    return "* " + words.format(who=name_of(event.source), room=event.room, what=what)


def _modes(event: events.ModesSet) -> str:
    return "\n".join(_mode(event, change) for change in event.changes)


def _invited(event: events.Invited) -> str:
    who = name_of(event.source)
    return f"* {who} invites you to {event.room}: /join {event.room}"


def _invitation_seen(event: events.InvitationSeen) -> str:
    return f"* {name_of(event.source)} has invited {event.nick} to {event.room}"


def _announced(event: events.Announced) -> str:
    return f"* {name_of(event.source)} says to everybody: {clean(event.text)}"


_WORDS: Final[dict[type[Event], Callable[[Any], str]]] = {
    events.Joined: _joined,
    events.Parted: _parted,
    events.Kicked: _kicked,
    events.Quit: _quit,
    events.Renamed: _renamed,
    events.TopicSet: _topic,
    events.ModesSet: _modes,
    events.Invited: _invited,
    events.InvitationSeen: _invitation_seen,
    events.Announced: _announced,
}


def words(event: Event, here: bool = False) -> str:
    """
    Say what happened, to others than who caused it.

    @param here: Whether a message is to the room that the reader is talking in.
    @return: One or more lines, without the end of the last one; empty when it is
        nothing that people on lines are shown.
    """
    if type(event) is Said:
        return _said(event, here)
    make = _WORDS.get(type(event))
    return "" if make is None else make(event)


def own_words(event: Event) -> str:
    """
    Say what happened, to who caused it.

    What they say in a room, they have typed: they are not shown that again.

    @return: As L{words}.
    """
    if type(event) is Said:
        if event.to is None or event.kind is Kind.TAGS:
            return ""
        done = action(event.text)
        text = event.text if done is None else f"* {name_of(event.source)} {done}"
        return f"-> {event.target}: {clean(text)}"
    if type(event) is events.Quit:
        return ""
    if type(event) is events.Invited:
        return f"* you have invited {event.nick} to {event.room}"
    if type(event) is events.AwaySet:
        if event.text is None:
            return "* you are back"
        return f"* you are away: {clean(event.text)}"
    if type(event) is events.AccountSet:
        if event.account is None:
            return "* you are logged out"
        return f"* logged in as {event.account}"
    return words(event)


def stamp(milliseconds: int, now: int, zone: tzinfo | None) -> str:
    """
    Say when something was: with the date, unless that is today's.

    @param milliseconds: When, since the epoch.
    @param now: The time now.
    @param zone: The time zone; C{None} is the system's.
    """
    when = datetime.fromtimestamp(milliseconds / 1000, zone)
    today = datetime.fromtimestamp(now / 1000, zone).date()
    return when.strftime("[%H:%M]" if when.date() == today else "[%Y-%m-%d %H:%M]")


def days(number: float) -> str:
    """Say how long so many days are; 0 is for ever."""
    if not number:
        return "for ever"
    if number < 1:
        hours = max(round(number * 24), 1)
        return "for 1 hour" if hours == 1 else f"for {hours} hours"
    rounded = round(number)
    return "for 1 day" if rounded == 1 else f"for {rounded} days"


def people(number: int) -> str:
    """Say how many people there are."""
    return "1 person" if number == 1 else f"{number} people"
