"""Finding out: /who, /history, /search, /motd, /charset, /help, /quit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netsvc.chat.charset import encoding_of
from netsvc.chat.line import greeting
from netsvc.chat.line.commands import command, find, need, two, where
from netsvc.chat.line.refusals import Mistake
from netsvc.chat.names import is_room
from netsvc.chat.text import clean

if TYPE_CHECKING:
    from netsvc.chat.line.session import LineSession
    from netsvc.chat.member import Member
    from netsvc.chat.network import History


@command("who", "[#ROOM or NICK]", "tell who is there, or about somebody")
def who(session: LineSession, rest: str) -> None:
    """/who [#ROOM or NICK]: tell who is in a room, or about somebody."""
    if rest and not is_room(rest):
        session.reply("\n".join(_about(session, session.hub.member(two(rest)[0]))))
        return
    room, _ = where(session, rest)
    session.reply("\n".join(greeting.names(session, room)))


def _about(session: LineSession, member: Member) -> list[str]:
    """Give lines about somebody."""
    hub, me, nick = session.hub, session.me, member.nick
    lines = [f"* {nick} is {member.user}@{member.host}"]
    if member.realname:
        lines.append(f"* {nick} is also {clean(member.realname)}")
    if member.account is not None:
        lines.append(f"* {nick} is logged in as {member.account}")
    shown = [
        room.prefixes(member) + room.name
        for room in member.rooms.values()
        if me in room.members or ("i" not in member.modes and hub.visible(room, me))
    ]
    if shown:
        more = " ..." if len(shown) > session.frontend.options.rooms else ""
        rooms = ", ".join(shown[: session.frontend.options.rooms])
        lines.append(f"* {nick} is in {rooms}{more}")
    if member.oper is not None:
        lines.append(f"* {nick} is an operator of the server")
    if member.away is not None:
        lines.append(f"* {nick} is away: {clean(member.away)}")
    return lines


def _kept(session: LineSession) -> History:
    """
    Give the history.

    @raise Mistake: If there is none.
    """
    history = session.network.history
    if history is None:
        raise Mistake("nothing is kept here: there is no history")
    return history


@command("history", "[NUMBER]", "show what was said in the room")
async def history(session: LineSession, rest: str) -> None:
    """/history [NUMBER]: show the last messages of the room where one is talking."""
    kept, options = _kept(session), session.frontend.options
    room = session.current()
    number = options.replay or 20
    if rest:
        if not (rest.isascii() and rest.isdigit() and len(rest) < 10):
            raise Mistake("type it as /history NUMBER")
        number = int(rest)
    number = max(1, min(number, options.history))
    said = await kept.latest(kept.room_target(room.fold), None, number)
    lines = greeting.past(session, said)
    first = f"the last messages of {room.name}:" if lines else "nothing was said yet"
    session.note("\n".join([first, *lines]))


@command("search", "WORDS", "show messages of the room that have these words")
async def search(session: LineSession, rest: str) -> None:
    """/search WORDS: show messages of the room where one is talking."""
    kept, options = _kept(session), session.frontend.options
    room, words = session.current(), need(rest, "search")
    found = await kept.search(kept.room_target(room.fold), words, options.history)
    lines = greeting.past(session, found)
    first = f"found in {room.name}:" if lines else f"nothing found in {room.name}"
    session.note("\n".join([first, *lines]))


@command("motd", "", "show the message of the day")
def motd(session: LineSession, rest: str) -> None:
    """/motd: show the message of the day."""
    lines = session.network.motd or ["there is no message of the day"]
    session.reply("\n".join(f"* {clean(line)}" for line in lines))


@command(
    "charset",
    "utf-8, cp949 or auto",
    "choose the character set of your terminal",
    outside=True,
)
def charset(session: LineSession, rest: str) -> None:
    """/charset utf-8, cp949 or auto: choose the character set."""
    used = session.charset
    if rest:
        encoding = "auto" if rest.lower() == "auto" else encoding_of(rest)
        if encoding is None:
            raise Mistake(
                "that character set is not known here: /charset utf-8, cp949 or auto"
            )
        session.choose(encoding)
    how = "" if used.pinned else " (changes by itself when you type in another one)"
    session.note(f"character set: {used.encoding}{how}")


@command("help", "[COMMAND]", "list the commands, or explain one", outside=True)
def help_(session: LineSession, rest: str) -> None:
    """/help [COMMAND]: list the commands, or explain one."""
    if rest:
        found = find(two(rest)[0], session.frontend.commands)
        session.note(f"{found.form}: {found.text}")
        return
    names = " ".join(f"/{name}" for name in session.frontend.commands)
    session.note(
        "what you type is said in the room; what begins with / is a command, and //"
        " says a text that begins with /\n"
        f"* {names}\n"
        "* /help COMMAND explains one; most take a #ROOM first if it is another one"
    )


@command("quit", "[REASON]", "leave", outside=True)
def quit_(session: LineSession, rest: str) -> None:
    """/quit [REASON]: leave."""
    session.finish("* goodbye", f"Quit: {rest}" if rest else "Quit")
