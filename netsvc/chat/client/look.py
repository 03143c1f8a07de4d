"""
How lines look on a terminal: pieces of text, each with the name of a style.

The names are those of prompt_toolkit's style sheets, and L{STYLES} is such a sheet.
"""

from __future__ import annotations

import re
import zlib
from datetime import datetime
from typing import Final

from netsvc.chat.client.commands import command, is_command
from netsvc.chat.client.lines import (
    Acted,
    Info,
    Line,
    Past,
    Refused,
    Spoken,
    Whispered,
)
from netsvc.chat.client.people import People
from netsvc.chat.names import fold

Pieces = list[tuple[str, str]]
"""Styles and texts."""

_NICK_COLOURS: Final = (
    "ansired",
    "ansigreen",
    "ansiyellow",
    "ansiblue",
    "ansimagenta",
    "ansicyan",
    "ansibrightred",
    "ansibrightgreen",
    "ansibrightblue",
    "ansibrightmagenta",
    "ansibrightcyan",
)

STYLES: Final[dict[str, str]] = {
    "time": "ansibrightblack",
    "room": "ansibrightblack",
    "info": "ansibrightblack",
    "note": "italic ansibrightblack",
    "typed": "ansibrightblack",
    "error": "bold ansired",
    "private": "ansimagenta",
    "me": "bold",
    "mention": "bold ansiyellow",
    "prompt": "bold",
    **{f"nick{index}": colour for index, colour in enumerate(_NICK_COLOURS)},
}
"""What each style is."""


def nick_style(nick: str, people: People) -> str:
    """Give the style of a nick: always the same colour, by its hash."""
    if people.is_me(nick):
        return "class:me"
    number = zlib.crc32(fold(nick).encode("utf-8", "replace"))
    return f"class:nick{number % len(_NICK_COLOURS)}"


def stamp(now: datetime | None) -> str:
    """Give what stands in front of a line that came then; nothing for C{None}."""
    return "" if now is None else f"{now:%H:%M:%S} "


def line_pieces(line: Line, people: People, now: datetime | None = None) -> Pieces:
    """
    Render a line of the server.

    @param people: Knows whose nicks there are, and this user's.
    @param now: The time to show with it, if any.
    """
    pieces: Pieces = [("class:time", stamp(now))] if now else []
    match line:
        case Past(when=when, line=past):
            pieces.append(("class:time", f"{when} "))
            pieces += line_pieces(past, people)
        case Spoken(text=text, nick=nick, body=body):
            place = text[: text.index("<")]
            mentions = not people.is_me(nick) and _mentions(body, people.nick)
            pieces += [
                ("class:room", place),
                ("", "<"),
                (nick_style(nick, people), nick),
                ("", "> "),
                ("class:mention" if mentions else "", body),
            ]
        case Acted(text=text, nick=nick, body=body):
            place = text[: text.index("* ") + 2]
            pieces += [
                ("class:room", place),
                (nick_style(nick, people), nick),
                ("", f" {body}"),
            ]
        case Whispered(nick=nick, body=body, own=own, direct=direct):
            start, end = ("-> ", ": ") if own else ("-", "- ")
            start = "(direct) " * direct + start
            pieces += [
                ("class:private", start),
                (nick_style(nick, people), nick),
                ("class:private", end),
                ("", body),
            ]
        case Info(text=text, nick=nick) if nick and people.knows(nick):
            rest = text[2 + len(nick) :]
            style = "class:info" if type(line) is not Info else ""
            pieces += [
                ("class:info", "* "),
                (nick_style(nick, people), nick),
                (style, rest),
            ]
        case Info(text=text):
            pieces.append(("class:info", text))
        case Refused(text=text):
            pieces.append(("class:error", text))
        case _:
            pieces.append(("", line.text))
    return pieces


def own_pieces(text: str, people: People, now: datetime | None = None) -> Pieces:
    """Render what this user has said: the server tells it to the others only."""
    pieces: Pieces = [("class:time", stamp(now))] if now else []
    name = people.nick or "me"
    if command(text) == "me":
        done = text.strip().partition(" ")[2]
        return [*pieces, ("class:info", "* "), ("class:me", name), ("", f" {done}")]
    if is_command(text):
        return [*pieces, ("class:typed", text)]
    text = text[text.startswith("//") :]
    return [*pieces, ("", "<"), ("class:me", name), ("", "> "), ("", text)]


def note_pieces(text: str, now: datetime | None = None) -> Pieces:
    """Render what the client itself has to say."""
    pieces: Pieces = [("class:time", stamp(now))] if now else []
    return [*pieces, ("class:note", f"- {text}")]


def prompt_pieces(people: People, is_open: bool) -> Pieces:
    """Render what stands in front of the text that is being typed."""
    place = (people.room or "chat") if is_open else "offline"
    return [("class:prompt", f"[{place}]"), ("", " ")]


def _mentions(body: str, nick: str) -> bool:
    """Is the nick in the text as a word?"""
    if not nick or len(nick) > len(body):
        return False
    # A particle follows a Korean nick without a space: what is in front counts.
    pattern = rf"(?<![\w]){re.escape(fold(nick))}(?![A-Za-z0-9_])"
    return re.search(pattern, fold(body)) is not None
