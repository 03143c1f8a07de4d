"""
A validator in front of a resolver, with the same interface.

A server whose answer is bogus, or whose answer nothing can be found out about, is
passed over; if none is left the lookup fails with
L{Bogus<netsvc.dns.errors.Bogus>} or L{Unvalidated<netsvc.dns.errors.Unvalidated>}. The
chain of an answer is asked from the server
that has given it: what one server holds back does not make another one's answer bogus.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import dns.exception
import dns.message
import dns.name
from dns.message import Message
from dns.name import Name
from dns.rdatatype import RdataType
from twisted.internet.defer import Deferred

from netsvc.dns.asking import Asks
from netsvc.dns.dnssec.anchors import Anchors
from netsvc.dns.dnssec.status import EDE, FetchError, Verdict
from netsvc.dns.dnssec.validator import Validator
from netsvc.dns.errors import (
    Bogus,
    LookupFailed,
    ServerError,
    Unvalidated,
    most_telling,
)
from netsvc.dns.options import PLAIN, QueryOptions
from netsvc.dns.result import ExtendedError, Result, Security
from netsvc.dns.rrtypes import IN, RRSIG
from netsvc.dns.servers import Server


class ValidatingAsks:
    """Validates what a resolver answers (L{Asks<netsvc.dns.asking.Asks>})."""

    def __init__(
        self,
        asks: Asks,
        servers: Sequence[Server],
        anchors: Anchors,
        clock: Callable[[], float],
    ) -> None:
        """
        @param asks: The resolver.
        @param servers: Its servers.
        @param anchors: What is trusted from the start.
        @param clock: Gives POSIX time in seconds.
        """
        self._asks = asks
        self._servers = tuple(servers)
        self._validator = Validator(self._no_server, anchors, clock)

    def query(
        self,
        name: str | bytes,
        rtype: str | int = "A",
        rclass: str | int = "IN",
        options: QueryOptions = PLAIN,
    ) -> Deferred[Result]:
        """Ask one question; see L{Asks.query<netsvc.dns.asking.Asks.query>}."""
        return Deferred.fromCoroutine(self._query(name, rtype, rclass, options))

    async def _query(
        self, name: str | bytes, rtype: str | int, rclass: str | int, how: QueryOptions
    ) -> Result:
        left = list(how.servers or self._servers)
        errors: list[ServerError] = []
        while left:
            try:
                result = await self.ask_unjudged(
                    name, rtype, rclass, replace(how, servers=tuple(left))
                )
            except LookupFailed as error:
                if not errors:
                    raise
                raise most_telling((*errors, *error.errors)) from None
            result, usable = await self._judged(result, how)
            errors += result.errors
            server = result.server
            if usable or server is None:
                return result._replace(errors=tuple(errors))
            bogus = result.security is Security.BOGUS
            kind = Bogus if bogus else Unvalidated
            errors.append(kind(server, result.transport, result.reasons[0].text))
            left = [each for each in left if each != server]
        raise most_telling(tuple(errors))

    def ask_unjudged(
        self, name: str | bytes, rtype: str | int, rclass: str | int, how: QueryOptions
    ) -> Deferred[Result]:
        """Ask so that the answer can be judged: with signatures, and unchecked."""
        asked = replace(how, dnssec=True, checking_disabled=True)
        return self._asks.query(name, rtype, rclass, asked)

    async def judged(self, result: Result, how: QueryOptions = PLAIN) -> Result:
        """
        Give an answer with the validator's verdict.

        @param result: The answer to a question that L{ask_unjudged} has asked.
        @param how: What was asked for beside it; its deadline counts.
        """
        return (await self._judged(result, how))[0]

    async def _judged(self, result: Result, how: QueryOptions) -> tuple[Result, bool]:
        """
        Give an answer with the verdict, and whether to believe it.

        Not to be believed is one, too, about which nothing could be found out though an
        anchor covers the name: who can hold back a key must not have his forgery
        believed.
        """
        if result.question.rclass != IN:
            return result, True
        verdict = await self._verdict(result, how)
        ede = verdict.ede
        reasons = () if ede is None else (ExtendedError(ede, verdict.reason),)
        judged = result._replace(
            rcode=result.rcode if verdict.rcode is None else verdict.rcode,
            security=verdict.security,
            reasons=reasons,
        )
        return judged, verdict.usable

    async def _verdict(self, result: Result, how: QueryOptions) -> Verdict:
        question = result.question
        try:
            message = dns.message.from_wire(result.wire, ignore_trailing=True)
        except (dns.exception.DNSException, ValueError) as error:
            return _bogus(f"a message that cannot be read: {error}")
        name, _ = dns.name.from_wire(question.name, 0)
        servers = (result.server,) if result.server is not None else ()

        async def fetch(where: Name, rdtype: RdataType) -> Message:
            return await self._fetch(where, rdtype, replace(how, servers=servers))

        verdict = await self._validator.validate(name, question.rtype, message, fetch)
        if verdict.security is Security.SECURE and any(
            (record.owner.lower(), record.rtype) not in verdict.rrsets
            for record in result.records
            if record.rtype != RRSIG
        ):
            return _bogus("a record that its zone has not signed")
        return verdict

    async def _fetch(
        self, where: Name, rdtype: RdataType, how: QueryOptions
    ) -> Message:
        """Ask for records of a chain."""
        try:
            result = await self.ask_unjudged(where.to_wire() or b"", rdtype, IN, how)
            return dns.message.from_wire(result.wire, ignore_trailing=True)
        except (LookupFailed, dns.exception.DNSException, ValueError) as error:
            raise FetchError(str(error)) from error

    async def _no_server(self, where: Name, rdtype: RdataType) -> Message:
        raise FetchError("there is no server to ask")


def _bogus(reason: str) -> Verdict:
    return Verdict(security=Security.BOGUS, reason=reason, ede=EDE.BOGUS)
