"""Asking about the server: LUSERS, MOTD, VERSION, TIME, INFO, ADMIN, LINKS, HELP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netsvc.chat.irc import numerics, welcome
from netsvc.chat.irc.commands import command
from netsvc.chat.irc.help_texts import INDEX, TOPICS
from netsvc.chat.irc.message import Message
from netsvc.chat.irc.targets import ours
from netsvc.chat.irc.times import format_seconds

if TYPE_CHECKING:
    from netsvc.chat.irc.session import IrcSession

#: What ADMIN says where the operator has said nothing.
NOT_GIVEN: Final = "not given"


def _here(session: IrcSession, message: Message, index: int = 0) -> bool:
    """Is the server that a parameter names, if there is one, this one?"""
    params = message.params
    return len(params) <= index or not params[index] or ours(session, params[index])


@command("LUSERS")
def lusers(session: IrcSession, message: Message) -> None:
    """LUSERS [<mask> [<server>]]: how many people there are."""
    if _here(session, message, 1):
        welcome.lusers(session)


@command("MOTD")
def motd(session: IrcSession, message: Message) -> None:
    """MOTD [<server>]: the message of the day."""
    if _here(session, message):
        welcome.motd(session)


@command("VERSION")
def version(session: IrcSession, message: Message) -> None:
    """VERSION [<server>]: which program this is, and what it can do."""
    if _here(session, message):
        network = session.network
        session.numeric(
            numerics.RPL_VERSION, network.version, network.name, text=network.network
        )
        welcome.support(session)


@command("TIME")
def time(session: IrcSession, message: Message) -> None:
    """TIME [<server>]: what time it is (UTC)."""
    if _here(session, message):
        network = session.network
        text = f"{format_seconds(network.milliseconds() // 1000)}Z"
        session.numeric(numerics.RPL_TIME, network.name, text=text)


@command("INFO")
def info(session: IrcSession, message: Message) -> None:
    """INFO [<server>]: what this server is, and what it keeps."""
    if not _here(session, message):
        return
    network = session.network
    lines = [
        f"{network.network}: {network.description or network.name}",
        f"This server runs {network.version}, with rooms that people on telnet share.",
        f"It was started {format_seconds(network.started // 1000)}Z.",
        _kept(session),
    ]
    for line in lines:
        session.numeric(numerics.RPL_INFO, text=line)
    session.numeric(numerics.RPL_ENDOFINFO)


def _kept(session: IrcSession) -> str:
    """Say for how long what people say is kept."""
    history = session.network.history
    if history is None:
        return "What is said here is not kept."
    days = f"for {history.days:g} days" if history.days else "for ever"
    most = f", at most {history.messages} messages a room" if history.messages else ""
    return f"What is said in rooms is kept {days}{most}."


@command("ADMIN")
def admin(session: IrcSession, message: Message) -> None:
    """ADMIN [<server>]: whom to turn to."""
    if not _here(session, message):
        return
    session.numeric(numerics.RPL_ADMINME, session.network.name)
    codes = (
        numerics.RPL_ADMINLOC1,
        numerics.RPL_ADMINLOC2,
        numerics.RPL_ADMINEMAIL,
    )
    for code, text in zip(codes, session.network.admin, strict=True):
        session.numeric(code, text=text or NOT_GIVEN)


@command("LINKS")
def links(session: IrcSession, message: Message) -> None:
    """LINKS: which servers there are; this one, if it has been described."""
    network = session.network
    if network.description:
        text = f"0 {network.description}"
        session.numeric(numerics.RPL_LINKS, network.name, network.name, text=text)
    session.numeric(numerics.RPL_ENDOFLINKS, "*")


@command("HELP")
def help_(session: IrcSession, message: Message) -> None:
    """HELP [<subject>]: how to use a command."""
    asked = message.params[0] if message.params and message.params[0] else INDEX
    lines = TOPICS.get(asked.upper())
    if lines is None:
        session.numeric(numerics.ERR_HELPNOTFOUND, asked)
        return
    session.numeric(numerics.RPL_HELPSTART, asked, text=lines[0])
    for line in lines[1:]:
        session.numeric(numerics.RPL_HELPTXT, asked, text=line)
    session.numeric(numerics.RPL_ENDOFHELP, asked)


@command("HELPOP")
def helpop(session: IrcSession, message: Message) -> None:
    """HELPOP [<subject>]: the same as HELP."""
    help_(session, message)
