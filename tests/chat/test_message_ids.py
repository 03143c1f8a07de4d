"""Tests of L{netsvc.chat.message_ids}."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.message_ids import message_ids


class MessageIdTests(SynchronousTestCase):
    """Tests of L{message_ids}."""

    def test_unique(self) -> None:
        """Names differ within a process, and between processes of one moment."""
        one = message_ids(1_000, lambda number: b"a" * number)
        other = message_ids(1_000, lambda number: b"b" * number)
        names = [make() for make in (one, other) for _ in range(100)]
        self.assertEqual(len({*names}), 200)

    def test_restart(self) -> None:
        """Names of a later start differ, though the random bytes be the same."""
        first, second = (message_ids(start, bytes)() for start in (1_000, 1_001))
        self.assertNotEqual(first, second)

    def test_form(self) -> None:
        """A name has letters, digits and a hyphen only: it can stand in a tag."""
        for start in (0, 1_790_000_000_000, 2**48 - 1):
            make = message_ids(start, lambda n: b"\xff" * n)
            self.assertTrue(re.fullmatch("[a-z2-7]{16}-1", make()))
            self.assertTrue(make().endswith("-2"))
