"""
What the daemon asks of a service, so that it need not know which one it is.

Reloading is in two steps. L{NetService.prepare} does all that may fail (it reads the
files, binds new ports) and changes nothing; only when every service is prepared is
each L{Change} committed, or each is abandoned.
"""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet import defer

from netsvc.daemon.report import ServiceReport


class ReloadError(Exception):
    """
    New settings that a service cannot use.

    @ivar key: The setting, such as C{tls_certificate}; empty if it is about none.
    @ivar problem: What is wrong, in one line for operators.
    """

    def __init__(self, key: str, problem: str) -> None:
        """Say what is wrong with which setting."""
        super().__init__(f"{key}: {problem}" if key else problem)
        self.key = key
        self.problem = problem


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
    """

    service: str

    def drain(self, timeout: float) -> defer.Deferred[None]:
        """Accept nothing new, let what is in flight finish, and cut the rest then."""

    def counters(self) -> dict[str, int]:
        """Give what was counted since the start, by name."""

    def report(self) -> ServiceReport:
        """Tell what is going on, for metrics and for people."""

    def prepare(self, settings: Any) -> Change:
        """
        Prepare other settings of the same class, or the same ones again.

        @raise ReloadError: They cannot be used; nothing has changed.
        """
