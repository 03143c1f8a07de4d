"""
What operators of the server do: OPER, KILL, REHASH, WALLOPS.

Everything they do is counted, and told to L{Network<netsvc.chat.network.Network>}'s
C{noted}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from netsvc.chat.accounts.errors import BusyError
from netsvc.chat.irc import numerics
from netsvc.chat.irc.commands import command
from netsvc.chat.irc.message import Message
from netsvc.chat.irc.shown import is_oper
from netsvc.chat.member import Member
from netsvc.chat.text import clean, cut
from netsvc.daemon.limits import source_key

if TYPE_CHECKING:
    from netsvc.chat.irc.session import IrcSession

#: Why somebody is put out when the operator does not say.
NO_REASON: Final = "No reason given"

#: What REHASH says that it reads.
CONFIGURATION: Final = "netsvc-chat"


def may_operate(session: IrcSession) -> bool:
    """Say whether somebody is an operator; answer with 481 if not."""
    if is_oper(session):
        return True
    session.numeric(numerics.ERR_NOPRIVILEGES)
    return False


def note(session: IrcSession, what: str, about: str) -> None:
    """
    Count and report what an operator does.

    @param what: A fixed word.
    @param about: What or whom it is about, as somebody wrote it.
    """
    network = session.network
    network.counters[f"oper-{what}"] += 1
    who = f"{session.me.oper} ({session.me.source.mask})"
    # It may be read on a terminal.
    network.noted(who, what, clean(about))


def tell(session: IrcSession, text: str) -> None:
    """Tell a client something in words."""
    session.line("NOTICE", session.client, trailing=text)


# OPER.


@command("OPER", least=2)
async def oper(session: IrcSession, message: Message) -> None:
    """OPER <name> <password>: become an operator of the server."""
    name, password = message.params[:2]
    network = session.network
    if not network.operators or network.verifier is None:
        network.counters["oper-refused"] += 1
        session.numeric(numerics.ERR_NOOPERHOST)
        return
    hashed = network.operators.get(name)
    source = source_key(session.peer.address)
    ticket = network.oper_throttle.take(source, name, network.seconds())
    if ticket is None:
        network.counters["oper-throttled"] += 1
        session.numeric(numerics.RPL_TRYAGAIN, "OPER")
        return
    # For a name that there is not, it takes as long.
    against = hashed or next(iter(network.operators.values()))
    try:
        right = await network.verifier.verify(against, password)
    except BusyError:
        network.oper_throttle.give_back(ticket)
        session.numeric(numerics.RPL_TRYAGAIN, "OPER")
        return
    if session.closing:
        return
    if hashed is None or not right:
        network.counters["oper-refused"] += 1
        network.noted(session.me.source.mask, "refused", clean(name))
        session.numeric(numerics.ERR_PASSWDMISMATCH)
        return
    network.oper_throttle.succeeded(ticket)
    changed = session.hub.set_operator(session.me, name)
    note(session, "login", name)
    session.numeric(numerics.RPL_YOUREOPER)
    if changed:
        mask = session.me.source.mask
        session.line("MODE", session.me.nick, "+o", source=mask)


# What they may do then.


@command("KILL", least=1)
def kill(session: IrcSession, message: Message) -> None:
    """KILL <nick> [reason]: end somebody's connection."""
    if not may_operate(session):
        return
    victim = session.hub.member(message.params[0])
    given = message.params[1] if len(message.params) > 1 else ""
    reason = cut(given or NO_REASON, session.hub.limits.reason // 2)
    note(session, "kill", f"{victim.source.mask}: {reason}")
    _show_kill(session, victim, reason)
    session.network.kill(victim, f"Killed ({session.me.nick} ({reason}))")


def _show_kill(session: IrcSession, victim: Member, reason: str) -> None:
    """Tell somebody on IRC who ends their connection."""
    if victim.person.frontend == "irc":
        other = cast("IrcSession", victim.session)
        mask = session.me.source.mask
        other.line("KILL", victim.nick, source=mask, trailing=reason)


@command("REHASH")
async def rehash(session: IrcSession, message: Message) -> None:
    """REHASH: read the configuration again."""
    if not may_operate(session):
        return
    note(session, "rehash", "")
    session.numeric(numerics.RPL_REHASHING, CONFIGURATION)
    answer = session.network.rehash()
    wrong = answer if isinstance(answer, str) else await answer
    if session.closing:
        return
    if wrong:
        session.network.counters["oper-rehash-failed"] += 1
        tell(session, f"The configuration stays as it was: {wrong}")
    else:
        tell(session, "The configuration has been read again")


@command("WALLOPS", least=1)
def wallops(session: IrcSession, message: Message) -> None:
    """WALLOPS <text>: speak to all who listen to that (mode +w)."""
    if not may_operate(session):
        return
    text = message.params[0]
    if not text:
        session.need_more("WALLOPS")
        return
    note(session, "wallops", text)
    session.hub.announce(session.me, text)
