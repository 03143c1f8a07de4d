"""Asking about people: WHO, WHOIS, WHOWAS, USERHOST, ISON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final

from netsvc.chat.cloak import uncloaked
from netsvc.chat.events import HubError, Reason
from netsvc.chat.irc import numerics, shown
from netsvc.chat.irc.commands import command
from netsvc.chat.irc.link import Work
from netsvc.chat.irc.listing import mask_pattern
from netsvc.chat.irc.message import Message
from netsvc.chat.irc.pacing import paced
from netsvc.chat.irc.packing import send_list
from netsvc.chat.irc.targets import ours
from netsvc.chat.irc.times import format_seconds
from netsvc.chat.irc.whox import WhoRequest, parse_who, safe_host
from netsvc.chat.member import Member
from netsvc.chat.names import fold, is_room
from netsvc.chat.rooms import Room
from netsvc.chat.state import Past

if TYPE_CHECKING:
    from netsvc.chat.irc.session import IrcSession

#: Nicks in one USERHOST (RFC 1459 section 5.7).
USERHOST_LIMIT: Final = 5

#: What asks WHO for everybody: RFC 1459 section 4.5.1 names C{0}.
EVERYBODY: Final = "0"


# WHO.


@command("WHO", least=1)
def who(session: IrcSession, message: Message) -> Work | None:
    """WHO <mask> [o][%fields[,token]]: who is in a room, or matches a mask."""
    request = parse_who(message.params)
    if request is None:
        session.numeric(numerics.RPL_ENDOFWHO, "*")
        return None
    name, client = session.network.name, session.client
    return paced(
        session,
        "WHO",
        (
            b""
            if member is None
            else request.reply(name, client, shown.who_row(session, member, room))
            for member, room in _found(session, request)
        ),
        lambda: session.numeric(numerics.RPL_ENDOFWHO, request.mask),
    )


def _found(
    session: IrcSession, request: WhoRequest
) -> Iterator[tuple[Member | None, Room | None]]:
    """Give those whom a WHO means, each with the room to tell; C{None} for others."""
    state, mask = session.hub.state, fold(request.mask)
    operators = request.operators
    if is_room(mask):
        room = state.rooms.get(mask)
        if room is not None and shown.may_see(session, room):
            for member in list(room.members):
                found = shown.may_find(session, member)
                if found and (not operators or "o" in member.modes):
                    yield member, room
                else:
                    yield None, None
    elif mask != EVERYBODY and "*" not in mask and "?" not in mask:
        named = state.members.get(mask)
        if named is not None and (not operators or "o" in named.modes):
            yield named, shown.common_room(session, named)
    else:
        pattern = mask_pattern("*" if mask == EVERYBODY else mask)
        for member in list(state.members.values()):
            found = shown.may_find(session, member)
            if (
                found
                and (not operators or "o" in member.modes)
                and _matches(session, pattern, member)
            ):
                yield member, shown.common_room(session, member)
            else:
                yield None, None


def _matches(session: IrcSession, pattern: re.Pattern[str], member: Member) -> bool:
    """Does a mask of WHO match a name of somebody's, or what all of them make?"""
    if pattern.fullmatch(member.key) is not None:
        return True
    names = [member.user, member.host, member.realname, member.source.mask]
    if shown.is_oper(session):
        names.append(member.person.address)
    return any(pattern.fullmatch(fold(name)) is not None for name in names)


# WHOIS.


@command("WHOIS")
def whois(session: IrcSession, message: Message) -> None:
    """WHOIS [server] <nick>: who somebody is."""
    params = message.params[:2]
    asked = params[-1].split(",")[0] if params else ""
    if not asked:
        session.numeric(numerics.ERR_NONICKNAMEGIVEN)
        return
    if len(params) > 1 and not ours(session, params[0]):
        return
    member = session.hub.state.members.get(fold(asked))
    if member is None:
        session.refuse(HubError(Reason.NO_SUCH_NICK, asked), "WHOIS")
    else:
        _describe(session, member)
    session.numeric(numerics.RPL_ENDOFWHOIS, asked)


