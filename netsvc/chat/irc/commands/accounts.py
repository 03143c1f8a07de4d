"""Logging in and registering: AUTHENTICATE (SASL), REGISTER, VERIFY."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netsvc.chat.accounts.errors import AccountError, Refusal
from netsvc.chat.accounts.sasl import (
    Continue,
    Exchange,
    Failure,
    FailureReason,
    Success,
    advance,
)
from netsvc.chat.irc import numerics
from netsvc.chat.irc.commands import command
from netsvc.chat.irc.message import Message
from netsvc.chat.names import fold

if TYPE_CHECKING:
    from netsvc.chat.irc.session import IrcSession

_FAILURES: Final = {
    FailureReason.TOO_LONG: numerics.ERR_SASLTOOLONG,
    FailureReason.ABORTED: numerics.ERR_SASLABORTED,
}

_REFUSALS: Final = {
    Refusal.OFF: "TEMPORARILY_UNAVAILABLE",
    Refusal.ALREADY_REGISTERED: "ACCOUNT_EXISTS",
    Refusal.CONFUSABLE: "ACCOUNT_EXISTS",
    Refusal.BAD_NAME: "BAD_ACCOUNT_NAME",
    Refusal.WEAK_PASSWORD: "UNACCEPTABLE_PASSWORD",
}
"""The codes of FAIL REGISTER; what is not here may work later."""


@command("AUTHENTICATE", least=1, before_registration=True)
async def authenticate(session: IrcSession, message: Message) -> None:
    """AUTHENTICATE <mechanism or data>: log in (IRCv3 C{sasl})."""
    accounts = session.network.accounts
    if accounts is None or "sasl" not in session.caps:
        session.numeric(numerics.ERR_SASLFAIL)
        return
    exchange = session.exchange
    if exchange is None:
        exchange = session.exchange = Exchange(
            session.frontend.nonce, fingerprint=session.peer.fingerprint
        )
    exchange.mechanisms = session.frontend.offer(session.peer).mechanisms
    source = session.peer.address
    done = False
    try:
        outcome = await advance(exchange, message.params[0], accounts, source=source)
        done = True
    finally:
        if not done and exchange.active:
            exchange.abort()
    if isinstance(outcome, Continue):
        for piece in outcome.pieces:
            session.line("AUTHENTICATE", piece)
    elif isinstance(outcome, Success):
        session.logged_in(outcome.account.name)
        session.numeric(numerics.RPL_SASLSUCCESS)
    else:
        _failed(session, exchange, outcome)


def _failed(session: IrcSession, exchange: Exchange, failure: Failure) -> None:
    """A try to log in is over."""
    if failure.reason is FailureReason.UNKNOWN_MECHANISM:
        session.numeric(numerics.RPL_SASLMECHS, ",".join(exchange.mechanisms) or "*")
    code = _FAILURES.get(failure.reason, numerics.ERR_SASLFAIL)
    text = None
    if failure.reason is FailureReason.REFUSED:
        text = f"SASL authentication failed: {failure.text}"
    session.numeric(code, text=text)
    if exchange.failures >= session.frontend.config.login_tries:
        session.network.counters["irc-login-tries"] += 1
        session.close("Too many failed attempts to log in")


@command("REGISTER", least=3, before_registration=True)
async def register(session: IrcSession, message: Message) -> None:
    """REGISTER <account or *> <mail or *> <password>: make an account."""
    name, _, password = message.params[:3]
    wanted = session.wanted if session.member is None else session.member.nick
    if name == "*":
        name = wanted
    refusal = _may_register(session, name)
    if refusal is not None:
        session.fail("REGISTER", refusal[0], name or "*", text=refusal[1])
        return
    accounts = session.network.accounts
    assert accounts is not None
    try:
        account = await accounts.register(name, password, source=session.peer.address)
    except AccountError as error:
        code = _REFUSALS.get(error.code, "TEMPORARILY_UNAVAILABLE")
        session.fail("REGISTER", code, name, text=str(error))
        return
    text = "Account created; you are logged in to it"
    session.line("REGISTER", "SUCCESS", account.name, trailing=text)
    session.logged_in(account.name)


def _may_register(session: IrcSession, name: str) -> tuple[str, str] | None:
    """Say why a client may not register an account: a code and a text."""
    if session.frontend.offer(session.peer).registration is None:
        return "TEMPORARILY_UNAVAILABLE", "Accounts cannot be registered here"
    if session.account_name is not None:
        return "ALREADY_AUTHENTICATED", "You are logged in already"
    if session.member is None and not session.frontend.password_fits(
        session.password, session.peer.address
    ):
        # It must be no way around the server's password, nor to find it.
        text = "Complete your registration with the server first"
        return "COMPLETE_CONNECTION_REQUIRED", text
    if not name:
        return "NEED_NICK", "Choose a nick first"
    holder = session.hub.state.members.get(fold(name))
    if holder is not None and holder is not session.member:
        return "USERNAME_EXISTS", "Somebody else is called so"
    return None


@command("VERIFY", least=2, before_registration=True)
def verify(session: IrcSession, message: Message) -> None:
    """VERIFY <account> <code>: nothing has to be verified here."""
    text = "There is nothing to verify"
    session.fail("VERIFY", "INVALID_CODE", message.params[0], text=text)
