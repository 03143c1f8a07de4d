"""The one interface that resolvers, caches and validators share."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from twisted.internet.defer import Deferred

from netsvc.dns.options import PLAIN, QueryOptions
from netsvc.dns.result import Record, Result


class Asks(Protocol):
    """
    Something that can be asked: a resolver, a validator or cache in front of one.
    """

    def query(
        self,
        name: str | bytes,
        rtype: str | int = "A",
        rclass: str | int = "IN",
        options: QueryOptions = PLAIN,
    ) -> Deferred[Result]:
        """
        Ask one question.

        @param name: An absolute name: text of any script, or the wire form.
        @param rtype: The record type, by name or number.
        @param rclass: The class, by name or number.
        @param options: What else is asked for.
        @return: Fires with the answer, positive or negative; fails with a
            L{LookupFailed<netsvc.dns.errors.LookupFailed>}, or with
            L{InvalidName<netsvc.dns.errors.InvalidName>}; for AXFR and IXFR that is a
            L{TransferRequested<netsvc.dns.errors.TransferRequested>}. To cancel it
            gives up.
        """


@runtime_checkable
class TransfersZones(Protocol):
    """Something that transfers zones: a resolver, but no cache and no validator."""

    def transfer(
        self, name: bytes, timeout: float | None = None
    ) -> Deferred[tuple[Record, ...]]:
        """
        Transfer a zone (AXFR, RFC 5936) from the first server that gives it.

        @param name: The zone, in wire form.
        @param timeout: Seconds that it may take; L{None} for
            L{netsvc.dns.zones.TIMEOUT}.
        @return: Fires with the records, from the SOA record to its repetition; fails
            with a L{LookupFailed<netsvc.dns.errors.LookupFailed>}, or with
            C{TLSSettingsError} if the authorities' file is gone. To cancel it gives up.
        """
