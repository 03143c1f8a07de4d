"""
Long answers, at the speed at which the client reads them.

An answer of more than L{PART} bytes goes out in parts, and the next one waits
until the client has taken most of those before. So the list of ten thousand rooms
never fills a send queue, and the others are served in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from netsvc.chat.irc import numerics
from netsvc.chat.irc.link import Work

if TYPE_CHECKING:
    from netsvc.chat.irc.session import IrcSession

#: Bytes that are written at a time, and the share of the send queue that may be.
PART: Final = 64 * 1024
PART_SHARE: Final = 1 / 4

#: Lines that are looked for at a time, also if none of them is to be told.
LOOK: Final = 250

#: How many lines that are told cost as much as a command, and how many that were
#: looked at and are not: no mask of WHO or LIST makes a lot of work of a few bytes.
TOLD_PER_COMMAND: Final = 100
LOOKS_PER_COMMAND: Final = 20

#: The share of the send queue that may be full when the next part is written.
SHARE: Final = 1 / 8

#: Seconds between two looks at the queue.
STEP: Final = 0.05

#: The share of the time that a command may take after which an answer is cut short.
PATIENCE: Final = 0.8


def paced(
    session: IrcSession,
    verb: str,
    lines: Iterable[bytes],
    end: Callable[[], None],
) -> Work | None:
    """
    Answer a command with many lines.

    A client that reads too slowly is told so (263), and gets the end without the rest.

    @param verb: The command.
    @param lines: The lines, with their CR LF; they are made while they are written.
        No bytes stand for something that was looked at and is not to be told.
    @param end: Writes what ends the answer.
    @return: What is left to do, if that was not all.
    """
    rest = iter(lines)
    if _write(session, rest):
        end()
        return None
    return _go_on(session, verb, rest, end)


def _write(session: IrcSession, lines: Iterator[bytes]) -> bool:
    """Write a part; say whether it was the last."""
    most = min(PART, session.frontend.config.send_queue * PART_SHARE)
    part: list[bytes] = []
    size = looks = 0
    finished = True
    for line in lines:
        if line:
            part.append(line)
            size += len(line)
        else:
            looks += 1
        if size >= most or len(part) + looks == LOOK:
            finished = False
            break
    cost = len(part) / TOLD_PER_COMMAND + looks / LOOKS_PER_COMMAND
    session.intake.charge(cost)
    if size:
        session.reply(b"".join(part))
    return finished


async def _go_on(
    session: IrcSession, verb: str, lines: Iterator[bytes], end: Callable[[], None]
) -> None:
    """Write the parts after the first."""
    network, config = session.network, session.frontend.config
    until = network.seconds() + config.command_timeout * PATIENCE
    finished = False
    while not finished:
        if not await _taken(session, until):
            if not session.closing:
                network.counters["irc-answer-cut"] += 1
                text = "You read too slowly: this is not all"
                session.numeric(numerics.RPL_TRYAGAIN, verb, text=text)
            break
        finished = _write(session, lines)
    end()


async def _taken(session: IrcSession, until: float) -> bool:
    """Wait until the client has taken most of what was written; say whether it did."""
    link = session.link
    most = session.frontend.config.send_queue * SHARE
    said: list[None] = []
    # What waits for a commit is not in the queue yet.
    session.hub.courier.after(session, lambda: said.append(None))
    wait = 0.0
    while not session.closing and session.network.seconds() <= until:
        await link.sleep(wait)
        if said and link.pending() <= most:
            return not session.closing
        wait = STEP
    return False
