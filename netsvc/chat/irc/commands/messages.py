"""What people say: PRIVMSG, NOTICE, TAGMSG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netsvc.chat.events import HubError, Kind
from netsvc.chat.irc import numerics
from netsvc.chat.irc.commands import command
from netsvc.chat.irc.message import Message, client_tags, fit
from netsvc.chat.irc.wire import said_prefix
from netsvc.chat.names import fold

if TYPE_CHECKING:
    from netsvc.chat.irc.session import IrcSession

#: Code points that fit into a line behind any source and target.
_SHORT: Final = 80


@command("PRIVMSG")
def privmsg(session: IrcSession, message: Message) -> None:
    """PRIVMSG <target>,... <text>: say something."""
    _say(session, message, Kind.MESSAGE)


@command("NOTICE")
def notice(session: IrcSession, message: Message) -> None:
    """NOTICE <target>,... <text>: say something that is never answered by itself."""
    _say(session, message, Kind.NOTICE)


@command("TAGMSG")
def tagmsg(session: IrcSession, message: Message) -> None:
    """TAGMSG <target>,...: send tags alone (IRCv3 C{message-tags})."""
    _say(session, message, Kind.TAGS)


def _say(session: IrcSession, message: Message, kind: Kind) -> None:
    """Send a message to each of its targets."""
    params = message.params
    quiet = kind is Kind.NOTICE
    targets = (
        list({fold(t): t for t in params[0].split(",") if t}.values())[
            : session.frontend.config.targets + 1
        ]
        if params
        else []
    )
    if not targets:
        if not quiet:
            text = f"No recipient given ({message.verb})"
            session.numeric(numerics.ERR_NORECIPIENT, text=text)
        return
    text = params[1] if len(params) > 1 and kind is not Kind.TAGS else ""
    if not text and kind is not Kind.TAGS:
        if not quiet:
            session.numeric(numerics.ERR_NOTEXTTOSEND)
        return
    tags = client_tags(message.tags) if "message-tags" in session.caps else ()
    if kind is Kind.TAGS and not tags:
        return
    for index, target in enumerate(targets):
        if index == session.frontend.config.targets:
            if not quiet:
                session.numeric(numerics.ERR_TOOMANYTARGETS, target)
            return
        try:
            _say_to(session, target, text, kind, tags)
        except HubError as error:
            if not quiet:
                session.refuse(error, message.verb)


def _say_to(
    session: IrcSession,
    target: str,
    text: str,
    kind: Kind,
    tags: tuple[tuple[str, str], ...],
) -> None:
    """
    Send a message to one target.

    @raise HubError: If that is refused.
    """
    me = session.me
    if len(text) > _SHORT:
        # What others get, and the history keeps, is what fits into a line.
        text = fit(said_prefix(me.source, kind, target), text)
    said = session.hub.say(me, target, text, kind, tags)
    if said.to is not None and kind is Kind.MESSAGE:
        hearer = session.hub.state.members.get(fold(said.to.nick))
        if hearer is not None and hearer.away is not None:
            session.numeric(numerics.RPL_AWAY, hearer.nick, text=hearer.away)
