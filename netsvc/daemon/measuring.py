"""Measures the reactor as long as a daemon runs."""

from __future__ import annotations

from typing import Any

from twisted.application.service import Service
from twisted.internet import defer

from netsvc.daemon.lag import ReactorLag


class Measuring(Service):
    """
    Starts and stops a L{ReactorLag}.

    @ivar lag: What is measured.
    """

    def __init__(self, reactor: Any) -> None:
        """@param reactor: What is measured."""
        self.lag = ReactorLag(reactor)

    def startService(self) -> None:
        """Measure from now on."""
        super().startService()
        self.lag.start()

    def stopService(self) -> None:
        """Measure no more."""
        super().stopService()
        self.lag.stop()

    def drain(self, timeout: float) -> defer.Deferred[None]:
        """Nothing is in flight."""
        return defer.succeed(None)
