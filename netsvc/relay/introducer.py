"""
C{/direct NICK}: introduces people of the relay to each other.

Programs like C{netsvc chat} are told in a notice (L{netsvc.relay.introductions}), all
others in a line, which has all that it takes to speak to the other one directly.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any, Final

from netsvc.chat.admission import check_tell
from netsvc.chat.line.commands import Command, two
from netsvc.chat.line.refusals import Mistake
from netsvc.relay.introductions import (
    KEY,
    NAME,
    PATIENCE,
    Address,
    Introduction,
    Introductions,
    Left,
    Notice,
    Offer,
    Outcome,
    Renamed,
)

if TYPE_CHECKING:
    from netsvc.chat.line.session import LineSession

MAX_ACQUAINTANCES: Final = 64
"""People of whom one is told what becomes of them; the first ones are left out then."""


def show(address: Address) -> str:
    """Write an address as people do."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def plain(address: Address) -> Address:
    """Give an address without a scope, and as IPv4 if it is one in IPv6's clothes."""
    host, port = address[0].partition("%")[0], address[1]
    parsed = ip_address(host)
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped), port
    return str(parsed), port


class Introducer:
    """
    Introduces.

    A session takes part if its output has an C{address} (host, port) and says whether
    that is C{validated}; if it also has C{notify}, that is given notices, and its user
    is told by their program.
    """

    def __init__(
        self,
        random: Callable[[int], bytes] = os.urandom,
        rules: Introductions | None = None,
    ) -> None:
        """
        Begin with nobody.

        @param random: Gives so many random bytes, for names and keys.
        @param rules: Who may be introduced when.
        """
        self._random = random
        self.rules = rules or Introductions()
        # By which nicks each knows those whom they were introduced to.
        self._known: dict[LineSession, dict[LineSession, str]] = {}
        self.command = Command(
            "direct",
            "NICK",
            "ask for a direct path to somebody: when they ask too, both are told"
            " where the other one is",
            False,
            self.ask,
        )

    def ask(self, session: LineSession, rest: str) -> None:
        """
        /direct NICK: ask to be introduced to somebody.

        @raise Mistake: If that cannot be.
        """
        nick = two(rest)[0]
        if not nick:
            raise Mistake("type it as /direct NICK")
        answer = self.request(session, nick)
        if answer:
            session.note(answer)

    def request(self, session: LineSession, nick: str) -> str:
        """
        Ask for somebody to be introduced to somebody else.

        @return: What to tell who asks, if they are not introduced at once.
        @raise Mistake: If that cannot be.
        @raise HubError: If there is nobody of that nick, or they do not want to be
            spoken to.
        """
        me = session.me
        member = session.hub.member(nick)
        other: Any = member.session
        nick = member.nick
        if member is me:
            raise Mistake("that is you")
        if not set(me.rooms) & set(member.rooms):
            raise Mistake(f"you are in no room with {nick}")
        check_tell(member, me, "")
        mine, theirs = _address(session), _address(other)
        if mine is None:
            raise Mistake("a direct path begins at the UDP port, which you do not use")
        if theirs is None:
            raise Mistake(f"{nick} does not come by UDP: all goes by the server")
        if not session.output.validated:  # type: ignore[attr-defined]
            raise Mistake("show that you are there first: type your code")
        if not other.output.validated:
            raise Mistake(f"{nick} has not shown yet that they are there")
        if (":" in mine[0]) != (":" in theirs[0]):
            raise Mistake(f"you and {nick} do not use the same version of IP")
        now = session.network.seconds()
        return self._agree(session, other, self.rules.ask(session, other, now))

    def _agree(self, session: LineSession, other: LineSession, outcome: Outcome) -> str:
        """Do what has come of asking; give what to tell who has asked."""
        mine, theirs = session.me.nick, other.me.nick
        if outcome is Outcome.AGREED:
            name, key = self._random(NAME), self._random(KEY)
            for role, (one, two_) in enumerate(((session, other), (other, session))):
                address = _address(two_)
                assert address is not None
                self._introduce(
                    one, Introduction(name, role, key, two_.me.nick, (address,))
                )
                self._remember(one, two_)
            return ""
        if outcome is Outcome.OFFERED:
            if not _notify(other, Offer(mine)):
                other.note(
                    f"{mine} asks for a direct path to you: /direct {mine} agrees, and"
                    " tells each the address of the other"
                )
            return f"{theirs} is asked to agree to a direct path within {PATIENCE:g} s"
        if outcome is Outcome.WAITING:
            return f"{theirs} was asked already"
        if outcome is Outcome.TOO_SOON:
            raise Mistake(f"you and {theirs} were introduced a moment ago")
        raise Mistake("you wait for the answers of too many others")

    def _introduce(self, session: LineSession, found: Introduction) -> None:
        """Tell one side."""
        if _notify(session, found):
            return
        where = " ".join(map(show, found.addresses))
        session.note(
            f"direct: {found.nick} is at {where}, name {found.name.hex()},"
            f" you are {found.role}, key {found.key.hex()}"
        )

    def _remember(self, session: LineSession, other: LineSession) -> None:
        nicks = self._known.setdefault(session, {})
        nicks.pop(other, None)
        nicks[other] = other.me.nick
        if len(nicks) > MAX_ACQUAINTANCES:
            del nicks[next(iter(nicks))]

    def look(self) -> None:
        """
        Tell who is called otherwise now; to be called about once a second.

        Whoever was introduced to somebody must not take another one of the same nick
        for them.
        """
        for session, nicks in self._known.items():
            for other, old in nicks.items():
                member = other.member
                if member is not None and member.nick != old:
                    nicks[other] = member.nick
                    _notify(session, Renamed(old, member.nick))

    def gone(self, session: LineSession) -> None:
        """Take that a session has ended: those who know it are told."""
        self.rules.forget(session)
        for other in self._known.pop(session, ()):
            nick = self._known.get(other, {}).pop(session, None)
            if nick is not None:
                _notify(other, Left(nick))


def _address(session: Any) -> Address | None:
    """Give the address of a session on the relay; C{None} for others."""
    address = getattr(getattr(session, "output", None), "address", None)
    found: Address | None = None
    with suppress(ValueError):
        found = None if address is None else plain(address)
    return found


def _notify(session: Any, notice: Notice) -> bool:
    """Tell a program; say whether there is one that can be told."""
    notify = getattr(session.output, "notify", None)
    if notify is None:
        return False
    notify(notice)
    return True
