"""Which changes of a room's modes are real, and why others are refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from netsvc.chat.events import Change, HubError, Reason
from netsvc.chat.limits import HubLimits
from netsvc.chat.masks import ACCOUNT, EXTENDED, MASK_LENGTH, MUTE, full
from netsvc.chat.names import fold, valid_key
from netsvc.chat.rooms import FLAGS, LISTS, PREFIXES, Room
from netsvc.chat.state import State

#: The highest limit of members that a room may be given.
MOST: Final = 2**31 - 1

_DIGITS: Final = len(str(MOST))


class _Plan:
    """What a room will look like after the changes so far."""

    def __init__(
        self, state: State, room: Room, limits: HubLimits, payer: str | bytes | None
    ) -> None:
        self.state = state
        # How many masks more; the server may set what there is room for.
        self.left = math.inf if payer is None else limits.masks - state.masks[payer]
        self.room = room
        self.limits = limits
        self.flags = set(room.flags)
        self.key = room.key
        self.limit = room.limit
        self.lists = {letter: set(masks) for letter, masks in room.lists.items()}
        self.statuses = {
            member.key: set(letters) for member, letters in room.members.items()
        }

    def change(self, change: Change) -> Change | None:
        """
        Plan one change.

        @return: The change in full form, or C{None} when it changes nothing.
        @raise HubError: If it cannot be made.
        """
        letter = change.letter
        if letter in FLAGS:
            return self._flag(change)
        if letter == "k":
            return self._key(change)
        if letter == "l":
            return self._limit(change)
        if letter in LISTS:
            return self._mask(change)
        if letter in PREFIXES:
            return self._status(change)
        raise HubError(Reason.UNKNOWN_MODE, letter)

    def _flag(self, change: Change) -> Change | None:
        if (change.letter in self.flags) == change.adding:
            return None
        (self.flags.add if change.adding else self.flags.discard)(change.letter)
        return Change(change.adding, change.letter)

    def _key(self, change: Change) -> Change | None:
        if not change.adding:
            if self.key is None:
                return None
            self.key = None
            return Change(False, "k", "*")
        key = change.argument
        if key is None or key == self.key:
            return None
        if not valid_key(key, length=self.limits.key):
            raise HubError(Reason.BAD_MODE_ARGUMENT, self.room.name, "k", key or "*")
        self.key = key
        return Change(True, "k", key)

    def _limit(self, change: Change) -> Change | None:
        if not change.adding:
            if self.limit is None:
                return None
            self.limit = None
            return Change(False, "l")
        text = change.argument
        if text is None:
            return None
        digits = text.removeprefix("+")
        plain = len(digits) <= _DIGITS and digits.isascii() and digits.isdigit()
        number = int(digits) if plain else 0
        if not 0 < number <= MOST:
            raise HubError(Reason.BAD_MODE_ARGUMENT, self.room.name, "l", text or "*")
        if number == self.limit:
            return None
        self.limit = number
        return Change(True, "l", str(number))

    def _mask(self, change: Change) -> Change | None:
        if not change.argument:
            return None
        mask = full(change.argument)
        listed = self.lists[change.letter]
        if (fold(mask) in listed) == change.adding:
            return None
        if change.adding:
            if not _presentable(mask) or _unknown(change.argument):
                raise HubError(
                    Reason.BAD_MODE_ARGUMENT,
                    self.room.name,
                    change.letter,
                    change.argument,
                )
            if len(listed) >= self.limits.list_entries or self.left <= 0:
                raise HubError(Reason.LIST_FULL, self.room.name, change.letter, mask)
            listed.add(fold(mask))
            self.left -= 1
        else:
            listed.discard(fold(mask))
        return Change(change.adding, change.letter, mask)

    def _status(self, change: Change) -> Change | None:
        if not change.argument:
            return None
        member = self.state.members.get(fold(change.argument))
        if member is None:
            raise HubError(Reason.NO_SUCH_NICK, change.argument)
        statuses = self.statuses.get(member.key)
        if statuses is None:
            raise HubError(Reason.NOT_ON_ROOM, member.nick, self.room.name)
        if (change.letter in statuses) == change.adding:
            return None
        (statuses.add if change.adding else statuses.discard)(change.letter)
        return Change(change.adding, change.letter, member.nick)


def _presentable(mask: str) -> bool:
    """Say whether a mask can stand in a list: as a word, and not too long a one."""
    return (
        len(mask) <= MASK_LENGTH
        and mask[0] != ":"
        and all(char > " " and not "\x7f" <= char <= "\x9f" for char in mask)
    )


def _unknown(argument: str) -> bool:
    """Say whether something is an extended mask (C{~x:}) of an unknown kind."""
    kind = argument.removeprefix(f"{EXTENDED}{MUTE}:")
    return kind[:1] == EXTENDED and kind[2:3] == ":" and kind[1:2] != ACCOUNT


def checked(
    state: State,
    room: Room,
    changes: Sequence[Change],
    limits: HubLimits,
    payer: str | bytes | None = None,
) -> tuple[list[Change], list[HubError]]:
    """
    Say what of some changes is real.

    @param state: The hub's.
    @param room: The room.
    @param changes: What is asked for, in order.
    @param limits: The hub's.
    @param payer: On whose account masks count (L{Member.payer
        <netsvc.chat.member.Member.payer>}); C{None} is the server.
    @return: What really changes, in full form, and why the rest is refused.
    """
    plan = _Plan(state, room, limits, payer)
    real: list[Change] = []
    refusals: list[HubError] = []
    for change in changes:
        try:
            done = plan.change(change)
        except HubError as e:
            refusals.append(e)
        else:
            if done is not None:
                real.append(done)
    return real, refusals
