"""People: one for each connection that is through its registration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from netsvc.chat.events import Session, Source
from netsvc.chat.masks import Identity
from netsvc.chat.names import fold
from netsvc.daemon.limits import source_key

if TYPE_CHECKING:
    from netsvc.chat.rooms import Room

#: User modes: invisible, operator, wallops, bot; no private messages of those without
#: an account; no CTCP.
USER_MODES = "iowBRT"

_NO_MODES: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """
    What a frontend knows of who connects.

    @ivar user: The user name.
    @ivar host: The host that others see.
    @ivar address: The real address, for operators and limits; empty for none.
    @ivar realname: What they call themselves.
    @ivar account: The account, or C{None}.
    @ivar secure: Whether the connection is encrypted.
    @ivar fingerprint: SHA-256 of their certificate, or C{None}.
    @ivar frontend: C{irc}, C{line}, ...
    """

    user: str
    host: str
    address: str = ""
    realname: str = ""
    account: str | None = None
    secure: bool = False
    fingerprint: str | None = None
    frontend: str = "line"


class Member:
    """
    Somebody in the hub.

    Frontends read all of this, and change it through the hub only.

    @ivar session: Their connection.
    @ivar person: What the frontend knew when they came.
    @ivar nick: Their nick.
    @ivar rooms: Where they are, by key.
    @ivar away: Their away text, or C{None}.
    @ivar modes: Letters of L{USER_MODES}.
    @ivar oper: The operator's name under which they are one, or C{None}.
    @ivar since: When they came, in ms since the epoch.
    @ivar active: When they last said something.
    @ivar invited: Keys of the rooms that an invitation lets them into.
    @ivar watching: Keys of the nicks whose coming and going they want to know.
    """

    __slots__ = (
        "__weakref__",
        "_accepted",
        "_identity",
        "_payer",
        "_source",
        "account",
        "active",
        "away",
        "host",
        "invited",
        "key",
        "modes",
        "nick",
        "oper",
        "person",
        "realname",
        "rooms",
        "session",
        "since",
        "skeleton",
        "user",
        "watching",
    )

    def __init__(self, session: Session, nick: str, person: Person, now: int) -> None:
        """
        Start outside all rooms.

        @param now: The time, in ms since the epoch.
        """
        self.session = session
        self.person = person
        self.nick = nick
        self.key = fold(nick)
        self.user = person.user
        self.host = person.host
        self.realname = person.realname
        self.account = person.account
        self.away: str | None = None
        self.modes = _NO_MODES
        self.oper: str | None = None
        self.rooms: dict[str, Room] = {}
        self.since = self.active = now
        self.invited: dict[str, None] = {}
        self.watching: dict[str, str] = {}
        self._accepted: WeakKeyDictionary[Member, None] | None = None
        self.skeleton = ""
        self._source: Source | None = None
        self._identity: Identity | None = None
        self._payer: str | bytes | None = None

    @property
    def accepted(self) -> list[Member]:
        """Who may write to them in spite of mode C{R}, the latest last."""
        return [] if self._accepted is None else list(self._accepted)

    def accept(self, other: Member, most: int) -> None:
        """
        Let somebody write to them in spite of mode C{R}, until either goes.

        @param most: How many; who was accepted first is forgotten.
        """
        if self._accepted is None:
            # Few have one, and whoever is gone is in none.
            self._accepted = WeakKeyDictionary()
        self._accepted.pop(other, None)
        self._accepted[other] = None
        if len(self._accepted) > most:
            del self._accepted[next(iter(self._accepted))]

    def accepts(self, other: Member) -> bool:
        """Say whether somebody was accepted."""
        return self._accepted is not None and other in self._accepted

    def unaccept(self, other: Member) -> None:
        """Take that back."""
        if self._accepted is not None:
            self._accepted.pop(other, None)

    @property
    def payer(self) -> str | bytes:
        """On whose account they use what there is little of: their own, or that of
        all who come from where they do."""
        payer = self._payer
        if payer is None:
            if self.account is None:
                payer = source_key(self.person.address)
            else:
                payer = f"account {fold(self.account)}"
            self._payer = payer
        return payer

    def changed(self) -> None:
        """Forget what was made of their names."""
        self._source = self._identity = self._payer = None

    @property
    def source(self) -> Source:
        """Who they are now."""
        source = self._source
        if source is None:
            source = self._source = Source(
                self.nick,
                self.user,
                self.host,
                self.account,
                self.realname,
                "B" in self.modes,
            )
        return source

    @property
    def identity(self) -> Identity:
        """What masks are compared with: by the shown host and the real one."""
        identity = self._identity
        if identity is None:
            hosts = dict.fromkeys((self.host, self.person.address or self.host))
            identity = self._identity = Identity(
                tuple(fold(f"{self.nick}!{self.user}@{host}") for host in hosts),
                None if self.account is None else fold(self.account),
            )
        return identity
