"""The one interface that resolvers, caches and validators share."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.defer import Deferred

from netsvc.dns.options import PLAIN, QueryOptions
from netsvc.dns.result import Result


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
            L{InvalidName<netsvc.dns.errors.InvalidName>}. To cancel it gives up.
        """
