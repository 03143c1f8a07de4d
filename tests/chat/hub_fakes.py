"""Sessions without a network, and a hub whose clock and ids are counted."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from netsvc.chat.courier import Courier, Keeper
from netsvc.chat.events import Event, Session
from netsvc.chat.hub import Hub
from netsvc.chat.limits import HubLimits
from netsvc.chat.member import Member, Person
from netsvc.chat.records import Record


class FakeWire:
    """A wire that writes events' numbers, and counts how often it encodes."""

    extended_monitor = False
    shows_hosts = True

    def __init__(self) -> None:
        """Start with nothing encoded."""
        self.encoded: list[Event] = []
        self.sent: list[tuple[bytes, tuple[Any, ...]]] = []

    def encode(self, event: Event) -> bytes:
        """Render an event as its class and msgid."""
        self.encoded.append(event)
        return f"{type(event).__name__} {event.msgid}\n".encode()

    def send(self, data: bytes, sessions: Sequence[Session]) -> None:
        """Write to all, and remember the write."""
        self.sent.append((data, tuple(sessions)))
        for session in sessions:
            session.send(data)


class FakeSession:
    """
    A session that remembers what it was given.

    @ivar seen: What was written, by lines.
    @ivar owned: Its own events.
    @ivar closed: Why it was closed, or C{None}.
    """

    def __init__(self, wire: FakeWire | None = None) -> None:
        """Start with nothing seen."""
        self.wire = wire or FakeWire()
        self.seen: list[str] = []
        self.owned: list[Event] = []
        self.closed: str | None = None
        self.member: Any = None

    def own(self, event: Event) -> None:
        """Remember an event of one's own, in order with the others."""
        self.owned.append(event)
        self.seen.append(f"own {type(event).__name__} {event.msgid}")

    def send(self, data: bytes) -> None:
        """Remember what was written."""
        self.seen += data.decode().splitlines()

    def close(self, reason: str) -> None:
        """Remember the reason."""
        self.closed = reason


class FakeKeeper:
    """
    Keeps records, and says so when it is told to.

    @ivar kept: The records.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.kept: list[Record] = []

    def append(self, record: Record) -> int:
        """Give the number of the record as its ticket."""
        self.kept.append(record)
        return len(self.kept)


class FakeArchive:
    """Names what is kept, and remembers which rooms are private."""

    def __init__(self) -> None:
        """Start with no room."""
        self.privacy: dict[str, bool] = {}
        self.sealed: list[str] = []

    def room_target(self, room: str) -> str:
        """Give the key itself."""
        return room

    def direct_target(self, first: str, second: str) -> str:
        """Give both names, sorted."""
        return " ".join(sorted((first, second)))

    def private(self, room: str, private: bool) -> None:
        """Remember it."""
        self.privacy[room] = private

    def ended(self, room: str) -> None:
        """Remember it."""
        self.sealed.append(room)


class Chat:
    """
    A hub with clocks that stand still until they are set.

    @ivar now: The time in seconds, of both clocks.
    """

    def __init__(
        self,
        limits: HubLimits | None = None,
        keeper: Keeper | None = None,
        **kwargs: Any,
    ) -> None:
        """
        Start with nobody.

        @param kwargs: More of what L{Hub} takes.
        """
        self.now = 1_000_000.0
        ids = itertools.count(1)
        self.courier = Courier(keeper)
        self.hub = Hub(
            name="irc.test.example",
            courier=self.courier,
            milliseconds=lambda: int(self.now * 1000),
            seconds=lambda: self.now,
            new_id=lambda: f"m{next(ids)}",
            limits=limits,
            **kwargs,
        )

    def enter(self, nick: str, **person: Any) -> Member:
        """
        Let somebody in, on a session of their own.

        @param person: What differs of L{Person}; C{wire}, and the class C{session}.
        """
        session = person.pop("session", FakeSession)(person.pop("wire", None))
        values = {"user": nick.lower(), "host": f"{nick.lower()}.example"} | person
        member = self.hub.enter(session, nick, Person(**values))
        session.member = member
        return member

    def room(self, name: str, *nicks: str) -> list[Member]:
        """Let people in, and into a room; the first is its operator."""
        members = [self.enter(nick) for nick in nicks]
        for member in members:
            self.hub.join(member, name)
        self.clear(*members)
        return members

    def clear(self, *members: Member) -> None:
        """Forget what sessions have seen."""
        for member in members:
            session = member.session
            assert isinstance(session, FakeSession)
            session.seen.clear()
            session.owned.clear()


def seen(member: Member) -> list[str]:
    """Give what somebody's session has seen."""
    session = member.session
    assert isinstance(session, FakeSession)
    return session.seen


def kinds(member: Member) -> list[str]:
    """Give the names of the events that somebody's session has seen, their own too."""
    return [each.removeprefix("own ").partition(" ")[0] for each in seen(member)]
