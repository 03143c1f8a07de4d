"""The frames between client and relay."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.relay.frames import (
    HELLO_SIZE,
    MAX_REASON,
    Challenge,
    Frame,
    Gone,
    Hello,
    Packet,
    Refused,
    Welcome,
    decode,
    encode,
)

EIGHT = st.binary(min_size=8, max_size=8)
SIXTEEN = st.binary(min_size=16, max_size=16)
FRAMES = st.one_of(
    st.builds(Hello, EIGHT, SIXTEEN, SIXTEEN),
    st.builds(Challenge, EIGHT, SIXTEEN),
    st.builds(Welcome, EIGHT, EIGHT, SIXTEEN, st.integers(0, 65535)),
    st.builds(Refused, EIGHT, st.text(st.characters(codec="ascii"), max_size=200)),
    st.builds(Packet, EIGHT, st.binary(max_size=1200)),
    st.builds(Gone, EIGHT),
)


class FrameTests(SynchronousTestCase):
    """Writing and reading."""

    @settings(deadline=None)
    @given(FRAMES)
    def test_round_trip(self, frame: Frame) -> None:
        """What is written is read back, and begins with the byte for frames."""
        data = encode(frame)
        self.assertEqual(data[0], 5)
        self.assertEqual(decode(data), frame)

    def test_sizes(self) -> None:
        """An address that is not validated is never sent more than it has sent."""
        hello = encode(Hello(bytes(8)))
        self.assertEqual(len(hello), HELLO_SIZE)
        self.assertLess(len(encode(Challenge(bytes(8), bytes(16)))), len(hello))
        self.assertLess(len(encode(Gone(bytes(8)))), len(hello))
        # A packet of a session that is unknown, or has moved: at most three times.
        packet = encode(Packet(bytes(8), bytes(13)))
        self.assertLessEqual(len(encode(Gone(bytes(8)))), len(packet))
        challenge = encode(Challenge(bytes(8), bytes(16)))
        self.assertLess(len(challenge), 3 * len(encode(Packet(bytes(8), b""))))

    def test_short_hello(self) -> None:
        """A hello that is not padded is none: its answer could be larger."""
        self.assertIsNone(decode(encode(Hello(bytes(8)))[:-1]))

    def test_reason(self) -> None:
        """A reason that is too long is cut."""
        frame = decode(encode(Refused(bytes(8), "가" * 300)))
        assert isinstance(frame, Refused)
        self.assertLessEqual(len(frame.reason.encode()), MAX_REASON + 3)

    def test_junk(self) -> None:
        """What is no frame is no frame."""
        for data in (b"", b"\x05", b"\x05\x05short", b"\x04" + bytes(20)):
            self.assertIsNone(decode(data), data)
        for kind in (0, 2, 3, 6, 7, 255):
            self.assertIsNone(decode(bytes((5, kind)) + bytes(11)), kind)
        self.assertIsNone(decode(b"\x05\x04" + bytes(300)))

    def test_random(self) -> None:
        """No bytes whatever raise."""
        chance = random.Random(3)
        for _ in range(5000):
            decode(b"\x05" + chance.randbytes(chance.randrange(160)))
