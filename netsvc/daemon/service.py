"""
What the daemon asks of a service, so that it need not know which one it is.

Reloading is in two steps. L{NetService.prepare} does all that may fail (it reads the
files, binds new ports) and changes nothing; only when every service is prepared is
each L{Change} committed, or each is abandoned.
"""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet import defer

from netsvc.daemon.changes import CombinedReloadError, ReloadError
from netsvc.daemon.report import ServiceReport

__all__ = [
    "Change",
    "CombinedReloadError",
    "NetService",
    "ReloadError",
    "label_of",
    "own_name",
]


class Change(Protocol):
    """New settings that are prepared: exactly one of the two is called, once."""

    def commit(self) -> None:
        """Use them from now on. This does not fail."""

    def abandon(self) -> None:
        """Give back what was taken for them; nothing has changed."""


class NetService(Protocol):
    """
    A service, beside L{twisted.application.service.IService}.

    @ivar service: Its name, such as C{netsvc-echo}.
    @ivar settings: What it goes by now.
    @ivar listeners: What holds its ports
        (L{Listeners<netsvc.daemon.listeners.Listeners>}), one or several.
    """

    service: str
    settings: Any
    listeners: Any

    def drain(self, timeout: float) -> defer.Deferred[None]:
        """Accept nothing new, let what is in flight finish, and cut the rest then."""

    def counters(self) -> dict[str, int]:
        """Give what was counted since the start, by name."""

    def report(self) -> ServiceReport:
        """Tell what is going on, for metrics and for people."""

    def prepare(self, settings: Any) -> Change | defer.Deferred[Change]:
        """
        Prepare other settings of the same class, or the same ones again: then the
        files that they name are read again.

        @return: The change, or a Deferred of it where something has to be looked up.
        @raise ReloadError: They cannot be used; nothing has changed.
        @raise CombinedReloadError: The same, for several reasons.
        """


def own_name(service: Any) -> str:
    """
    Give a service's own name; empty if there is one of its kind only.

    Such a one is called C{TABLE.NAME}, by its table of the configuration.
    """
    return str(getattr(service, "name", None) or "").partition(".")[2]


def label_of(service: Any) -> str:
    """Give what a service is called in the log, as in metrics: C{netsvc-echo}, or
    C{netsvc-echo/NAME} where there are several."""
    own = own_name(service)
    return f"{service.service}/{own}" if own else str(service.service)
