"""Tests of L{netsvc.dns.frames}."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns.frames import MAX_BODY, FrameGuard


def frame(size: int) -> bytes:
    """Write a frame."""
    return size.to_bytes(3, "big") + bytes(6) + b"x" * size


class FrameTests(SynchronousTestCase):
    """Frames that are too long are seen by their header."""

    @given(
        st.lists(st.integers(0, 300), max_size=5),
        st.integers(0, 24),
        st.integers(1, 50),
        st.booleans(),
    )
    def test_any_pieces(
        self, sizes: list[int], preface: int, piece: int, is_bad: bool
    ) -> None:
        """However the bytes are cut, the one that is too long is found."""
        data = b"p" * preface + b"".join(map(frame, sizes))
        if is_bad:
            data += (MAX_BODY + 1).to_bytes(3, "big") + bytes(6)
        guard = FrameGuard(preface)
        seen = [
            guard.accepts(data[at : at + piece]) for at in range(0, len(data), piece)
        ]
        self.assertEqual(all(seen), not is_bad)

    def test_longest(self) -> None:
        """The longest that is allowed is."""
        guard = FrameGuard()
        self.assertTrue(guard.accepts(frame(MAX_BODY) + frame(0)))
        self.assertFalse(guard.accepts(frame(MAX_BODY + 1)[:9]))
