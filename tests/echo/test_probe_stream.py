"""Answers found again in a stream."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.echo.probe.stream import MAX_FALSE_MARKERS, MAX_GREETING, Reassembly
from netsvc.echo.probe.wire import Codec

RUN = 0x0123456789ABCDEF


class Stream:
    """A stream of messages of the given sizes, and what is found in it."""

    def __init__(self, *sizes: int) -> None:
        self.codec = Codec(RUN, tuple(dict.fromkeys(sizes)))
        self.reassembly = Reassembly(self.codec)
        self.messages = []
        for sequence, size in enumerate(sizes, 1):
            self.messages.append(self.codec.payload(sequence, 0, size))
            self.reassembly.sent(sequence, size)
        self.data = b"".join(self.messages)

    def feed(self, *pieces: bytes) -> list[tuple[int, bytes]]:
        return [found for piece in pieces for found in self.reassembly.feed(piece)]

    @property
    def intact(self) -> list[tuple[int, bytes]]:
        return list(enumerate(self.messages, 1))


class ReassemblyTests(SynchronousTestCase):
    """Messages keep their order and their bytes, whatever the pieces."""

    @given(
        st.lists(st.integers(1, 80), min_size=1, max_size=12),
        st.lists(st.integers(0, 1000), max_size=12),
    )
    def test_split_anywhere(self, sizes: list[int], cuts: list[int]) -> None:
        """The stream may be cut at any places."""
        stream = Stream(*sizes)
        places = [0, *sorted(cuts), len(stream.data)]
        pieces = [stream.data[start:end] for start, end in itertools.pairwise(places)]
        self.assertEqual(stream.feed(*pieces), stream.intact)
        self.assertEqual(stream.reassembly.unexpected, 0)
        self.assertEqual(stream.reassembly.buffered, 0)

    def test_byte_by_byte(self) -> None:
        """An answer is complete with its last byte, not before."""
        stream = Stream(64, 64)
        for place in range(63):
            self.assertEqual(stream.feed(stream.data[place : place + 1]), [])
        self.assertEqual(stream.feed(stream.data[63:64]), stream.intact[:1])
        self.assertEqual(stream.reassembly.outstanding, 1)

    def test_nothing_expected(self) -> None:
        """Bytes that come when nothing is expected are counted and forgotten."""
        stream = Stream(64)
        stream.feed(stream.data)
        self.assertEqual(stream.feed(b"hello"), [])
        self.assertEqual(stream.reassembly.unexpected, 5)
        self.assertEqual(stream.reassembly.buffered, 0)


class GreetingTests(SynchronousTestCase):
    """A server that speaks first does not spoil the answers."""

    @given(st.integers(0, 200), st.integers(0, 300))
    def test_greeting(self, length: int, cut: int) -> None:
        """A greeting before the first answer is counted and skipped."""
        stream = Stream(64, 64)
        data = b"G" * length + stream.data
        self.assertEqual(stream.feed(data[:cut], data[cut:]), stream.intact)
        self.assertEqual(stream.reassembly.unexpected, length)

    def test_endless_greeting(self) -> None:
        """A server that never echoes has its bytes counted, not kept."""
        stream = Stream(64)
        for _ in range(100):
            self.assertEqual(stream.feed(b"chargen!" * 512), [])
            self.assertLessEqual(stream.reassembly.buffered, MAX_GREETING + 4096)
        self.assertGreater(stream.reassembly.unexpected, 390_000)
        self.assertEqual(stream.feed(stream.data), stream.intact)

    def test_marker_cut_in_two(self) -> None:
        """What may be the beginning of an answer is not thrown away."""
        stream = Stream(64)
        greeting = b"G" * MAX_GREETING
        self.assertEqual(stream.feed(greeting + stream.data[:20]), [])
        self.assertEqual(stream.feed(stream.data[20:]), stream.intact)

    def test_false_markers(self) -> None:
        """A peer that repeats the marker costs a bounded search each time."""
        stream = Stream(64)
        marker = stream.codec.marker
        self.assertEqual(stream.feed((marker + b"?" * 30) * MAX_FALSE_MARKERS * 2), [])
        self.assertGreater(stream.reassembly.buffered, 0)
        self.assertEqual(stream.feed(b"?" * MAX_GREETING), [])
        self.assertEqual(stream.feed(stream.data), [])
        self.assertEqual(stream.feed(b"?"), stream.intact)


class DamageTests(SynchronousTestCase):
    """Damaged, missing and additional bytes cost as few messages as possible."""

    def test_damaged_header(self) -> None:
        """A message whose header is damaged keeps its place, and so do the others."""
        stream = Stream(64, 64, 64)
        data = bytearray(stream.data)
        data[64] ^= 1
        found = stream.feed(bytes(data[:128]), bytes(data[128:]))
        self.assertEqual([sequence for sequence, _ in found], [1, 2, 3])
        self.assertEqual(found[0], stream.intact[0])
        self.assertNotEqual(found[1], stream.intact[1])
        self.assertEqual(found[2], stream.intact[2])
        self.assertEqual(stream.reassembly.unexpected, 0)

    def test_damaged_from_the_start(self) -> None:
        """Damaged first messages are known by the place of the first good one."""
        stream = Stream(64, 64, 64)
        found = stream.feed(b"?" * 128 + stream.messages[2])
        self.assertEqual(found, [(1, b"?" * 64), (2, b"?" * 64), stream.intact[2]])

    def test_inserted(self) -> None:
        """Bytes put between two answers are skipped."""
        stream = Stream(64, 64)
        first, second = stream.messages
        self.assertEqual(stream.feed(first + b"note" + second), stream.intact)
        self.assertEqual(stream.reassembly.unexpected, 4)

    def test_left_out(self) -> None:
        """Messages that the peer leaves out are not waited for."""
        stream = Stream(64, 64, 64)
        first, _, third = stream.messages
        self.assertEqual(stream.feed(first + third), [(1, first), (3, third)])

    def test_found_but_incomplete(self) -> None:
        """A message found by its header is complete with its last byte."""
        stream = Stream(64, 128, 64)
        first, second, third = stream.messages
        self.assertEqual(stream.feed(first + b"note" + second[:100]), [(1, first)])
        self.assertEqual(stream.feed(second[100:] + third), stream.intact[1:])

    def test_small_messages_go_by_place(self) -> None:
        """Messages without a header are taken as they come."""
        stream = Stream(4, 4)
        self.assertEqual(stream.feed(b"abcdefgh"), [(1, b"abcd"), (2, b"efgh")])

    @given(st.lists(st.binary(max_size=150), max_size=20))
    def test_any_bytes(self, pieces: list[bytes]) -> None:
        """Whatever comes, each message is answered at most once, in order."""
        stream = Stream(64, 10, 64, 64)
        found = [sequence for sequence, _ in stream.feed(*pieces, stream.data)]
        self.assertEqual(found, sorted(set(found)))
