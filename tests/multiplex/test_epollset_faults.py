"""Tests of what L{netsvc.multiplex.epollset} survives."""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import connectionDone

from netsvc.multiplex import epollset
from tests.multiplex.fakes import (
    Descriptor,
    HalfRecorder,
    MultiplexTestCase,
    Recorder,
    ended,
    receive,
)


class BrokenError(Exception):
    """What a faulty protocol raises."""


def broken(*args: Any) -> None:
    """Raise L{BrokenError}."""
    raise BrokenError


class ExceptionTests(MultiplexTestCase):
    """Tests of exceptions in what the set calls: one connection pays for them."""

    def ready(self) -> tuple[Descriptor, socket.socket]:
        """Return a registered descriptor that has data, and its peer."""
        near, far = self.sockets()
        far.send(b"x")
        descriptor = Descriptor(near)
        self.mux.addReader(descriptor)
        return descriptor, far

    def test_while_reading(self) -> None:
        """A protocol that raises loses its connection; the others do not notice."""
        faulty, _, faulty_far = self.connect()
        healthy, transport, healthy_far = self.connect()
        faulty.on_data = broken
        healthy.on_data = transport.write
        faulty_far.send(b"x")
        healthy_far.send(b"ping")
        self.reactor.settle()
        self.assertTrue(faulty.reason.check(BrokenError))
        self.assertTrue(ended(faulty_far))
        self.assertEqual(receive(healthy_far), b"ping")
        self.assertEqual(len(self.flushLoggedErrors(BrokenError)), 1)

    def test_while_reading_and_writing(self) -> None:
        """An exception where both directions are ready ends one connection."""
        descriptor, _ = self.ready()
        self.mux.addWriter(descriptor)
        descriptor.on_read = broken
        self.reactor.wake()
        self.assertEqual((descriptor.reads, descriptor.writes), (1, 0))
        self.assertTrue(descriptor.lost[0].check(BrokenError))
        self.assertEqual(len(self.flushLoggedErrors(BrokenError)), 1)

    def test_while_writing(self) -> None:
        """An exception in C{doWrite} ends one connection."""
        descriptor, _ = self.ready()
        self.mux.addWriter(descriptor)
        descriptor.on_write = broken
        self.reactor.wake()
        self.assertEqual((descriptor.reads, descriptor.writes), (1, 1))
        self.assertTrue(descriptor.lost[0].check(BrokenError))
        self.assertEqual(len(self.flushLoggedErrors(BrokenError)), 1)

    def test_at_the_end_of_the_batch(self) -> None:
        """An exception in a late write ends one connection."""
        protocol, transport, far = self.connect()
        other, other_transport, other_far = self.connect()

        class Pull:
            """A producer that raises."""

            resumeProducing = broken

            def stopProducing(self) -> None:
                """Nothing to stop."""

        def start(data: bytes) -> None:
            transport.write(b"x")
            transport.producer = Pull()
            other_transport.write(b"y")

        protocol.on_data = start
        far.send(b"go")
        self.reactor.wake()
        self.assertTrue(protocol.reason.check(BrokenError))
        self.assertIsNone(other.reason)
        self.assertEqual(receive(other_far), b"y")
        self.assertEqual(len(self.flushLoggedErrors(BrokenError)), 1)

    def test_in_connection_lost(self) -> None:
        """An exception in C{connectionLost} is logged, and that is all."""
        descriptor, _ = self.ready()
        descriptor.on_read = lambda: ConnectionDone()
        self.patch(descriptor, "connectionLost", broken)
        bystander, _ = self.ready()
        self.reactor.wake()
        self.assertEqual(self.mux.getReaders(), [bystander])
        self.assertEqual(len(self.flushLoggedErrors(BrokenError)), 1)
        self.mux.removeAll()

    def test_not_only_exceptions(self) -> None:
        """What is no C{Exception} ends one connection, too."""
        descriptor, _ = self.ready()

        def leave() -> None:
            raise SystemExit(1)

        descriptor.on_read = leave
        self.reactor.wake()
        self.assertTrue(descriptor.lost[0].check(SystemExit))
        self.assertEqual(len(self.flushLoggedErrors(SystemExit)), 1)


