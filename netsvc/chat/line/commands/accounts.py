"""Accounts: /register, /login, /logout, /passwd; and /pass, the server's password."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netsvc.chat.events import HubError, Reason
from netsvc.chat.line import entrance
from netsvc.chat.line.commands import command, need, two
from netsvc.chat.line.refusals import Mistake
from netsvc.chat.names import fold

if TYPE_CHECKING:
    from netsvc.chat.accounts.registry import Accounts
    from netsvc.chat.line.session import LineSession


def _accounts(session: LineSession) -> Accounts:
    """
    Give the accounts.

    @raise Mistake: If there are none, or passwords may not come by this connection.
    """
    accounts = session.network.accounts
    if accounts is None:
        raise Mistake("there are no accounts on this server: just choose a /nick")
    if not (session.peer.secure or session.network.plain_login):
        raise Mistake(
            "passwords are taken over encrypted connections only: connect by TLS"
        )
    return accounts


def _named(session: LineSession, rest: str, name: str) -> tuple[str, str]:
    """Give the account's name, which may be left out, and the password."""
    first, second = two(need(rest, name))
    return (first, second) if second else (session.me.nick, first)


@command(
    "register", "[NAME] PASSWORD", "make an account, which keeps your nick for you"
)
async def register(session: LineSession, rest: str) -> None:
    """/register [NAME] PASSWORD: make an account, and log in to it."""
    accounts = _accounts(session)
    if session.me.account is not None:
        raise Mistake(f"you are logged in as {session.me.account}: /logout first")
    name, password = _named(session, rest, "register")
    holder = session.hub.state.members.get(fold(name))
    if holder is not None and holder is not session.me:
        raise HubError(Reason.NICK_IN_USE, name)
    account = await accounts.register(name, password, source=session.peer.address)
    _logged_in(session, account.name)


@command("login", "[NAME] PASSWORD", "log in to your account")
async def login(session: LineSession, rest: str) -> None:
    """/login [NAME] PASSWORD: log in to an account."""
    accounts = _accounts(session)
    name, password = _named(session, rest, "login")
    account = await accounts.login(name, password, source=session.peer.address)
    _logged_in(session, account.name)


def _logged_in(session: LineSession, account: str) -> None:
    """They are logged in now; a guest takes the account's name, too."""
    if session.closing:
        return
    if session.me.account == account:
        session.note(f"logged in as {account}")
    session.hub.set_account(session.me, account)
    if session.is_guest:
        try:
            session.hub.rename(session.me, account)
        except HubError:
            return  # somebody else is called so at present
        session.is_guest = False


@command("logout", "", "be logged in no more")
def logout(session: LineSession, rest: str) -> None:
    """/logout: be logged in no more."""
    if session.me.account is None:
        raise Mistake("you are not logged in: /login does that")
    session.hub.set_account(session.me, None)


@command("passwd", "OLD NEW", "give your account another password")
async def passwd(session: LineSession, rest: str) -> None:
    """/passwd OLD NEW: give one's account another password."""
    accounts = _accounts(session)
    old, new = two(need(rest, "passwd"))
    await accounts.change_password(
        session.me.account, old, need(new, "passwd"), source=session.peer.address
    )
    session.note("your account has another password now")


@command("pass", "PASSWORD", "give the server's password", outside=True)
def server_password(session: LineSession, rest: str) -> None:
    """/pass PASSWORD: give the server's password."""
    if session.member is not None:
        raise Mistake("you are in already: no password is needed")
    entrance.try_password(session, need(rest, "pass"))
