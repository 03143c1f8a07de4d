"""Whole zones for programs: transferred over TCP or TLS, within bounds, as a list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError, fail

from netsvc.dns.errors import (
    BadReply,
    NoServers,
    ResolverClosed,
    ServerError,
    ServerTimeout,
    TooManyQueries,
    most_telling,
)
from netsvc.dns.lookups.transfer import Transfer
from netsvc.dns.result import Question, Record
from netsvc.dns.rrtypes import AXFR
from netsvc.dns.servers import HTTPS, TCP, TLS, Server

#: Seconds that a transfer may take, if nothing else is said.
TIMEOUT = 10.0

#: Records of a zone that is kept in memory.
MAX_RECORDS = 50_000

#: Bytes of its messages.
MAX_SIZE = 16 * 1024 * 1024

#: Transfers that may be under way.
MAX_TRANSFERS = 8

# What is counted.
REFUSED = "too-many-transfers"
TOO_LARGE = "too-large-zones"


class Zones:
    """Transfers zones (L{TransfersZones<netsvc.dns.asking.TransfersZones>})."""

    def __init__(
        self,
        reactor: Any,
        servers: Iterable[Server],
        authorities: Path | None,
        noise: Callable[[int], bytes],
        counters: Counter[str],
    ) -> None:
        """
        @param reactor: The reactor.
        @param servers: Whom to ask, in this order; not those of DNS over HTTPS.
        @param authorities: Whose signatures are trusted over TLS, as in
            L{ResolverSettings<netsvc.dns.resolver_settings.ResolverSettings>}.
        @param noise: Gives so many random bytes.
        @param counters: Where is counted what bounds have refused.
        """
        self._reactor = reactor
        self._servers = [each for each in servers if each.transport != HTTPS]
        self._authorities = authorities
        self._noise = noise
        self._counters = counters
        self._live: set[Deferred[tuple[Record, ...]]] = set()
        self._closed = False

    def transfer(
        self, name: bytes, timeout: float | None = None
    ) -> Deferred[tuple[Record, ...]]:
        """
        Transfer a zone; see
        L{TransfersZones.transfer<netsvc.dns.asking.TransfersZones.transfer>}.
        """
        if self._closed:
            return fail(ResolverClosed("the resolver is closed"))
        if len(self._live) >= MAX_TRANSFERS:
            self._counters[REFUSED] += 1
            return fail(TooManyQueries("too many zone transfers are under way"))
        if not self._servers:
            text = "there is no server that transfers zones: over TCP or TLS, not HTTPS"
            return fail(NoServers(text))
        seconds = TIMEOUT if timeout is None else timeout
        done = Deferred.fromCoroutine(self._transfer(Question(name, AXFR), seconds))
        self._live.add(done)

        def ended(result: Any) -> Any:
            self._live.discard(done)
            return result

        return done.addBoth(ended)

    async def _transfer(self, question: Question, seconds: float) -> tuple[Record, ...]:
        """Ask one server after the other."""
        until = self._reactor.seconds() + seconds
        errors: list[ServerError] = []
        for server in self._servers:
            left = until - self._reactor.seconds()
            if errors and left <= 0:
                break
            try:
                return await self._attempt(server, question, left)
            except ServerError as error:
                errors.append(error)
            except CancelledError:
                if self._closed:
                    raise ResolverClosed("the resolver is closed") from None
                raise
        raise most_telling(tuple(errors))

    async def _attempt(
        self, server: Server, question: Question, seconds: float
    ) -> tuple[Record, ...]:
        """Ask a server."""
        records: list[Record] = []

        def take(found: tuple[Record, ...]) -> None:
            records.extend(found)
            if attempt.size > MAX_SIZE:
                work.cancel()

        attempt = Transfer(
            self._reactor,
            server,
            question,
            self._noise(2),
            seconds,
            take,
            MAX_RECORDS,
        )
        work = attempt.start(self._authorities)
        # The other limit of time begins again with each message.
        work.addTimeout(seconds, self._reactor)
        over = TLS if server.transport == TLS else TCP
        try:
            await work
        except TimeoutError:
            raise ServerTimeout(server, over) from None
        except CancelledError:
            if attempt.size <= MAX_SIZE:
                raise
            self._counters[TOO_LARGE] += 1
            raise BadReply(server, over, f"more than {MAX_SIZE} bytes") from None
        except BadReply:
            self._counters[TOO_LARGE] += attempt.records > MAX_RECORDS
            raise
        return tuple(records)

    def close(self) -> None:
        """Give up what is under way; it fails with L{ResolverClosed}."""
        self._closed = True
        for each in list(self._live):
            each.cancel()
