"""Long lists in as few numerics as will hold them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from netsvc.chat.irc import numerics
from netsvc.chat.irc.message import BODY_LIMIT

if TYPE_CHECKING:
    from netsvc.chat.irc.session import IrcSession


def send_list(
    session: IrcSession,
    code: str,
    *params: str,
    items: Iterable[str],
    separator: str = " ",
) -> None:
    """
    Answer with numerics whose last parameter is a list; none when it is empty.

    The arguments are those of L{list_lines}.
    """
    parts = list_lines(session, code, *params, items=items, separator=separator)
    if parts:
        session.reply(b"".join(parts))


def list_lines(
    session: IrcSession,
    code: str,
    *params: str,
    items: Iterable[str],
    separator: str = " ",
) -> list[bytes]:
    """
    Give numerics whose last parameter is a list; none when it is empty.

    @param code: The numeric.
    @param params: What stands between the nick and the list.
    @param items: The list.
    @param separator: One character, between its items.
    """
    name = session.frontend.network.name
    head = numerics.reply(name, code, session.client, *params, text="")
    room = BODY_LIMIT - len(head)
    parts: list[bytes] = []
    texts: list[str] = []
    left = room
    for item in items:
        size = (len(item) if item.isascii() else len(item.encode())) + 1
        if size > left + 1 and texts:
            parts.append(_line(head, separator.join(texts)))
            texts, left = [], room
        texts.append(item)
        left -= size
    if texts:
        parts.append(_line(head, separator.join(texts)))
    return parts


def _line(head: bytes, text: str) -> bytes:
    """A numeric with its list: the head ends in a colon and CR LF."""
    return b"%b%b\r\n" % (head[:-2], text.encode("utf-8", "replace"))
