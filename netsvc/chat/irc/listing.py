"""LIST: which rooms it asks for (005 C{ELIST=CMNTU})."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from netsvc.chat.masks import compiled
from netsvc.chat.names import fold

CONDITION_LIMIT: Final = 8
"""Conditions of one LIST; each is compared with every room."""

ROOMS_LIMIT: Final = 100
"""Rooms named in one LIST."""

_MINUTE: Final = 60_000
_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class Condition:
    """
    One condition.

    @ivar what: C{C} (when it was made), C{T} (when its topic was set), C{U} (how many
        people are in it), or C{M} and C{N} (its name matches a mask, or does not).
    @ivar above: For the first three: more than the number, rather than less.
    @ivar number: Minutes ago, or people.
    @ivar mask: What folded names match.
    """

    what: str
    above: bool = False
    number: int = 0
    mask: re.Pattern[str] | None = None

    def holds(
        self, name: str, users: int, created: int, topic: int | None, now: int
    ) -> bool:
        """
        Say whether it holds for a room.

        @param name: The room's folded name.
        @param users: How many are in it.
        @param created: When it was made, in ms since the epoch.
        @param topic: When its topic was set, in ms; C{None} without a topic.
        @param now: The time, in ms.
        """
        if self.mask is not None:
            return (self.mask.fullmatch(name) is not None) == (self.what == "M")
        if self.what == "U":
            return users > self.number if self.above else users < self.number
        since = created if self.what == "C" else topic
        if since is None:
            return False
        age, limit = now - since, self.number * _MINUTE
        return age > limit if self.above else age < limit


@dataclass(frozen=True, slots=True)
class ListRequest:
    """
    What a LIST asks for.

    @ivar rooms: The rooms that it names, folded; none asks for all.
    @ivar conditions: What must hold besides, all of it.
    @ivar dropped: What went beyond a limit and does not count.
    """

    rooms: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    dropped: int = 0

    def matches(
        self, name: str, users: int, created: int, topic: int | None, now: int
    ) -> bool:
        """
        Say whether a room is asked for. Whether it may be shown is not asked here.

        @param name: The room's name.
        @param users: How many are in it.
        @param created: When it was made, in ms since the epoch.
        @param topic: When its topic was set, in ms; C{None} without a topic.
        @param now: The time, in ms.
        """
        name = fold(name)
        if self.rooms and name not in self.rooms:
            return False
        return all(
            each.holds(name, users, created, topic, now) for each in self.conditions
        )


def parse_list(params: Sequence[str]) -> ListRequest:
    """
    Read the parameters of LIST: names, conditions and masks, with commas between.

    A condition whose number is none is left out.
    """
    rooms: dict[str, None] = {}
    conditions: list[Condition] = []
    dropped = 0
    for item in ",".join(params[:2]).split(","):
        condition = _condition(item)
        if condition is not None:
            if len(conditions) < CONDITION_LIMIT:
                conditions.append(condition)
            else:
                dropped += 1
        elif item and item[0] not in "<>" and item[1:2] not in ("<", ">"):
            if len(rooms) < ROOMS_LIMIT:
                rooms[fold(item)] = None
            else:
                dropped += 1
    return ListRequest(tuple(rooms), tuple(conditions), dropped)


def _condition(item: str) -> Condition | None:
    """Read a condition; C{None} if it is none."""
    if item[:1] == "!" and len(item) > 1:
        return Condition("N", mask=mask_pattern(item[1:]))
    what, rest = ("U", item) if item[:1] in ("<", ">") else (item[:1].upper(), item[1:])
    if what in ("C", "T", "U") and rest[:1] in ("<", ">"):
        number = rest[1:]
        if number.isascii() and number.isdigit() and len(number) <= _DIGITS:
            return Condition(what, rest[0] == ">", int(number))
        return None
    if "*" in item or "?" in item:
        return Condition("M", mask=mask_pattern(item))
    return None


def mask_pattern(mask: str) -> re.Pattern[str]:
    """Compile a mask of C{*} and C{?}, which matches folded names."""
    return compiled(fold(mask))
