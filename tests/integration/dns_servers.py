"""Scripted DNS servers on loopback, well-behaved and hostile."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
from twisted.internet import reactor as _reactor
from twisted.internet.defer import DeferredList
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import DatagramProtocol, Protocol, ServerFactory
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from netsvc.dns.resolver import Resolver
from netsvc.dns.resolver_settings import Order, ResolverSettings
from netsvc.dns.servers import Server, parse_server
from netsvc.multiplex.reactor import multiplexed

reactor: Any = _reactor

#: What all good servers answer, and what no client may believe.
GOOD = "192.0.2.1"
POISON = "6.6.6.6"

#: The question of most tests.
NAME = "x.test"

#: A step of a script that closes the connection.
CLOSE = b"close"

#: Seconds between the steps of a L{SteadyReactor}'s time, and the most of one step.
BEAT = 0.005
STEP = 0.01


class SteadyReactor(Clock):
    """
    The reactor, with a time that stands still while the process does.

    Between two steps the reactor looks at its sockets. So a deadline means the same
    however busy the machine is: what is on its way comes before it.
    """

    def __init__(self) -> None:
        """Begin."""
        # Of the real one, as all sockets are: it is found there by whoever asks.
        multiplexed(reactor)
        super().__init__()
        self._last = reactor.seconds()
        self._beat()

    def __getattr__(self, name: str) -> Any:
        """All but the time is the reactor's."""
        return getattr(reactor, name)

    def _beat(self) -> None:
        """Go on."""
        self._next = reactor.callLater(BEAT, self._beat)
        now = reactor.seconds()
        passed, self._last = now - self._last, now
        self.advance(min(passed, STEP))

    def stop(self) -> None:
        """Stand still from now on."""
        self._next.cancel()


class Query:
    """
    A query that a server has got.

    @ivar data: its bytes.
    @ivar message: the same, read by dnspython.
    @ivar transport: C{"udp"} or C{"tcp"}.
    @ivar number: how many came before it over that transport.
    """

    def __init__(self, data: bytes, transport: str, number: int) -> None:
        """Read it."""
        self.data = data
        self.message = dns.message.from_wire(data)
        self.transport = transport
        self.number = number

    @property
    def has_opt(self) -> bool:
        """Whether it uses EDNS."""
        return self.message.edns >= 0

    @property
    def question(self) -> bytes:
        """Its question's bytes."""
        return self.data[12 : self.data.index(b"\0", 12) + 5]


#: What a server does with a query: bytes to send, each perhaps after some seconds.
Step = bytes | tuple[float, bytes]
Script = Callable[[Query], Iterable[Step]]


def answer(
    query: Query, address: str = GOOD, *, opt: bool = True, **changes: Any
) -> bytes:
    """
    Write an answer with one address.

    @param opt: whether it has an OPT record if the query has one.
    @param changes: C{ttl}, C{rcode}, C{owner}, C{flags}: bits to be set.
    """
    reply = dns.message.make_response(query.message, recursion_available=True)
    if not opt:
        reply.use_edns(-1)
    if address:
        owner = changes.get("owner", query.message.question[0].name)
        rrset = dns.rrset.from_text(owner, changes.get("ttl", 60), "IN", "A", address)
        reply.answer.append(rrset)
    reply.flags |= changes.get("flags", 0)
    reply.set_rcode(changes.get("rcode", dns.rcode.NOERROR))
    return reply.to_wire()


def error(query: Query, rcode: dns.rcode.Rcode) -> bytes:
    """Write an error."""
    return answer(query, "", rcode=rcode)


def truncated(query: Query) -> bytes:
    """Write a truncated answer."""
    return answer(query, "", flags=dns.flags.TC)


def good(query: Query) -> Iterator[Step]:
    """Answer well."""
    yield answer(query)


def silent(query: Query) -> Iterator[Step]:
    """Never answer."""
    return iter(())


def other_question(query: Query, address: str = POISON) -> bytes:
    """Answer what was not asked."""
    evil = dns.message.make_query("evil.test", "A")
    evil.id = query.message.id
    return answer(Query(evil.to_wire(), query.transport, 0), address)


