"""MARKREAD: telling one's other clients how far one has read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netsvc.chat.irc.commands import command
from netsvc.chat.irc.message import Message
from netsvc.chat.irc.read_markers import marker_line, move_marker, read_marker
from netsvc.chat.irc.times import parse_time
from netsvc.chat.network import HistoryBusy

if TYPE_CHECKING:
    from netsvc.chat.irc.session import IrcSession


@command("MARKREAD")
async def markread(session: IrcSession, message: Message) -> None:
    """MARKREAD <target> [timestamp=<time>]: ask how far one has read, or say it."""
    params = message.params
    if not params or not params[0]:
        text = "Missing parameters"
        session.fail("MARKREAD", "NEED_MORE_PARAMS", text=text)
        return
    target = params[0]
    if len(params) == 1:
        marker = await read_marker(session, target)
        session.reply(marker_line(session, target, marker))
        return
    name, _, value = params[1].partition("=")
    time = parse_time(value) if name == "timestamp" else None
    if time is None:
        text = "That is no timestamp"
        session.fail("MARKREAD", "INVALID_PARAMS", target, text=text)
        return
    try:
        marker = await move_marker(session, target, time)
    except HistoryBusy:
        text = "The marker cannot be kept right now"
        session.fail("MARKREAD", "INTERNAL_ERROR", target, text=text)
        return
    line = marker_line(session, target, marker)
    session.reply(line)
    account = session.account_name
    if marker == time and account is not None:
        for other in session.frontend.of_account(account):
            if other is not session and "draft/read-marker" in other.caps:
                other.push(line)
