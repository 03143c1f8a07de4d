"""Rooms: who is in them, their modes and lists, and who hears what is said there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from netsvc.chat.events import Session, Wire
from netsvc.chat.masks import Identity, Mask
from netsvc.chat.names import fold

if TYPE_CHECKING:
    from netsvc.chat.member import Member

OPERATOR: Final = "o"
VOICE: Final = "v"

#: Statuses and their prefixes, highest first (PREFIX=(ov)@+).
PREFIXES: Final = {OPERATOR: "@", VOICE: "+"}

#: Modes that are lists of masks: bans, exceptions to them, standing invitations.
LISTS: Final = "beI"

#: Modes that are on or off: no CTCP, invite-only, moderated, no messages from
#: outside, accounts only, secret, topic for operators only.
FLAGS: Final = "CimnRst"

#: What a new room starts with.
DEFAULT_FLAGS: Final = "nt"

#: Modes under which what is said is nobody else's business, later either.
PRIVATE: Final = frozenset("is")

Audience = dict[Wire, list[Session]]


def audience(members: Iterable[Member]) -> Audience:
    """Group the sessions of people by their wires."""
    groups: Audience = {}
    for member in members:
        session = member.session
        group = groups.get(session.wire)
        if group is None:
            groups[session.wire] = [session]
        else:
            group.append(session)
    return groups


class Room:
    """
    A room.

    @ivar name: As its first member wrote it.
    @ivar fold: Its key among rooms.
    @ivar created: When, in ms since the epoch.
    @ivar members: Those in it, with their statuses (letters of L{PREFIXES}).
    @ivar flags: Letters of L{FLAGS} that are on.
    @ivar key: What one must know to join, or C{None}.
    @ivar limit: How many may be in it, or C{None}.
    @ivar lists: Masks by letter of L{LISTS}, each by its folded text.
    @ivar invited: Those whom an operator's invitation lets in once.
    """

    __slots__ = (
        "_audience",
        "created",
        "flags",
        "fold",
        "invited",
        "key",
        "limit",
        "lists",
        "members",
        "name",
        "topic",
        "topic_by",
        "topic_time",
    )

    def __init__(self, name: str, created: int) -> None:
        """
        Start empty.

        @param name: Its name.
        @param created: The time.
        """
        self.name = name
        self.fold = fold(name)
        self.created = created
        self.topic = ""
        self.topic_by = ""
        self.topic_time = 0
        self.flags = set(DEFAULT_FLAGS)
        self.key: str | None = None
        self.limit: int | None = None
        self.members: dict[Member, set[str]] = {}
        self.lists: dict[str, dict[str, Mask]] = {letter: {} for letter in LISTS}
        self.invited: set[Member] = set()
        self._audience: Audience | None = None

    @property
    def secret(self) -> bool:
        """Whether it is hidden from those outside."""
        return "s" in self.flags

    @property
    def private(self) -> bool:
        """Whether its history is only for those who were let in."""
        return self.key is not None or not PRIVATE.isdisjoint(self.flags)

    def operator(self, member: Member) -> bool:
        """Say whether somebody is an operator here."""
        return OPERATOR in self.members.get(member, ())

    def voiced(self, member: Member) -> bool:
        """Say whether somebody has a voice, or more, here."""
        return bool(self.members.get(member))

    def prefixes(self, member: Member) -> str:
        """Give somebody's prefixes here, highest first; empty outside."""
        statuses = self.members.get(member)
        if not statuses:
            return ""
        return "".join(
            prefix for letter, prefix in PREFIXES.items() if letter in statuses
        )

    def audience(self) -> Audience:
        """Give the sessions of all members, by wire. Not to be changed."""
        groups = self._audience
        if groups is None:
            groups = self._audience = audience(self.members)
        return groups

    def with_status(self, prefix: str) -> list[Member]:
        """Give those who have a prefix, or a higher one."""
        letters = []
        for letter, each in PREFIXES.items():
            letters.append(letter)
            if each == prefix:
                break
        return [
            member
            for member, statuses in self.members.items()
            if not statuses.isdisjoint(letters)
        ]

    def regroup(self) -> None:
        """Forget who hears what: members or wires have changed."""
        self._audience = None

    # Masks.

    def listed(self, letter: str, who: Identity, *, mutes: bool | None = None) -> bool:
        """
        Say whether a list names somebody.

        @param mutes: Look at masks that mute only, or at others only.
        """
        return any(
            mask.matches(who)
            for mask in self.lists[letter].values()
            if mutes is None or mask.mutes == mutes
        )

    def banned(self, who: Identity) -> bool:
        """Say whether somebody may not come in."""
        return (
            bool(self.lists["b"])
            and self.listed("b", who, mutes=False)
            and not self.listed("e", who, mutes=False)
        )

    def silenced(self, who: Identity) -> bool:
        """Say whether a ban or a mute keeps somebody from speaking."""
        return (
            bool(self.lists["b"])
            and self.listed("b", who)
            and not self.listed("e", who)
        )

    def mode_letters(self, *, show_key: bool) -> tuple[str, list[str]]:
        """
        Give the modes that are set, as in a MODE line.

        @param show_key: Whether to tell the key.
        @return: C{+} and the letters, and the arguments.
        """
        letters = "".join(sorted(self.flags))
        arguments = []
        if self.key is not None:
            letters += "k"
            arguments.append(self.key if show_key else "*")
        if self.limit is not None:
            letters += "l"
            arguments.append(str(self.limit))
        return "+" + letters, arguments
