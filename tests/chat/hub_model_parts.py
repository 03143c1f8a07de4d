"""
What L{tests.chat.hub_model} is made of: names, people, rooms and their modes, written
from the rules and not from the hub.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field
from typing import Final

from netsvc.chat.events import Reason
from netsvc.chat.limits import HubLimits

#: What somebody is shown: what happened, and to whom.
Entry = tuple[object, ...]

LIMITS: Final = HubLimits(
    members=6,
    rooms=3,
    rooms_per_member=2,
    members_per_room=4,
    list_entries=2,
    watching=2,
    invitations=1,
)

SERVER: Final = "irc.test.example"

#: An account, and nicks that are, or look like, its name.
ACCOUNT: Final = "dan"
ITS_NICKS: Final = ("dan", "Dan", "d\u0430n")

#: Nicks that look alike, though they are not the same.
LOOKS: Final = {"\u0430nn": "ann", "d\u0430n": "dan"}

NICKS: Final = ("ann", "Ann", "bob", "BOB", "cyd", "eve", *LOOKS, *ITS_NICKS)
BAD_NICKS: Final = ("1x", "a b", "#ann", "x" * 33)
ROOMS: Final = ("#a", "#A", "#b", "#c", "#d")
BAD_ROOMS: Final = ("bad", "#x y", "#")

#: Masks as they are given, and in full.
MASKS: Final = {
    "bob": "bob!*@*",
    "BOB!*@*": "BOB!*@*",
    "*!*@*": "*!*@*",
    "*!*@host1.example": "*!*@host1.example",
    "host?.example": "*!*@host?.example",
    "user2@*": "*!user2@*",
    "~a:annie": "~a:annie",
    "~a:*": "~a:*",
    "~m:*!*@*": "~m:*!*@*",
    "~m:~a:annie": "~m:~a:annie",
}
BAD_MASKS: Final = (":x!*@*", "x y", "x" * 151)


def key(name: str) -> str:
    """Give the key of a name."""
    return name.lower()


@dataclass(eq=False)
class Someone:
    """One connection."""

    number: int
    nick: str
    account: str | None
    extended: bool
    host: str
    user: str
    realname: str = ""
    away: str | None = None
    rooms: dict[str, Place] = field(default_factory=dict)
    watching: set[str] = field(default_factory=set)
    shown: list[Entry] = field(default_factory=list)

    def meant(self, mask: str) -> bool:
        """Is this one meant by a mask in full?"""
        mask = mask.removeprefix("~m:")
        if mask.startswith("~a:"):
            account = self.account
            return account is not None and _like(account, mask[3:])
        return _like(f"{self.nick}!{self.user}@{self.host}", mask)


@dataclass(eq=False)
class Place:
    """One room."""

    name: str
    inside: dict[Someone, set[str]] = field(default_factory=dict)
    flags: set[str] = field(default_factory=lambda: set("nt"))
    key: str | None = None
    limit: int | None = None
    topic: str = ""
    lists: dict[str, list[str]] = field(
        default_factory=lambda: {"b": [], "e": [], "I": []}
    )
    invited: set[Someone] = field(default_factory=set)

    @property
    def private(self) -> bool:
        """Is its history for those inside?"""
        return self.key is not None or bool(self.flags & {"i", "s"})

    def operator(self, one: Someone) -> bool:
        """Is this one an operator?"""
        return "o" in self.inside.get(one, ())

    def names(self, letter: str, one: Someone, mutes: bool) -> bool:
        """Does a list name somebody, by masks that mute, too, or only by others?"""
        return any(
            one.meant(mask)
            for mask in self.lists[letter]
            if mutes or not mask.startswith("~m:")
        )


def _like(text: str, mask: str) -> bool:
    return fnmatch.fnmatchcase(key(text), key(mask))


People = dict[str, Someone]


def change_mode(
    people: People, room: Place, adding: bool, letter: str, given: str | None
) -> Entry | Reason | None:
    """One change: its argument as it is shown, or nothing changes, or a reason."""
    if letter in "CimnRst":
        if (letter in room.flags) == adding:
            return None
        room.flags ^= {letter}
        return (None,)
    if letter == "k":
        if not adding:
            had, room.key = room.key, None
            return None if had is None else ("*",)
        if given is None or given == room.key:
            return None
        if given == "" or set(given) & set(" ,") or given[0] == ":":
            return Reason.BAD_MODE_ARGUMENT
        room.key = given
        return (given,)
    if letter == "l":
        if not adding:
            limit, room.limit = room.limit, None
            return None if limit is None else (None,)
        if given is None:
            return None
        if given not in ("1", "2", "3", "+3"):
            return Reason.BAD_MODE_ARGUMENT
        if int(given) == room.limit:
            return None
        room.limit = int(given)
        return (str(room.limit),)
    if letter in "ov":
        return _status(people, room, adding, letter, given)
    if letter in "beI":
        return _listed(room, adding, letter, given)
    return Reason.UNKNOWN_MODE


def _status(
    people: People, room: Place, adding: bool, letter: str, given: str | None
) -> Entry | Reason | None:
    if not given:
        return None
    target = people.get(key(given))
    if target is None:
        return Reason.NO_SUCH_NICK
    if target not in room.inside:
        return Reason.NOT_ON_ROOM
    if (letter in room.inside[target]) == adding:
        return None
    room.inside[target] ^= {letter}
    return (target.nick,)


def _listed(
    room: Place, adding: bool, letter: str, given: str | None
) -> Entry | Reason | None:
    if not given:
        return None
    masks = room.lists[letter]
    mask = MASKS.get(given)
    if mask is None:
        return Reason.BAD_MODE_ARGUMENT if adding else None
    there = [each for each in masks if key(each) == key(mask)]
    if bool(there) == adding:
        return None
    if adding:
        if len(masks) >= LIMITS.list_entries:
            return Reason.LIST_FULL
        masks.append(mask)
    else:
        masks.remove(there[0])
    return (mask,)
