"""
What happens in the hub, as frozen values; and what the hub asks of a session.

A command of the hub checks, then publishes one of these events. The event says who
did it as they were at that moment (L{Source}), so that it means the same to whoever
reads it later: a frontend, another daemon, the history.

Times are integer milliseconds since the epoch. Rooms and nicks are spelled as people
wrote them; L{netsvc.chat.names.fold} gives the key of each.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol


@dataclass(frozen=True, slots=True)
class Source:
    """
    Who caused an event, as they were then.

    @ivar nick: The nick; empty for the server itself.
    @ivar user: The user name.
    @ivar host: The host that others may see (cloaked); the server's name.
    @ivar account: The account, or C{None} when not logged in.
    @ivar realname: What they call themselves.
    @ivar bot: Whether they said that they are a bot.
    """

    nick: str
    user: str
    host: str
    account: str | None = None
    realname: str = ""
    bot: bool = False

    @property
    def mask(self) -> str:
        """C{nick!user@host}."""
        return f"{self.nick}!{self.user}@{self.host}"


def server_source(name: str) -> Source:
    """Give the source of what the server of that name does by itself."""
    return Source("", "", name)


class Kind(enum.StrEnum):
    """The sorts of messages."""

    MESSAGE = "privmsg"
    NOTICE = "notice"
    TAGS = "tagmsg"


#: Client-only tags with which a message of tags alone is worth keeping: reactions, and
#: what its sender wants to be kept. Others, such as C{+typing}, are of the moment.
LASTING = frozenset({"+draft/persist", "+draft/react", "+draft/unreact"})


@dataclass(frozen=True, slots=True)
class Event:
    """
    What all events have.

    @ivar time: When, in ms since the epoch.
    @ivar msgid: Its name, unique for ever: letters, digits and C{-}.
    @ivar source: Who.
    """

    time: int
    msgid: str
    source: Source

    #: Whether rooms keep it in their history.
    kept: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class RoomEvent(Event):
    """
    What happens in a room.

    @ivar room: The room's name, as it is spelled there.
    """

    room: str


@dataclass(frozen=True, slots=True)
class Said(Event):
    """
    A message.

    @ivar target: A room's name, or a nick.
    @ivar kind: What sort of message.
    @ivar text: The text; empty for L{Kind.TAGS}.
    @ivar status: C{@} or C{+} when it is for those who have that prefix or a
        higher one in the room alone; else empty.
    @ivar tags: IRCv3 client-only tags, with their C{+}: names and values.
    @ivar to: Who it is for, when that is a person; C{None} when it is a room.
    """

    target: str
    kind: Kind
    text: str
    status: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    to: Source | None = None
    kept: ClassVar[bool] = True

    @property
    def lasting(self) -> bool:
        """Say whether it is worth keeping."""
        return self.kind is not Kind.TAGS or any(
            name in LASTING for name, _ in self.tags
        )


@dataclass(frozen=True, slots=True)
class Joined(RoomEvent):
    """
    Somebody came into a room.

    @ivar away: Their away text, or C{None} when they are here.
    """

    away: str | None = None
    kept: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Parted(RoomEvent):
    """Somebody left a room."""

    reason: str = ""
    kept: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Kicked(RoomEvent):
    """
    Somebody was put out of a room.

    @ivar nick: Whom.
    """

    nick: str
    reason: str
    kept: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class TopicSet(RoomEvent):
    """A room's topic was set; empty when it was taken away."""

    topic: str
    kept: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Change:
    """
    One change of a mode.

    @ivar adding: Whether it is set.
    @ivar letter: The IRC letter.
    @ivar argument: What belongs to it: a nick, a mask, a number, a key.
    """

    adding: bool
    letter: str
    argument: str | None = None


@dataclass(frozen=True, slots=True)
class ModesSet(RoomEvent):
    """Modes of a room were changed: only what really changed, in order."""

    changes: tuple[Change, ...]
    kept: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Invited(RoomEvent):
    """
    Somebody was invited.

    @ivar nick: Whom.
    """

    nick: str


@dataclass(frozen=True, slots=True)
class InvitationSeen(Invited):
    """The same, as the room's other members may be shown it (invite-notify)."""


@dataclass(frozen=True, slots=True)
class Quit(Event):
    """Somebody left altogether."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Renamed(Event):
    """
    Somebody took another nick; the source has the old one.

    @ivar nick: The new one.
    """

    nick: str


@dataclass(frozen=True, slots=True)
class AwaySet(Event):
    """Somebody went away, or came back (C{None})."""

    text: str | None


@dataclass(frozen=True, slots=True)
class AccountSet(Event):
    """Somebody logged in, or out (C{None}); the source has the new state."""

    account: str | None


@dataclass(frozen=True, slots=True)
class RealnameSet(Event):
    """Somebody calls themselves otherwise; the source has the new name."""

    realname: str


@dataclass(frozen=True, slots=True)
class HostSet(Event):
    """Somebody's user or host name was changed; the source has the old ones."""

    user: str
    host: str


