"""Tests of how streams of L{netsvc.multiplex.stream} send."""

from __future__ import annotations

from errno import EAGAIN, ECONNRESET, ENOBUFS, EPIPE

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import connectionDone

from netsvc.multiplex import pending
from netsvc.multiplex.stream import READ_SIZE
from tests.multiplex.fakes import MultiplexTestCase, Producer, receive


class WriteTests(MultiplexTestCase):
    """Tests of C{write} and C{writeSequence}."""

    def test_at_once(self) -> None:
        """Outside a batch a write leaves before C{write} returns."""
        _, transport, far = self.connect()
        counting = self.counting(transport)
        transport.write(b"one")
        self.assertEqual(receive(far), b"one")
        transport.writeSequence(iter([b"t", b"w", b"o"]))
        self.assertEqual(receive(far), b"two")
        self.assertEqual(counting.sizes, [3, 3])
        self.assertEqual(self.mux.getWriters(), [])

    def test_in_a_batch(self) -> None:
        """In a batch nothing leaves before its end; then all of it, in order."""
        protocol, transport, far = self.connect()
        seen: list[bytes] = []

        def answer(data: bytes) -> None:
            transport.write(b"1")
            transport.writeSequence([b"2", b"3"])
            seen.append(receive(far))
            transport.write(b"4")

        protocol.on_data = answer
        counting = self.counting(transport)
        far.send(b"?")
        self.reactor.wake()
        self.assertEqual((seen, receive(far)), ([b""], b"1234"))
        self.assertEqual(counting.sizes, [4])

    def test_much_in_a_batch(self) -> None:
        """More than a buffer of output does not wait for the end of the batch."""
        protocol, transport, far = self.connect()
        seen: list[bytes] = []

        def answer(data: bytes) -> None:
            transport.write(b"a" * READ_SIZE)
            seen.append(receive(far))
            transport.write(b"b")
            seen.append(receive(far))

        protocol.on_data = answer
        far.send(b"?")
        self.reactor.settle()
        self.assertEqual(seen, [b"", b"a" * READ_SIZE + b"b"])

    def test_types(self) -> None:
        """Only bytes can be written."""
        _, transport, far = self.connect()
        for bad in ("text", bytearray(b"x"), None, 7):
            self.assertRaises(TypeError, transport.write, bad)
            self.assertRaises(TypeError, transport.writeSequence, [b"x", bad])
        self.assertEqual(receive(far), b"")

    def test_nothing(self) -> None:
        """To write nothing sends nothing."""
        _, transport, _ = self.connect()
        counting = self.counting(transport)
        transport.write(b"")
        transport.writeSequence([])
        transport.writeSequence([b"", b""])
        self.assertEqual(counting.sizes, [])

    def test_lost(self) -> None:
        """To write to a connection that is lost does nothing."""
        _, transport, _ = self.connect()
        transport.connectionLost(connectionDone)
        transport.write(b"x")
        transport.writeSequence([b"x"])
        self.assertEqual(pending(transport), 0)

    def test_partial(self) -> None:
        """What the kernel does not take is sent when it can, in order."""
        _, transport, far = self.connect()
        counting = self.counting(transport)
        counting.limits = [3, 0, 2]
        transport.write(b"abcdef")
        self.assertEqual(self.mux.getWriters(), [transport])
        transport.write(b"ghi")
        transport.write(b"jkl")
        self.assertEqual(pending(transport), 9)
        self.assertEqual(counting.sizes, [6], "no send while the kernel refuses")
        self.reactor.settle()
        self.assertEqual(receive(far), b"abcdefghijkl")
        self.assertEqual(counting.sizes, [6, 3, 3, 1, 6])
        self.assertEqual(self.mux.getWriters(), [])
        self.assertEqual(pending(transport), 0)

    def test_refused(self) -> None:
        """EAGAIN and ENOBUFS mean later, wherever they are met."""
        for errno in (EAGAIN, ENOBUFS):
            protocol, transport, far = self.connect()
            counting = self.counting(transport)
            counting.limits = [OSError(errno, ""), OSError(errno, "")]
            transport.write(b"outside")
            self.reactor.settle()
            self.assertEqual(receive(far), b"outside")
            counting.limits = [OSError(errno, ""), OSError(errno, "")]
            protocol.on_data = transport.write
            far.send(b"in a batch")
            self.reactor.settle()
            self.assertEqual(receive(far), b"in a batch")
            self.assertIsNone(protocol.reason)

    def test_partial_in_a_batch(self) -> None:
        """A late write that is taken in part is finished when the kernel can."""
        protocol, transport, far = self.connect()
        counting = self.counting(transport)
        counting.limits = [4, OSError(EAGAIN, "")]
        protocol.on_data = transport.write
        far.send(b"question")
        self.reactor.wake()
        self.assertEqual((receive(far), pending(transport)), (b"ques", 4))
        self.reactor.settle()
        self.assertEqual(receive(far), b"tion")

    def test_large_then_small_in_a_batch(self) -> None:
        """A small write does not overtake a large one that is held back."""
        protocol, transport, far = self.connect()
        counting = self.counting(transport)
        large = b"L" * (READ_SIZE + 1)

        def answer(data: bytes) -> None:
            counting.limits = [10]
            transport.write(large)
            transport.write(b"small")

        protocol.on_data = answer
        far.send(b"?")
        self.reactor.settle()
        self.assertEqual(receive(far), large + b"small")

    @given(
        st.lists(
            st.tuples(st.booleans(), st.integers(0, 3 * READ_SIZE)),
            min_size=1,
            max_size=12,
        ),
        st.lists(st.integers(0, READ_SIZE), max_size=12),
    )
    def test_order(self, writes: list[tuple[bool, int]], limits: list[int]) -> None:
        """Bytes arrive once and in order, in and out of batches, however refused."""
        protocol, transport, far = self.connect()
        counting = self.counting(transport)
        counting.limits = [limit or OSError(EAGAIN, "") for limit in limits]
        pieces = [bytes([index + 1]) * size for index, (_, size) in enumerate(writes)]
        left = list(zip(pieces, (batch for batch, _ in writes), strict=True))

        def write_some(data: bytes) -> None:
            while left:
                piece, in_batch = left.pop(0)
                transport.write(piece)
                if not in_batch:
                    break

        protocol.on_data = write_some
        received = b""
        while left:
            write_some(b"")
            far.send(b"x")
            self.reactor.wake()
            received += receive(far)
        for _ in range(100):
            self.reactor.wake()
            received += receive(far)
        self.assertEqual(received, b"".join(pieces))
        self.assertEqual(pending(transport), 0)


