"""Saying something: a long line becomes as many messages as it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netsvc.chat.text import cut

if TYPE_CHECKING:
    from netsvc.chat.line.session import LineSession

#: Bytes that a message has for its text and all before it on an IRC line.
MESSAGE_BYTES: Final = 500

#: Bytes of text that a message always may have.
LEAST_BYTES: Final = 64


def say(session: LineSession, target: str, text: str, form: str = "{}") -> None:
    """
    Say something, in as many messages as it takes.

    @param target: A room or a nick.
    @param form: What is around the text in each message.
    @raise HubError: If that is refused.
    """
    if len(text) <= LEAST_BYTES and text.isascii():
        session.hub.say(session.me, target, form.format(text))
        return
    # All of them must fit on the lines of IRC clients.
    before = len(f":{session.me.source.mask} PRIVMSG {target} :{form}".encode())
    limit = max(MESSAGE_BYTES - before, LEAST_BYTES)
    for piece in pieces(text, limit):
        session.hub.say(session.me, target, form.format(piece))


def pieces(text: str, limit: int) -> list[str]:
    """
    Split a text into pieces of at most so many bytes of UTF-8, at spaces if possible.

    @param limit: At least the bytes of one character.
    """
    found = []
    while text:
        piece = cut(text, limit) or text[:1]
        if len(piece) < len(text):
            space = piece.rfind(" ")
            if space > len(piece) // 2:
                piece = piece[:space]
        found.append(piece)
        text = text[len(piece) :].lstrip(" ")
    return found
