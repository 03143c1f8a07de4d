"""Tests of L{netsvc.relay.peers} and L{netsvc.relay.echoes}."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.relay.echoes import REMEMBERED, Echoes
from netsvc.relay.peers import PeerTable


@dataclass(eq=False)
class Peer:
    """A peer."""

    key: Hashable
    host: str
    heard: float = 0.0


class TableTests(SynchronousTestCase):
    """Who is in the table, and who has to go."""

    def setUp(self) -> None:
        """Make a table for four."""
        self.table: PeerTable[Peer] = PeerTable(4, 2)

    def enter(
        self, key: str, host: str, now: float, validated: bool = True
    ) -> tuple[bool, str | None]:
        """Let a peer in; say whether there was room, and who had to go."""
        room, leaver = self.table.make_room(host, validated)
        if leaver is not None:
            self.table.remove(leaver)
        if room:
            self.table.add(Peer(key, host, now), validated)
        return room, None if leaver is None else str(leaver.key)

    def test_least_recently_heard(self) -> None:
        """When it is full, whoever was heard of least recently has to go."""
        for number, key in enumerate("abcd"):
            self.assertEqual(self.enter(key, f"h{key}", number), (True, None))
        self.assertIsNotNone(self.table.hear("a", 10))
        self.assertEqual(self.enter("e", "he", 11), (True, "b"))
        self.assertEqual(len(self.table), 4)
        self.assertEqual(self.table.evicted, 1)

    def test_crowd(self) -> None:
        """There are fewer strangers than peers: one more puts out another stranger."""
        self.table.max_strangers = 1
        self.assertEqual(self.enter("a", "ha", 0, validated=False), (True, None))
        self.assertEqual(self.enter("b", "hb", 1), (True, None))
        self.assertEqual(self.enter("c", "hc", 2, validated=False), (True, "a"))
        self.assertEqual(self.enter("d", "hd", 3), (True, None))
        self.assertEqual((len(self.table), self.table.strangers), (3, 1))

    def test_strangers_first(self) -> None:
        """Who is validated stays, while there are others."""
        self.enter("a", "ha", 0)
        self.enter("b", "hb", 1, validated=False)
        self.enter("c", "hc", 2, validated=False)
        self.enter("d", "hd", 3)
        self.assertEqual(self.table.strangers, 2)
        self.table.hear("b", 4)
        self.assertEqual(self.enter("e", "he", 5, validated=False), (True, "c"))
        self.assertEqual(self.enter("f", "hf", 6), (True, "b"))

    def test_source(self) -> None:
        """A source that has too many loses its oldest stranger, else it is refused."""
        self.enter("a", "h", 0, validated=False)
        self.enter("b", "h", 1)
        self.assertEqual(self.enter("c", "h", 2), (True, "a"))
        self.assertEqual(self.enter("d", "h", 3), (False, None))
        self.assertEqual(self.table.refused, 1)
        self.assertEqual(self.enter("e", "other", 4), (True, None))

    def test_validate(self) -> None:
        """Who is validated is a stranger no more."""
        self.enter("a", "h", 0, validated=False)
        peer = self.table.get("a")
        assert peer is not None
        self.table.validate(peer)
        self.table.validate(peer)
        self.assertEqual(self.table.strangers, 0)
        self.assertIs(self.table.hear("a", 1), peer)
        self.assertEqual(peer.heard, 1)

    def test_unknown(self) -> None:
        """Nobody is at an address that nobody came from."""
        self.assertIsNone(self.table.hear("a", 0))
        self.table.remove(Peer("a", "h"))
        self.enter("a", "h", 0)
        self.table.remove(Peer("a", "h"))
        self.assertEqual(len(self.table), 1)

    def test_silent(self) -> None:
        """Those who are silent are found without a look at the others."""
        self.enter("a", "ha", 0)
        self.enter("b", "hb", 1, validated=False)
        self.enter("c", "hc", 5)
        self.assertEqual({each.key for each in self.table.silent(3)}, {"a", "b"})
        self.table.hear("a", 6)
        self.assertEqual([each.key for each in self.table.silent(5.5)], ["b", "c"])
        self.assertEqual({each.key for each in self.table}, {"a", "b", "c"})

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(("enter", "hear", "validate", "remove")),
                st.integers(0, 9),
                st.booleans(),
            )
        )
    )
    def test_bounded(self, steps: list[tuple[str, int, bool]]) -> None:
        """Whatever happens, it holds no more than it may."""
        self.table = PeerTable(4, 2)
        for now, (what, number, flag) in enumerate(steps):
            key = str(number)
            peer = self.table.get(key)
            if what == "enter" and peer is None:
                self.enter(key, f"h{number % 3}", now, flag)
            elif what == "hear":
                self.table.hear(key, now)
            elif peer is not None and what == "validate":
                self.table.validate(peer)
            elif peer is not None:
                self.table.remove(peer)
            self.assertLessEqual(len(self.table), 4)
            hosts = [each.host for each in self.table]
            self.assertLessEqual(max(map(hosts.count, hosts), default=0), 2)
        for peer in list(self.table):
            self.table.remove(peer)
        self.assertEqual(self.table._sources, {})


class EchoTests(SynchronousTestCase):
    """What was sent lately."""

    def test_remembers(self) -> None:
        """It is known again, whatever its line end, until enough other was sent."""
        echoes = Echoes()
        echoes.sent(b"<ann> hello\r\n")
        self.assertTrue(echoes.has(b"<ann> hello"))
        self.assertTrue(echoes.has(b"<ann> hello\n"))
        self.assertFalse(echoes.has(b"hello"))
        for number in range(REMEMBERED):
            echoes.sent(b"%d" % number)
        self.assertFalse(echoes.has(b"<ann> hello"))
        self.assertEqual(len(echoes._sent), REMEMBERED)
