"""
Masks: who is meant by C{nick!user@host} with C{*} and C{?}, or by C{~a:account}.

Matching takes no longer than the mask's length times that of the text, and masks in
lists are compiled: no mask that a stranger sets can make it slow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from netsvc.chat.names import fold

#: Starts a mask that is more than C{nick!user@host} (EXTBAN).
EXTENDED = "~"

#: C{~a:account}: those who are logged in as that account.
ACCOUNT = "a"

#: C{~m:mask}: who may come in, but not speak. Takes any other mask.
MUTE = "m"

#: Code points in a mask.
MASK_LENGTH = 150


def glob(pattern: str, text: str) -> bool:
    """
    Say whether a text matches a pattern of C{*} (any text) and C{?} (one character).

    Both are compared as they are: fold them before. For a pattern that is compared
    often there is L{compiled}.
    """
    if "*" not in pattern and "?" not in pattern:
        return pattern == text
    i = at = mark = 0
    star = -1
    while i < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, mark = at, i
            at += 1
        elif at < len(pattern) and (pattern[at] == "?" or pattern[at] == text[i]):
            at += 1
            i += 1
        elif star >= 0:
            at = star + 1
            mark += 1
            i = mark
        else:
            return False
    return pattern[at:].strip("*") == ""


def compiled(pattern: str) -> re.Pattern[str]:
    """
    Compile a pattern of C{*} and C{?}: C{fullmatch} says what L{glob} says.

    What stands between two stars is looked for once, and never again further on: no
    pattern takes longer than its length times that of the text.
    """
    first, *rest = (
        re.escape(part).replace(r"\?", ".") for part in re.split(r"\*+", pattern)
    )
    if rest:
        *middle, last = rest
        first += "".join(f"(?>.*?{part})" for part in middle) + f".*{last}"
    return re.compile(first, re.DOTALL)


def full(mask: str) -> str:
    """
    Complete a mask: C{nick} to C{nick!*@*}, C{user@host} to C{*!user@host}.

    One that names an account (C{~a:}) stays as it is.
    """
    if mask.startswith(EXTENDED + ACCOUNT + ":"):
        return mask
    mute = EXTENDED + MUTE + ":"
    if mask.startswith(mute):
        while mask.startswith(mute):
            mask = mask[len(mute) :]
        return mute + full(mask)
    nick, exclamation, rest = mask.partition("!")
    if not exclamation:
        if "@" in mask:
            nick, rest = "*", mask
        elif "." in mask or ":" in mask:
            nick, rest = "*", "*@" + mask
        else:
            rest = "*@*"
    user, at, host = rest.partition("@")
    if not at:
        host = "*"
    return f"{nick or '*'}!{user or '*'}@{host or '*'}"


@dataclass(frozen=True, slots=True)
class Identity:
    """
    What masks are compared with.

    @ivar names: C{nick!user@host}, folded, for each host by which they are known.
    @ivar account: The account, folded; C{None} when not logged in.
    """

    names: tuple[str, ...]
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Mask:
    """
    A mask in a list.

    @ivar text: In full form, as people see it.
    @ivar setter: Who set it.
    @ivar time: When, in ms since the epoch.
    @ivar payer: On whose account it counts (L{Member.payer
        <netsvc.chat.member.Member.payer>}); empty for the server's.
    """

    text: str
    setter: str = ""
    time: int = 0
    payer: str | bytes = ""
    _pattern: re.Pattern[str] = field(init=False, compare=False)
    _account: bool = field(init=False, compare=False)
    mutes: bool = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Prepare the comparison."""
        text = self.text
        mutes = text.startswith(EXTENDED + MUTE + ":")
        if mutes:
            text = text[3:]
        account = text.startswith(EXTENDED + ACCOUNT + ":")
        object.__setattr__(self, "mutes", mutes)
        object.__setattr__(self, "_account", account)
        pattern = compiled(fold(text[3:] if account else text))
        object.__setattr__(self, "_pattern", pattern)

    def matches(self, who: Identity) -> bool:
        """Say whether somebody is meant."""
        matches = self._pattern.fullmatch
        if self._account:
            return who.account is not None and matches(who.account) is not None
        return any(matches(name) is not None for name in who.names)