class BrokenWriteTests(MultiplexTestCase):
    """Tests of writes that meet the end of the connection."""

    def test_outside_a_batch(self) -> None:
        """A write that fails raises nothing; the connection is lost thereafter."""
        protocol, transport, far = self.connect()
        far.close()
        transport.write(b"x")
        self.assertIsNone(protocol.reason)
        self.reactor.settle()
        self.assertTrue(protocol.reason.check(ConnectionLost))

    def test_in_a_batch(self) -> None:
        """A late write that fails loses the connection."""
        protocol, transport, far = self.connect()
        counting = self.counting(transport)
        counting.limits = [OSError(ECONNRESET, ""), OSError(EPIPE, "")]
        protocol.on_data = transport.write
        far.send(b"x")
        self.reactor.wake()
        self.assertTrue(protocol.reason.check(ConnectionLost))

    def test_with_pending_data(self) -> None:
        """The failure of a write that was held back loses the connection."""
        protocol, transport, _ = self.connect()
        counting = self.counting(transport)
        counting.limits = [1, OSError(ECONNRESET, "")]
        transport.write(b"xyz")
        self.reactor.settle()
        self.assertTrue(protocol.reason.check(ConnectionLost))

    def test_read_after_broken_write(self) -> None:
        """An end that is read after a failed write is a loss and not an end."""
        protocol, transport, far = self.connect()
        far.close()
        transport.write(b"x")
        self.assertTrue(transport.doRead() is not None)
        self.reactor.wake()
        self.assertTrue(protocol.reason.check(ConnectionLost))


