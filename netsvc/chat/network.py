"""
What all frontends of one chat share: the hub, and what is beside it.

The parts that need a disk or a thread come in as interfaces, so that the frontends'
sessions stay pure: what they give is awaited.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from netsvc.chat.accounts.registry import Accounts
from netsvc.chat.accounts.throttle import LoginThrottle
from netsvc.chat.events import Event
from netsvc.chat.hub import Hub
from netsvc.chat.member import Member
from netsvc.chat.names import fold
from netsvc.daemon.limits import Rate

#: Wrong passwords for OPER that one source may give, and that one name may be given.
OPER_SOURCE_RATE: Final = Rate(1 / 12, 5)
OPER_NAME_RATE: Final = Rate(1.0, 30)


class NoSuchMessage(Exception):  # noqa: N818 -- what is looked for, not a failure
    """The history has no message of that id in that target."""


class HistoryBusy(Exception):  # noqa: N818
    """Too many questions wait, or the store does not answer."""


@dataclass(frozen=True, slots=True)
class Point:
    """
    A point in a history: a msgid or a time.

    @ivar msgid: A message; or C{None}.
    @ivar time: A time in ms since the epoch; or C{None}.
    """

    msgid: str | None = None
    time: int | None = None


class History(Protocol):
    """
    What was said. Targets are from L{room_target} and L{direct_target}.

    All pages are ascending; bounds are exclusive; C{playback} asks for more than
    messages. Each raises L{NoSuchMessage} or L{HistoryBusy}.

    @ivar days: For how many days it is kept; 0 is for ever.
    @ivar messages: How many messages of a room are kept; 0 is all.
    """

    days: float
    messages: int

    def room_target(self, room: str) -> str:
        """Give the history's name for a room, by its key."""

    def direct_target(self, first: str, second: str) -> str:
        """Give the history's name for what two accounts (folded) say."""

    def latest(
        self, target: str, after: Point | None, limit: int, *, playback: bool = False
    ) -> Awaitable[list[Event]]:
        """Give the last ones, none of them at or before a point."""

    def before(
        self, target: str, point: Point, limit: int, *, playback: bool = False
    ) -> Awaitable[list[Event]]:
        """Give the last ones before a point."""

    def after(
        self, target: str, point: Point, limit: int, *, playback: bool = False
    ) -> Awaitable[list[Event]]:
        """Give the first ones after a point."""

    def around(
        self, target: str, point: Point, limit: int, *, playback: bool = False
    ) -> Awaitable[list[Event]]:
        """Give those around a point, with it."""

    def between(
        self,
        target: str,
        first: Point,
        second: Point,
        limit: int,
        *,
        playback: bool = False,
    ) -> Awaitable[list[Event]]:
        """Give those between two points, from the first one on: it may be later."""

    def conversations(
        self,
        account: str | None,
        rooms: Sequence[str],
        start: int,
        end: int,
        limit: int,
    ) -> Awaitable[list[tuple[str, int]]]:
        """
        Give who or what was last heard of between two times (ms, exclusive).

        @param account: Whose private conversations to look at, folded; or C{None}.
        @param rooms: Keys of rooms.
        @return: Keys of rooms, or of people (L{netsvc.chat.names.party}), each with
            the time of its last message.
        """

    def search(self, target: str, words: str, limit: int) -> Awaitable[list[Event]]:
        """Give the last messages that have all of some words."""

    def marker(self, account: str, target: str) -> Awaitable[int | None]:
        """Give how far an account has read a target (a key), in ms."""

    def set_marker(self, account: str, target: str, time: int) -> Awaitable[int]:
        """Move a read marker forwards; give where it is then."""


@dataclass(frozen=True, slots=True)
class Ban:
    """
    Who may not connect (a K-line).

    @ivar mask: C{user@host}, by the real address or the cloak.
    @ivar reason: What they are told.
    @ivar setter: Who set it.
    @ivar created: When, in ms since the epoch.
    @ivar expires: When it ends, or C{None}.
    """

    mask: str
    reason: str
    setter: str
    created: int
    expires: int | None


