"""STATS: what the server counts, and whom it knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from netsvc.chat.irc import numerics
from netsvc.chat.irc.commands import command
from netsvc.chat.irc.link import Work
from netsvc.chat.irc.message import Message
from netsvc.chat.irc.pacing import paced
from netsvc.chat.irc.shown import is_oper
from netsvc.chat.irc.targets import ours
from netsvc.chat.irc.times import format_seconds

if TYPE_CHECKING:
    from netsvc.chat.irc.session import IrcSession


def _numeric(session: IrcSession, code: str, *params: str, text: str) -> bytes:
    """A numeric for somebody."""
    return numerics.reply(
        session.network.name, code, session.client, *params, text=text
    )


def _uptime(session: IrcSession) -> Iterator[bytes]:
    """How long the server has been running."""
    network = session.network
    seconds = max(0, network.milliseconds() - network.started) // 1000
    days, rest = divmod(seconds, 86400)
    text = f"Server Up {days} days {rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}"
    yield _numeric(session, numerics.RPL_STATSUPTIME, text=text)


def _commands(session: IrcSession) -> Iterator[bytes]:
    """How often each command was used."""
    for verb, times in sorted(session.frontend.used.items()):
        yield numerics.reply(
            session.network.name,
            numerics.RPL_STATSCOMMANDS,
            session.client,
            verb,
            str(times),
        )


def _operators(session: IrcSession) -> Iterator[bytes]:
    """Who may be an operator."""
    for name in sorted(session.network.operators):
        yield numerics.reply(
            session.network.name,
            numerics.RPL_STATSOLINE,
            session.client,
            *("O", "*", "*", name),
        )


def _present(session: IrcSession) -> Iterator[bytes]:
    """Which operators are there."""
    for member in list(session.hub.state.members.values()):
        if member.oper is None:
            yield b""
        else:
            away = "" if member.away is None else " (away)"
            text = f"{member.source.mask}{away}"
            yield _numeric(session, numerics.RPL_STATSDEBUG, "p", text=text)


def _links(session: IrcSession) -> Iterator[bytes]:
    """Each connection: what waits for it, and for how long it has been there."""
    now = session.network.seconds()
    for each in list(session.frontend.sessions):
        name = f"{each.client}[{each.peer.address or 'local'}]"
        waiting, open_for = each.link.pending(), int(now - each.since)
        text = f"{waiting} bytes waiting, open for {open_for} seconds"
        yield _numeric(session, numerics.RPL_STATSLINKINFO, name, text=text)


def _bans(session: IrcSession) -> Iterator[bytes]:
    """Who may not connect."""
    bans = session.network.bans
    for ban in [] if bans is None else bans.all():
        until = "for ever"
        if ban.expires is not None:
            until = f"until {format_seconds(ban.expires // 1000)}Z"
        user, _, host = ban.mask.rpartition("@")
        text = f"{ban.reason} (by {ban.setter}, {until})"
        params = ("K", host, "*", user or "*")
        yield _numeric(session, numerics.RPL_STATSKLINE, *params, text=text)


#: What each letter asks for.
REPORTS: Final[dict[str, Callable[[IrcSession], Iterator[bytes]]]] = {
    "u": _uptime,
    "m": _commands,
    "o": _operators,
    "p": _present,
    "l": _links,
    "k": _bans,
}

#: Letters that everybody may use; the others are for operators of the server.
FOR_ALL: Final = "ump"


@command("STATS", least=1)
def stats(session: IrcSession, message: Message) -> Work | None:
    """STATS <letter> [<server>]: u, m and p for all; o, l and k for operators."""
    params = message.params
    letter = params[0][:1]
    if len(params) > 1 and not ours(session, params[1]):
        return None
    report = REPORTS.get(letter)
    end = partial(session.numeric, numerics.RPL_ENDOFSTATS, letter)
    if report is not None and letter not in FOR_ALL and not is_oper(session):
        session.numeric(numerics.ERR_NOPRIVILEGES)
        report = None
    if report is None:
        end()
        return None
    return paced(session, "STATS", report(session), end)
