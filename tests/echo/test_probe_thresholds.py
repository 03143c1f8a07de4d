"""Results judged as monitoring plugins judge them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.echo.probe.events import Status
from netsvc.echo.probe.statistics import Statistics
from netsvc.echo.probe.thresholds import Level, Limit, Thresholds, Verdict
from netsvc.echo.probe.tracker import Tracker

MS = 1_000_000


def statistics_of(*rtts: int | None, timeout: int = 1_000) -> Statistics:
    """Make the statistics of packets with these times in ms; L{None} is lost."""
    tracker = Tracker(timeout * MS)
    for rtt in rtts:
        sequence = tracker.send(64, 0)
        if rtt is not None:
            tracker.answer(sequence, rtt * MS, intact=True)
    list(tracker.expire(timeout * MS))
    return tracker.statistics


class LevelTests(SynchronousTestCase):
    """Thresholds and what no threshold can excuse."""

    def test_status(self) -> None:
        """The levels are the exit statuses of monitoring plugins."""
        self.assertEqual([int(level) for level in Level], [0, 1, 2, 3])

    def test_no_thresholds(self) -> None:
        """Without thresholds one answer is enough."""
        statistics = statistics_of(5, None, None)
        self.assertEqual(Thresholds().judge(statistics), Verdict(Level.OK))

    def test_reached(self) -> None:
        """A value that reaches a threshold exceeds it."""
        limit = Limit(warning=10, critical=20)
        levels = [limit.level(value) for value in (9.99, 10, 19.99, 20, 1000)]
        self.assertEqual(levels, [0, 1, 1, 2, 2])
        self.assertEqual(Limit().level(1e9), Level.OK)

    def test_rtt(self) -> None:
        """The mean round-trip time is judged."""
        thresholds = Thresholds(rtt=Limit(10, 20))
        self.assertEqual(thresholds.judge(statistics_of(1, 17)).level, Level.OK)
        self.assertEqual(
            thresholds.judge(statistics_of(11, 13)),
            Verdict(Level.WARNING, ("mean rtt 12.000 ms",)),
        )
        self.assertEqual(thresholds.judge(statistics_of(20)).level, Level.CRITICAL)

    def test_loss(self) -> None:
        """Lost packets are judged in percent."""
        thresholds = Thresholds(loss=Limit(25, 50))
        self.assertEqual(thresholds.judge(statistics_of(1, 1)).level, Level.OK)
        self.assertEqual(
            thresholds.judge(statistics_of(1, 1, 1, None)),
            Verdict(Level.WARNING, ("loss 25 %",)),
        )
        self.assertEqual(thresholds.judge(statistics_of(1, None)).level, Level.CRITICAL)

    def test_jitter(self) -> None:
        """The mean absolute IPDV is judged, where there is any."""
        thresholds = Thresholds(jitter=Limit(2, 4))
        self.assertEqual(thresholds.judge(statistics_of(1)).level, Level.OK)
        self.assertEqual(
            thresholds.judge(statistics_of(1, 4)),
            Verdict(Level.WARNING, ("jitter 3.000 ms",)),
        )

    def test_worst(self) -> None:
        """The worst level counts, and all reasons are named."""
        thresholds = Thresholds(Limit(1), Limit(None, 10), Limit(1))
        self.assertEqual(
            thresholds.judge(statistics_of(2, 4, None)),
            Verdict(
                Level.CRITICAL, ("loss 33.3 %", "mean rtt 3.000 ms", "jitter 2.000 ms")
            ),
        )


class NothingTests(SynchronousTestCase):
    """Runs without an intact answer."""

    def judge(self, statistics: Statistics) -> Verdict:
        return Thresholds().judge(statistics)

    def test_no_answer(self) -> None:
        """No answer at all is critical, also while packets are in flight."""
        expected = Verdict(Level.CRITICAL, ("no answer",))
        self.assertEqual(self.judge(statistics_of(None, None)), expected)
        tracker = Tracker(MS)
        tracker.send(64, 0)
        self.assertEqual(self.judge(tracker.statistics), expected)

    def test_refused(self) -> None:
        """Refused packets are unknown: there is no service to judge."""
        tracker = Tracker(MS)
        tracker.fail(tracker.send(64, 0), Status.REFUSED, "connection refused")
        self.assertEqual(
            self.judge(tracker.statistics),
            Verdict(Level.UNKNOWN, ("connection refused",)),
        )

    def test_connection_lost(self) -> None:
        """A connection that was lost before any answer is named."""
        statistics = statistics_of(None)
        statistics.disconnects = 1
        self.assertEqual(
            self.judge(statistics),
            Verdict(Level.CRITICAL, ("no answer, connection lost",)),
        )

    def test_corrupt(self) -> None:
        """An answer with other bytes is a warning, nothing else is critical."""
        tracker = Tracker(MS)
        tracker.answer(tracker.send(64, 0), 1, intact=False)
        self.assertEqual(
            self.judge(tracker.statistics),
            Verdict(Level.CRITICAL, ("no intact answer",)),
        )
        tracker.answer(tracker.send(64, 0), 1, intact=True)
        self.assertEqual(
            self.judge(tracker.statistics),
            Verdict(Level.WARNING, ("1 corrupt answers",)),
        )

    def test_nothing_sent(self) -> None:
        """A run that sent nothing says nothing about the target."""
        self.assertEqual(self.judge(Statistics()).level, Level.UNKNOWN)


class PerfdataTests(SynchronousTestCase):
    """Performance data: label=value[unit];warn;crit;min;max."""

    def test_figures(self) -> None:
        """Each figure has its unit and its thresholds."""
        thresholds = Thresholds(Limit(1.5, 20), Limit(None, 10), Limit(2))
        self.assertEqual(
            thresholds.perfdata(statistics_of(1, 3, None, None)),
            "rtt=2.000000ms;1.5;20;0 loss=50%;;10;0;100 jitter=2.000000ms;2;;0 "
            "sent=4;;;0",
        )

    def test_unknown_figures(self) -> None:
        """What is not known is left out."""
        self.assertEqual(
            Thresholds().perfdata(statistics_of(None)), "loss=100%;;;0;100 sent=1;;;0"
        )