class HangUpTests(MultiplexTestCase):
    """Tests of peers that have gone while data are still to be read or written."""

    def test_while_paused(self) -> None:
        """A paused connection whose peer has gone loses none of its data."""
        protocol, transport, far = self.connect()
        transport.pauseProducing()
        for _ in range(10):
            far.send(b"x" * 10_000)
        far.close()
        self.assertEqual(self.reactor.settle(), 0)
        self.assertIsNone(protocol.reason)
        transport.resumeProducing()
        self.reactor.settle()
        self.assertEqual(protocol.data, b"x" * 100_000)
        self.assertTrue(protocol.reason.check(ConnectionDone))

    def test_data_before_the_end(self) -> None:
        """A hang-up is reported only after the data that came before it."""
        protocol, _, far = self.connect()
        far.send(b"x" * (1 << 17))
        far.close()
        self.reactor.settle()
        self.assertGreater(protocol.reads, 1)
        self.assertEqual(len(protocol.data), 1 << 17)
        self.assertTrue(protocol.reason.check(ConnectionDone))

    def test_while_writing_paused(self) -> None:
        """With reading off, it is the write that finds out that the peer has gone."""
        protocol, transport, far = self.connect()
        transport.pauseProducing()
        self.fill(transport)
        far.close()
        self.reactor.settle()
        self.assertTrue(protocol.reason.check(ConnectionLost))

    def test_half_close_while_writing(self) -> None:
        """The end of the input does not stop what is being written."""
        protocol, transport, far = self.connect(HalfRecorder())
        written = self.fill(transport)
        far.shutdown(socket.SHUT_WR)
        self.reactor.settle()
        self.assertEqual(protocol.halves, ["read"])
        received = b""
        while len(received) < len(written):
            received += receive(far)
            self.reactor.settle()
        self.assertEqual(received, written)
        self.assertIsNone(protocol.reason)


class DescriptorReuseTests(MultiplexTestCase):
    """Tests of numbers that mean another descriptor than before."""

    def test_stale_event(self) -> None:
        """An event of a descriptor closed in the batch does a stranger no harm."""
        protocols = []
        for _ in range(2):
            protocol, transport, far = self.connect()
            far.send(b"x")
            protocols.append((protocol, transport, far))
        replaced: list[tuple[Recorder, Any, socket.socket]] = []

        def replace(data: bytes) -> None:
            # Whichever is called first closes the other, whose event waits, and
            # a new connection takes its number.
            _, victim, _ = next(p for p in protocols if not p[0].data)
            number = victim.fileno()
            victim.connectionLost(connectionDone)
            near, far = self.sockets()
            os.dup2(near.fileno(), number)
            stranger = Recorder()
            transport = type(victim)(
                socket.socket(fileno=number), stranger, ("", 0), None, 0, self.mux
            )
            stranger.makeConnection(transport)
            self._transports.append(transport)
            replaced.append((stranger, transport, far))

        for protocol, _, _ in protocols:
            protocol.on_data = replace
        self.reactor.wake()
        self.assertEqual(len(replaced), 1)
        stranger, transport, far = replaced[0]
        self.assertEqual(stranger.data, b"")
        self.assertIsNone(stranger.reason)
        far.send(b"later")
        self.reactor.settle()
        self.assertEqual(stranger.data, b"later")

    def test_taken_over(self) -> None:
        """A number whose owner was closed in silence can be registered again."""
        near, _ = self.sockets()
        silent = Descriptor(near)
        self.mux.addReader(silent)
        number = near.fileno()
        near.close()
        other, other_far = self.sockets()
        heir = Descriptor(other)
        if other.fileno() != number:
            os.dup2(other.fileno(), number)
            self.addCleanup(os.close, number)
            self.patch(heir, "fileno", lambda: number)
        self.mux.addWriter(heir)
        self.mux.addReader(heir)
        other_far.send(b"x")
        self.reactor.wake()
        self.assertEqual((silent.reads, heir.reads, heir.writes), (0, 1, 1))
        # What the former owner says now is not about the heir.
        self.patch(silent, "fileno", heir.fileno)
        self.mux.removeReader(silent)
        self.assertEqual(self.mux.getReaders(), [heir])
        self.mux.removeAll()

    def test_taken_over_in_a_batch(self) -> None:
        """Who has lost its number in a batch is not called for its last event."""
        near, far = self.sockets()
        victim_near, victim_far = self.sockets()
        other, _ = self.sockets()
        first, victim = Descriptor(near), Descriptor(victim_near)
        heir = Descriptor(victim_near)

        def take_over() -> None:
            os.dup2(other.fileno(), victim_near.fileno())
            self.mux.addWriter(heir)

        first.on_read = take_over
        for descriptor in (first, victim):
            self.mux.addReader(descriptor)
        far.send(b"x")
        victim_far.send(b"x")
        self.reactor.wake()
        self.assertEqual((first.reads, victim.reads), (1, 0))
        self.mux.removeAll()

    def test_taken_over_while_open(self) -> None:
        """A number can change its owner without having been closed."""
        near, far = self.sockets()
        former, heir = Descriptor(near), Descriptor(near)
        self.mux.addReader(former)
        self.mux.addReader(heir)
        far.send(b"x")
        self.reactor.wake()
        self.assertEqual((former.reads, heir.reads), (0, 1))
        self.mux.removeAll()

    def test_forgotten_by_the_kernel(self) -> None:
        """A socket exchanged under its number is registered again with both masks."""
        near, _ = self.sockets()
        descriptor = Descriptor(near)
        self.mux.addReader(descriptor)
        other, other_far = self.sockets()
        os.dup2(other.fileno(), near.fileno())
        self.mux.addWriter(descriptor)
        other_far.send(b"x")
        self.reactor.wake()
        self.assertEqual((descriptor.reads, descriptor.writes), (1, 1))
        self.mux.removeAll()

    def test_closed_before_removal(self) -> None:
        """A socket may be closed before its selectable is removed."""
        near, _ = self.sockets()
        descriptor = Descriptor(near)
        self.mux.addReader(descriptor)
        self.mux.addWriter(descriptor)
        near.close()
        self.mux.removeReader(descriptor)
        self.mux.removeWriter(descriptor)
        self.assertEqual(self.reactor.readers, [])


