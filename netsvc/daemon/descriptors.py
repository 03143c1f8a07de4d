"""
The descriptors of a process, and how its services share them.

How many there may be is one limit of the whole process (C{ulimit -Hn}). Services say
what they want, and are granted less if it is too much for all together. What an
operator has set comes first; what is there by default adapts to the rest. Pure.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakSet

#: Descriptors kept for what is no connection: listeners, log, journal, pipes.
RESERVED_DESCRIPTORS: Final = 64

#: At most one in so many descriptors goes to pipes.
PIPE_SHARE: Final = 8

#: One in so many is left to services that want their defaults, whatever others want.
DEFAULT_SHARE: Final = 8

_ATTRIBUTE: Final = "_netsvcDescriptors"


def pipe_limit(wanted: int) -> int:
    """
    Give how many pipes, of two descriptors each, there is room for.

    @param wanted: How many there may be.
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        return wanted
    return min(wanted, hard // (2 * PIPE_SHARE))


def system_limit(needed: int) -> int:
    """
    Make room for so many descriptors, if the system lets us.

    @return: How many of them there may be.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed and soft != resource.RLIM_INFINITY:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        except (OSError, ValueError):
            # A sandbox or the kernel's own limit: what there is has to do.
            soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return needed if soft == resource.RLIM_INFINITY else min(needed, soft)


@dataclass(frozen=True, slots=True)
class Want:
    """
    Connections, or whatever else takes descriptors, up to a limit.

    @ivar number: The limit.
    @ivar each: How many descriptors one of them takes.
    @ivar given: Whether somebody has set it, and not left it at its default.
    """

    number: int
    each: int = 1
    given: bool = False

    @property
    def descriptors(self) -> int:
        """How many it takes in all."""
        return self.number * self.each


class Share:
    """
    What one service wants, and gets.

    @ivar granted: How many there is room for of each L{Want}, at least 1.
    """

    def __init__(self, pool: Descriptors, changed: Callable[[], object]) -> None:
        """
        @param pool: All descriptors.
        @param changed: Called when others have made L{granted} another one.
        """
        self._pool = pool
        self.changed = changed
        self.wants: tuple[Want, ...] = ()
        self.granted: tuple[int, ...] = ()
        self.others = 0
        self.pipes = 0

    def ask(self, *wants: Want, others: int = 0, pipes: int = 0) -> None:
        """
        Want something, instead of what was wanted so far.

        @param wants: What there may be less of, if need be.
        @param others: How many descriptors are needed besides.
        @param pipes: How many of them are of pipes, which all services share.
        """
        self.wants, self.others, self.pipes = wants, others, pipes
        self._pool.divide(self)

    def release(self) -> None:
        """Want nothing any more."""
        self._pool.forget(self)


class Descriptors:
    """Divides the descriptors of a process."""

    def __init__(self) -> None:
        """Begin with nothing wanted."""
        # A service that could not be made must not have a share for ever.
        self._shares: WeakSet[Share] = WeakSet()

    def share(self, changed: Callable[[], object] = lambda: None) -> Share:
        """Give one more service a share, of nothing so far; see L{Share}."""
        share = Share(self, changed)
        self._shares.add(share)
        return share

    def forget(self, share: Share) -> None:
        """Give what a service had to the others."""
        if share in self._shares:
            self._shares.discard(share)
            self.divide()

    def divide(self, asking: Share | None = None) -> None:
        """
        Grant everybody what there is room for, and tell those for whom it is new.

        @param asking: Who need not be told.
        """
        shares = list(self._shares)
        wants = [want for share in shares for want in share.wants]
        kept = RESERVED_DESCRIPTORS + sum(share.others for share in shares)
        kept += max((share.pipes for share in shares), default=0)
        given = _all(each for each in wants if each.given)
        default = _all(each for each in wants if not each.given)
        room = max(0, system_limit(kept + given + default) - kept)
        for_given = min(given, room - min(default, room // DEFAULT_SHARE))
        for_default = min(default, room - for_given)
        for share in shares:
            before = share.granted
            share.granted = tuple(
                _granted(each, for_given, given)
                if each.given
                else _granted(each, for_default, default)
                for each in share.wants
            )
            if share is not asking and share.granted != before:
                share.changed()


def _all(wants: Iterable[Want]) -> int:
    """Give how many descriptors are wanted in all."""
    return sum(each.descriptors for each in wants)


def _granted(want: Want, room: int, wanted: int) -> int:
    """Give a want its part of the room for several."""
    if not want.each or room >= wanted:
        return want.number
    return max(1, want.number * room // wanted)


def descriptors_of(reactor: Any) -> Descriptors:
    """
    Give the descriptors of a reactor's process: always the same ones.

    @param reactor: The reactor, or the multiplexer of it.
    """
    found: Descriptors | None = getattr(reactor, _ATTRIBUTE, None)
    if found is None:
        found = Descriptors()
        # A multiplexer gives what its reactor has.
        setattr(getattr(reactor, "_reactor", reactor), _ATTRIBUTE, found)
    return found
