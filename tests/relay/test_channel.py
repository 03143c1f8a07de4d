"""The channel, between two ends with a bad network between them."""

from __future__ import annotations

import random
from heapq import heappop, heappush

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.relay.channel import (
    ACK,
    END,
    HEADER,
    MAX_SEGMENT,
    MESSAGE,
    NEVER,
    PING,
    TEXT,
    WINDOW,
    Channel,
    Timing,
)
from netsvc.relay.flight import LAST

QUIET = Timing(keepalive=0.0)


class Network:
    """
    Two ends, and what is on its way between them, in a time of its own.

    @ivar now: The time.
    @ivar ends: The two channels.
    @ivar got: What each of them was given.
    @ivar sent: How many packets each of them has sent.
    """

    def __init__(
        self,
        seed: int = 0,
        loss: float = 0.0,
        doubled: float = 0.0,
        jitter: float = 0.0,
        timing: Timing = QUIET,
    ) -> None:
        """Begin."""
        self.now = 0.0
        self.loss, self.doubled, self.jitter = loss, doubled, jitter
        self._random = random.Random(seed)
        self._way: list[tuple[float, int, int, bytes]] = []
        self._count = 0
        self.ends = [Channel(0.0, timing), Channel(0.0, timing)]
        self.got: list[list[tuple[int, bytes]]] = [[], []]
        self.sent = [0, 0]

    def collect(self) -> None:
        """Take what the ends want to send."""
        for side, end in enumerate(self.ends):
            for packet in end.packets(self.now):
                self.sent[side] += 1
                for _ in range(1 + (self._random.random() < self.doubled)):
                    if self._random.random() >= self.loss:
                        delay = 0.02 + self._random.random() * self.jitter
                        self._count += 1
                        heappush(
                            self._way,
                            (self.now + delay, self._count, 1 - side, packet),
                        )

    def step(self) -> bool:
        """Let the next thing happen; say whether there is one."""
        self.collect()
        times = [end.next_at() for end in self.ends]
        if self._way:
            times.append(self._way[0][0])
        when = min(times)
        if when == NEVER:
            return False
        self.now = max(self.now, when)
        while self._way and self._way[0][0] <= self.now:
            _, _, side, packet = heappop(self._way)
            self.ends[side].receive(packet, self.now)
            self.take(side)
        return True

    def take(self, side: int) -> None:
        """Give an end's events to its user."""
        self.got[side] += self.ends[side].events()

    def run(self, seconds: float = 1000.0) -> None:
        """Run until nothing is left to do, or for so long."""
        until = self.now + seconds
        while self.now < until and self.step():
            pass


def text(events: list[tuple[int, bytes]]) -> bytes:
    """Give all text of some events."""
    return b"".join(data for kind, data in events if kind == TEXT)


class NetworkTests(SynchronousTestCase):
    """Two ends."""

    @settings(max_examples=60, deadline=None)
    @given(
        seed=st.integers(0, 2**32),
        loss=st.floats(0, 0.6),
        doubled=st.floats(0, 0.5),
        jitter=st.floats(0, 1.0),
        written=st.lists(
            st.tuples(st.booleans(), st.integers(1, 4000)), min_size=1, max_size=60
        ),
    )
    def test_once_in_order(
        self,
        seed: int,
        loss: float,
        doubled: float,
        jitter: float,
        written: list[tuple[bool, int]],
    ) -> None:
        """
        Whatever is lost, doubled or overtaken, both ends get every line once and in
        order, and the end behind them; or the channel ends with a reason.
        """
        network = Network(seed, loss, doubled, jitter)
        lines: list[list[bytes]] = [[], []]
        for number, (side, size) in enumerate(written):
            line = b"%d " % number + b"x" * size + b"\n"
            network.ends[side].write(line)
            lines[side].append(line)
            if number % 3 == 0:
                network.step()
        for end in network.ends:
            end.finish()
        network.run()
        for index in (0, 1):
            wanted, got = b"".join(lines[1 - index]), text(network.got[index])
            if any(end.ended is not None for end in network.ends):
                self.assertTrue(wanted.startswith(got))
                self.assertGreater(loss, 0.3)
            else:
                self.assertEqual(got, wanted)
                self.assertEqual(network.got[index][-1], (END, b""))
                self.assertTrue(network.ends[index].finished)
                self.assertEqual(network.ends[index].pending, 0)

    def test_no_loss(self) -> None:
        """Without loss nothing is sent twice."""
        network = Network()
        for number in range(100):
            network.ends[0].message(b"%d" % number)
        network.run()
        self.assertEqual(
            network.got[1], [(MESSAGE, b"%d" % number) for number in range(100)]
        )
        self.assertEqual(network.sent[0], 100)
        self.assertLessEqual(network.sent[1], 100)

    def test_lost_one(self) -> None:
        """One lost segment among many is sent again before the timer says so."""
        network = Network()
        end = network.ends[0]
        for number in range(8):
            end.message(b"%d" % number)
        packets = end.packets(0.0)
        for packet in packets[1:]:
            network.ends[1].receive(packet, 0.05)
        (ack,) = network.ends[1].packets(0.05)
        end.receive(ack, 0.1)
        self.assertEqual(end.packets(0.1), [packets[0]])
        self.assertEqual(end.messages_left(), [b"0"])

    def test_slow_reader(self) -> None:
        """Who does not read is sent a window, no more, and all when they read."""
        network = Network()
        sender, reader = network.ends
        reader.hold()
        for number in range(100):
            sender.message(b"%d" % number)
        network.run(100.0)
        self.assertEqual(network.got[1], [])
        self.assertIsNone(sender.ended)
        # The window, once, and a question now and then whether there is room.
        self.assertLess(network.sent[0], WINDOW + 100)
        self.assertEqual(len(sender.messages_left()), 100 - WINDOW)
        reader.release()
        network.take(1)
        network.run()
        self.assertEqual(len(network.got[1]), 100)

    def test_no_answer(self) -> None:
        """When nothing comes back the channel ends, and says so."""
        network = Network(loss=1.0)
        network.ends[0].write(b"hello\n")
        network.run()
        self.assertEqual(network.ends[0].ended, "no answer for 30 s")
        self.assertLess(abs(network.now - 30.0), 0.1)
        # Sent again with pauses that grow up to two seconds.
        self.assertLess(network.sent[0], 25)
        self.assertEqual(network.ends[0].packets(99.0), [])
        self.assertEqual(network.ends[0].next_at(), NEVER)

    def test_keepalive(self) -> None:
        """A silent channel is kept alive, and ends when the other side is gone."""
        network = Network(timing=Timing(keepalive=15.0))
        network.run(100.0)
        self.assertIsNone(network.ends[0].ended)
        self.assertGreater(network.sent[0] + network.sent[1], 10)
        network.loss = 1.0
        network.run(100.0)
        self.assertEqual(network.ends[0].ended, "no answer for 30 s")

    def test_round_trip(self) -> None:
        """Questions that cross on the way measure the round trip, on both sides."""
        network = Network()
        for end in network.ends:
            end.ask()
        network.run(1.0)
        for end in network.ends:
            assert end.round_trip is not None
            self.assertAlmostEqual(end.round_trip, 0.04)

    def test_silence(self) -> None:
        """An end that asks nothing ends when it hears nothing."""
        channel = Channel(0.0, Timing(keepalive=0.0, silence=60.0))
        self.assertEqual(channel.next_at(), 60.0)
        self.assertEqual(channel.packets(60.0), [])
        self.assertEqual(channel.ended, "nothing was heard for 60 s")

    def test_again(self) -> None:
        """When the way has changed, what was on its way is sent again at once."""
        channel = Channel(0.0, QUIET)
        channel.write(b"x\n")
        (packet,) = channel.packets(0.0)
        channel.again(0.1)
        self.assertEqual(channel.packets(0.1), [packet])
        channel = Channel(0.0, QUIET)
        channel.again(0.1)
        (packet,) = channel.packets(0.1)
        self.assertEqual(packet[0], PING)