def _describe(session: IrcSession, member: Member) -> None:
    """Tell what there is to tell of somebody."""
    nick = member.nick
    host = safe_host(member.host)
    session.numeric(
        numerics.RPL_WHOISUSER, nick, member.user, host, "*", text=member.realname
    )
    private = member is session.me or shown.is_oper(session)
    address = shown.address_of(session, member)
    if address is not None:
        session.numeric(numerics.RPL_WHOISACTUALLY, nick, address)
    if private:
        modes = "".join(sorted(member.modes))
        text = f"is using modes +{modes}"
        session.numeric(numerics.RPL_WHOISMODES, nick, text=text)
    send_list(session, numerics.RPL_WHOISCHANNELS, nick, items=_rooms(session, member))
    network = session.network
    info = network.description or network.network
    session.numeric(numerics.RPL_WHOISSERVER, nick, network.name, text=info)
    if member.oper is not None:
        session.numeric(numerics.RPL_WHOISOPERATOR, nick)
    if member.away is not None:
        session.numeric(numerics.RPL_AWAY, nick, text=member.away)
    if "B" in member.modes:
        session.numeric(numerics.RPL_WHOISBOT, nick)
    if member.account is not None:
        session.numeric(numerics.RPL_WHOISACCOUNT, nick, member.account)
        if fold(member.account) == member.key:
            session.numeric(numerics.RPL_WHOISREGNICK, nick)
    if member.person.secure:
        session.numeric(numerics.RPL_WHOISSECURE, nick)
    if private and member.person.fingerprint is not None:
        text = f"has client certificate fingerprint {member.person.fingerprint}"
        session.numeric(numerics.RPL_WHOISCERTFP, nick, text=text)
    quiet, since = str(shown.idle(session, member)), str(member.since // 1000)
    session.numeric(numerics.RPL_WHOISIDLE, nick, quiet, since)


def _rooms(session: IrcSession, member: Member) -> Iterator[str]:
    """Give the rooms of somebody that may be told, with their prefixes there."""
    invisible = "i" in member.modes and member is not session.me
    for room in member.rooms.values():
        inside = session.me in room.members
        if inside or not (invisible or room.secret):
            yield shown.prefixes(session, room, member) + room.name


# WHOWAS.


@command("WHOWAS")
def whowas(session: IrcSession, message: Message) -> None:
    """WHOWAS <nick> [<count> [<server>]]: who had a nick before, newest first."""
    params = message.params
    asked = params[0] if params else ""
    if not asked:
        session.numeric(numerics.ERR_NONICKNAMEGIVEN)
        return
    if len(params) > 2 and not ours(session, params[2]):
        return
    count = params[1] if len(params) > 1 else ""
    most = int(count) if count.isascii() and count.isdigit() and len(count) < 9 else 0
    key = fold(asked)
    past = session.hub.state.past
    found = (each for each in reversed(past) if fold(each.source.nick) == key)
    entries = list(islice(found, most or None))
    for entry in entries:
        _tell_past(session, entry)
    if not entries:
        session.numeric(numerics.ERR_WASNOSUCHNICK, asked)
    session.numeric(numerics.RPL_ENDOFWHOWAS, asked)


def _tell_past(session: IrcSession, entry: Past) -> None:
    """Tell who had a nick once."""
    who = entry.source
    host = safe_host(who.host)
    session.numeric(
        numerics.RPL_WHOWASUSER, who.nick, who.user, host, "*", text=who.realname
    )
    if entry.address and shown.is_oper(session):
        address = uncloaked(entry.address)
        session.numeric(numerics.RPL_WHOISACTUALLY, who.nick, address)
    when = f"{format_seconds(entry.time // 1000)}Z"
    name = session.network.name
    session.numeric(numerics.RPL_WHOISSERVER, who.nick, name, text=when)


# USERHOST, ISON.


@command("USERHOST", least=1)
def userhost(session: IrcSession, message: Message) -> None:
    """USERHOST <nick> ...: the hosts of up to five people."""
    members = session.hub.state.members
    nicks = [nick for param in message.params for nick in param.split()]
    found = [members.get(fold(nick)) for nick in nicks[:USERHOST_LIMIT]]
    text = " ".join(_userhost(member) for member in found if member is not None)
    session.numeric(numerics.RPL_USERHOST, text=text)


def _userhost(member: Member) -> str:
    """Write somebody as USERHOST does."""
    operator = "*" if "o" in member.modes else ""
    here = "+" if member.away is None else "-"
    return f"{member.nick}{operator}={here}{member.user}@{member.host}"


@command("ISON", least=1)
def ison(session: IrcSession, message: Message) -> None:
    """ISON <nick> ...: which of these nicks are there."""
    members = session.hub.state.members
    keys = dict.fromkeys(
        fold(nick) for param in message.params for nick in param.split()
    )
    nicks = [members[key].nick for key in keys if key in members]
    if nicks:
        send_list(session, numerics.RPL_ISON, items=nicks)
    else:
        session.numeric(numerics.RPL_ISON, text="")
