"""Whether a command that names a server means this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netsvc.chat.irc import numerics
from netsvc.chat.masks import glob
from netsvc.chat.names import fold

if TYPE_CHECKING:
    from netsvc.chat.irc.session import IrcSession


def ours(session: IrcSession, target: str) -> bool:
    """
    Say whether this server is meant; answer with 402 if it is not.

    @param target: The server's name, a mask of that, or the nick of somebody on it.
    """
    key = fold(target)
    if glob(key, fold(session.network.name)) or key in session.hub.state.members:
        return True
    session.numeric(numerics.ERR_NOSUCHSERVER, target)
    return False
