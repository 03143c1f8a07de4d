"""Tests of L{netsvc.chat.accounts.throttle}."""

from __future__ import annotations

from collections import Counter

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.accounts.throttle import MAX_KNOWN_SOURCES, Budgets, LoginThrottle
from netsvc.daemon.limits import Rate

RATE = Rate(0.1, 3)


class BudgetsTests(SynchronousTestCase):
    """Tests of L{Budgets}."""

    def test_give_back(self) -> None:
        """A token that is given back can be taken again, and no more than that."""
        budgets = Budgets(RATE)
        for _ in range(3):
            self.assertTrue(budgets.allow("a", 0))
        self.assertFalse(budgets.allow("a", 0))
        budgets.give_back("a")
        self.assertTrue(budgets.allow("a", 0))
        self.assertFalse(budgets.allow("a", 0))

    def test_never_more_than_full(self) -> None:
        """Giving back fills a bucket, and nothing above that."""
        budgets = Budgets(RATE)
        budgets.allow("a", 0)
        for _ in range(5):
            budgets.give_back("a")
        self.assertEqual([budgets.allow("a", 0) for _ in range(4)][-1], False)

    def test_old_generation(self) -> None:
        """A token is given back to a source of the older generation too."""
        budgets = Budgets(RATE, 1)
        for _ in range(3):
            budgets.allow("a", 0)
        budgets.allow("b", 0)
        budgets.give_back("a")
        self.assertTrue(budgets.allow("a", 0))

    def test_unknown(self) -> None:
        """Giving back to who has been forgotten does nothing."""
        budgets = Budgets(RATE)
        budgets.give_back("a")
        self.assertEqual(len(budgets), 0)


class LoginThrottleTests(SynchronousTestCase):
    """Tests of L{LoginThrottle}."""

    def test_off(self) -> None:
        """Without rates everything is admitted."""
        throttle = LoginThrottle(None, None)
        for _ in range(100):
            ticket = throttle.take("s", "a", 0)
            assert ticket is not None
            throttle.give_back(ticket)
        self.assertEqual(throttle.refused, Counter())

    def test_source(self) -> None:
        """A source that tries many accounts is stopped; another one is not."""
        throttle = LoginThrottle(RATE, None)
        for name in "abc":
            self.assertIsNotNone(throttle.take("s", name, 0))
        self.assertIsNone(throttle.take("s", "d", 0))
        self.assertIsNotNone(throttle.take("t", "d", 0))
        self.assertIsNotNone(throttle.take("s", "d", 10))
        self.assertEqual(throttle.refused, {"login-source": 1})

    def test_account(self) -> None:
        """Many sources that try one account are stopped; other accounts are not."""
        throttle = LoginThrottle(RATE, RATE)
        for source in "stu":
            self.assertIsNotNone(throttle.take(source, "a", 0))
        self.assertIsNone(throttle.take("v", "a", 0))
        self.assertIsNotNone(throttle.take("v", "b", 0))
        self.assertEqual(throttle.refused, {"login-account": 1})

    def test_refused_by_account_is_free(self) -> None:
        """A try that the account's budget refuses costs its source nothing."""
        throttle = LoginThrottle(RATE, Rate(0.1, 1))
        self.assertIsNotNone(throttle.take("s", "a", 0))
        for _ in range(9):
            self.assertIsNone(throttle.take("t", "a", 0))
        self.assertIsNotNone(throttle.take("t", "b", 0))

    def test_success_is_free(self) -> None:
        """Any number of people of one address log in, if all know their passwords."""
        throttle = LoginThrottle(RATE, RATE)
        for number in range(50):
            ticket = throttle.take("class", f"student{number}", 0)
            assert ticket is not None
            throttle.succeeded(ticket)
        for _ in range(50):
            ticket = throttle.take("class", "teacher", 0)
            assert ticket is not None
            throttle.succeeded(ticket)

    def test_owner_is_not_locked_out(self) -> None:
        """While strangers use up the account, its owner gets in from a known source."""
        throttle = LoginThrottle(RATE, RATE)
        ticket = throttle.take("home", "a", 0)
        assert ticket is not None
        throttle.succeeded(ticket)
        for number in range(9):
            throttle.take(f"bot{number}", "a", 0)
        self.assertIsNone(throttle.take("bot", "a", 0))
        self.assertIsNotNone(throttle.take("home", "a", 0))

    def test_known_source_is_bounded_too(self) -> None:
        """Somebody at a known source has a budget for the account, and no more."""
        throttle = LoginThrottle(None, RATE)
        ticket = throttle.take("home", "a", 0)
        assert ticket is not None
        throttle.succeeded(ticket)
        self.assertEqual(
            [throttle.take("home", "a", 0) is not None for _ in range(4)],
            [True, True, True, False],
        )
        self.assertIsNotNone(throttle.take("stranger", "a", 0))

    def test_class(self) -> None:
        """People of one address may all be under way at once, as the burst says."""
        throttle = LoginThrottle(Rate(0.1, 50), RATE)
        for number in range(50):
            self.assertIsNotNone(throttle.take("class", f"student{number}", 0))
        self.assertIsNone(throttle.take("class", "late", 0))

    def test_known_sources_bounded(self) -> None:
        """Of an account the last few sources are known; the oldest is forgotten."""
        throttle = LoginThrottle(None, Rate(0.1, 1))
        for number in range(MAX_KNOWN_SOURCES + 1):
            ticket = throttle.take(f"s{number}", "a", 0)
            assert ticket is not None
            throttle.succeeded(ticket)
        throttle.take("stranger", "a", 0)
        self.assertIsNone(throttle.take("s0", "a", 0))
        self.assertIsNotNone(throttle.take("s1", "a", 0))

    def test_known_accounts_bounded(self) -> None:
        """Sources of so many accounts are known; the longest unused is forgotten."""
        throttle = LoginThrottle(None, Rate(0.1, 1), max_known=2)
        for name in ("a", "b", "a", "c"):
            ticket = throttle.take("home", name, 0)
            assert ticket is not None
            throttle.succeeded(ticket)
        for name in "abc":
            throttle.take("stranger", name, 0)
        self.assertIsNotNone(throttle.take("home", "a", 0))
        self.assertIsNone(throttle.take("home", "b", 0))
        self.assertIsNotNone(throttle.take("home", "c", 0))

    def test_forget(self) -> None:
        """After a change of the password only the source that made it is known."""
        throttle = LoginThrottle(None, Rate(0.1, 1))
        for source in ("home", "thief"):
            ticket = throttle.take(source, "a", 0)
            assert ticket is not None
            throttle.succeeded(ticket)
        throttle.forget("a", but="home")
        throttle.forget("b", but="home")
        throttle.take("stranger", "a", 0)
        self.assertIsNone(throttle.take("thief", "a", 0))
        self.assertIsNotNone(throttle.take("home", "a", 0))

    def test_no_account(self) -> None:
        """A try that concerns no account is its source's business alone."""
        throttle = LoginThrottle(None, Rate(0.1, 1))
        for _ in range(3):
            ticket = throttle.take("s", None, 0)
            assert ticket is not None
            throttle.succeeded(ticket)
