"""
How a connection becomes somebody: PASS, NICK, USER, CAP, WEBIRC; and PING, PONG, QUIT.

The registration is complete when there are a nick and a user name, and no negotiation
of capabilities is open, in whatever order that came about.
"""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from netsvc.chat.events import HubError, Reason
from netsvc.chat.irc import numerics
from netsvc.chat.irc.commands import command
from netsvc.chat.irc.message import Message
from netsvc.chat.irc.welcome import support, welcome
from netsvc.chat.member import Person
from netsvc.chat.text import cut

if TYPE_CHECKING:
    from netsvc.chat.irc.session import IrcSession

_NOT_IN_USER: Final = frozenset("@!:*?,")


def complete(session: IrcSession) -> None:
    """Complete the registration, if nothing is wanting."""
    if session.member is not None or session.closing or session.negotiation.open:
        return
    if not session.nick or not session.user:
        return
    network = session.network
    fits = session.frontend.password_fits(session.password, session.peer.address)
    if not fits:
        network.counters["irc-wrong-password"] += 1
        session.numeric(numerics.ERR_PASSWDMISMATCH)
        wrong = "Password incorrect"
        session.close(wrong if fits is False else "Too many tries, try again later")
        return
    address, host = session.peer.address or "", session.shown_host
    if network.bans is not None:
        ban = network.bans.find(session.user, [host, address] if address else [host])
        if ban is not None:
            network.counters["irc-banned"] += 1
            session.numeric(numerics.ERR_YOUREBANNEDCREEP, text=f"{ban.reason}")
            session.close(f"You are banned from this server: {ban.reason}")
            return
    person = Person(
        user=session.user,
        host=host,
        address=address,
        realname=session.realname,
        account=session.account,
        secure=session.peer.secure,
        fingerprint=session.peer.fingerprint,
        frontend="irc",
    )
    try:
        member = session.hub.enter(session, session.nick, person)
    except HubError as error:
        session.refuse(error, "NICK")
        if error.reason is Reason.HUB_FULL:
            session.close("There is no room for more people")
        session.nick = ""
        return
    session.registered(member)
    welcome(session)
    if session.away is not None:
        session.hub.set_away(member, session.away)
        session.away = None


@command("PASS", least=1, before_registration=True)
def password(session: IrcSession, message: Message) -> None:
    """PASS <password>: give the server's password."""
    if session.member is not None:
        session.numeric(numerics.ERR_ALREADYREGISTERED)
    else:
        session.password = message.params[0]


@command("NICK", before_registration=True)
def nick(session: IrcSession, message: Message) -> None:
    """NICK <nick>: be called so."""
    name = message.params[0] if message.params else ""
    hub, member = session.hub, session.member
    if member is not None:
        hub.rename(member, name)
        return
    session.wanted = name
    try:
        hub.check_nick(name, session.account)
    except HubError as error:
        # Who logs in before the registration is complete may have it.
        if error.reason is not Reason.NICK_RESERVED:
            raise
    session.nick = name
    complete(session)


@command("USER", least=4, before_registration=True)
def user(session: IrcSession, message: Message) -> None:
    """USER <user> 0 * <real name>: say who one is."""
    if session.member is not None:
        session.numeric(numerics.ERR_ALREADYREGISTERED)
        return
    name, _, _, realname = message.params[:4]
    if not name or not realname:
        session.need_more("USER")
        return
    config = session.frontend.config
    kept = [char for char in name if char.isprintable() and char not in _NOT_IN_USER]
    plain = "".join(kept).replace(" ", "") or "user"
    session.user = (config.user_prefix + plain)[: config.user]
    session.realname = cut(realname, session.hub.limits.realname)
    complete(session)


@command("CAP", least=1, before_registration=True)
def cap(session: IrcSession, message: Message) -> None:
    """CAP LS|LIST|REQ|END: negotiate capabilities."""
    negotiation = session.negotiation
    before = negotiation.effective
    for line in negotiation.command(
        session.client, message.params, registered=session.member is not None
    ):
        session.reply(line)
    if negotiation.effective != before:
        session.caps_changed()
    if message.params[0].upper() == "END" and session.member is None:
        exchange = session.exchange
        if exchange is not None and exchange.active:
            exchange.abort()
            session.numeric(numerics.ERR_SASLABORTED)
        complete(session)


@command("PING", before_registration=True)
def ping(session: IrcSession, message: Message) -> None:
    """PING <token>: ask for a sign of life."""
    if not message.params or not message.params[0]:
        session.numeric(numerics.ERR_NOORIGIN)
    else:
        session.line("PONG", session.network.name, trailing=message.params[0])


@command("PONG", before_registration=True)
def pong(session: IrcSession, message: Message) -> None:
    """PONG: be alive. That anything came has been noticed."""


@command("QUIT", before_registration=True)
def quit_(session: IrcSession, message: Message) -> None:
    """QUIT [reason]: leave."""
    reason = message.params[0] if message.params else ""
    session.close(f"Quit: {reason}" if reason else "Quit")


@command("ISUPPORT", before_registration=True)
def isupport(session: IrcSession, message: Message) -> None:
    """ISUPPORT: ask for 005 (IRCv3 C{draft/extended-isupport})."""
    if session.member is None and "draft/extended-isupport" not in session.caps:
        session.numeric(numerics.ERR_NOTREGISTERED)
    else:
        support(session)


@command("WEBIRC", least=4, before_registration=True)
def webirc(session: IrcSession, message: Message) -> None:
    """WEBIRC <password> <gateway> <host> <ip> [options]: say for whom one connects."""
    if session.member is not None:
        session.numeric(numerics.ERR_ALREADYREGISTERED)
        return
    given, _, _, address = message.params[:4]
    options = message.params[4].split(" ") if len(message.params) > 4 else []
    allowed = any(
        gateway.address == session.peer.address
        and hmac.compare_digest(given.encode(), gateway.password.encode())
        for gateway in session.frontend.config.gateways
    )
    try:
        ip = ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        allowed = False
    if not allowed:
        session.network.counters["irc-webirc-refused"] += 1
        session.close("WEBIRC is not allowed from here, or not so")
        return
    # What is between the gateway and us in clear was not safe on the way.
    secure = session.peer.secure and any(
        option.partition("=")[0] in ("secure", "tls") for option in options
    )
    session.peer = replace(
        session.peer, address=str(ip), secure=secure, fingerprint=None
    )
    session.offer_changed([])