class ProducerTests(MultiplexTestCase):
    """Tests of C{registerProducer} with both kinds of producers."""

    def test_push(self) -> None:
        """A push producer is paused when the kernel refuses, and resumed later."""
        _, transport, far = self.connect()
        producer = Producer()
        transport.registerProducer(producer, True)
        transport.write(b"fits")
        self.assertEqual(producer.calls, [])
        self.fill(transport)
        self.assertEqual(producer.calls, ["pause"])
        transport.write(b"more")
        self.reactor.settle()
        self.assertEqual(producer.calls, ["pause"])
        while pending(transport):
            receive(far)
            self.reactor.settle()
        self.assertEqual(producer.calls, ["pause", "resume"])

    def test_push_in_a_batch(self) -> None:
        """A producer that writes a buffer in a batch is paused, then resumed."""
        protocol, transport, far = self.connect()
        producer = Producer()
        transport.registerProducer(producer, True)
        sizes: list[int] = []

        def produce(data: bytes) -> None:
            while not producer.calls:
                transport.write(bytes(10_000))
                sizes.append(10_000)

        protocol.on_data = produce
        far.send(b"go")
        self.reactor.settle()
        self.assertEqual(len(sizes), READ_SIZE // 10_000 + 1)
        self.assertEqual(producer.calls, ["pause", "resume"])
        self.assertEqual(len(receive(far)), sum(sizes))

    def test_pull(self) -> None:
        """A pull producer is asked each time when everything has been sent."""
        _, transport, far = self.connect()
        producer = Producer()
        pieces = [b"a", b"b" * 300_000, b"c"]

        def produce() -> None:
            if pieces:
                transport.write(pieces.pop(0))
            else:
                transport.unregisterProducer()

        producer.on_resume = produce
        transport.registerProducer(producer, False)
        received = b""
        for _ in range(20):
            self.reactor.wake()
            received += receive(far)
        self.assertEqual(received, b"a" + b"b" * 300_000 + b"c")
        self.assertEqual(producer.calls, ["resume"] * 4)
        self.assertEqual(self.mux.getWriters(), [])

    def test_pull_after_a_write(self) -> None:
        """A pull producer that writes nothing at first is asked once more."""
        _, transport, _ = self.connect()
        transport.write(b"sent already")
        producer = Producer()
        transport.registerProducer(producer, False)
        self.reactor.settle()
        self.assertEqual(producer.calls, ["resume", "resume"])

    def test_one_at_a_time(self) -> None:
        """A second producer is refused; after the first has gone it is taken."""
        _, transport, _ = self.connect()
        first, second = Producer(), Producer()
        transport.registerProducer(first, True)
        self.assertRaises(RuntimeError, transport.registerProducer, second, True)
        transport.unregisterProducer()
        transport.registerProducer(second, True)

    def test_lost(self) -> None:
        """The producer of a connection that is lost is stopped, also afterwards."""
        _, transport, _ = self.connect()
        first, late_push, late_pull = Producer(), Producer(), Producer()
        transport.registerProducer(first, True)
        transport.connectionLost(connectionDone)
        transport.registerProducer(late_push, True)
        transport.registerProducer(late_pull, False)
        for producer in (first, late_push, late_pull):
            self.assertEqual(producer.calls, ["stop"])

    def test_as_a_producer(self) -> None:
        """A stream can be paused and resumed as the producer of another."""
        protocol, transport, far = self.connect()
        transport.pauseProducing()
        far.send(b"x")
        self.assertFalse(self.reactor.wake())
        transport.resumeProducing()
        self.reactor.settle()
        self.assertEqual(protocol.data, b"x")
