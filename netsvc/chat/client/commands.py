"""What users may type behind a slash, as far as the client has to know it."""

from __future__ import annotations

from typing import Final

COMMANDS: Final[dict[str, str]] = {
    "away": "",
    "ban": "nick",
    "charset": "charset",
    "deop": "nick",
    "devoice": "nick",
    "direct": "nick",
    "help": "command",
    "history": "",
    "invite": "nick",
    "join": "room",
    "kick": "nick",
    "list": "room",
    "login": "",
    "logout": "",
    "me": "",
    "motd": "",
    "msg": "nick",
    "mute": "nick",
    "nick": "",
    "op": "nick",
    "part": "room",
    "pass": "",
    "passwd": "",
    "path": "nick",
    "quit": "",
    "register": "",
    "search": "",
    "topic": "",
    "unban": "",
    "unmute": "nick",
    "voice": "nick",
    "who": "nick",
}
"""
Each command, and what its first word is the name of, if anything.

All are the server's, but that C{/direct} and C{/path} are there over UDP only.
"""

ALIASES: Final = {
    "bye": "quit",
    "exit": "quit",
    "j": "join",
    "leave": "part",
    "names": "who",
    "w": "msg",
    "whois": "who",
}
"""Other names of commands."""

SECRET: Final = frozenset({"login", "pass", "passwd", "register"})
"""Commands with a password."""


def is_command(text: str) -> bool:
    """Say whether a line is a command: two slashes begin a text with one."""
    text = text.lstrip()
    return text.startswith("/") and not text.startswith("//")


def command(text: str) -> str:
    """Give the name of the command in a line; empty when it is none."""
    if not is_command(text):
        return ""
    name = text.split(maxsplit=1)[0][1:].lower()
    return ALIASES.get(name, name)


def keepable(text: str) -> bool:
    """
    Say whether a line may be remembered.

    No command with a password may, and none that the client does not know: it may be
    one of those, mistyped.
    """
    if not is_command(text):
        return True
    name = command(text)
    return name in COMMANDS and name not in SECRET


def masked(text: str) -> str:
    """Give a line as it may stay on the screen: without what may be a password."""
    if keepable(text):
        return text
    word, space, rest = text.strip().partition(" ")
    return f"{word} ..." if space and rest else word
