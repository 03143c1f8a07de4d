"""Answers for the tests, made without a network."""

from __future__ import annotations

import ipaddress
from typing import Any

from twisted.internet.defer import Deferred

from netsvc.dns.codes import AD, EDE, NXDOMAIN, QR, RA, RD
from netsvc.dns.errors import LookupFailed, ServerTimeout, response_error
from netsvc.dns.names import from_text
from netsvc.dns.options import PLAIN, QueryOptions
from netsvc.dns.result import Edns, Message, Question, Record, Result, Security
from netsvc.dns.rrtypes import AAAA, CNAME, IN, NS, SOA, A
from netsvc.dns.servers import Server, parse_server

SERVER = parse_server("192.0.2.53")
OTHER = parse_server("192.0.2.54")
THIRD = parse_server("192.0.2.55")

#: What is asked unless a test asks something else.
NAME = "www.example"


def address(owner: str, text: str, ttl: int = 300) -> Record:
    """Make an A or AAAA record."""
    found = ipaddress.ip_address(text)
    rtype = A if found.version == 4 else AAAA
    return Record(from_text(owner), rtype, IN, ttl, found.packed)


def alias(owner: str, target: str) -> Record:
    """Make a CNAME record."""
    return Record(from_text(owner), CNAME, IN, 300, from_text(target))


def name_server(zone: str, host: str) -> Record:
    """Make an NS record."""
    return Record(from_text(zone), NS, IN, 300, from_text(host))


def soa(zone: str) -> Record:
    """Make an SOA record."""
    data = from_text(f"ns.{zone}") + from_text(f"admin.{zone}") + bytes(20)
    return Record(from_text(zone), SOA, IN, 300, data)


def ede(*errors: tuple[int, str]) -> Edns:
    """Make an OPT record with extended errors."""
    options = tuple(
        (EDE, code.to_bytes(2, "big") + text.encode()) for code, text in errors
    )
    return Edns(0, 0, False, 1232, options)


def answer(*addresses: str, name: str = NAME, **changes: Any) -> Result:
    """
    Make an answer with addresses.

    @param changes: other fields of the result.
    """
    result = Result(
        Question(from_text(name), A),
        0,
        tuple(address(name, each) for each in addresses),
        flags=QR | RD | RA,
        server=SERVER,
        transport="udp",
        rtt=0.0123,
        size=60,
    )
    return result._replace(**changes)


def missing(**changes: Any) -> Result:
    """Make an answer that there is no such name."""
    return answer(rcode=NXDOMAIN, authority=(soa("example"),), **changes)


def secure(result: Result) -> Result:
    """Give an answer as one that is proven."""
    return result._replace(security=Security.SECURE, flags=result.flags | AD)


def timeout(server: Server = SERVER) -> ServerTimeout:
    """Make the error of a server that is silent."""
    error = ServerTimeout(server, "udp")
    error.errors = (error,)
    return error


def refusal(code: int, server: Server = SERVER, edns: Edns | None = None) -> Any:
    """Make the error of a server that answers with an error code."""
    error: Any = response_error(server, "udp", code)
    error.errors = (error,)
    error.reply = Message(0, QR, code, None, (), (), (), edns, 12)
    return error


class FakeAsks:
    """
    Something that can be asked, whose answers the test gives.

    @ivar asked: the questions, with the options.
    @ivar waiting: what each of them waits for.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, int, QueryOptions]] = []
        self.waiting: list[Deferred[Result]] = []

    def query(
        self,
        name: str | bytes,
        rtype: str | int = "A",
        rclass: str | int = "IN",
        options: QueryOptions = PLAIN,
    ) -> Deferred[Result]:
        """Note the question."""
        assert isinstance(name, bytes) and isinstance(rtype, int)
        self.asked.append((name, rtype, options))
        waiting: Deferred[Result] = Deferred()
        self.waiting.append(waiting)
        return waiting

    def answer(self, index: int, *addresses: str) -> None:
        """Answer a question."""
        name, rtype, _ = self.asked[index]
        result = answer(*addresses)
        result = result._replace(question=Question(name, rtype))
        self.waiting[index].callback(result)

    def fail(self, index: int, error: LookupFailed) -> None:
        """Have a question fail."""
        self.waiting[index].errback(error)
