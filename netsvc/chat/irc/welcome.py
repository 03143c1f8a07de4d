"""What a client is told once it is registered, and may ask for again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netsvc.chat.irc import isupport, numerics
from netsvc.chat.irc.batches import batch
from netsvc.chat.irc.pacing import TOLD_PER_COMMAND
from netsvc.chat.irc.times import format_seconds
from netsvc.chat.member import USER_MODES
from netsvc.chat.rooms import FLAGS, LISTS, PREFIXES

if TYPE_CHECKING:
    from netsvc.chat.irc.session import IrcSession

#: Modes of rooms, and those of them that take a parameter.
ROOM_MODES: Final = "".join(sorted(f"{FLAGS}{LISTS}kl{''.join(PREFIXES)}"))
WITH_PARAMETER: Final = "".join(sorted(f"{LISTS}kl{''.join(PREFIXES)}"))


def welcome(session: IrcSession) -> None:
    """Greet a client that is registered: 001 to 005, LUSERS, MOTD, 221."""
    network, me = session.network, session.me
    greeting = f"Welcome to the {network.network} Network {me.source.mask}"
    session.numeric(numerics.RPL_WELCOME, text=greeting)
    host = f"Your host is {network.name}, running version {network.version}"
    session.numeric(numerics.RPL_YOURHOST, text=host)
    created = f"This server was started {format_seconds(network.started // 1000)}Z"
    session.numeric(numerics.RPL_CREATED, text=created)
    session.numeric(
        numerics.RPL_MYINFO,
        network.name,
        network.version,
        "".join(sorted(USER_MODES)),
        ROOM_MODES,
        WITH_PARAMETER,
    )
    support(session)
    lusers(session)
    motd(session)
    if me.modes:
        session.numeric(numerics.RPL_UMODEIS, "+" + "".join(sorted(me.modes)))


def support(session: IrcSession) -> None:
    """Tell what the server can do (005), in a batch for who asked for that."""
    name = session.network.name
    words = isupport.words(session.frontend.support)
    lines = isupport.lines(name, session.client, words)
    if {"batch", "draft/extended-isupport"} <= session.caps:
        reference = session.frontend.references.new()
        lines = [batch(name, reference, lines, "draft/isupport")]
    for line in lines:
        session.reply(line)


def lusers(session: IrcSession) -> None:
    """Tell how many there are (251 to 255, 265, 266)."""
    state = session.hub.state
    users, most = len(state.members), max(state.most, len(state.members))
    invisible = sum("i" in member.modes for member in state.members.values())
    operators = sum("o" in member.modes for member in state.members.values())
    unknown = len(session.frontend.unregistered)
    session.numeric(
        numerics.RPL_LUSERCLIENT,
        text=f"There are {users - invisible} users and {invisible} invisible on 1"
        " servers",
    )
    session.numeric(numerics.RPL_LUSEROP, str(operators))
    session.numeric(numerics.RPL_LUSERUNKNOWN, str(unknown))
    session.numeric(numerics.RPL_LUSERCHANNELS, str(len(state.rooms)))
    session.numeric(numerics.RPL_LUSERME, text=f"I have {users} clients and 0 servers")
    for code, scope in (
        (numerics.RPL_LOCALUSERS, "local"),
        (numerics.RPL_GLOBALUSERS, "global"),
    ):
        text = f"Current {scope} users {users}, max {most}"
        session.numeric(code, str(users), str(most), text=text)


def motd(session: IrcSession) -> None:
    """Tell the message of the day (375, 372, 376), or that there is none (422)."""
    network = session.network
    if not network.motd:
        session.numeric(numerics.ERR_NOMOTD)
        return
    start = f"- {network.name} Message of the day - "
    name, client, code = network.name, session.client, numerics.RPL_MOTD
    session.numeric(numerics.RPL_MOTDSTART, text=start)
    lines = [
        numerics.reply(name, code, client, text=f"- {line}") for line in network.motd
    ]
    session.intake.charge(len(lines) / TOLD_PER_COMMAND)
    session.reply(b"".join(lines))
    session.numeric(numerics.RPL_ENDOFMOTD)