class Bans(Protocol):
    """Who may not connect."""

    def find(self, user: str, hosts: Sequence[str]) -> Ban | None:
        """Give the ban that names somebody."""

    def add(self, ban: Ban) -> Awaitable[None]:
        """Set a ban; it holds at once, and is kept."""

    def remove(self, mask: str) -> Awaitable[bool]:
        """Lift a ban; say whether there was one."""

    def all(self) -> Sequence[Ban]:
        """Give those that hold."""


class Verifier(Protocol):
    """Checks a password against a hash, elsewhere."""

    def verify(self, hashed: str, password: str) -> Awaitable[bool]:
        """Say whether a password belongs to a hash."""


@dataclass(kw_only=True)
class Network:
    """
    One chat.

    @ivar hub: People and rooms.
    @ivar name: The server's name, with a dot.
    @ivar network: What the network is called (one word).
    @ivar version: Of the program.
    @ivar started: When it started, in ms since the epoch.
    @ivar milliseconds: The wall clock.
    @ivar seconds: A clock that only goes forwards.
    @ivar cloak: Gives the host that is shown for an address.
    @ivar motd: The message of the day, by lines; empty for none.
    @ivar lobby: The room that line and UDP clients start in.
    @ivar password: The server's password, or C{None}.
    @ivar operators: Hashes (Argon2) by the operator's name.
    @ivar verifier: Checks operators' passwords.
    @ivar accounts: Accounts, or C{None} when there are none.
    @ivar history: What was said, or C{None} when it is not kept.
    @ivar forget: Takes what an account has said in private out of the history, and
        its name from the rest.
    @ivar bans: Who may not connect.
    @ivar rehash: Reads the configuration again; gives what went wrong, or empty.
    @ivar plain_login: Whether passwords may come over an unencrypted connection.
    @ivar counters: What happened, by name.
    @ivar admin: Lines that ADMIN answers with: place, organisation, contact.
    @ivar description: What the server is, in a few words; may be empty.
    @ivar noted: Is told what operators do: who, what (a fixed word), about what.
    @ivar oper_throttle: Admits tries of operators' passwords.
    """

    hub: Hub
    name: str
    network: str
    version: str
    started: int
    milliseconds: Callable[[], int]
    seconds: Callable[[], float]
    cloak: Callable[[str | None], str]
    motd: list[str] = field(default_factory=list)
    lobby: str = "#lobby"
    password: str | None = None
    operators: dict[str, str] = field(default_factory=dict)
    verifier: Verifier | None = None
    accounts: Accounts | None = None
    history: History | None = None
    forget: Callable[[str], None] = lambda account: None
    bans: Bans | None = None
    rehash: Callable[[], str | Awaitable[str]] = lambda: (
        "there is nothing to read again"
    )
    plain_login: bool = True
    counters: Counter[str] = field(default_factory=Counter)
    admin: tuple[str, str, str] = ("", "", "")
    description: str = ""
    noted: Callable[[str, str, str], None] = lambda who, what, about: None
    oper_throttle: LoginThrottle = field(
        default_factory=lambda: LoginThrottle(OPER_SOURCE_RATE, OPER_NAME_RATE)
    )

    def guest(self, prefix: str = "guest") -> str:
        """Give a guest's nick that nobody has."""
        number = self._guests
        while True:
            number += 1
            nick = f"{prefix}{number}"
            if fold(nick) not in self.hub.state.members:
                self._guests = number
                return nick

    _guests: int = 0

    def tell_operators(self, text: str) -> None:
        """Tell all operators something."""
        self.hub.announce(None, text)

    def kill(self, member: Member, reason: str) -> None:
        """End somebody's connection, and say why."""
        session = member.session
        self.hub.leave(member, reason)
        session.close(reason)
