"""MONITOR: knowing when people come and go (IRCv3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from netsvc.chat.irc import numerics
from netsvc.chat.irc.commands import command
from netsvc.chat.irc.message import Message
from netsvc.chat.irc.packing import send_list
from netsvc.chat.names import fold, valid_nick

if TYPE_CHECKING:
    from netsvc.chat.irc.session import IrcSession


@command("MONITOR", least=1)
def monitor(session: IrcSession, message: Message) -> None:
    """MONITOR + nicks, - nicks, C, L or S: watch, stop, clear, list, or ask."""
    hub, me = session.hub, session.me
    verb = message.params[0].upper()
    if verb in ("+", "-"):
        if len(message.params) < 2:
            session.need_more("MONITOR")
            return
        nicks = [nick for nick in message.params[1].split(",") if nick]
        if verb == "+":
            _watch(session, nicks)
        else:
            for nick in nicks:
                hub.unwatch(me, nick)
    elif verb == "C":
        for nick in list(me.watching):
            hub.unwatch(me, nick)
    elif verb == "L":
        nicks = list(me.watching.values())
        send_list(session, numerics.RPL_MONLIST, items=nicks, separator=",")
        session.numeric(numerics.RPL_ENDOFMONLIST)
    elif verb == "S":
        _tell(session, me.watching.values())


def _watch(session: IrcSession, nicks: list[str]) -> None:
    """Watch nicks, and tell who of them is there."""
    hub, me = session.hub, session.me
    known = []
    for index, nick in enumerate(nicks):
        # One that nobody can have is away for ever, and takes no place.
        if valid_nick(nick, length=hub.limits.nick) and not hub.watch(me, nick):
            limit = str(hub.limits.watching)
            rest = ",".join(nicks[index:])
            session.numeric(numerics.ERR_MONLISTFULL, limit, rest)
            break
        known.append(nick)
    _tell(session, known)


def _tell(session: IrcSession, nicks: Iterable[str]) -> None:
    """Tell who is there, and who is not."""
    online, offline = [], []
    for nick in nicks:
        member = session.hub.state.members.get(fold(nick))
        if member is None:
            offline.append(nick)
        else:
            online.append(member.source.mask)
    send_list(session, numerics.RPL_MONONLINE, items=online, separator=",")
    send_list(session, numerics.RPL_MONOFFLINE, items=offline, separator=",")
