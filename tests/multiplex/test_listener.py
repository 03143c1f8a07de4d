"""Tests of how L{netsvc.multiplex.listener} accepts, and of what it cannot accept."""

from __future__ import annotations

import socket
from collections.abc import Callable
from errno import ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM
from typing import Any

from twisted.internet import tcp
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from twisted.logger import globalLogPublisher
from zope.interface.verify import verifyObject

from netsvc.multiplex.listener import ACCEPTS, LOG_INTERVAL, REST, ListeningPort
from tests.multiplex.fakes import MultiplexTestCase, Recorder, ended, receive

Step = OSError | Callable[[], tuple[socket.socket, tuple[Any, ...]]]


class Listening:
    """
    A listening socket whose connections the test makes up.

    @ivar steps: What the next accepts give; after them nothing waits.
    @ivar accepts: How often a connection was asked for.
    """

    family = socket.AF_INET

    def __init__(self) -> None:
        """Start with nothing waiting."""
        self.steps: list[Step] = []
        self.accepts = 0
        self._mine, self._other = socket.socketpair()
        self.fileno = self._mine.fileno

    def accept(self) -> tuple[socket.socket, tuple[Any, ...]]:
        """Accept as L{socket.socket} does."""
        self.accepts += 1
        if not self.steps:
            raise BlockingIOError
        step = self.steps.pop(0)
        if isinstance(step, OSError):
            raise step
        return step()

    def _accept(self) -> tuple[int, tuple[Any, ...]]:
        skt, addr = self.accept()
        return skt.detach(), addr

    def shutdown(self, how: int) -> None:
        """Shut it down: there is nothing to do."""

    def close(self) -> None:
        """Close it."""
        self._mine.close()
        self._other.close()


class Reserve:
    """
    The reserved descriptor.

    @ivar free: Whether it can be given up.
    @ivar uses: How often it was.
    """

    def __init__(self, free: bool) -> None:
        """
        @param free: Whether it can be given up.
        """
        self.free = free
        self.uses = 0

    def available(self) -> bool:
        """Return whether it can be given up."""
        return self.free

    def __enter__(self) -> None:
        """Give it up."""
        self.uses += 1

    def __exit__(self, *exc_info: object) -> None:
        """Take it again."""


class ListenerTestCase(MultiplexTestCase):
    """
    A test with a port whose connections the test makes up.

    @ivar port: The port.
    @ivar listening: Its socket.
    @ivar protocols: What was made for the connections.
    """

    def setUp(self) -> None:
        """Make the port."""
        super().setUp()
        self.listening = Listening()
        self.addCleanup(self.listening.close)
        self.protocols: list[Recorder] = []
        self.addresses: list[Any] = []
        factory: Any = Factory()
        factory.buildProtocol = self.build
        self.port = self.make(factory)
        self.on_build: Any = Recorder
        self.warnings: list[Any] = []
        observer: Any = self.observe
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def make(self, factory: Any) -> Any:
        """Return a port that seems to listen."""
        port: Any = ListeningPort(0, factory, 50, "127.0.0.1", self.mux)
        port.socket = self.listening
        port.connected = True
        port._realPortNumber = 7007
        self.patch(port, "fileno", self.listening.fileno)
        return port

    def observe(self, event: Any) -> None:
        """Keep what the port warns of."""
        if "cannot accept" in (event.get("log_format") or ""):
            self.warnings.append(event)

    def build(self, address: Any) -> Any:
        """Make a protocol, and keep it."""
        self.addresses.append(address)
        protocol = self.on_build()
        if protocol is not None:
            self.protocols.append(protocol)
        return protocol

    def arrive(self, addr: tuple[Any, ...] = ("192.0.2.1", 50_000)) -> socket.socket:
        """Have a connection wait, and return its client."""
        near, far = self.sockets()
        self.listening.steps.append(lambda: (near, addr))
        return far

    def end(self) -> None:
        """End the connections that were made."""
        for protocol in self.protocols:
            if protocol.transport is not None and protocol.transport.connected:
                protocol.transport.abortConnection()
        self.port.stopReading()
        self.reactor.advance(REST)


