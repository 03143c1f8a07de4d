"""
Which services of a configuration run in which worker, and where they listen.

A service whose state cannot be divided runs in worker 0 alone. Its class says so:
C{shared_state = True}, or C{alone_with}, the names of settings that make it so, or
C{keeps_peers = True}, if one peer's datagrams must all come to one process: that
cannot be had of a UDP socket that systemd has bound, of which there is only one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Protocol

from netsvc.daemon.listen import Listen, matched

#: The worker that has what runs in one worker alone.
SOLE: Final = 0


class Entry(Protocol):
    """One service of a configuration."""

    @property
    def table(self) -> str:
        """Its table."""

    @property
    def name(self) -> str:
        """Which one it is, where there are several."""

    @property
    def identity(self) -> Any:
        """What it is known by over reloads."""

    @property
    def settings(self) -> Any:
        """Its settings."""


def alone(service: type, settings: Any) -> str:
    """
    Say why a service runs in one worker alone.

    @param service: Its class.
    @param settings: Its settings.
    @return: The reason, in a few words; empty if it runs in all.
    """
    if getattr(service, "shared_state", False):
        return "its state is in memory"
    if getattr(service, "keeps_peers", False):
        for listens in _listens(settings).values():
            if any(listen.kind == "systemd" for listen in listens):
                return "its socket from systemd may be of UDP"
    for name in getattr(service, "alone_with", ()):
        if getattr(settings, name):
            return f"its {name.replace('_', ' ')} belongs to one process"
    return ""


@dataclass(frozen=True)
class Wish:
    """
    A listen string of a configuration.

    @ivar entry: The service that it is of.
    @ivar key: The setting that it is in.
    @ivar listen: It.
    @ivar number: How many equal ones stand before it in that service.
    """

    entry: Entry
    key: str
    listen: Listen
    number: int = 0


def wishes(entry: Entry) -> list[Wish]:
    """Give all listen strings of a service, in the order of its settings."""
    found: list[Wish] = []
    for key, listens in _listens(entry.settings).items():
        for listen in listens:
            equal = [each for each in found if each.listen == listen]
            found.append(Wish(entry, key, listen, len(equal)))
    return found


def _listens(settings: Any) -> dict[str, list[Listen]]:
    """Give the listen strings of each setting."""
    found = {}
    for each in fields(settings):
        value = getattr(settings, each.name)
        values = value if isinstance(value, tuple) else (value,)
        found[each.name] = [one for one in values if isinstance(one, Listen)]
    return found


def added(old: Sequence[Entry], new: Sequence[Entry]) -> list[Wish]:
    """
    Give what a worker that runs old entries has to bind for new ones.

    An entry is the same if its identity is; which sockets go on is for
    L{matched} to say.
    """
    before = {each.identity: _listens(each.settings) for each in old}
    found: list[Wish] = []
    for entry in new:
        known = before.get(entry.identity, {})
        listens = _listens(entry.settings)
        kept = {
            (key, number)
            for key in listens
            for number in matched(known.get(key, []), listens[key])
        }
        numbers = dict.fromkeys(listens, 0)
        for wish in wishes(entry):
            if (wish.key, numbers[wish.key]) not in kept:
                found.append(wish)
            numbers[wish.key] += 1
    return found
