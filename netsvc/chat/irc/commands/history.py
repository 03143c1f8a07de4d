"""CHATHISTORY: what was said before (IRCv3 C{draft/chathistory})."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from netsvc.chat.events import Event
from netsvc.chat.irc import numerics
from netsvc.chat.irc.batches import batch, end, start
from netsvc.chat.irc.commands import command
from netsvc.chat.irc.message import Message, build
from netsvc.chat.irc.pacing import paced
from netsvc.chat.irc.times import format_time, parse_time
from netsvc.chat.names import fold, is_room, party
from netsvc.chat.network import History, HistoryBusy, NoSuchMessage, Point

if TYPE_CHECKING:
    from netsvc.chat.irc.session import IrcSession

_DIGITS: Final = 9
"""Digits of a limit."""


class _Refused(Exception):  # noqa: N818 -- an answer, and no failure
    """
    A request is answered with FAIL.

    @ivar code: The code.
    @ivar context: What stands between it and the text.
    @ivar text: What to tell.
    """

    def __init__(self, code: str, *context: str, text: str) -> None:
        super().__init__(code)
        self.code = code
        self.context = context
        self.text = text


@dataclass
class _Request:
    """
    A request.

    @ivar verb: Its subcommand, in upper case.
    @ivar params: What follows that.
    """

    session: IrcSession
    history: History
    verb: str
    params: list[str]

    def bad(self, text: str, *context: str) -> _Refused:
        """Make the refusal of its parameters."""
        return _Refused("INVALID_PARAMS", self.verb, *context, text=text)

    @property
    def limit(self) -> int:
        """Its last parameter: how many messages it asks for at the most."""
        text = self.params[-1]
        digits = text.isascii() and text.isdigit() and len(text) <= _DIGITS
        if not digits or not int(text):
            raise self.bad("That is no number of messages", text)
        return min(int(text), self.session.frontend.config.history)

    def point(self, text: str) -> Point:
        """Read a reference: C{msgid=} or C{timestamp=}."""
        kind, equals, value = text.partition("=")
        if kind == "msgid" and value:
            return Point(msgid=value)
        if kind == "timestamp" and equals:
            time = parse_time(value)
            if time is not None:
                return Point(time=time)
        elif equals:
            what = "Messages cannot be named so"
            raise _Refused("INVALID_MSGREFTYPE", self.verb, text, text=what)
        raise self.bad("That is no reference to a message", text)

    def target(self) -> str:
        """Give the history's name for the target, which the client may read."""
        session, name = self.session, self.params[0]
        if is_room(name):
            room = session.hub.state.rooms.get(fold(name))
            if room is not None and session.me in room.members:
                return self.history.room_target(room.fold)
        elif session.me.account is not None:
            return self.history.direct_target(
                fold(session.me.account), self._other(name)
            )
        text = "There are no messages for you"
        raise _Refused("INVALID_TARGET", self.verb, name, text=text)

    def _other(self, name: str) -> str:
        """Give with whom a conversation is: who has the nick, or whose name it is."""
        member = self.session.hub.state.members.get(fold(name))
        if member is not None:
            return party(member.nick, member.account)
        accounts = self.session.network.accounts
        guest = accounts is not None and not accounts.exists(name)
        return party(name, None if guest else name)


@command("CHATHISTORY")
async def chathistory(session: IrcSession, message: Message) -> None:
    """CHATHISTORY LATEST|BEFORE|AFTER|AROUND|BETWEEN|TARGETS ...: ask for history."""
    history = session.network.history
    if history is None:
        session.numeric(numerics.ERR_UNKNOWNCOMMAND, message.verb)
        return
    verb = message.params[0].upper() if message.params else "*"
    request = _Request(session, history, verb, message.params[1:])
    try:
        form = _FORMS.get(verb)
        if form is None:
            raise request.bad("There is no such subcommand")
        if len(request.params) < form[0]:
            raise request.bad("There are too few parameters")
        await form[1](request)
    except NoSuchMessage:
        _fail(session, request, "That message is not known")
    except HistoryBusy:
        _fail(session, request, "Messages could not be retrieved; try again later")
    except _Refused as refused:
        session.fail(message.verb, refused.code, *refused.context, text=refused.text)