class ScriptedServer:
    """
    A server that does what a script says, over UDP and TCP at one port.

    @ivar udp: the queries that came over UDP.
    @ivar tcp: those over TCP.
    @ivar connections: how many TCP connections there were.
    """

    def __init__(self, script: Script, tcp: Script | None, clock: Any) -> None:
        """
        Listen.

        @param tcp: what to do over TCP, if not the same.
        @param clock: by which it waits.
        """
        self._clock = clock
        self.scripts = {"udp": script, "tcp": tcp or script}
        self.udp: list[Query] = []
        self.tcp: list[Query] = []
        self.connections = 0
        self._calls: set[Any] = set()
        self._transports: set[Any] = set()
        factory = ServerFactory()
        factory.noisy = False
        factory.buildProtocol = lambda addr: _TCP(self)  # type: ignore[method-assign]
        while True:
            listening = reactor.listenTCP(0, factory, interface="127.0.0.1")
            self.port = listening.getHost().port
            try:
                datagrams = reactor.listenUDP(
                    self.port, _UDP(self), interface="127.0.0.1"
                )
            except CannotListenError:
                listening.stopListening()
                continue
            break
        self._ports = [listening, datagrams]

    @property
    def server(self) -> Server:
        """The server as a client knows it."""
        return parse_server(f"127.0.0.1:{self.port}")

    def play(self, query: Query, send: Callable[[bytes], object]) -> None:
        """Do what the script says."""
        getattr(self, query.transport).append(query)
        for step in self.scripts[query.transport](query):
            delay, data = step if isinstance(step, tuple) else (0.0, step)
            if delay:
                self.later(delay, send, data)
            else:
                send(data)

    def later(self, delay: float, call: Callable[..., object], *args: Any) -> None:
        """Do something later, unless the server has been stopped."""

        def now() -> None:
            self._calls.discard(made)
            call(*args)

        made = self._clock.callLater(delay, now)
        self._calls.add(made)

    def stop(self) -> Any:
        """Stop; gives a Deferred."""
        for call in self._calls:
            call.cancel()
        for transport in list(self._transports):
            transport.abortConnection()
        return DeferredList([port.stopListening() for port in self._ports])


class _UDP(DatagramProtocol):
    """The UDP side."""

    noisy = False
    transport: Any

    def __init__(self, server: ScriptedServer) -> None:
        self._server = server

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Play."""
        server = self._server
        query = Query(datagram, "udp", len(server.udp))

        def send(data: bytes) -> None:
            if data != CLOSE and self.transport is not None:
                self.transport.write(data, addr)

        query.addr = addr  # type: ignore[attr-defined]
        server.play(query, send)


class _TCP(Protocol):
    """The TCP side."""

    transport: Any

    def __init__(self, server: ScriptedServer) -> None:
        self._server = server
        self._buffer = b""

    def connectionMade(self) -> None:
        """Count."""
        self._server.connections += 1
        self._server._transports.add(self.transport)

    def connectionLost(self, reason: Any = None) -> None:
        """Forget."""
        self._server._transports.discard(self.transport)

    def dataReceived(self, data: bytes) -> None:
        """Play."""
        self._buffer += data
        while len(self._buffer) >= 2:
            length = int.from_bytes(self._buffer[:2], "big")
            if len(self._buffer) < 2 + length:
                return
            data, self._buffer = (
                self._buffer[2 : 2 + length],
                self._buffer[2 + length :],
            )
            server = self._server
            server.play(Query(data, "tcp", len(server.tcp)), self.send)

    def send(self, data: bytes) -> None:
        """Send a message, or close."""
        if data == CLOSE:
            self.transport.loseConnection()
        else:
            self.transport.write(len(data).to_bytes(2, "big") + data)


class DNSTestCase(TestCase):
    """A test with scripted servers and a resolver that asks them."""

    timeout = 50

    @cached_property
    def clock(self) -> SteadyReactor:
        """By what the servers and the resolver go."""
        clock = SteadyReactor()
        self.addCleanup(clock.stop)
        return clock

    def serve(self, script: Script, tcp: Script | None = None) -> ScriptedServer:
        """Start a server."""
        server = ScriptedServer(script, tcp, self.clock)
        self.addCleanup(server.stop)
        return server

    def resolve_by(self, *servers: ScriptedServer | Server, **changes: Any) -> Resolver:
        """
        Make a resolver: one second a try, two tries, servers in this order.

        @param changes: other settings.
        """
        settings = {"timeout": 1.0, "tries": 2, "total": 2.0, "order": Order.FIXED}
        resolver = Resolver(
            self.clock,
            [each if isinstance(each, Server) else each.server for each in servers],
            ResolverSettings(**{**settings, **changes}),
            random.Random(7).randbytes,
        )
        self.addCleanup(self.check_clean, resolver)
        return resolver

    def check_clean(self, resolver: Resolver) -> None:
        """Nothing is left of any lookup."""
        waiting = [
            item
            for found in resolver._wheel._slots.values()
            for item in found
            if type(item).__name__ == "Lookup"
            and item not in resolver._probing.values()
        ]
        self.assertEqual((len(resolver), waiting), (0, []))
        resolver.close()
        self.assertEqual((len(resolver._wheel), resolver._wheel._call), (0, None))
