"""One run from name to result: resolve, connect, probe, close."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet import error
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from netsvc.daemon.client_tls import TLSSettingsError, creator_for
from netsvc.echo.probe.datagram import DatagramLink, connect_udp
from netsvc.echo.probe.errors import ProbeError, describe_failure
from netsvc.echo.probe.events import Event
from netsvc.echo.probe.probe import Probe
from netsvc.echo.probe.resolve import resolve
from netsvc.echo.probe.result import Result
from netsvc.echo.probe.stream_link import HandshakeTimeoutError, StreamLink
from netsvc.echo.probe.target import Address, ProbeSettings, Transport
from netsvc.echo.probe.thresholds import Level
from netsvc.echo.probe.wire import Codec

__all__ = ["CONNECT_TIMEOUT", "REFRESH_INTERVAL", "IReporter", "Session"]

#: How long to wait for a TCP connection, seconds.
CONNECT_TIMEOUT = 10.0
#: How often a live report is brought up to date, seconds.
REFRESH_INTERVAL = 0.25


class IReporter(Protocol):
    """Who shows the run to the user."""

    def started(self, address: Address, started: int) -> None:
        """Take that sending begins now.

        @param started: the time on the probe's clock, nanoseconds.
        """

    def observe(self, event: Event) -> None:
        """Take an event."""

    def refresh(self, result: Result) -> None:
        """Bring the live report up to date."""

    def notice(self, text: str) -> None:
        """Tell the user something in a line."""


class Session:
    """Finds the target, probes it, and keeps the result."""

    def __init__(
        self,
        settings: ProbeSettings,
        reactor: Any,
        reporter: IReporter,
        now: Callable[[], int] = time.monotonic_ns,
        getaddrinfo: Callable[..., list[Any]] = socket.getaddrinfo,
        random_bits: Callable[[int], int] = secrets.randbits,
    ) -> None:
        """Prepare a run.

        @param now: the time in nanoseconds of a clock that never steps.
        @param getaddrinfo: the resolver.
        @param random_bits: makes the id that tells this run's packets from others.
        """
        self._settings = settings
        self._reactor = reactor
        self._reporter = reporter
        self._now = now
        self._getaddrinfo = getaddrinfo
        self._random_bits = random_bits
        self._probe: Probe | None = None
        self._running: Deferred[None] | None = None
        self._stopped = False
        #: Address and port that are probed, for error messages.
        self.where = ""

    @property
    def result(self) -> Result | None:
        """How the run went, or goes; L{None} before it begins."""
        return None if self._probe is None else self._probe.result

    def stop(self) -> None:
        """End the run now; the result holds what is known."""
        self._stopped = True
        if self._probe is not None:
            self._probe.stop()
        elif self._running is not None:
            self._running.cancel()

    def start(self) -> Deferred[None]:
        """Run to the end.

        @return: fires at the end, or fails with L{ProbeError} if there can be no
            run, or with C{CancelledError} if it was stopped before it began.
        """
        self._running = Deferred.fromCoroutine(self._resolve_and_run())
        return self._running

    async def _resolve_and_run(self) -> None:
        settings = self._settings
        tls = None
        if settings.transport is Transport.TLS:
            try:
                tls = creator_for(settings.tls, settings.host)
            except TLSSettingsError as error:
                raise ProbeError(str(error)) from None
        addresses = await resolve(
            self._reactor,
            settings.host,
            settings.port,
            settings.family,
            self._getaddrinfo,
        )
        refresh = LoopingCall(self._refresh)
        refresh.clock = self._reactor
        refreshing = refresh.start(REFRESH_INTERVAL, now=False)
        try:
            await self._try_each(addresses, tls)
        finally:
            refresh.stop()
            await refreshing

    def _refresh(self) -> None:
        if self._probe is not None:
            self._reporter.refresh(self._probe.result)

    async def _try_each(self, addresses: list[Address], tls: Any) -> None:
        """Probe the first address that does not refuse at once."""
        for address in addresses:
            is_last = address is addresses[-1]
            try:
                if self._settings.transport is Transport.UDP:
                    refused = await self._probe_udp(address, not is_last)
                    reason = f"{address.where('udp')}: connection refused"
                else:
                    refused = False
                    await self._probe_stream(address, tls)
            except ProbeError as failure:
                if is_last or self._stopped:
                    raise
                refused, reason = True, str(failure)
            if not refused or self._stopped:
                return
            self._reporter.notice(f"{reason}; trying the next address")

    def _new_probe(self, try_another: bool = False) -> tuple[Probe, Codec]:
        codec = Codec(self._random_bits(64), self._settings.sizes)
        probe = Probe(
            self._settings,
            codec,
            self._reactor,
            self._now,
            self._reporter.observe,
            try_another,
        )
        return probe, codec

    async def _probe_udp(self, address: Address, try_another: bool) -> bool:
        """Probe over UDP; say whether it refused and another is to be tried."""
        connected = connect_udp(address, self._settings.source)
        probe, _ = self._new_probe(try_another)
        link = DatagramLink(self._reactor, connected, probe)
        try:
            await self._run(probe, link, address)
        finally:
            link.close()
        return probe.refused_at_once

    async def _probe_stream(self, address: Address, tls: Any) -> None:
        probe, codec = self._new_probe()
        is_ipv6 = address.family == socket.AF_INET6
        kind = TCP6ClientEndpoint if is_ipv6 else TCP4ClientEndpoint
        source = self._settings.source
        endpoint = kind(
            self._reactor,
            address.text,
            self._settings.port,
            timeout=CONNECT_TIMEOUT,
            bindAddress=None if source is None else (source, 0),
        )
        link = StreamLink(self._reactor, endpoint, codec, self._now, probe, tls)
        try:
            await self._connect(link, address)
            await self._run(probe, link, address)
        finally:
            await link.close()

    async def _connect(self, link: StreamLink, address: Address) -> None:
        try:
            await link.connect()
        except CancelledError:
            raise
        except Exception as reason:
            silent = isinstance(reason, (error.TimeoutError, HandshakeTimeoutError))
            where = address.where(self._settings.transport.value)
            raise ProbeError(
                f"{where}: {describe_failure(Failure())}",
                Level.CRITICAL if silent else Level.UNKNOWN,
            ) from None

    async def _run(self, probe: Probe, link: Any, address: Address) -> None:
        self._probe = probe
        self.where = address.where(self._settings.transport.value)
        self._reporter.started(address, self._now())
        probe.start(link)
        await probe.done
