"""Tests of how L{netsvc.multiplex.epollset} registers, dispatches and is fair."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.internet.protocol import connectionDone
from zope.interface.verify import verifyObject

from netsvc.multiplex import epollset
from tests.multiplex.fakes import Descriptor, MultiplexTestCase, receive


class RegistrationTests(MultiplexTestCase):
    """Tests of C{addReader} and its like, and of the place in the reactor."""

    def test_interfaces(self) -> None:
        """The set is to selectables what a reactor is, and a reader to the reactor."""
        self.assertTrue(verifyObject(IReactorFDSet, self.mux))
        reader = epollset.EpollSet(self.reactor)
        self.assertTrue(verifyObject(IReadDescriptor, reader))
        self.assertEqual(reader.logPrefix(), "multiplex")

    def test_registered_while_in_use(self) -> None:
        """The set is a reader of the reactor as long as it holds a descriptor."""
        near, _ = self.sockets()
        descriptor = Descriptor(near)
        self.assertEqual(self.mux.fileno(), -1)
        self.mux.addReader(descriptor)
        self.mux.addWriter(descriptor)
        self.assertEqual(self.reactor.readers, [self.mux])
        self.assertNotEqual(self.mux.fileno(), -1)
        self.mux.removeReader(descriptor)
        self.assertEqual(self.reactor.readers, [self.mux])
        self.mux.removeWriter(descriptor)
        self.assertEqual(self.reactor.readers, [])
        self.assertEqual(self.mux.fileno(), -1)

    def test_registered_again(self) -> None:
        """A set that was dropped by the reactor comes back with the next descriptor."""
        descriptors = [Descriptor(skt) for skt in self.sockets()]
        self.mux.addReader(descriptors[0])
        self.reactor.readers.clear()  # as trial does after a test
        self.mux.addReader(descriptors[1])
        self.assertEqual(self.reactor.readers, [self.mux])
        self.mux.removeAll()

    def test_getters(self) -> None:
        """The set tells who waits to read and who waits to write."""
        both, writing = (Descriptor(skt) for skt in self.sockets())
        self.mux.addReader(both)
        self.mux.addWriter(both)
        self.mux.addWriter(writing)
        self.assertEqual(self.mux.getReaders(), [both])
        self.assertEqual(self.mux.getWriters(), [both, writing])
        self.assertEqual(self.mux.removeAll(), [both, writing])
        self.assertEqual(self.mux.getReaders() + self.mux.getWriters(), [])

    def test_twice_and_never(self) -> None:
        """To add or to remove a second time changes nothing."""
        near, far = self.sockets()
        descriptor = Descriptor(near)
        far.send(b"x")
        self.mux.removeReader(descriptor)
        self.mux.addReader(descriptor)
        self.mux.addReader(descriptor)
        self.mux.removeWriter(descriptor)
        self.reactor.wake()
        self.assertEqual((descriptor.reads, descriptor.writes), (1, 0))
        self.mux.removeReader(descriptor)
        self.mux.removeReader(descriptor)
        self.assertFalse(self.reactor.wake())

    def test_readiness(self) -> None:
        """A descriptor is told what it waits for, and nothing else."""
        near, far = self.sockets()
        descriptor = Descriptor(near)
        far.send(b"x")
        self.mux.addWriter(descriptor)
        self.reactor.wake()
        self.assertEqual((descriptor.reads, descriptor.writes), (0, 1))
        self.mux.addReader(descriptor)
        self.reactor.wake()
        self.assertEqual((descriptor.reads, descriptor.writes), (1, 2))
        self.mux.removeWriter(descriptor)
        self.reactor.wake()
        self.assertEqual((descriptor.reads, descriptor.writes), (2, 2))
        self.mux.removeAll()

    def test_level_triggered(self) -> None:
        """Data that were not read are announced again, in the next wake-up."""
        near, far = self.sockets()
        descriptor = Descriptor(near)
        self.mux.addReader(descriptor)
        far.send(b"x")
        for reads in (1, 2, 3):
            self.assertTrue(self.reactor.wake())
            self.assertEqual(descriptor.reads, reads)
        near.recv(1)
        self.assertFalse(self.reactor.wake())
        self.mux.removeAll()

    def test_removed_while_dispatching(self) -> None:
        """A descriptor that is removed earlier in a batch is not called in it."""
        descriptors = []
        for _ in range(4):
            near, far = self.sockets()
            descriptor = Descriptor(near)
            far.send(b"x")
            self.mux.addReader(descriptor)
            descriptors.append(descriptor)

        def remove_all() -> None:
            for descriptor in descriptors:
                self.mux.removeReader(descriptor)

        for descriptor in descriptors:
            descriptor.on_read = remove_all
        self.reactor.wake()
        self.assertEqual(sum(one.reads for one in descriptors), 1)

    def test_update_reader(self) -> None:
        """A method that was replaced is called once the set has been told."""
        near, far = self.sockets()
        descriptor, stranger = Descriptor(near), Descriptor(far)
        self.mux.update_reader(descriptor)  # not registered: nothing to note
        self.mux.addReader(descriptor)
        calls: list[int] = []
        self.patch(descriptor, "doRead", lambda: calls.append(1))
        self.patch(stranger, "fileno", near.fileno)
        self.mux.update_reader(stranger)
        self.mux.update_reader(descriptor)
        far.send(b"x")
        self.reactor.wake()
        self.assertEqual((calls, descriptor.reads, stranger.reads), ([1], 0, 0))
        self.mux.removeAll()


class HandOverTests(MultiplexTestCase):
    """Tests of descriptors that change hands, and of those that are closed next."""

    def test_handed_over(self) -> None:
        """Who gets a descriptor reads from it; who had it is not called any more."""
        near, far = self.sockets()
        writer, reader = Descriptor(near), Descriptor(near)
        self.mux.addWriter(writer)
        self.mux.hand_over(writer, reader)
        far.send(b"x")
        self.reactor.wake()
        self.assertEqual((writer.writes, reader.reads, reader.writes), (0, 1, 0))
        self.assertEqual(self.mux.getReaders(), [reader])
        self.assertEqual(self.mux.getWriters(), [])
        self.mux.removeAll()

    def test_handed_over_unregistered(self) -> None:
        """It does not matter whether the former owner was waiting."""
        near, far = self.sockets()
        reader = Descriptor(near)
        self.mux.hand_over(Descriptor(near), reader)
        far.send(b"x")
        self.reactor.wake()
        self.assertEqual(reader.reads, 1)
        self.mux.removeAll()

    def test_forgotten(self) -> None:
        """What is forgotten waits for nothing any more, and need not have waited."""
        near, far = self.sockets()
        descriptor = Descriptor(near)
        self.mux.forget(descriptor)
        self.mux.addReader(descriptor)
        self.mux.addWriter(descriptor)
        self.mux.forget(descriptor)
        far.send(b"x")
        self.assertFalse(self.reactor.wake())
        self.assertEqual(self.reactor.readers, [])


class FairnessTests(MultiplexTestCase):
    """Tests of the bounds of a wake-up."""

    def setUp(self) -> None:
        """Use a clock that stands still unless it is told otherwise."""
        super().setUp()
        self.now = 0.0
        self.patch(epollset, "monotonic", lambda: self.now)

    def ready(self, count: int) -> list[Descriptor]:
        """Return registered descriptors that stay readable."""
        descriptors = []
        for _ in range(count):
            near, far = self.sockets()
            far.send(b"x")
            descriptor = Descriptor(near)
            self.mux.addReader(descriptor)
            descriptors.append(descriptor)
        return descriptors

    def test_batch(self) -> None:
        """The kernel is asked for a bounded number of events."""
        descriptors = self.ready(epollset.BATCH + 10)
        self.now = float("inf")  # the budget is spent: one batch
        self.reactor.wake()
        self.assertEqual(sum(one.reads for one in descriptors), epollset.BATCH)
        self.mux.removeAll()

    def test_next_batch_goes_on(self) -> None:
        """Wake-ups of one batch each reach every descriptor equally often."""
        descriptors = self.ready(2 * epollset.BATCH)
        self.now = float("inf")
        for _ in range(6):
            self.reactor.wake()
        self.assertEqual({one.reads for one in descriptors}, {3})
        self.mux.removeAll()

    def test_short_batch_ends(self) -> None:
        """A batch that is not full ends the wake-up, whatever time is left."""
        descriptors = self.ready(epollset.BATCH - 1)
        self.reactor.wake()
        self.assertEqual({one.reads for one in descriptors}, {1})
        self.mux.removeAll()

    def test_budget(self) -> None:
        """Full batches follow each other until the time is up."""
        descriptors = self.ready(epollset.BATCH)
        step = epollset.BUDGET / 4 / epollset.BATCH

        def read() -> None:
            self.now += step

        for descriptor in descriptors:
            descriptor.on_read = read
        self.reactor.wake()
        batches = {one.reads for one in descriptors}
        self.assertLessEqual(batches, {4, 5})  # 4, and what rounding adds
        self.assertEqual(len(batches), 1)
        self.mux.removeAll()

    def test_writes_leave_between_batches(self) -> None:
        """What was written in one batch is sent before the next one is fetched."""
        protocol, transport, far = self.connect()
        protocol.on_data = transport.write
        far.send(b"hello")
        seen: list[bytes] = []
        descriptors = self.ready(epollset.BATCH - 1)
        for descriptor in descriptors:
            descriptor.on_read = lambda: seen.append(receive(far))
        self.reactor.wake()
        first, second = seen[: len(descriptors)], seen[len(descriptors) :]
        self.assertEqual(b"".join(first), b"")
        self.assertEqual(b"".join(second), b"hello")
        self.mux.removeAll()


class LateWriteTests(MultiplexTestCase):
    """Tests of what is sent at the end of a batch."""

    def test_coalesced(self) -> None:
        """All that is written to a connection in a batch leaves in one send."""
        protocol, transport, far = self.connect()
        others = [self.connect() for _ in range(3)]
        counting = self.counting(transport)

        def write(data: bytes) -> None:
            transport.write(data)
            transport.writeSequence([b"-", data])

        for other, _, other_far in others:
            other.on_data = write
            other_far.send(b"line")
        self.reactor.wake()
        self.assertEqual(counting.sizes, [3 * len("line-line")])
        self.assertEqual(receive(far), b"line-line" * 3)
        self.assertEqual(protocol.data, b"")

    def test_order_of_asking(self) -> None:
        """Connections are served in the order in which they were written to."""
        sent: list[str] = []
        transports = {}
        for name in "abc":
            _, transport, _ = self.connect()
            transports[name] = transport
            real = transport.socket
            self.patch(
                transport,
                "socket",
                Noting(real, lambda name=name: sent.append(name)),
            )
        trigger, _, far = self.connect()
        trigger.on_data = lambda data: [
            transports[name].write(b"x") for name in "caabc"
        ]
        far.send(b"go")
        self.reactor.wake()
        self.assertEqual(sent, ["c", "a", "b"])

    def test_closed_meanwhile(self) -> None:
        """A connection that is lost before the end of the batch is left alone."""
        trigger, _, far = self.connect()
        victim, transport, victim_far = self.connect()

        def write_and_lose(data: bytes) -> None:
            transport.write(data)
            transport.connectionLost(connectionDone)

        trigger.on_data = write_and_lose
        far.send(b"x")
        self.reactor.wake()
        self.assertEqual(receive(victim_far), b"")
        self.assertIsNotNone(victim.reason)

    def test_pull_producer(self) -> None:
        """A pull producer without an end does not keep the reactor for itself."""
        trigger, transport, far = self.connect()
        producer = Endless(transport)
        trigger.on_data = lambda data: transport.registerProducer(producer, False)
        far.send(b"go")
        self.reactor.wake()
        self.assertLessEqual(producer.pulls, 3)
        before = producer.pulls
        for _ in range(5):
            self.reactor.wake()
            receive(far)
        self.assertTrue(5 <= producer.pulls - before <= 15)
        transport.unregisterProducer()
        self.reactor.settle()

    def test_leftover_of_a_lost_connection(self) -> None:
        """What a write of the batch's end causes may be lost in the same turn."""
        trigger, transport, far = self.connect()
        victim, victim_transport, _ = self.connect()

        class Pull:
            """Writes to the victim, and ends it."""

            def resumeProducing(self) -> None:
                """Do it once."""
                transport.unregisterProducer()
                victim_transport.write(b"x")
                victim_transport.connectionLost(connectionDone)

            def stopProducing(self) -> None:
                """Never called."""

        def start(data: bytes) -> None:
            transport.write(b"before")
            transport.producer = Pull()

        trigger.on_data = start
        far.send(b"go")
        self.reactor.settle()
        self.assertIsNotNone(victim.reason)
        self.assertEqual(receive(far), b"before")


class Noting:
    """A socket that tells when it sends."""

    def __init__(self, real: Any, note: Any) -> None:
        """
        @param real: The socket.
        @param note: Called before each send.
        """
        self._real = real
        self._note = note

    def send(self, data: bytes) -> Any:
        """Note, and send."""
        self._note()
        return self._real.send(data)

    def __getattr__(self, name: str) -> Any:
        """Everything else is the socket's."""
        return getattr(self._real, name)


class Endless:
    """
    A pull producer that always has more.

    @ivar pulls: How often it was asked.
    """

    def __init__(self, transport: Any) -> None:
        """
        @param transport: Its consumer.
        """
        self.pulls = 0
        self._transport = transport

    def resumeProducing(self) -> None:
        """Write a little."""
        self.pulls += 1
        self._transport.write(b"more")

    def stopProducing(self) -> None:
        """Nothing to stop."""
