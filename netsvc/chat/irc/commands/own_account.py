"""
ACCOUNT: what people do with their own account, which no other command is for.

Other servers have a bot for that (NickServ). The answers are IRCv3 C{standard-replies}
for clients that have those, and notices for others.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Final

from netsvc.chat.accounts.errors import AccountError, Refusal
from netsvc.chat.accounts.registry import Accounts
from netsvc.chat.irc import numerics
from netsvc.chat.irc.commands import command
from netsvc.chat.irc.message import Message
from netsvc.chat.names import fold

if TYPE_CHECKING:
    from netsvc.chat.irc.session import IrcSession


def _tell(session: IrcSession, kind: str, code: str, text: str) -> None:
    """Answer with NOTE or FAIL, or with a notice."""
    if "standard-replies" in session.caps:
        session.line(kind, "ACCOUNT", code, trailing=text)
    else:
        session.line("NOTICE", session.client, trailing=text)


@command("ACCOUNT", least=1)
async def account(session: IrcSession, message: Message) -> None:
    """ACCOUNT PASSWORD|CERT|LOGOUT|DELETE ...: see to one's own account."""
    accounts = session.network.accounts
    if accounts is None:
        session.numeric(numerics.ERR_UNKNOWNCOMMAND, "ACCOUNT")
        return
    form = _FORMS.get(message.params[0].upper())
    params = message.params[1:]
    if form is None:
        text = f"ACCOUNT is followed by one of {', '.join(_FORMS)}"
        _tell(session, "FAIL", "INVALID_PARAMS", text)
    elif len(params) < form[0]:
        session.need_more("ACCOUNT")
    else:
        try:
            await form[1](session, accounts, params)
        except AccountError as error:
            _tell(session, "FAIL", error.code.name, str(error))


async def _password(
    session: IrcSession, accounts: Accounts, params: Sequence[str]
) -> None:
    """PASSWORD <old> <new>."""
    if not (session.peer.secure or session.network.plain_login):
        raise AccountError(Refusal.OFF)
    old, new = params[:2]
    name, source = session.me.account, session.peer.address
    await accounts.change_password(name, old, new, source=source)
    _tell(session, "NOTE", "PASSWORD_CHANGED", "Your account has another password")


async def _cert(session: IrcSession, accounts: Accounts, params: Sequence[str]) -> None:
    """CERT ADD, DEL [fingerprint] or LIST: the certificates that log one in."""
    name, own = session.me.account, session.peer.fingerprint
    verb = params[0].upper()
    if verb == "LIST":
        held = await accounts.fingerprints(name)
        for each in held:
            _tell(session, "NOTE", "CERT", each)
        _tell(session, "NOTE", "CERT_COUNT", f"Certificates: {len(held)}")
    elif verb == "ADD":
        # Only the one that is shown: see Accounts.add_fingerprint.
        await accounts.add_fingerprint(name, own or "")
        text = f"This certificate logs you in (SASL EXTERNAL): {own}"
        _tell(session, "NOTE", "CERT_ADDED", text)
    elif verb == "DEL":
        given = params[1] if len(params) > 1 else own or ""
        gone = await accounts.remove_fingerprint(name, given)
        text = "It logs you in no more" if gone else "It was none of yours"
        _tell(session, "NOTE", "CERT_REMOVED" if gone else "CERT_UNKNOWN", text)
    else:
        text = "ACCOUNT CERT is followed by ADD, DEL or LIST"
        _tell(session, "FAIL", "INVALID_PARAMS", text)


async def _logout(
    session: IrcSession, accounts: Accounts, params: Sequence[str]
) -> None:
    """LOGOUT."""
    if session.me.account is None:
        raise AccountError(Refusal.NOT_LOGGED_IN)
    session.hub.set_account(session.me, None)
    session.numeric(numerics.RPL_LOGGEDOUT, session.me.source.mask)


async def _delete(
    session: IrcSession, accounts: Accounts, params: Sequence[str]
) -> None:
    """DELETE <password>: for good; the name stays taken."""
    name, source = session.me.account, session.peer.address
    deleted = await accounts.delete(name, params[0], source=source)
    for member in list(session.hub.state.members.values()):
        if member.account is not None and fold(member.account) == deleted.key:
            session.hub.set_account(member, None)
    session.network.forget(deleted.name)
    session.numeric(numerics.RPL_LOGGEDOUT, session.me.source.mask)
    _tell(session, "NOTE", "ACCOUNT_DELETED", "Your account is deleted")


_Form = Callable[["IrcSession", Accounts, Sequence[str]], Coroutine[Any, Any, None]]

_FORMS: Final[dict[str, tuple[int, _Form]]] = {
    "PASSWORD": (2, _password),
    "CERT": (1, _cert),
    "LOGOUT": (0, _logout),
    "DELETE": (1, _delete),
}
"""How many parameters each takes, and what does it."""