@dataclass(frozen=True, slots=True)
class Announced(Event):
    """
    An operator speaks to everybody who listens to that (WALLOPS).

    @ivar text: What.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Came(Event):
    """Somebody is there now, under the source's nick. Not shown; for watchers."""


@dataclass(frozen=True, slots=True)
class Watched(Event):
    """
    Somebody who is watched came or went (MONITOR).

    @ivar nick: The nick that came or went.
    @ivar online: Whether it is there now.
    """

    nick: str
    online: bool


class Reason(enum.Enum):
    """Why the hub refuses a command, and what L{HubError.context} holds then."""

    NICK_EMPTY = "no nick was given"
    NICK_INVALID = "that is no valid nick"  # nick
    NICK_IN_USE = "that nick is taken"  # nick
    NICK_RESERVED = "that nick belongs to an account"  # nick
    NICK_CONFUSABLE = "that nick looks like another one"  # nick
    NO_SUCH_NICK = "there is nobody of that name"  # nick
    NO_SUCH_ROOM = "there is no such room"  # room
    ROOM_INVALID = "that is no valid name of a room"  # room
    TOO_MANY_ROOMS = "you are in too many rooms"  # room
    ROOM_FULL = "the room is full"  # room
    ROOM_KEY = "the room has a key, and it is another one"  # room
    ROOM_INVITE_ONLY = "the room is for invited people only"  # room
    BANNED = "you are banned from the room"  # room
    ACCOUNT_NEEDED = "you must be logged in for that"  # room
    NOT_IN_ROOM = "you are not in that room"  # room
    NOT_ON_ROOM = "they are not in that room"  # nick, room
    ALREADY_IN_ROOM = "they are in that room already"  # nick, room
    NOT_OPERATOR = "only operators of the room may do that"  # room
    CANNOT_SEND = "you may not speak there"  # room, why
    MUTED = "you are muted there"  # room
    ACCOUNTS_ONLY = "they hear those who are logged in only"  # nick
    NO_CTCP = "they want no CTCP"  # nick
    NO_TEXT = "there is no text to send"
    LIST_FULL = "the list is full"  # room, letter, mask
    UNKNOWN_MODE = "there is no such mode"  # letter
    BAD_MODE_ARGUMENT = "that is no value of the mode"  # target, letter, argument
    TOO_FAST = "that was too fast"  # what
    HUB_FULL = "there is no room for more people"


class HubError(Exception):
    """
    The hub refuses a command: a mistake of the peer, never of ours.

    @ivar reason: Why.
    @ivar context: What it is about, as the comments of L{Reason} say.
    """

    def __init__(self, reason: Reason, *context: str) -> None:
        """Refuse for a reason."""
        super().__init__(reason, *context)
        self.reason = reason
        self.context = context

    def __str__(self) -> str:
        """Say it in English."""
        return ": ".join([*self.context[:1], self.reason.value])


class Wire(Protocol):
    """
    How events look to all sessions of one frontend, format and capability set.

    Sessions share a wire when the same bytes are right for all of them.

    @ivar extended_monitor: Whether its sessions want to hear all about those whom
        they watch, not only that they come and go.
    @ivar shows_hosts: Whether they are shown L{HostSet}, or need not know. Others are
        shown that its bearer leaves, and comes back.
    """

    @property
    def extended_monitor(self) -> bool:
        """Whether they want to hear all."""

    @property
    def shows_hosts(self) -> bool:
        """Whether they are shown new hosts."""

    def encode(self, event: Event) -> bytes:
        """Render an event; no bytes when it is not shown there."""

    def send(self, data: bytes, sessions: Sequence[Session]) -> None:
        """Write the same bytes to many sessions."""


class Session(Protocol):
    """
    One connection of a frontend, as the hub knows it.

    @ivar wire: What it shares with others of its format. The hub reads it when it
        groups the members of a room: see L{netsvc.chat.hub.Hub.regroup}.
    """

    @property
    def wire(self) -> Wire:
        """What it shares with others of its format."""

    def own(self, event: Event) -> None:
        """Show this session an event that its own member caused."""

    def send(self, data: bytes) -> None:
        """Write to this session alone."""

    def close(self, reason: str) -> None:
        """End the session, for a reason that its user is told."""
