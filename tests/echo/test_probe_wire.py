"""Payloads: made, recognised, told from each other and from strangers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.echo.probe.wire import HEADER_SIZE, Codec, distinct_packets

RUN = 0x0123456789ABCDEF


class CodecTests(SynchronousTestCase):
    """One run's payloads."""

    @given(st.integers(0, 2_000), st.integers(1, 2**40), st.integers(0, 2**63))
    def test_size_and_round_trip(self, size: int, sequence: int, sent: int) -> None:
        """A payload has the size asked for, and its newest packet is found by it."""
        codec = Codec(RUN, (size,))
        payload = codec.payload(sequence, sent, size)
        self.assertEqual(len(payload), size)
        self.assertEqual(codec.identify(payload, sequence), sequence)

    def test_layout(self) -> None:
        """The header is as documented, byte by byte."""
        payload = Codec(RUN, (64,)).payload(5, 6, 64)
        self.assertEqual(payload[:4], b"nsv1")
        self.assertEqual(payload[4:12], RUN.to_bytes(8, "big"))
        self.assertEqual(payload[12:20], (5).to_bytes(8, "big"))
        self.assertEqual(payload[20:28], (6).to_bytes(8, "big"))
        self.assertEqual(HEADER_SIZE, 32)

    def test_older_packets(self) -> None:
        """With a header, an answer is found however long ago its packet was sent."""
        codec = Codec(RUN, (32,))
        self.assertEqual(codec.identify(codec.payload(1, 0, 32), 10**9), 1)

    def test_future_packets(self) -> None:
        """An answer to a packet that was not sent is no answer."""
        codec = Codec(RUN, (32,))
        self.assertIsNone(codec.identify(codec.payload(8, 0, 32), 7))
        self.assertIsNone(codec.identify(codec.payload(0, 0, 32), 7))

    def test_filling(self) -> None:
        """The filling differs from packet to packet and from run to run."""
        codec, other = Codec(RUN, (99,)), Codec(RUN + 1, (99,))
        first = codec.payload(1, 0, 99)[HEADER_SIZE:]
        self.assertNotEqual(first, codec.payload(2, 0, 99)[HEADER_SIZE:])
        self.assertNotEqual(first, other.payload(1, 0, 99)[HEADER_SIZE:])
        self.assertGreater(len(set(first)), 30)

    @given(st.integers(0, HEADER_SIZE - 1), st.integers(1, 255))
    def test_damaged_header(self, place: int, flip: int) -> None:
        """A header with any byte changed identifies nothing, but shows its origin."""
        codec = Codec(RUN, (64,))
        payload = bytearray(codec.payload(3, 12345, 64))
        payload[place] ^= flip
        self.assertIsNone(codec.identify(bytes(payload), 9))
        self.assertTrue(codec.resembles(bytes(payload)))

    def test_damaged_filling(self) -> None:
        """Damage after the header leaves the packet known."""
        codec = Codec(RUN, (64,))
        payload = codec.payload(3, 12345, 64)[:-1] + b"!"
        self.assertEqual(codec.identify(payload, 9), 3)

    def test_cut_short(self) -> None:
        """A payload cut to the header is known, cut further it is just of this run."""
        codec = Codec(RUN, (64,))
        payload = codec.payload(3, 12345, 64)
        self.assertEqual(codec.identify(payload[:40], 9), 3)
        self.assertIsNone(codec.identify(payload[:20], 9))
        self.assertTrue(codec.resembles(payload[:20]))

    def test_strangers(self) -> None:
        """Other data, and another run's packets of another program, are not ours."""
        codec = Codec(RUN, (64,))
        for data in (b"", b"hello", b"x" * 64):
            self.assertIsNone(codec.identify(data, 9))
            self.assertFalse(codec.resembles(data))

    @given(st.binary(max_size=100), st.integers(0, 100))
    def test_any_bytes(self, data: bytes, newest: int) -> None:
        """Whatever comes, what is identified was sent."""
        codec = Codec(RUN, (0, 1, 2, 5, 64))
        found = codec.identify(data, newest)
        self.assertTrue(found is None or 1 <= found <= newest)


class SmallPayloadTests(SynchronousTestCase):
    """Payloads that do not hold the header."""

    def test_distinct(self) -> None:
        """How many packets a small payload tells apart is known."""
        for size, number in {0: 1, 1: 256, 2: 65_536, 3: 2**24, 31: 2**32}.items():
            self.assertEqual(distinct_packets(size), number)
        self.assertIsNone(distinct_packets(32))

    def test_window(self) -> None:
        """One byte tells the last 256 packets apart; older ones look newer."""
        codec = Codec(RUN, (1,))
        payload = codec.payload(1000, 0, 1)
        self.assertEqual(codec.identify(payload, 1000), 1000)
        self.assertEqual(codec.identify(payload, 1255), 1000)
        self.assertEqual(codec.identify(payload, 1256), 1256)

    def test_before_the_first(self) -> None:
        """A number that no packet had yet is nobody's."""
        codec = Codec(RUN, (2,))
        self.assertIsNone(codec.identify(codec.payload(9, 0, 2), 8))

    def test_empty(self) -> None:
        """An empty answer belongs to the newest packet, if there is any."""
        codec = Codec(RUN, (0,))
        self.assertEqual(codec.identify(b"", 7), 7)
        self.assertIsNone(codec.identify(b"", 0))

    def test_sweep(self) -> None:
        """In a sweep a small payload is counted among those of its own size."""
        sizes = (0, 1, 8, 64)
        codec = Codec(RUN, sizes)
        # Packets 1, 5, 9... are empty; 2, 6, 10... have one byte, and so on.
        self.assertEqual(codec.identify(b"", 11), 9)
        for sequence in (2, 3, 4, 6, 7, 8, 1022):
            size = sizes[(sequence - 1) % 4]
            payload = codec.payload(sequence, 0, size)
            for newest in (sequence, sequence + 3, sequence + 1000):
                self.assertEqual(codec.identify(payload, newest), sequence)

    def test_resembles(self) -> None:
        """Anything of a small size that is sent may be one of ours."""
        self.assertTrue(Codec(RUN, (5,)).resembles(b"hello"))
