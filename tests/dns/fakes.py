"""What a lookup needs, played by the test: time, randomness, carriers."""

from __future__ import annotations

import itertools
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
from twisted.internet.task import Clock

from netsvc.dns.asked import Asked, Upstream
from netsvc.dns.lookup import Lookup
from netsvc.dns.memory import Memory
from netsvc.dns.names import from_text
from netsvc.dns.options import PLAIN, QueryOptions
from netsvc.dns.result import Question, Result
from netsvc.dns.servers import Server, parse_server
from netsvc.dns.wheel import Timed, Wheel
from netsvc.dns.wire import pack_query

#: The client's cookie in all tests.
COOKIE = b"\1\2\3\4\5\6\7\x08"

#: What a good server answers.
GOOD = "192.0.2.1"


class FakeEngine:
    """A lookup's engine on a clock; random bytes make capitals."""

    def __init__(self, **changes: Any) -> None:
        """
        @param changes: other values of its attributes.
        """
        self.clock = Clock()
        self.wheel = Wheel(self.clock, self._raise)
        self.timeout = changes.get("timeout", 1.0)
        self.tries = changes.get("tries", 3)
        self.parallel = changes.get("parallel", 1)
        self.hedge = changes.get("hedge", False)
        self.mixes_case = changes.get("mixes_case", True)
        self.max_mismatches = changes.get("max_mismatches", 100)

    def _raise(self, error: Exception) -> None:
        raise error

    def now(self) -> float:
        """The clock's time."""
        return self.clock.seconds()

    def noise(self, count: int) -> bytes:
        """All bits set."""
        return b"\xff" * count

    def set_deadline(self, what: Timed, when: float) -> None:
        """Set it on the wheel."""
        self.wheel.set(what, when)

    def clear_deadline(self, what: Timed) -> None:
        """Clear it."""
        self.wheel.clear(what)


class FakeCarrier:
    """
    Notes what is sent.

    @ivar sent: all queries.
    @ivar forgotten: those that nobody waits for any more.
    @ivar resends: what to say when a query is told to have stalled.
    @ivar refuses: the error with which each query fails at once.
    """

    def __init__(self, transport: str = "udp") -> None:
        """Carry that transport."""
        self.transport = transport
        self.sent: list[Asked] = []
        self.forgotten: list[Asked] = []
        self.resends = False
        self.refuses: Any = None
        self.closed = False
        self._idents = itertools.count(1)

    def send(self, asked: Asked) -> None:
        """Note it."""
        if self.refuses is not None:
            asked.failed(self.refuses, "refused")
            return
        asked.via = self
        asked.ident = next(self._idents).to_bytes(2, "big")
        self.sent.append(asked)

    def forget(self, asked: Asked) -> None:
        """Note it."""
        self.forgotten.append(asked)

    def stalled(self, asked: Asked) -> bool:
        """Say what the test wants."""
        return self.resends

    def close(self) -> None:
        """Note it."""
        self.closed = True

    def ident(self, index: int = -1) -> bytes:
        """Give a query's id."""
        ident = self.sent[index].ident
        assert isinstance(ident, bytes)
        return ident

    def query(self, index: int = -1) -> dns.message.Message:
        """Give what was sent, as dnspython reads it."""
        return dns.message.from_wire(wire_of(self.sent[index]))


def wire_of(asked: Asked) -> bytes:
    """Write a query as a carrier would."""
    assert isinstance(asked.ident, bytes)
    return pack_query(asked.ident, asked.question, asked.rest, asked.flags)


def reply(
    asked: Asked,
    *,
    rcode: int = 0,
    address: str = GOOD,
    flags: int = 0,
    question: bytes | None = None,
    opt: bool = False,
    cookie: bytes | None = None,
) -> bytes:
    """
    Write a reply to what was asked.

    @param question: its question, in place of that which was asked.
    @param opt: whether it has an OPT record.
    @param cookie: what it has in a COOKIE option.
    """
    message = dns.message.make_response(dns.message.from_wire(wire_of(asked)))
    if address and not rcode:
        name = message.question[0].name
        message.answer.append(dns.rrset.from_text(name, 60, "IN", "A", address))
    message.flags |= flags
    options: list[dns.edns.Option] = []
    if cookie is not None:
        options.append(dns.edns.GenericOption(dns.edns.OptionType.COOKIE, cookie))
    if opt or options or rcode > 15:
        message.use_edns(0, options=options)
    else:
        message.use_edns(-1)
    message.set_rcode(dns.rcode.Rcode(rcode))
    data = message.to_wire()
    return (
        data if question is None else data[:12] + question + data[12 + len(question) :]
    )


class FakeServer:
    """
    A server that the test plays.

    @ivar udp: carries its datagrams.
    @ivar stream: carries its connections.
    """

    def __init__(self, text: str = "192.0.2.53", cookie: bytes = COOKIE) -> None:
        """
        @param text: the server as people write it.
        """
        self.server: Server = parse_server(text)
        is_udp = self.server.transport == "udp"
        self.memory = Memory(self.server, cookie if is_udp else b"")
        self.udp = FakeCarrier()
        self.stream = FakeCarrier("tcp" if is_udp else self.server.transport)
        self.upstream = Upstream(self.memory, self.udp if is_udp else None, self.stream)

    def say(self, data: bytes | None = None, index: int = -1, **changes: Any) -> None:
        """
        Let a datagram come.

        @param index: which of the queries it answers.
        @param changes: see L{reply}.
        """
        asked = self.udp.sent[index]
        data = reply(asked, **changes) if data is None else data
        asked.conversation.datagram(asked, data)

    def stream_say(self, index: int = -1, **changes: Any) -> bool:
        """Let a message come over a connection."""
        asked = self.stream.sent[index]
        return asked.streamed(reply(asked, **changes))


class FakeLookup:
    """
    A lookup and how it has ended.

    @ivar result: the answer.
    @ivar error: the failure.
    """

    def __init__(
        self,
        *servers: FakeServer,
        options: QueryOptions = PLAIN,
        total: float = 5.0,
        name: str = "x.test",
        **changes: Any,
    ) -> None:
        """
        Begin.

        @param changes: of the engine.
        """
        self.engine = FakeEngine(**changes)
        self.clock = self.engine.clock
        self.result: Result | None = None
        self.error: Any = None
        self.ended = 0
        self.lookup = Lookup(
            self.engine,
            Question(from_text(name), 1),
            options,
            [server.upstream for server in servers],
            self._done,
        )
        self.lookup.start(total)

    def _done(self, lookup: Lookup, result: Result | None, error: Any) -> None:
        self.ended += 1
        self.result = result
        self.error = error

    @property
    def addresses(self) -> tuple[str, ...]:
        """What was found."""
        return self.result.addresses if self.result else ()
