"""
Which way what is said to somebody goes: directly, or by the relay. Pure.

What is said in a room always goes by the relay. What is said to one person goes
directly once there is a direct path to them that is confirmed; when that is lost, what
they have not acknowledged goes by the relay, and a new one is tried later. For a direct
path each of the two tells the other their address: so C{auto} asks for one when this
user writes to somebody, and agrees when somebody asks to whom this user has written.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from typing import Final, Literal

from netsvc.chat.client.commands import command
from netsvc.chat.line.speech import pieces
from netsvc.chat.names import fold, valid_nick
from netsvc.chat.text import clean
from netsvc.daemon.reflectors import REFLECTORS
from netsvc.relay.channel import NEVER
from netsvc.relay.client.friend import Friend
from netsvc.relay.client.mapping import Mapping
from netsvc.relay.direct import DirectPath, Sealer, name_of
from netsvc.relay.introducer import show
from netsvc.relay.introductions import (
    INTERVAL,
    Address,
    Answer,
    Ask,
    Introduction,
    Left,
    Notice,
    Offer,
    Renamed,
)

Mode = Literal["auto", "force", "never"]

MODES: Final[tuple[Mode, ...]] = ("auto", "force", "never")
"""What C{--direct} may be."""

MAX_FRIENDS: Final = 64
"""People of whom something is kept; see L{Paths._least} for who goes first."""

MAX_TEXT: Final = 900
"""Bytes of one message that goes directly; a longer one becomes several."""

ASK_AGAIN: Final = 60.0
"""Seconds until a direct path is asked for again; they double with each failure."""

LONGEST: Final = 3600.0
"""The most seconds until it is asked for again."""

SOON: Final = 5.5
"""Seconds until it is asked for again after a path that worked was lost."""

MAX_FAILURES: Final = 5
"""After how many failures a path that once worked is not asked for by itself."""


def _may_be_sent_to(address: Address, relay: str) -> bool:
    """
    Say whether an address can be a peer's: one machine's, and no service's; and this
    machine's own only if that is where the relay is.
    """
    host = ip_address(address[0])
    if host.is_loopback and not ip_address(relay).is_loopback:
        return False
    return not (host.is_multicast or host.is_unspecified or address[1] in REFLECTORS)


class Paths:
    """
    All of them.

    @ivar mode: What the user wants.
    @ivar mapping: What is known of the own NAT.
    @ivar ignored: Datagrams of nobody, and those that direct paths have ignored.
    """

    def __init__(
        self,
        mode: Mode,
        mapping: Mapping,
        make_seal: Callable[[bytes, bytes, int], Sealer],
        random: Callable[[int], bytes],
        tell: Callable[[str], None],
        by_relay: Callable[[str], None],
        notify: Callable[[Notice], None],
    ) -> None:
        """
        Begin with nobody.

        @param mode: What the user wants.
        @param mapping: What is known of the own NAT.
        @param make_seal: Makes what protects a path, of key, name and role.
        @param random: Gives so many random bytes.
        @param tell: Shows the user a line.
        @param by_relay: Sends the relay a line.
        @param notify: Sends the relay a notice.
        """
        self.mode = mode
        self.mapping = mapping
        self._make_seal = make_seal
        self._random = random
        self._tell = tell
        self._by_relay = by_relay
        self._notify = notify
        self._friends: OrderedDict[str, Friend] = OrderedDict()
        self._farewells: list[tuple[bytes, Address]] = []
        self.ignored: Counter[str] = Counter()

    # What the user does.

    def send(self, line: str, now: float) -> bool:
        """
        Take a line of the user.

        @return: Whether it is done with, and not for the relay.
        """
        name = command(line)
        if name not in ("direct", "msg", "path"):
            return False
        words = line.split(maxsplit=1)[1:]
        rest = words[0] if words else ""
        if name == "path":
            self._report(rest.strip(), now)
            return True
        if name == "direct":
            self._direct(rest.strip(), now)
            return True
        nick, _, text = rest.partition(" ")
        if self.mode == "never" or not text.strip() or not valid_nick(nick):
            return False
        return self._write(nick, text.strip(), now)

    def _write(self, nick: str, text: str, now: float) -> bool:
        """Write to somebody directly, if that is possible; say whether it is done."""
        friend = self._friend(nick)
        friend.wrote = True
        path = friend.path
        if path is not None and path.is_open:
            for piece in pieces(clean(text), MAX_TEXT):
                path.send(piece.encode("utf-8", "replace"))
            self._tell(f"(direct) -> {friend.nick}: {text}")
            return True
        self._ask(friend, now)
        if self.mode == "force":
            self._tell(
                f"! not sent: there is no direct path to {friend.nick}, and --direct"
                f" force takes no other (/path {friend.nick} says more)"
            )
            return True
        return False

    def _direct(self, nick: str, now: float) -> None:
        """/direct NICK: ask for a direct path."""
        if self.mode == "never":
            self._tell("! --direct never was given: there are no direct paths")
        elif not valid_nick(nick):
            self._tell("! type it as /direct NICK")
        else:
            friend = self._friend(nick)
            if friend.path is not None and friend.path.is_open:
                self._tell(friend.words(now, bool(self.mapping.is_symmetric)))
                return
            friend.insists = True
            self._ask(friend, now, at_once=True)

    def _ask(self, friend: Friend, now: float, at_once: bool = False) -> None:
        """Ask the relay for an introduction, if there is none going on."""
        if friend.path is not None or (now < friend.ask_at and not at_once):
            return
        self.mapping.again(now)
        friend.ask_at = now + min(ASK_AGAIN * 2**friend.failures, LONGEST)
        friend.asked_at = now
        friend.why = "asked for a direct path, no answer yet"
        self._notify(Ask(friend.nick))

    def _report(self, nick: str, now: float) -> None:
        """/path [NICK]: say which way everything goes, and why."""
        friends = list(self._friends.values())
        if nick:
            friends = [each for each in friends if fold(each.nick) == fold(nick)]
        for friend in friends:
            self._tell(friend.words(now, bool(self.mapping.is_symmetric)))
        if not friends:
            whom = f" with {nick}" if nick else ""
            self._tell(f"* path: all goes by the relay, no direct path{whom} was tried")
        if self.mapping.words():
            self._tell(f"* path: {self.mapping.words()}")

    # What comes.

    def notice(self, notice: Notice, now: float) -> None:
        """Take what the relay tells this client."""
        match notice:
            case Introduction():
                self._introduced(notice, now)
            case Offer(nick=nick):
                self._offered(nick, now)
            case Answer(nick=nick, refused=refused, text=text):
                self._answered(nick, refused, clean(text))
            case Renamed(old=old, new=new):
                friend = self._friends.pop(fold(old), None)
                if friend is not None:
                    self._forget(new)
                    friend.nick = new
                    self._friends[fold(new)] = friend
            case Left(nick=nick):
                self._forget(nick)

    def _introduced(self, introduction: Introduction, now: float) -> None:
        friend = self._friends.get(fold(introduction.nick))
        # Nobody is made to send datagrams to an address who has not asked for it.
        if friend is None or friend.asked_at is None:
            return
        friend.asked_at = None
        relay = self.mapping.relay[0]
        addresses = tuple(
            each for each in introduction.addresses if _may_be_sent_to(each, relay)
        )
        if not addresses:
            friend.why = "the relay gave no address that can be used"
            return
        introduction = replace(introduction, addresses=addresses)
        if friend.path is not None:
            # It may have messages that did not arrive.
            friend.path.close("there is a new one")
            self._fall_back(friend, friend.path, now)
        seal = self._make_seal(introduction.key, introduction.name, introduction.role)
        friend.told = False
        friend.path = DirectPath(introduction, seal, now, self._random)

    def _offered(self, nick: str, now: float) -> None:
        if self.mode == "never":
            return
        friend = self._friend(nick)
        asked = friend.asked_at
        if asked is not None and now < asked + INTERVAL:
            return
        if self.mode == "force" or friend.wrote:
            self._ask(friend, now, at_once=True)
        else:
            friend.why = f"{nick} asks for a direct path, and you have not agreed"
            self._tell(
                f"* direct: {nick} asks for a direct path: /direct {nick} agrees, and"
                " tells each the address of the other"
            )

    def _answered(self, nick: str, refused: bool, text: str) -> None:
        friend = self._friends.get(fold(nick))
        if friend is None:
            return
        friend.why = text
        if refused:
            friend.asked_at = None
            friend.failures += 1
        if friend.insists:
            friend.insists = not refused
            self._tell(f"! {text}" if refused else f"* direct: {text}")

    def datagram(self, datagram: bytes, address: Address, now: float) -> None:
        """Take a datagram of a peer, or of anybody."""
        name = name_of(datagram)
        for friend in self._friends.values():
            path = friend.path
            if path is None or path.introduction.name != name:
                continue
            before = path.ignored.copy()
            path.receive(datagram, address, now)
            self.ignored += path.ignored - before
            messages, path.messages = path.messages, []
            for message in messages:
                text = clean(message.decode("utf-8", "replace"))
                self._tell(f"(direct) -{friend.nick}- {text}")
            return
        self.ignored["junk"] += 1

    # Time.

    @property
    def is_idle(self) -> bool:
        """Whether all that was sent directly has arrived."""
        return not any(
            each.path and each.path.left() for each in self._friends.values()
        )

    def next_at(self) -> float:
        """Give when L{datagrams} is to be called at the latest; infinity for never."""
        when = NEVER
        if self._farewells:
            return 0.0
        for friend in self._friends.values():
            if friend.path is not None:
                when = min(when, friend.path.next_at())
            elif self._wants(friend):
                when = min(when, friend.ask_at)
        return when

    def datagrams(self, now: float) -> list[tuple[bytes, Address]]:
        """Give what is to be sent to peers now, and where."""
        found, self._farewells = self._farewells, []
        for friend in list(self._friends.values()):
            path = friend.path
            if path is None:
                if self._wants(friend) and now >= friend.ask_at:
                    self._ask(friend, now)
                continue
            found += path.datagrams(now)
            if path.ended is not None:
                self._fall_back(friend, path, now)
            elif path.is_open and not friend.told:
                friend.told = friend.worked = True
                friend.failures = 0
                friend.insists = False
                assert path.address is not None
                self._tell(f"* direct path to {friend.nick}: {show(path.address)}")
        return found

    def _wants(self, friend: Friend) -> bool:
        """Whether a path that once worked is to be asked for by itself."""
        return friend.worked and friend.failures < MAX_FAILURES

    def _fall_back(self, friend: Friend, path: DirectPath, now: float) -> None:
        """A path has ended, or has not come about: the relay carries on."""
        assert path.ended is not None
        friend.path = None
        friend.why = path.ended
        if friend.told:
            friend.ask_at = now + SOON
            self._tell(f"* direct path to {friend.nick} is over: {path.ended}")
        else:
            friend.failures += 1
            friend.ask_at = now + min(ASK_AGAIN * 2**friend.failures, LONGEST)
            if friend.insists:
                self._tell(friend.words(now, bool(self.mapping.is_symmetric)))
        friend.insists = friend.told = False
        for message in path.left():
            text = message.decode("utf-8", "replace")
            if self.mode == "force":
                self._doubt(friend, text)
            else:
                self._by_relay(f"/msg {friend.nick} {text}")

    def _doubt(self, friend: Friend, text: str) -> None:
        self._tell(f"! {friend.nick} may not have got this: {text}")

    def give_up(self, now: float) -> None:
        """Have the relay carry what has not arrived directly."""
        for friend in list(self._friends.values()):
            path = friend.path
            if path is not None and path.left():
                path.close("too slow")
                self._farewells += path.datagrams(now)
                self._fall_back(friend, path, now)

    def close(self) -> None:
        """End all paths; the others are told with the datagrams that are sent now."""
        for friend in list(self._friends.values()):
            self._forget(friend.nick)

    def _forget(self, nick: str) -> None:
        """Forget somebody, and end the path to them; say what may not have arrived."""
        friend = self._friends.pop(fold(nick), None)
        if friend is not None and friend.path is not None:
            for message in friend.path.left():
                self._doubt(friend, message.decode("utf-8", "replace"))
            friend.path.close("forgotten")
            self._farewells += friend.path.datagrams(0.0)

    def _friend(self, nick: str) -> Friend:
        """Give what is known of somebody, and keep it for longest."""
        key = fold(nick)
        friend = self._friends.get(key)
        if friend is None:
            if len(self._friends) >= MAX_FRIENDS:
                self._forget(self._least().nick)
            friend = self._friends[key] = Friend(nick)
        self._friends.move_to_end(key)
        return friend

    def _least(self) -> Friend:
        """
        Give who goes first: of those to whom this user has not turned, if there are
        any, so that nobody ends a path by asking under many nicks.
        """
        friends = self._friends.values()
        strangers = (each for each in friends if not each.wrote and each.path is None)
        return next(strangers, next(iter(friends)))
