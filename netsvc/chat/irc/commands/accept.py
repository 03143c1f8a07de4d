"""ACCEPT: who may write in spite of mode R."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netsvc.chat.events import HubError
from netsvc.chat.irc import numerics
from netsvc.chat.irc.commands import command
from netsvc.chat.irc.message import Message
from netsvc.chat.irc.packing import send_list

if TYPE_CHECKING:
    from netsvc.chat.irc.session import IrcSession


@command("ACCEPT", least=1)
def accept(session: IrcSession, message: Message) -> None:
    """ACCEPT <nick,...|-nick,...|*>: let people write, or take that back, or list."""
    hub, me = session.hub, session.me
    if message.params[0] == "*":
        nicks = [other.nick for other in me.accepted]
        send_list(session, numerics.RPL_ACCEPTLIST, items=nicks)
        session.numeric(numerics.RPL_ENDOFACCEPT)
        return
    for word in message.params[0].split(",")[: hub.limits.accepted]:
        nick = word.removeprefix("-")
        if not nick:
            continue
        try:
            other = hub.member(nick)
        except HubError as error:
            session.refuse(error, "ACCEPT")
            continue
        if word.startswith("-"):
            me.unaccept(other)
        elif other is not me:
            me.accept(other, hub.limits.accepted)
