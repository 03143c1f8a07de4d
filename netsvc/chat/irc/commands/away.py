"""AWAY: not being there, also before the registration (IRCv3 C{draft/pre-away})."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netsvc.chat.irc import numerics
from netsvc.chat.irc.commands import command
from netsvc.chat.irc.message import Message

if TYPE_CHECKING:
    from netsvc.chat.irc.session import IrcSession

#: What a client says that is away by itself, and what others are shown then.
UNSPECIFIED: Final = "*"
SHOWN: Final = "Away"


@command("AWAY", before_registration=True)
def away(session: IrcSession, message: Message) -> None:
    """AWAY [text]: go away, or come back."""
    text = message.params[0] if message.params else ""
    before = "draft/pre-away" in session.caps
    if text == UNSPECIFIED and before:
        text = SHOWN
    if session.member is not None:
        if (text or None) != session.member.away:
            session.hub.set_away(session.member, text or None)
    elif before:
        session.away = text or None
    else:
        session.numeric(numerics.ERR_NOTREGISTERED)
        return
    session.numeric(numerics.RPL_NOWAWAY if text else numerics.RPL_UNAWAY)