class AcceptTests(ListenerTestCase):
    """Tests of connections that can be served."""

    def test_interface(self) -> None:
        """The port is one of Twisted's."""
        self.assertTrue(verifyObject(IListeningPort, self.port))

    def test_served(self) -> None:
        """A connection gets a protocol, which knows its peer."""
        far = self.arrive()
        self.port.doRead()
        (protocol,) = self.protocols
        self.assertEqual(self.addresses, [IPv4Address("TCP", "192.0.2.1", 50_000)])
        self.assertEqual(protocol.transport.getPeer(), self.addresses[0])
        protocol.transport.write(b"welcome")
        self.assertEqual(receive(far), b"welcome")
        self.assertEqual(repr(protocol.transport), "<Recorder #0 on 7007>")
        self.end()

    def test_bounded(self) -> None:
        """However many wait, a bounded number is accepted in one event."""
        for _ in range(ACCEPTS + 10):
            self.arrive()
        for _ in range(20):
            before = len(self.protocols)
            self.port.doRead()
            self.assertLessEqual(len(self.protocols) - before, ACCEPTS)
        self.assertEqual(len(self.protocols), ACCEPTS + 10)
        self.end()

    def test_many_at_once(self) -> None:
        """A queue is taken up in few events, and one by one without vain tries."""
        for _ in range(40):
            self.arrive()
        events = 0
        while self.listening.steps:
            self.port.doRead()
            events += 1
        self.assertLess(events, 10)
        for _ in range(3):
            self.port.doRead()  # nothing waits: back to one by one
        before = self.listening.accepts
        self.arrive()
        self.port.doRead()
        self.assertEqual(self.listening.accepts, before + 1)
        self.end()

    def test_refused_by_the_factory(self) -> None:
        """A connection that the factory does not want is closed, without a word."""
        self.on_build = lambda: None
        far = self.arrive()
        self.port.doRead()
        self.assertTrue(ended(far))

    def test_fault_in_the_factory(self) -> None:
        """A factory that raises loses one connection; the next one is served."""

        def fault() -> None:
            self.on_build = Recorder
            raise ValueError("in buildProtocol")

        self.on_build = fault
        lost, served = self.arrive(), self.arrive()
        self.port.doRead()
        self.port.doRead()
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertTrue(ended(lost))
        self.assertFalse(ended(served))
        self.assertEqual(len(self.protocols), 1)
        self.end()

    def test_fault_in_the_protocol(self) -> None:
        """A protocol that raises when it is connected is aborted, and told so."""
        protocol: Any = Recorder()

        def fault() -> None:
            raise ValueError("in connectionMade")

        protocol.connectionMade = fault
        self.on_build = lambda: protocol
        far = self.arrive()
        self.port.doRead()
        self.reactor.settle()
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertTrue(ended(far))
        self.assertTrue(protocol.reason.check(ConnectionAborted))

    def test_stopped_by_the_protocol(self) -> None:
        """A port that is stopped while accepting accepts no more."""

        def stop() -> Recorder:
            self.port.stopListening()
            return Recorder()

        self.port._expected = ACCEPTS
        self.on_build = stop
        self.arrive()
        self.arrive()
        self.port.doRead()
        self.assertEqual(len(self.protocols), 1)
        self.listening.steps.pop()
        self.end()

    def test_link_local(self) -> None:
        """A link-local peer is known with its scope."""
        self.port.addressFamily = socket.AF_INET6
        self.port._addressType = lambda *args: args
        self.arrive(("fe80::1", 1, 0, 1))
        self.port.doRead()
        self.assertEqual(self.addresses[0][1], "fe80::1%lo")
        self.end()


