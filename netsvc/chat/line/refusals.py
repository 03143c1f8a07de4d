"""What is refused, in one sentence that says what to do."""

from __future__ import annotations

from typing import Final

from netsvc.chat.accounts.errors import AccountError, Refusal
from netsvc.chat.events import HubError, Reason
from netsvc.chat.network import HistoryBusy, NoSuchMessage
from netsvc.chat.text import clean

#: Code points of what was typed that a refusal repeats.
LONGEST: Final = 80


class Mistake(Exception):  # noqa: N818 -- a user's, and nothing is broken
    """A line that cannot be obeyed: what its user is told."""


_TEXTS: Final = {
    Reason.NICK_EMPTY: "type the nick, too: /nick NAME",
    Reason.NICK_INVALID: "{0} is no valid nick: take letters, digits (not first) or _-",
    Reason.NICK_IN_USE: "{0} is taken: choose another nick",
    Reason.NICK_RESERVED: "{0} belongs to an account: log in first (/login), or choose"
    " another nick",
    Reason.NICK_CONFUSABLE: "{0} looks like the nick of somebody else: choose another",
    Reason.NO_SUCH_NICK: "there is nobody called {0}: /who tells who is there",
    Reason.NO_SUCH_ROOM: "there is no room {0}: /list tells which there are",
    Reason.ROOM_INVALID: "{0} is no valid name of a room: take #name, without spaces,"
    " commas and colons",
    Reason.TOO_MANY_ROOMS: "you cannot come into {0}, there are too many rooms: /part"
    " one first",
    Reason.ROOM_FULL: "{0} is full: try again later",
    Reason.ROOM_KEY: "{0} has a key: /join {0} KEY",
    Reason.ROOM_INVITE_ONLY: "{0} is for invited people only: ask one of its operators",
    Reason.BANNED: "you are banned from {0}: ask one of its operators",
    Reason.ACCOUNT_NEEDED: "{0} is for people who are logged in: /login or /register",
    Reason.NOT_IN_ROOM: "you are not in {0}: /join it first",
    Reason.NOT_ON_ROOM: "{0} is not in {1}: /who tells who is",
    Reason.ALREADY_IN_ROOM: "{0} is in {1} already: nothing to do",
    Reason.NOT_OPERATOR: "only operators of {0} may do that: /who shows them with @",
    Reason.CANNOT_SEND: "that was not sent to {0}: {1}",
    Reason.MUTED: "that was not sent: you are muted in {0}; ask one of its operators",
    Reason.ACCOUNTS_ONLY: "{0} hears only people who are logged in: /login first",
    Reason.NO_CTCP: "{0} wants no CTCP requests: just write to them",
    Reason.NO_TEXT: "there is no text to send: type some behind the command",
    Reason.LIST_FULL: "that list of {0} is full: take something off it first",
    Reason.UNKNOWN_MODE: "there is no mode {0}: see /help",
    Reason.BAD_MODE_ARGUMENT: "{2} is nothing that {0} can be given: see /help",
    Reason.HUB_FULL: "there is no room for more people: try again later",
}

_TOO_FAST: Final = {
    "messages": "that was not sent, you are too fast: wait a little",
    "joins": "that was too many rooms too fast: wait a little",
    "nick-changes": "that was too many nicks too fast: wait a little",
}

_ACCOUNTS: Final = {
    Refusal.OFF: "that is switched off on this server",
    Refusal.ALREADY_REGISTERED: "that name is registered already: choose another",
    Refusal.BAD_NAME: "that is no name for an account: choose another",
    Refusal.CONFUSABLE: "that name looks like another account's: choose another",
    Refusal.WEAK_PASSWORD: "that password is too short, too long or of odd characters:"
    " choose another",
    Refusal.WRONG: "the account or the password is wrong: try again",
    Refusal.THROTTLED: "that was tried too often: try again later",
    Refusal.BUSY: "too much is going on right now: try again",
}


def sentence(error: Exception) -> str | None:
    """
    Say why something is refused, and what to do; C{None} if it is a mistake of ours.
    """
    if isinstance(error, Mistake):
        return str(error)
    if isinstance(error, HubError):
        context = [clean(each[:LONGEST]) for each in error.context]
        if error.reason is Reason.TOO_FAST:
            return _TOO_FAST.get(context[0], "that was too fast: wait a little")
        return _TEXTS[error.reason].format(*context)
    if isinstance(error, AccountError):
        return _ACCOUNTS.get(error.code, error.code.value)
    if isinstance(error, HistoryBusy | NoSuchMessage):
        return "the history cannot be read right now: try again later"
    if isinstance(error, TimeoutError):
        return "that took too long: try again later"
    return None
