"""Who may be introduced to whom, and the notices."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.relay.introductions import (
    INTERVAL,
    KEY,
    MAX_ADDRESSES,
    NAME,
    PATIENCE,
    Answer,
    Ask,
    Introduction,
    Introductions,
    Left,
    Notice,
    Offer,
    Outcome,
    Renamed,
    decode,
    encode,
)


class RuleTests(SynchronousTestCase):
    """The rules."""

    def setUp(self) -> None:
        """Begin with nobody."""
        self.rules = Introductions()

    def test_both(self) -> None:
        """Both have to ask; a pair is introduced once in some seconds."""
        ask = self.rules.ask
        self.assertIs(ask("a", "b", 1.0), Outcome.OFFERED)
        self.assertIs(ask("a", "b", 2.0), Outcome.WAITING)
        self.assertIs(ask("b", "a", 3.0), Outcome.AGREED)
        self.assertIs(ask("a", "b", 3.1), Outcome.TOO_SOON)
        self.assertIs(ask("b", "a", 3.0 + INTERVAL - 0.1), Outcome.TOO_SOON)
        self.assertIs(ask("b", "a", 3.0 + INTERVAL), Outcome.OFFERED)
        self.assertIs(ask("a", "b", 3.0 + INTERVAL), Outcome.AGREED)
        self.assertEqual(self.rules.counters[Outcome.AGREED], 2)

    def test_once_per_pair(self) -> None:
        """However often both ask, it is one introduction in an interval."""
        agreed = 0
        for number in range(1000):
            asker, asked = ("a", "b") if number % 2 else ("b", "a")
            agreed += self.rules.ask(asker, asked, number / 50) is Outcome.AGREED
        self.assertLessEqual(agreed, 20 / INTERVAL)

    def test_patience(self) -> None:
        """A wish holds for some time only."""
        self.rules.ask("a", "b", 0.0)
        self.assertIs(self.rules.ask("b", "a", PATIENCE + 1), Outcome.OFFERED)
        self.assertIs(self.rules.ask("a", "b", PATIENCE + 2), Outcome.AGREED)

    def test_others(self) -> None:
        """What one has asked of another is no wish of a third."""
        self.rules.ask("a", "b", 0.0)
        self.assertIs(self.rules.ask("b", "c", 1.0), Outcome.OFFERED)
        self.assertIs(self.rules.ask("c", "a", 1.0), Outcome.OFFERED)

    def test_forget(self) -> None:
        """Who has gone is forgotten, and all their pairs."""
        self.rules.ask("a", "b", 0.0)
        self.rules.ask("a", "c", 0.0)
        self.rules.ask("b", "c", 0.0)
        self.rules.forget("a")
        self.rules.forget("nobody")
        self.assertEqual(len(self.rules), 1)
        self.assertIs(self.rules.ask("b", "a", 1.0), Outcome.OFFERED)

    def test_bounded_per_peer(self) -> None:
        """One peer cannot ask for all the others at once."""
        rules = Introductions(max_per_peer=3)
        for other in "bcd":
            self.assertIs(rules.ask("a", other, 0.0), Outcome.OFFERED)
        self.assertIs(rules.ask("a", "e", 1.0), Outcome.TOO_MANY)
        self.assertIs(rules.ask("a", "e", PATIENCE + 1), Outcome.OFFERED)
        self.assertEqual(len(rules), 1)

    def test_crowd(self) -> None:
        """However many ask for somebody, they can ask for others."""
        rules = Introductions(max_per_peer=3)
        for other in "bcdefg":
            rules.ask(other, "a", 0.0)
        self.assertIs(rules.ask("a", "z", 1.0), Outcome.OFFERED)

    def test_bounded(self) -> None:
        """The table of pairs is bounded; the oldest goes first."""
        rules = Introductions(max_pairs=10)
        for number in range(100):
            rules.ask(f"a{number}", f"b{number}", 0.0)
        self.assertEqual(len(rules), 10)
        self.assertEqual(len(rules._of), 20)
        self.assertIs(rules.ask("b99", "a99", 0.0), Outcome.AGREED)
        self.assertIs(rules.ask("b1", "a1", 0.0), Outcome.OFFERED)


NICK = st.text(min_size=1, max_size=32)
ADDRESS = st.tuples(st.ip_addresses().map(str), st.integers(0, 65535))
NOTICES = st.one_of(
    st.builds(
        Introduction,
        st.binary(min_size=NAME, max_size=NAME),
        st.integers(0, 1),
        st.binary(min_size=KEY, max_size=KEY),
        NICK,
        st.lists(ADDRESS, min_size=1, max_size=MAX_ADDRESSES).map(tuple),
    ),
    st.builds(Offer, NICK),
    st.builds(Renamed, NICK, NICK),
    st.builds(Left, NICK),
    st.builds(Ask, NICK),
    st.builds(Answer, NICK, st.booleans(), st.text(max_size=60)),
)


class NoticeTests(SynchronousTestCase):
    """Notices on the wire."""

    @settings(deadline=None)
    @given(NOTICES)
    def test_round_trip(self, notice: Notice) -> None:
        """What is written is read back."""
        self.assertEqual(decode(encode(notice)), notice)

    @settings(deadline=None)
    @given(NOTICES, st.integers(0, 200))
    def test_cut(self, notice: Notice, size: int) -> None:
        """A notice that is cut off is none, or a shorter one; nothing raises."""
        decode(encode(notice)[:size])

    def test_long(self) -> None:
        """A text that is too long is cut where a character ends."""
        notice = decode(encode(Answer("a", True, "가" * 100)))
        self.assertEqual(notice, Answer("a", True, "가" * 85))
        self.assertIsNone(decode(b"O\x01\xff"))

    def test_junk(self) -> None:
        """No bytes whatever raise, and what makes no sense is no notice."""
        chance = random.Random(5)
        for _ in range(5000):
            kind = chance.choice(b"IORLANX")
            decode(bytes((kind,)) + chance.randbytes(chance.randrange(90)))
        self.assertIsNone(decode(b""))
        self.assertIsNone(decode(b"X"))
        body = bytes(NAME + KEY) + b"\x01a"
        self.assertIsNone(decode(b"I\x00" + body))
        self.assertIsNone(decode(b"I\x02" + body + b"\x04\x7f\x00\x00\x01\x00\x01"))
        self.assertIsNone(decode(b"I\x00" + body + b"\x05\x7f\x00\x00\x01\x00\x00\x01"))
