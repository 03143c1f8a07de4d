"""MODE: the modes of rooms and of oneself, and the lists of masks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from netsvc.chat.events import Change, HubError, Reason
from netsvc.chat.irc import numerics
from netsvc.chat.irc.commands import command
from netsvc.chat.irc.message import Message
from netsvc.chat.irc.shown import may_see
from netsvc.chat.irc.wire import mode_changes
from netsvc.chat.member import USER_MODES
from netsvc.chat.names import fold, is_room
from netsvc.chat.rooms import FLAGS, LISTS, PREFIXES, Room

if TYPE_CHECKING:
    from netsvc.chat.irc.session import IrcSession

#: What a list is told as: an entry, and its end.
LIST_NUMERICS: Final = {
    "b": (numerics.RPL_BANLIST, numerics.RPL_ENDOFBANLIST),
    "e": (numerics.RPL_EXCEPTLIST, numerics.RPL_ENDOFEXCEPTLIST),
    "I": (numerics.RPL_INVEXLIST, numerics.RPL_ENDOFINVEXLIST),
}

#: Bytes of letters that fit into a line behind any mask and nick.
_ROOM: Final = 200


@dataclass
class Request:
    """
    What a MODE asks of a room.

    @ivar changes: What to change, in order; unknown letters are in it once.
    @ivar lists: Which lists to tell.
    @ivar dropped: How many changes with a parameter were too many.
    """

    changes: list[Change] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    dropped: int = 0


def _signed(letters: str) -> Iterator[tuple[bool, str]]:
    """Give the letters, each with whether it is added."""
    adding = True
    for letter in letters:
        if letter in "+-":
            adding = letter == "+"
        else:
            yield adding, letter


def parse_modes(params: list[str], most: int) -> Request:
    """
    Read the letters and parameters of a MODE.

    A letter that has no parameter and needs one is passed over, but C{b}, C{e} and
    C{I} ask for the list then, and C{-k} needs none.

    @param params: The letters, and what belongs to them.
    @param most: How many changes with a parameter are made.
    """
    request = Request()
    arguments = iter(params[1:])
    unknown: set[str] = set()
    taken = 0
    for adding, letter in _signed(params[0]):
        argument = None
        listed = letter in LISTS
        if listed or letter in PREFIXES or letter == "k" or (letter == "l" and adding):
            argument = next(arguments, None)
            if listed and not argument:
                if letter not in request.lists:
                    request.lists.append(letter)
                continue
            if argument is None and (adding or letter != "k"):
                continue
            taken += 1
            if taken > most:
                request.dropped += 1
                continue
        elif letter not in FLAGS and letter != "l":
            if letter in unknown:
                continue
            unknown.add(letter)
        request.changes.append(Change(adding, letter, argument))
    return request


@command("MODE", least=1)
def mode(session: IrcSession, message: Message) -> None:
    """MODE <target> [<letters> [<parameters>]]: ask for modes, or change them."""
    target, *rest = message.params
    letters = rest[0] if rest else ""
    if is_room(target):
        room = session.hub.room(target)
        if not letters:
            _tell_modes(session, room, target)
        else:
            _change_room(session, room, target, rest)
    elif fold(target) != session.me.key:
        session.hub.member(target)  # 401 comes before 502
        session.numeric(numerics.ERR_USERSDONTMATCH)
    elif not letters:
        modes = "".join(sorted(session.me.modes))
        session.numeric(numerics.RPL_UMODEIS, f"+{modes}")
    else:
        _change_self(session, letters)


def _hidden(session: IrcSession, room: Room, target: str) -> None:
    """
    Treat a room that one may not know of as one that does not exist.

    @raise HubError: If it is so.
    """
    if not may_see(session, room):
        raise HubError(Reason.NO_SUCH_ROOM, target)


def _tell_modes(session: IrcSession, room: Room, target: str) -> None:
    """Tell a room's modes, and when it was made; the key to its members only."""
    _hidden(session, room, target)
    letters, arguments = room.mode_letters(show_key=session.me in room.members)
    session.numeric(numerics.RPL_CHANNELMODEIS, room.name, letters, *arguments)
    created = str(room.created // 1000)
    session.numeric(numerics.RPL_CREATIONTIME, room.name, created)


def _change_room(
    session: IrcSession, room: Room, target: str, params: list[str]
) -> None:
    """Change a room's modes, and tell the lists that are asked for."""
    most = int(session.frontend.support["MODES"] or 0)
    request = parse_modes(params, most)
    if request.lists:
        _hidden(session, room, target)
        for letter in request.lists:
            _tell_list(session, room, letter)
    if request.dropped:
        session.network.counters["irc-modes-dropped"] += request.dropped
    if request.changes:
        for refusal in session.hub.set_modes(session.me, target, request.changes):
            session.refuse(_withheld(refusal), "MODE")


def _withheld(refusal: HubError) -> HubError:
    """Leave a key that was refused out of the answer: it may not even fit there."""
    context = refusal.context
    if refusal.reason is Reason.BAD_MODE_ARGUMENT and context[1] == "k":
        return HubError(refusal.reason, context[0], "k", "*")
    return refusal


def _tell_list(session: IrcSession, room: Room, letter: str) -> None:
    """Tell a list of masks: each, who set it and when."""
    entry, end = LIST_NUMERICS[letter]
    server, client = session.network.name, session.client
    lines = [
        numerics.reply(
            server,
            entry,
            client,
            *(room.name, mask.text, mask.setter, str(mask.time // 1000)),
        )
        for mask in room.lists[letter].values()
    ]
    if lines:
        session.reply(b"".join(lines))
    session.numeric(end, room.name)


def _change_self(session: IrcSession, letters: str) -> None:
    """Change one's own modes; C{o} can only be given up."""
    hub, me = session.hub, session.me
    done: list[Change] = []
    unknown = False
    for adding, letter in _signed(letters):
        if letter not in USER_MODES:
            unknown = True
        elif letter == "o":
            if not adding and hub.set_operator(me, None):
                done.append(Change(False, "o"))
        elif hub.set_user_modes(me, adding, letter):
            done.append(Change(adding, letter))
    for changed in mode_changes(done, _ROOM):
        session.line("MODE", me.nick, changed, source=me.source.mask)
    if unknown:
        session.numeric(numerics.ERR_UMODEUNKNOWNFLAG)
