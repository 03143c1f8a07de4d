"""Tests of L{netsvc.balance.health}."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.health import LEAST_SHARE, Failure, Health, HealthRules

BLAMED = sorted(set(Failure) - {Failure.LOCAL, Failure.RESET})


def up(rules: HealthRules, now: float = 0.0) -> Health:
    """The health of a backend that has passed its first check."""
    health = Health(rules, now)
    health.check_passed(now)
    return health


class RulesTests(SynchronousTestCase):
    """Tests of L{HealthRules}."""

    def test_too_small(self) -> None:
        """Rules that could not be followed are refused."""
        self.assertRaises(ValueError, HealthRules, rise=0)
        self.assertRaises(ValueError, HealthRules, fall=0)
        self.assertRaises(ValueError, HealthRules, ejection_time=0.0)


class CheckTests(SynchronousTestCase):
    """Tests of active checks."""

    def test_start(self) -> None:
        """A backend is down until a check has passed, and one is enough."""
        health = Health(HealthRules(rise=3), 5.0)
        self.assertTrue(health.unchecked)
        self.assertFalse(health.up)
        self.assertEqual(health.since, 5.0)
        self.assertTrue(health.check_passed(6.0))
        self.assertTrue(health.up)
        self.assertFalse(health.unchecked)
        self.assertEqual(health.since, 6.0)

    def test_start_badly(self) -> None:
        """One that fails its first check is down, and then needs C{rise} passes."""
        health = Health(HealthRules(rise=2), 0.0)
        self.assertTrue(health.check_failed(1.0))
        self.assertFalse(health.unchecked)
        self.assertFalse(health.check_failed(2.0))
        self.assertEqual(health.since, 1.0)
        self.assertFalse(health.check_passed(3.0))
        self.assertTrue(health.check_passed(4.0))

    def test_without_checks(self) -> None:
        """Without active checks a backend is up at once."""
        health = Health(HealthRules(checked=False), 0.0)
        self.assertTrue(health.up)
        self.assertFalse(health.unchecked)

    def test_fall(self) -> None:
        """Failures bring a backend down when enough come in a row."""
        health = up(HealthRules(fall=3))
        results = [health.check_failed(1.0), health.check_failed(2.0)]
        health.check_passed(3.0)
        results += [health.check_failed(now) for now in (4.0, 5.0)]
        self.assertEqual(results, [False] * 4)
        self.assertTrue(health.check_failed(6.0))
        self.assertFalse(health.up)
        self.assertEqual(health.since, 6.0)

    @given(st.integers(1, 4), st.integers(1, 4), st.lists(st.booleans()))
    def test_model(self, rise: int, fall: int, results: list[bool]) -> None:
        """The state is that of the last run of equal results that was long enough."""
        health = Health(HealthRules(rise=rise, fall=fall), 0.0)
        expected = False
        run: list[bool] = []
        for number, passed in enumerate(results):
            run = [*run, passed] if passed in run[-1:] else [passed]
            before = health.up
            check = health.check_passed if passed else health.check_failed
            changed = check(float(number))
            if number == 0 or len(run) >= (rise if passed else fall):
                expected = passed
            self.assertEqual(health.up, expected)
            self.assertEqual(changed, before != expected or number == 0)

    def test_reset(self) -> None:
        """A reset backend is unchecked again."""
        health = up(HealthRules())
        health.reset(7.0)
        self.assertTrue(health.unchecked)
        self.assertFalse(health.up)
        self.assertEqual(health.since, 7.0)


class SessionTests(SynchronousTestCase):
    """Tests of what sessions say."""

    def errors(
        self, health: Health, *failures: Failure, now: float = 1.0
    ) -> list[bool]:
        return [health.session_failed(failure, now) for failure in failures]

    def test_in_row(self) -> None:
        """Enough errors in a row make an ejection due, of whatever kind."""
        health = up(HealthRules(eject_after=2))
        for failure in BLAMED:
            if failure is not Failure.EARLY_RESET:
                health.answered()
                self.assertEqual(
                    self.errors(health, failure, failure, failure), [False, True, True]
                )

    def test_connected(self) -> None:
        """A connection ends a row of connect errors, but not one of early resets."""
        health = up(HealthRules(eject_after=2))
        self.errors(health, Failure.REFUSED, Failure.EARLY_RESET)
        health.connected()
        self.assertEqual(self.errors(health, Failure.TIMEOUT), [False])
        health.connected()
        self.assertEqual(self.errors(health, Failure.EARLY_RESET), [True])

    def test_answered(self) -> None:
        """An answer ends every row."""
        health = up(HealthRules(eject_after=2))
        self.errors(health, Failure.REFUSED, Failure.EARLY_RESET)
        health.answered()
        self.assertEqual(
            self.errors(health, Failure.REFUSED, Failure.EARLY_RESET), [False, False]
        )

    def test_far_apart(self) -> None:
        """Errors that are far apart are not in a row."""
        health = up(HealthRules(eject_after=2, ejection_time=10))
        due = [
            health.session_failed(Failure.REFUSED, now)
            for now in (0.0, 11.0, 22.0, 32.0)
        ]
        self.assertEqual(due, [False, False, False, True])

    def test_blameless(self) -> None:
        """Our own faults, and resets after an answer, are not held against it."""
        health = up(HealthRules(eject_after=1))
        self.assertEqual(
            self.errors(health, Failure.LOCAL, Failure.RESET), [False, False]
        )

    def test_never(self) -> None:
        """No number of errors makes an ejection due if the rules say so."""
        health = up(HealthRules(eject_after=0))
        self.assertEqual(self.errors(health, *[Failure.REFUSED] * 9), [False] * 9)


class EjectionTests(SynchronousTestCase):
    """Tests of ejections."""

    def test_lasts(self) -> None:
        """An ejection ends by itself, at its time."""
        health = up(HealthRules(ejection_time=10))
        self.assertFalse(health.is_ejected(4.0))
        health.eject(5.0)
        self.assertEqual(health.since, 5.0)
        self.assertTrue(health.is_ejected(14.9))
        self.assertFalse(health.is_ejected(16.0))
        self.assertEqual(health.since, 15.0)
        self.assertEqual(health.ejections, 1)

    def length(self, health: Health, now: float) -> float:
        """Eject at this time, and give how long it lasts."""
        health.eject(now)
        seconds = 0.0
        while health.is_ejected(now + seconds):
            seconds += 1.0
        return seconds

    def test_back_off(self) -> None:
        """Each ejection soon after another lasts longer, up to a bound."""
        health = up(HealthRules(ejection_time=10, max_ejection_time=35))
        lengths = []
        now = 0.0
        for _ in range(5):
            lengths.append(self.length(health, now))
            now += lengths[-1] + 1
        self.assertEqual(lengths, [10, 20, 30, 35, 35])

    def test_forgiven(self) -> None:
        """Time in service makes the next ejection shorter again."""
        health = up(HealthRules(ejection_time=10))
        self.assertEqual(self.length(health, 0.0), 10)
        self.assertEqual(self.length(health, 10.0), 20)
        self.assertEqual(self.length(health, 30.0), 30)  # until 60
        self.assertEqual(self.length(health, 81.0), 20)  # two are forgotten
        self.assertEqual(self.length(health, 999.0), 10)

    def test_errors_forgotten(self) -> None:
        """An ejection starts the count of errors anew."""
        health = up(HealthRules(eject_after=2))
        health.session_failed(Failure.REFUSED, 1.0)
        health.eject(1.0)
        self.assertFalse(health.session_failed(Failure.REFUSED, 2.0))

    def test_restarted(self) -> None:
        """A backend that was down and comes up is no longer ejected."""
        health = up(HealthRules(rise=1, fall=1))
        health.eject(1.0)
        health.check_passed(2.0)
        self.assertTrue(health.is_ejected(2.0))
        health.check_failed(3.0)
        health.check_passed(4.0)
        self.assertFalse(health.is_ejected(4.0))

    def test_reset(self) -> None:
        """A reset ends an ejection."""
        health = up(HealthRules())
        health.eject(1.0)
        health.reset(2.0)
        self.assertFalse(health.is_ejected(2.0))


class SlowStartTests(SynchronousTestCase):
    """Tests of the slow start."""

    def shares(self, health: Health, *times: float) -> list[float]:
        return [round(health.share(now), 3) for now in times]

    def test_first(self) -> None:
        """The first start is at full speed."""
        self.assertEqual(up(HealthRules(slow_start=10)).share(0.0), 1.0)

    def test_first_late(self) -> None:
        """The first start is slow too if the others are running."""
        health = Health(HealthRules(slow_start=10), 0.0)
        health.start_slowly()
        health.check_passed(5.0)
        self.assertEqual(self.shares(health, 10.0), [0.5])

    def test_after_down(self) -> None:
        """After being down the share grows to all of it."""
        health = up(HealthRules(slow_start=10, rise=1, fall=1))
        health.check_failed(1.0)
        health.check_passed(5.0)
        self.assertEqual(
            self.shares(health, 5.0, 5.5, 10.0, 14.0, 15.0, 99.0),
            [LEAST_SHARE, LEAST_SHARE, 0.5, 0.9, 1, 1],
        )

    def test_bad_start(self) -> None:
        """A backend that was down at the start comes up slowly."""
        health = Health(HealthRules(slow_start=10, rise=1), 0.0)
        health.check_failed(1.0)
        health.check_passed(5.0)
        self.assertEqual(self.shares(health, 10.0), [0.5])

    def test_after_ejection(self) -> None:
        """After an ejection too, from its end on."""
        health = up(HealthRules(slow_start=10, ejection_time=10))
        health.eject(5.0)
        health.is_ejected(17.0)
        self.assertEqual(self.shares(health, 17.0, 20.0), [0.2, 0.5])

    def test_after_reset(self) -> None:
        """Without checks a reset starts slowly, if that was asked for."""
        health = Health(HealthRules(slow_start=10, checked=False), 0.0)
        health.reset(5.0)
        self.assertEqual(self.shares(health, 5.0), [1])
        health.start_slowly()
        health.reset(5.0)
        self.assertEqual(self.shares(health, 10.0), [0.5])

    def test_off(self) -> None:
        """Without a slow start the share is whole at once."""
        health = up(HealthRules(rise=1, fall=1))
        health.check_failed(1.0)
        health.check_passed(5.0)
        self.assertEqual(self.shares(health, 5.0), [1])

    @given(st.floats(0.1, 1000), st.lists(st.floats(0, 2000), max_size=10))
    def test_grows(self, slow_start: float, times: list[float]) -> None:
        """The share never shrinks, and is above 0 and at most 1."""
        health = up(HealthRules(slow_start=slow_start, rise=1, fall=1))
        health.check_failed(0.0)
        health.check_passed(0.0)
        shares = [health.share(now) for now in sorted(times)]
        self.assertEqual(shares, sorted(shares))
        for share in shares:
            self.assertTrue(0 < share <= 1)
