"""Talking: /me, /msg, /away, /nick."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netsvc.chat.line.commands import command, need, two
from netsvc.chat.line.refusals import Mistake
from netsvc.chat.line.speech import say
from netsvc.chat.names import fold, is_room
from netsvc.chat.text import clean

if TYPE_CHECKING:
    from netsvc.chat.line.session import LineSession


@command("nick", "NAME", "be called so")
def nick(session: LineSession, rest: str) -> None:
    """/nick NAME: be called so."""
    name = need(rest, "nick")
    if session.hub.rename(session.me, name):
        session.is_guest = False
    else:
        session.note(f"you are {name} already")


@command("msg", "NICK TEXT", "say something to one person alone")
def msg(session: LineSession, rest: str) -> None:
    """/msg NICK TEXT: say something to one person alone, or to a room."""
    target, text = two(need(rest, "msg"))
    text = need(text, "msg")
    if is_room(target):
        target = session.hub.room(target).name
    else:
        target = session.hub.member(target).nick
    say(session, target, text)
    hearer = session.hub.state.members.get(fold(target))
    if hearer is not None and hearer.away is not None:
        session.note(f"{hearer.nick} is away: {clean(hearer.away)}")


@command("me", "TEXT", "say what you do")
def me(session: LineSession, rest: str) -> None:
    """/me TEXT: say what one does."""
    text = need(rest, "me")
    say(session, session.current().name, text, "\x01ACTION {}\x01")


@command("away", "[TEXT]", "say that you are away; without a text, that you are back")
def away(session: LineSession, rest: str) -> None:
    """/away [TEXT]: be away, or back."""
    if not rest and session.me.away is None:
        raise Mistake("you are not away: /away TEXT says that you are")
    session.hub.set_away(session.me, rest or None)