def _fail(session: IrcSession, request: _Request, text: str) -> None:
    """Answer that messages could not be retrieved."""
    session.fail(
        "CHATHISTORY", "MESSAGE_ERROR", request.verb, request.params[0], text=text
    )


async def _latest(request: _Request) -> None:
    """LATEST <target> <*|reference> <limit>."""
    after = None if request.params[1] == "*" else request.point(request.params[1])
    page = request.history.latest(
        request.target(), after, request.limit, playback=_playback(request)
    )
    await _show(request, await page)


async def _before(request: _Request) -> None:
    """BEFORE <target> <reference> <limit>."""
    point = request.point(request.params[1])
    page = request.history.before(
        request.target(), point, request.limit, playback=_playback(request)
    )
    await _show(request, await page)


async def _after(request: _Request) -> None:
    """AFTER <target> <reference> <limit>."""
    point = request.point(request.params[1])
    page = request.history.after(
        request.target(), point, request.limit, playback=_playback(request)
    )
    await _show(request, await page)


async def _around(request: _Request) -> None:
    """AROUND <target> <reference> <limit>."""
    point = request.point(request.params[1])
    page = request.history.around(
        request.target(), point, request.limit, playback=_playback(request)
    )
    await _show(request, await page)


async def _between(request: _Request) -> None:
    """BETWEEN <target> <reference> <reference> <limit>."""
    first, second = map(request.point, request.params[1:3])
    page = request.history.between(
        request.target(), first, second, request.limit, playback=_playback(request)
    )
    await _show(request, await page)


async def _targets(request: _Request) -> None:
    """TARGETS <timestamp> <timestamp> <limit>."""
    session = request.session
    first, last = (request.point(text).time for text in request.params[:2])
    if first is None or last is None:
        raise request.bad("Those are no timestamps", *request.params[:2])
    account = session.me.account
    found = await request.history.conversations(
        None if account is None else fold(account),
        list(session.me.rooms),
        first,
        last,
        request.limit,
    )
    name = session.network.name
    nicks = _nicks(session) if found else {}
    lines = []
    for key, time in found:
        room = session.me.rooms.get(key)
        target = nicks.get(key) or key.removeprefix("!") if room is None else room.name
        lines.append(
            build("CHATHISTORY", "TARGETS", target, format_time(time), source=name)
        )
    if "batch" in session.caps:
        reference = session.frontend.references.new()
        lines = [batch(name, reference, lines, "draft/chathistory-targets")]
    session.reply(b"".join(lines))


def _nicks(session: IrcSession) -> dict[str, str]:
    """
    Give a nick for each account that somebody here is logged in to: a conversation is
    kept under the account, and that alone is nobody whom one can write to.
    """
    found: dict[str, str] = {}
    for member in session.hub.state.members.values():
        if member.account is not None:
            key = fold(member.account)
            if key not in found or member.key == key:
                found[key] = member.nick
    return found


def _playback(request: _Request) -> bool:
    """Whether the client wants to see more than messages."""
    return "draft/event-playback" in request.session.caps


async def _show(request: _Request, page: list[Event]) -> None:
    """Send messages of the past."""
    session, target = request.session, request.params[0]
    name, wire = session.network.name, session.frontend.wires.get(session.caps)
    reference = None
    if "batch" in session.caps:
        reference = session.frontend.references.new()
        session.reply(start(name, reference, "chathistory", target))

    def finish() -> None:
        if reference is not None:
            session.reply(end(name, reference))

    lines = (wire.encode_own(event, batch=reference) for event in page)
    more = paced(session, "CHATHISTORY", lines, finish)
    if more is not None:
        await more


_FORMS: Final[
    dict[str, tuple[int, Callable[[_Request], Coroutine[Any, Any, None]]]]
] = {
    "LATEST": (3, _latest),
    "BEFORE": (3, _before),
    "AFTER": (3, _after),
    "AROUND": (3, _around),
    "BETWEEN": (4, _between),
    "TARGETS": (3, _targets),
}
"""How many parameters each subcommand takes, and what does it."""