class FailureTests(ListenerTestCase):
    """Tests of connections that cannot be accepted."""

    def test_lost_in_the_queue(self) -> None:
        """An error of one connection does not keep the next from being served."""
        self.port._expected = ACCEPTS
        for errno in (ECONNABORTED, EPERM):
            self.listening.steps.append(OSError(errno, ""))
        self.arrive()
        self.port.doRead()
        self.assertEqual(len(self.protocols), 1)
        self.assertEqual(self.warnings, [])
        self.end()

    def test_no_descriptors(self) -> None:
        """Without descriptors those who wait are closed: they do not hang."""
        reserve = Reserve(True)
        self.patch(tcp, "_reservedFD", reserve)
        self.listening.steps.append(OSError(EMFILE, ""))
        clients = [self.arrive() for _ in range(5)]
        self.port.doRead()
        self.assertTrue(all(ended(far) for far in clients))
        self.assertEqual((reserve.uses, self.port.refused), (1, 5))
        self.assertEqual(self.protocols, [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.end()

    def test_turned_away_in_batches(self) -> None:
        """However many wait, a bounded number is closed in one event."""
        self.patch(tcp, "_reservedFD", Reserve(True))
        self.listening.steps.append(OSError(EMFILE, ""))
        clients = [self.arrive() for _ in range(ACCEPTS + 3)]
        self.port.doRead()
        self.assertEqual(sum(ended(far) for far in clients), ACCEPTS)
        self.listening.steps.clear()
        self.end()

    def test_rest(self) -> None:
        """A port that can neither accept nor turn away rests, and comes back."""
        for errno, free in (
            (EMFILE, False),
            (ENFILE, True),
            (ENOBUFS, True),
            (ENOMEM, True),
        ):
            reserve = Reserve(free)
            self.patch(tcp, "_reservedFD", reserve)
            self.port.startReading()
            self.listening.steps.append(OSError(errno, ""))
            self.port.doRead()
            self.assertEqual((reserve.uses, self.port.refused), (0, 0))
            self.assertEqual(self.mux.getReaders(), [])
            self.reactor.advance(REST)
            self.assertEqual(self.mux.getReaders(), [self.port])
        self.end()

    def test_rest_after_vain_reserve(self) -> None:
        """The reserve may not help, either: then the port rests, too."""
        self.patch(tcp, "_reservedFD", Reserve(True))
        self.port.startReading()
        self.listening.steps += [OSError(EMFILE, ""), OSError(EMFILE, "")]
        self.port.doRead()
        self.assertEqual(self.mux.getReaders(), [])
        self.reactor.advance(REST)
        self.assertEqual(self.mux.getReaders(), [self.port])
        self.end()

    def test_stopped_while_resting(self) -> None:
        """A port that was stopped in the meantime does not come back."""
        self.patch(tcp, "_reservedFD", Reserve(False))
        for attribute, value in (("connected", False), ("disconnecting", True)):
            self.port.connected, self.port.disconnecting = True, False
            self.listening.steps.append(OSError(EMFILE, ""))
            self.port.doRead()
            setattr(self.port, attribute, value)
            self.reactor.advance(REST)
            self.assertEqual(self.mux.getReaders(), [])

    def test_log(self) -> None:
        """There is at most one line a second, and it counts what it left out."""
        self.patch(tcp, "_reservedFD", Reserve(True))
        step = LOG_INTERVAL / 4
        for _ in range(9):
            self.listening.steps.append(OSError(EMFILE, ""))
            self.arrive()
            self.port.doRead()
            self.reactor.advance(step)
        self.assertEqual([one["closed"] for one in self.warnings], [1, 4, 4])
        self.assertEqual({one["error"] for one in self.warnings}, {"EMFILE"})
        self.assertEqual({one["port"] for one in self.warnings}, {7007})
        self.assertEqual(self.port.refused, 9)
        self.end()

    def test_unknown_error(self) -> None:
        """An error without a number is one connection's, as any other."""
        self.listening.steps.append(OSError("what"))
        self.port.doRead()
        self.assertEqual(self.warnings, [])
