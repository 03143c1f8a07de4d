"""Tests of L{netsvc.relay.admission}."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.relay.admission import (
    AUTO,
    COOKIE,
    CREDIT,
    FACTOR,
    OPEN,
    Credit,
    admission_of,
    challenge,
    is_challenge,
    is_private,
)
from netsvc.relay.tokens import normal

CODE = "7k3f9q"


class AdmissionTests(SynchronousTestCase):
    """Who is admitted how."""

    def test_private(self) -> None:
        """Loopback, private and link-local addresses are near by; others are not."""
        for host in (
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.1",
            "169.254.3.4",
            "::1",
            "fd00::1",
            "fe80::1%eth0",
            "::ffff:10.0.0.1",
        ):
            self.assertTrue(is_private(host), host)
        for host in (
            "172.32.0.1",
            "192.0.2.1",
            "100.64.0.1",
            "8.8.8.8",
            "0.0.0.0",
            "2001:db8::1",
            "::ffff:8.8.8.8",
            "nonsense",
        ):
            self.assertFalse(is_private(host), host)

    def test_auto(self) -> None:
        """By itself it is open near by, and goes by credit elsewhere."""
        self.assertEqual(admission_of("10.0.0.1", AUTO), OPEN)
        self.assertEqual(admission_of("8.8.8.8", AUTO), CREDIT)
        for setting in (OPEN, CREDIT, COOKIE):
            self.assertEqual(admission_of("10.0.0.1", setting), setting)
            self.assertEqual(admission_of("8.8.8.8", setting), setting)


class CreditTests(SynchronousTestCase):
    """How much an address may be sent."""

    @given(st.lists(st.tuples(st.booleans(), st.integers(0, 2000))))
    def test_bound(self, steps: list[tuple[bool, int]]) -> None:
        """Never more than three times what came, until it is validated."""
        credit, received, sent = Credit(), 0, 0
        for comes, size in steps:
            if comes:
                credit.received(size)
                received += size
            elif credit.take(size):
                sent += size
            self.assertLessEqual(sent, FACTOR * received)

    def test_validated(self) -> None:
        """Then there is no bound."""
        credit = Credit(True)
        credit.received(1)
        self.assertTrue(credit.take(10**6))


class ChallengeTests(SynchronousTestCase):
    """What an address is asked."""

    @given(st.integers(0, 200), st.sampled_from((b"", b"\n", b"\r\n")))
    def test_size(self, limit: int, end: bytes) -> None:
        """A challenge is as long as is affordable, and tells the code."""
        data = challenge(CODE, limit, end)
        if data is None:
            self.assertLess(limit, 7)
            return
        self.assertLessEqual(len(data), limit)
        self.assertIn(CODE.encode(), data)
        self.assertTrue(is_challenge(data, CODE))
        # Whoever sends it back as it is has not answered it.
        self.assertIsNone(normal(data.decode()))

    def test_forms(self) -> None:
        """The shortest one is for the first words that people try."""
        self.assertEqual(challenge(CODE, 9, b"\n"), b"?7k3f9q\n")
        self.assertEqual(challenge(CODE, 7, b"\n"), b"?7k3f9q")
        self.assertEqual(challenge(CODE, 18, b"\n"), b"type 7k3f9q\n")
        self.assertIn(b"show that you are there", challenge(CODE, 99, b"") or b"")

    def test_other(self) -> None:
        """Other text is no challenge of ours."""
        for data in (CODE.encode(), b"type something", b"?", b"so 7k3f9q"):
            self.assertFalse(is_challenge(data, CODE))
