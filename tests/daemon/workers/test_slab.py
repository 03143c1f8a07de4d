"""Tests of the memory that a worker shares with its parent."""

from __future__ import annotations

import os
import struct

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.workers.slab import Slab, TooLargeError, create


class SlabTests(SynchronousTestCase):
    """L{Slab}."""

    def setUp(self) -> None:
        """Map the same memory twice, as two processes do."""
        fd = create(4096)
        self.writer, self.reader = Slab(fd), Slab(fd)
        os.close(fd)
        self.addCleanup(self.writer.close)
        self.addCleanup(self.reader.close)

    def test_empty(self) -> None:
        """Before anything is written there is nothing to read."""
        self.assertIsNone(self.reader.read())
        self.assertEqual(self.reader.sequence, 0)

    def test_latest(self) -> None:
        """What is read is what was written last; each write changes the sequence."""
        seen = set()
        for data in (b"one", b"", b"a longer one", b"two"):
            self.writer.write(data)
            self.assertEqual(self.reader.read(), data)
            self.assertEqual(self.reader.read(), data)
            seen.add(self.reader.sequence)
        self.assertEqual(len(seen), 4)

    def test_too_large(self) -> None:
        """What does not fit is refused, and what was there stays."""
        self.writer.write(b"good")
        with self.assertRaises(TooLargeError):
            self.writer.write(bytes(4096))
        self.assertEqual(self.reader.read(), b"good")

    def test_torn(self) -> None:
        """
        A write that is not at its end shows what was read before; when its writer
        has died in it, the next one's write is read again.
        """
        self.writer.write(b"first")
        self.assertEqual(self.reader.read(), b"first")
        memory = self.writer._memory
        struct.pack_into("=Q", memory, 0, 3)
        memory[20:25] = b"secon"
        self.assertEqual(self.reader.read(), b"first")
        self.writer.write(b"third")
        self.assertEqual(self.reader.read(), b"third")
        self.assertEqual(self.reader.sequence % 2, 0)

    def test_corrupt(self) -> None:
        """Data that do not fit their checksum or their length are not read."""
        self.writer.write(b"first")
        self.reader.read()
        self.writer.write(b"second")
        self.writer._memory[20] ^= 1
        self.assertEqual(self.reader.read(), b"first")
        struct.pack_into("=QQL", self.writer._memory, 0, 8, 1 << 40, 0)
        self.assertEqual(self.reader.read(), b"first")

    @given(st.lists(st.binary(max_size=200), max_size=20))
    def test_any(self, written: list[bytes]) -> None:
        """Any bytes come through."""
        for data in written:
            self.writer.write(data)
            self.assertEqual(self.reader.read(), data)
