"""The isochronous schedule and its running statistics."""

from __future__ import annotations

import statistics

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.echo.probe.running import Running
from netsvc.echo.probe.schedule import CATCH_UP_LIMIT, Schedule


def drain(schedule: Schedule, now: int) -> int:
    """Take all that is due at C{now}; say how many."""
    taken = 0
    while schedule.take(now):
        taken += 1
    return taken


class ScheduleTests(SynchronousTestCase):
    """Packets are due at start + n x interval."""

    def test_times(self) -> None:
        """The times are exact multiples, however late each one was taken."""
        schedule = Schedule(1000, 10)
        for number in range(100):
            due = 1000 + 10 * number
            self.assertEqual(schedule.next_time, due)
            self.assertFalse(schedule.take(due - 1))
            self.assertTrue(schedule.take(due + number % 10))
        self.assertEqual(schedule.timer_error.maximum, 9)
        self.assertAlmostEqual(schedule.timer_error.mean, 4.5)

    def test_catches_up(self) -> None:
        """A sender that wakes up late sends what is due, and keeps the phase."""
        schedule = Schedule(0, 100)
        self.assertEqual(drain(schedule, 950), 10)
        self.assertEqual(schedule.next_time, 1000)
        self.assertEqual(schedule.skipped, 0)
        self.assertEqual(schedule.timer_error.maximum, 950)

    def test_count(self) -> None:
        """It ends after the number of packets asked for."""
        schedule = Schedule(0, 100, count=3)
        self.assertEqual(drain(schedule, 10_000), 3)
        self.assertIsNone(schedule.next_time)

    def test_duration(self) -> None:
        """The last packet is due before the duration is over."""
        for duration, expected in ((1, 1), (100, 1), (101, 2), (1000, 10)):
            schedule = Schedule(0, 100, duration=duration)
            self.assertEqual(drain(schedule, 10_000), expected, duration)
            self.assertIsNone(schedule.next_time)

    def test_skips_after_a_pause(self) -> None:
        """What was missed by more than the limit is skipped and counted."""
        interval = CATCH_UP_LIMIT // 10
        schedule = Schedule(0, interval, count=50)
        self.assertTrue(schedule.take(0))
        late = interval * 1000
        self.assertEqual(drain(schedule, late), 1)
        self.assertEqual(schedule.skipped, 999)
        self.assertEqual(schedule.next_time, late + interval)
        # Those that were skipped do not count: 48 are still to be sent.
        self.assertEqual(drain(schedule, late + interval * 5), 5)
        self.assertEqual(schedule.timer_error.maximum, interval * 4)

    def test_skips_within_the_duration(self) -> None:
        """A pause past the end leaves one last packet."""
        interval = CATCH_UP_LIMIT // 10
        schedule = Schedule(0, interval, duration=interval * 20)
        self.assertEqual(drain(schedule, interval * 1000), 1)
        self.assertEqual(schedule.skipped, 19)
        self.assertIsNone(schedule.next_time)

    def test_interval(self) -> None:
        """An interval of 0 is no schedule."""
        self.assertRaises(ValueError, Schedule, 0, 0)


class RunningTests(SynchronousTestCase):
    """Mean and spread without keeping the samples."""

    @given(st.lists(st.integers(0, 10**10), min_size=1))
    def test_agrees(self, samples: list[int]) -> None:
        """The figures agree with those of the whole list."""
        running = Running()
        for sample in samples:
            running.add(sample)
        self.assertEqual(running.count, len(samples))
        self.assertEqual(running.minimum, min(samples))
        self.assertEqual(running.maximum, max(samples))
        tolerance = max(samples) * 1e-6 + 1e-6
        mean, deviation = statistics.fmean(samples), statistics.pstdev(samples)
        self.assertLessEqual(abs(running.mean - mean), tolerance)
        self.assertLessEqual(abs(running.standard_deviation - deviation), tolerance)

    def test_empty(self) -> None:
        """Without samples the deviation is 0."""
        self.assertEqual(Running().standard_deviation, 0)