class SharedDescriptorTests(MultiplexTestCase):
    """Tests of sockets that somebody else holds open, too, as a child process may."""

    def test_closed_connection(self) -> None:
        """The end of a connection is the end of its events, whoever else has it."""
        protocol, transport, far = self.connect()
        _, bystander, _ = self.connect()
        copy = os.dup(transport.fileno())
        self.addCleanup(os.close, copy)
        transport.connectionLost(connectionDone)
        far.send(b"for the other")
        self.assertEqual(self.reactor.settle(), 0)
        self.assertEqual(protocol.data, b"")
        self.assertTrue(bystander.connected)


class RemovalTests(MultiplexTestCase):
    """Tests of C{removeAll} and of the reactor's shutdown."""

    def test_in_a_batch(self) -> None:
        """Everything can be removed while a full batch is dispatched."""
        descriptors = []
        for _ in range(epollset.BATCH):
            near, far = self.sockets()
            far.send(b"x")
            descriptor = Descriptor(near)
            # What removeAll returns would be taken for the reason of an end.
            descriptor.on_read = lambda: self.mux.removeAll() and None
            self.mux.addReader(descriptor)
            descriptors.append(descriptor)
        self.reactor.wake()
        self.assertEqual(sum(one.reads for one in descriptors), 1)
        self.assertEqual(self.reactor.readers, [])

    def test_in_a_batch_and_added(self) -> None:
        """What was removed in a batch is silent even if something else stays."""
        near, far = self.sockets()
        other, _ = self.sockets()
        far.send(b"x")
        descriptor, later = Descriptor(near), Descriptor(other)

        def exchange() -> None:
            self.mux.removeAll()
            self.mux.addReader(later)

        descriptor.on_read = exchange
        self.mux.addReader(descriptor)
        self.reactor.wake()
        self.assertFalse(self.reactor.wake())
        self.assertEqual(descriptor.reads, 1)
        self.mux.removeAll()

    def test_closed_sockets(self) -> None:
        """Descriptors that were closed in silence are removed with the rest."""
        near, _ = self.sockets()
        descriptor = Descriptor(near)
        self.mux.addReader(descriptor)
        near.close()
        self.assertEqual(self.mux.removeAll(), [descriptor])
        self.assertEqual(self.reactor.readers, [])

    def test_shutdown(self) -> None:
        """When the reactor ends the set, each connection is told the reason."""
        first, _, first_far = self.connect()
        faulty = Descriptor(self.sockets()[0])
        self.patch(faulty, "connectionLost", broken)
        self.mux.addReader(faulty)
        last, _, last_far = self.connect()
        self.mux.connectionLost(connectionDone)
        for protocol, far in ((first, first_far), (last, last_far)):
            self.assertTrue(protocol.reason.check(ConnectionDone))
            self.assertTrue(ended(far))
        self.assertEqual(self.reactor.readers, [])
        self.assertEqual(len(self.flushLoggedErrors(BrokenError)), 1)

    def test_nothing_to_remove(self) -> None:
        """An empty set can be shut down."""
        self.assertEqual(self.mux.removeAll(), [])
        self.mux.connectionLost(connectionDone)
