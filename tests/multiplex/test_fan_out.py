"""Tests of L{netsvc.multiplex.fan_out}."""

from __future__ import annotations

from errno import EAGAIN, EPIPE
from typing import Any

from twisted.internet.protocol import connectionDone

from netsvc.multiplex import fan_out
from netsvc.multiplex.stream import READ_SIZE
from tests.multiplex.fakes import MultiplexTestCase, Producer, receive


class FanOutTests(MultiplexTestCase):
    """Tests of L{fan_out}: it does what C{write} does."""

    def members(self, count: int) -> list[tuple[Any, Any, Any]]:
        """Return connections."""
        return [self.connect() for _ in range(count)]

    def test_in_a_batch(self) -> None:
        """Each member receives all messages of a batch in one send."""
        members = self.members(5)
        transports = [transport for _, transport, _ in members]
        counting = [self.counting(transport) for transport in transports]
        sender, _, sender_far = members[0]

        def spread(data: bytes) -> None:
            for line in data.splitlines(keepends=True):
                fan_out(line, transports)

        sender.on_data = spread
        sender_far.send(b"one\ntwo\n")
        self.reactor.wake()
        for (_, _, far), counted in zip(members, counting, strict=True):
            self.assertEqual(receive(far), b"one\ntwo\n")
            self.assertEqual(counted.sizes, [8])

    def test_outside_a_batch(self) -> None:
        """Without a batch each member is written to at once."""
        members = self.members(3)
        fan_out(b"now", (transport for _, transport, _ in members))
        self.assertEqual([receive(far) for _, _, far in members], [b"now"] * 3)

    def test_unlike_members(self) -> None:
        """Members that are lost, full, or no streams are written to as ever."""
        (sender, _, sender_far), lost, full, plain = self.members(4)
        lost[1].connectionLost(connectionDone)
        written = self.fill(full[1])
        other: list[bytes] = []

        class Other:
            """Some other transport."""

            write = other.append

        transports = [lost[1], full[1], Other(), plain[1]]
        sender.on_data = lambda data: fan_out(data, transports)
        sender_far.send(b"hello")
        self.reactor.wake()
        self.assertEqual(other, [b"hello"])
        self.assertEqual(receive(plain[2]), b"hello")
        received = b""
        for _ in range(20):
            received += receive(full[2])
            self.reactor.wake()
        self.assertEqual(received, written + b"hello")

    def test_part_outside_a_batch(self) -> None:
        """Without a batch, what a member's socket did not take follows later."""
        (_, slow, slow_far), (_, plain, plain_far) = self.members(2)
        producer = Producer()
        slow.registerProducer(producer, True)
        self.counting(slow).limits = [3, BlockingIOError(EAGAIN, "full")]
        fan_out(b"hello", [slow, plain])
        self.assertEqual(receive(slow_far), b"hel")
        self.assertEqual(receive(plain_far), b"hello")
        self.assertEqual(producer.calls, ["pause"])
        fan_out(b" you", [slow])
        self.reactor.settle()
        self.assertEqual(receive(slow_far), b"lo you")
        self.assertEqual(producer.calls, ["pause", "resume"])
        slow.unregisterProducer()

    def test_pull_producer_outside_a_batch(self) -> None:
        """A producer that is asked for more is asked, although nothing is left."""
        ((_, transport, far),) = self.members(1)
        producer = Producer()
        transport.registerProducer(producer, False)
        self.reactor.settle()
        producer.calls.clear()
        fan_out(b"hello", [transport])
        self.assertEqual(receive(far), b"hello")
        self.reactor.settle()
        self.assertEqual(producer.calls, ["resume"])
        transport.unregisterProducer()

    def test_broken_outside_a_batch(self) -> None:
        """A member whose connection is broken is lost; the others get all."""
        (recorder, broken, _), (_, plain, far) = self.members(2)
        error = BrokenPipeError(EPIPE, "broken")
        self.counting(broken).limits = [error, error, error]
        fan_out(b"hello", [broken, plain])
        self.assertEqual(receive(far), b"hello")
        self.reactor.settle()
        self.assertIsNotNone(recorder.reason)

    def test_large(self) -> None:
        """A member that gets more than a buffer in one batch gets all of it."""
        (sender, transport, far), _ = self.members(2)

        def spread(data: bytes) -> None:
            for size in (READ_SIZE, READ_SIZE, 1):
                fan_out(bytes(size), [transport])

        sender.on_data = spread
        far.send(b"go")
        received = 0
        for _ in range(20):
            self.reactor.wake()
            received += len(receive(far))
        self.assertEqual(received, 2 * READ_SIZE + 1)