class LimitTests(SynchronousTestCase):
    """What is bounded, and what makes no sense."""

    def test_queue(self) -> None:
        """More than may wait ends the channel."""
        channel = Channel(0.0, QUIET, max_queue=5000)
        channel.write(b"x" * 5000)
        self.assertIsNone(channel.ended)
        channel.write(b"x")
        self.assertEqual(channel.ended, "too much waits to be sent")
        channel.write(b"x")
        self.assertEqual(channel.queued, 5001)

    def test_flying(self) -> None:
        """No more than a window is ever on its way."""
        network = Network()
        network.ends[0].write(b"x" * 200 * MAX_SEGMENT)
        most = 0
        while network.step():
            most = max(most, len(network.ends[0]._flying))
        self.assertEqual(most, WINDOW)

    def test_message_too_long(self) -> None:
        """A message fits into a segment."""
        with self.assertRaises(ValueError):
            Channel(0.0).message(b"x" * (MAX_SEGMENT + 1))

    def test_junk(self) -> None:
        """What makes no sense is counted, and changes nothing."""
        channel = Channel(0.0, QUIET)
        junk = [
            b"",
            b"short",
            HEADER.pack(9, 0, 0, 0),
            HEADER.pack(ACK, 0, 1, 0),
            HEADER.pack(TEXT, WINDOW, 0, 0) + b"x",
            HEADER.pack(TEXT, 0, 0, 0) + b"x" * (MAX_SEGMENT + 1),
        ]
        for packet in junk:
            self.assertFalse(channel.receive(packet, 1.0), packet)
        self.assertEqual(channel.junk, len(junk))
        self.assertEqual((channel.heard_at, channel.packets(1.0)), (0.0, []))

    def test_random(self) -> None:
        """No packet whatever raises, or makes it hold more than a window."""
        chance = random.Random(7)
        channel = Channel(0.0, QUIET)
        channel.hold()
        channel.write(b"x" * 50_000)
        for number in range(20_000):
            numbers = (chance.randrange(40) for _ in range(3))
            packet = HEADER.pack(chance.randrange(6), *numbers)
            channel.receive(packet + bytes(chance.randrange(20)), number / 1000)
            channel.packets(number / 1000)
        self.assertLessEqual(len(channel._arrived), WINDOW)

    def test_numbers(self) -> None:
        """A channel ends when its numbers are used up."""
        channel = Channel(0.0, QUIET)
        channel._flying.number = LAST
        channel.message(b"last")
        channel.message(b"too many")
        self.assertEqual(len(channel.packets(0.0)), 1)
        self.assertEqual(channel.packets(0.1), [])
        self.assertEqual(channel.ended, "all numbers are used up")

    def test_packing(self) -> None:
        """Small texts that wait share a segment; nothing is added behind the end."""
        channel = Channel(0.0, QUIET)
        channel.write(b"a\n")
        channel.write(b"b\n")
        channel.finish()
        channel.finish()
        channel.write(b"c\n")
        packets = channel.packets(0.0)
        self.assertEqual([packet[0] for packet in packets], [TEXT, END])
        self.assertTrue(packets[0].endswith(b"a\nb\n"))
        self.assertEqual(channel.pending, 4)
