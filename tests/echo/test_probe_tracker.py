"""Packets from sending to answer or loss, and what is counted of them."""

from __future__ import annotations

from typing import ClassVar

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.echo.probe.events import PacketEvent, Status
from netsvc.echo.probe.tracker import Tracker

MS = 1_000_000
TIMEOUT = 1_000 * MS


def tracker_of(number: int, sweep: bool = False, window: int = 1_000) -> Tracker:
    """Make a tracker with C{number} packets, sent 10 ms apart from 0 on."""
    tracker = Tracker(TIMEOUT, sweep, window)
    for index in range(number):
        tracker.send(64, index * 10 * MS)
    return tracker


def answer(tracker: Tracker, sequence: int, rtt: int) -> PacketEvent:
    """Answer packet C{sequence} after C{rtt}."""
    known = tracker.packet(sequence)
    sent = known[0] if known else 0
    return tracker.answer(sequence, sent + rtt, True)


class AnswerTests(SynchronousTestCase):
    """Each kind of answer is told from the others."""

    def test_in_time(self) -> None:
        """An answer in time has its round-trip time."""
        tracker = tracker_of(1)
        event = answer(tracker, 1, 5 * MS)
        self.assertEqual(event, PacketEvent(Status.OK, 1, 64, 0, 5 * MS))
        statistics = tracker.statistics
        self.assertEqual((statistics.received, statistics.in_flight), (1, 0))
        self.assertEqual(statistics.rtt.mean, 5 * MS)
        self.assertEqual(statistics.histogram.count, 1)

    def test_late(self) -> None:
        """An answer after the timeout is late; it counts as received."""
        tracker = tracker_of(1)
        (event,) = tracker.expire(TIMEOUT)
        self.assertEqual(event.status, Status.TIMEOUT)
        self.assertEqual(tracker.statistics.lost, 1)
        self.assertEqual(answer(tracker, 1, TIMEOUT + 1).status, Status.LATE)
        self.assertEqual(tracker.statistics.lost, 0)
        self.assertEqual(tracker.statistics.late, 1)
        self.assertEqual(tracker.statistics.rtt.count, 1)

    def test_duplicate(self) -> None:
        """A second answer is a duplicate and adds to no round-trip time."""
        tracker = tracker_of(1)
        answer(tracker, 1, MS)
        for rtt in (2 * MS, TIMEOUT * 2):
            self.assertEqual(answer(tracker, 1, rtt).status, Status.DUPLICATE)
        self.assertEqual(tracker.statistics.duplicates, 2)
        self.assertEqual(tracker.statistics.received, 1)
        self.assertEqual(tracker.statistics.rtt.count, 1)

    def test_corrupt(self) -> None:
        """A corrupt answer is received, not lost, and adds to no round-trip time."""
        tracker = tracker_of(1)
        event = tracker.answer(1, MS, intact=False)
        self.assertEqual(event.status, Status.CORRUPT)
        statistics = tracker.statistics
        self.assertEqual((statistics.received, statistics.intact), (1, 0))
        self.assertEqual((statistics.lost, statistics.rtt.count), (0, 0))

    def test_reordered(self) -> None:
        """An answer after that to a later packet is reordered (RFC 4737)."""
        tracker = tracker_of(4)
        answers = [answer(tracker, sequence, MS) for sequence in (1, 3, 2, 4)]
        self.assertEqual(
            [event.reordered for event in answers], [False, False, True, False]
        )
        self.assertEqual(tracker.statistics.reordered, 1)

    def test_stale(self) -> None:
        """An answer to a packet that is forgotten is counted apart."""
        tracker = tracker_of(11, window=10)
        self.assertEqual(answer(tracker, 1, MS).status, Status.STALE)
        self.assertEqual(tracker.statistics.stale, 1)
        self.assertEqual(tracker.statistics.received, 0)


class LossTests(SynchronousTestCase):
    """Packets without an answer."""

    def test_expiry(self) -> None:
        """Packets become overdue in order, each once, at their deadline."""
        tracker = tracker_of(3)
        self.assertEqual(tracker.deadline, TIMEOUT)
        answer(tracker, 1, MS)
        self.assertEqual(tracker.deadline, TIMEOUT + 10 * MS)
        self.assertEqual(list(tracker.expire(TIMEOUT + 10 * MS - 1)), [])
        overdue = [event.sequence for event in tracker.expire(TIMEOUT * 2)]
        self.assertEqual(overdue, [2, 3])
        self.assertIsNone(tracker.deadline)
        self.assertEqual(list(tracker.expire(TIMEOUT * 3)), [])

    def test_loss(self) -> None:
        """Loss is in percent of the packets whose fate is known."""
        tracker = tracker_of(4)
        answer(tracker, 1, MS)
        self.assertEqual(tracker.statistics.loss, 0)
        list(tracker.expire(TIMEOUT + 10 * MS))
        self.assertEqual(tracker.statistics.lost, 1)
        self.assertEqual(tracker.statistics.in_flight, 2)
        self.assertEqual(tracker.statistics.loss, 50)

    def test_nothing_known(self) -> None:
        """Without a packet there is no loss."""
        self.assertEqual(tracker_of(0).statistics.loss, 0)
        self.assertEqual(tracker_of(1).statistics.loss, 0)

    def test_bursts(self) -> None:
        """Losses in a row are a burst, wherever their reports came from."""
        tracker = tracker_of(10)
        for sequence in (10, 7, 5, 1):
            answer(tracker, sequence, MS)
        tracker.fail(2, Status.REFUSED, "")
        list(tracker.expire(TIMEOUT * 2))
        tracker.finish()
        bursts = tracker.statistics.bursts
        self.assertEqual((bursts.count, bursts.longest), (3, 3))

    def test_interrupted(self) -> None:
        """Packets that wait when the run ends are in flight, not lost."""
        tracker = tracker_of(3)
        answer(tracker, 1, MS)
        tracker.finish()
        statistics = tracker.statistics
        self.assertEqual((statistics.in_flight, statistics.lost), (2, 0))
        self.assertEqual(statistics.bursts.count, 0)

    def test_window(self) -> None:
        """A packet that leaves the window without an answer is lost."""
        tracker = tracker_of(25, window=10)
        statistics = tracker.statistics
        self.assertEqual((statistics.in_flight, statistics.lost), (10, 15))
        self.assertEqual(len(tracker._packets), 10)
        self.assertEqual(tracker.deadline, TIMEOUT + 150 * MS)
        tracker.finish()
        self.assertEqual(statistics.bursts.longest, 15)


class FailureTests(SynchronousTestCase):
    """Packets that come to nothing at once."""

    COUNTERS: ClassVar[dict[Status, str]] = {
        Status.REFUSED: "refused",
        Status.UNREACHABLE: "unreachable",
        Status.ERROR: "errors",
    }

    def test_counted(self) -> None:
        """Each kind has its counter, and the packet waits no more."""
        for status, counter in self.COUNTERS.items():
            tracker = tracker_of(1)
            event = tracker.fail(1, status, "why")
            self.assertEqual(event, PacketEvent(status, 1, 64, 0, detail="why"))
            statistics = tracker.statistics
            self.assertEqual(getattr(statistics, counter), 1)
            self.assertEqual((statistics.lost, statistics.in_flight), (1, 0))
            rejected = "" if status is Status.ERROR else "why"
            self.assertEqual(statistics.last_rejection, rejected)

    def test_once(self) -> None:
        """A packet that is answered, refused or forgotten is not refused again."""
        tracker = tracker_of(2)
        answer(tracker, 1, MS)
        tracker.fail(2, Status.REFUSED, "")
        for sequence in (0, 1, 2, 3):
            self.assertIsNone(tracker.fail(sequence, Status.REFUSED, ""))
        self.assertEqual(tracker.statistics.refused, 1)

    def test_answered_all_the_same(self) -> None:
        """An answer after a report counts: the report was about another packet."""
        tracker = tracker_of(1)
        tracker.fail(1, Status.REFUSED, "")
        self.assertEqual(answer(tracker, 1, MS).status, Status.OK)
        self.assertEqual(tracker.statistics.lost, 0)
        self.assertEqual(tracker.statistics.in_flight, 0)

    def test_connection_lost(self) -> None:
        """All that wait go with their connection, and only those."""
        tracker = tracker_of(4)
        answer(tracker, 2, MS)
        list(tracker.expire(TIMEOUT))
        events = list(tracker.fail_waiting("gone"))
        self.assertEqual([event.sequence for event in events], [3, 4])
        self.assertEqual(tracker.statistics.errors, 2)
        self.assertIsNone(tracker.deadline)


class JitterTests(SynchronousTestCase):
    """Variation of the round-trip time."""

    def test_interarrival(self) -> None:
        """RFC 3550: J += (|D| - J) / 16 in order of arrival."""
        tracker = tracker_of(3)
        self.assertIsNone(tracker.statistics.jitter.interarrival)
        expected = 0.0
        for sequence, rtt in ((1, 16), (3, 48), (2, 32)):
            answer(tracker, sequence, rtt)
        for difference in (32, 16):
            expected += (difference - expected) / 16
        self.assertEqual(tracker.statistics.jitter.interarrival, expected)

    def test_ipdv(self) -> None:
        """IPDV pairs packets sent one after the other, each pair once."""
        tracker = tracker_of(5)
        for sequence, rtt in ((1, 10), (3, 40), (2, 20), (5, 7)):
            answer(tracker, sequence, rtt)
        ipdv = tracker.statistics.jitter.ipdv
        # 1-2 and 2-3; packet 4 is missing, so 5 has no neighbour.
        self.assertEqual((ipdv.count, ipdv.mean), (2, 15))

    def test_corrupt_has_no_time(self) -> None:
        """A corrupt answer is no neighbour."""
        tracker = tracker_of(2)
        tracker.answer(1, MS, intact=False)
        answer(tracker, 2, MS)
        self.assertEqual(tracker.statistics.jitter.ipdv.count, 0)

    def test_sizes(self) -> None:
        """Packets of different sizes are not compared."""
        tracker = Tracker(TIMEOUT, sweep=True)
        for size in (64, 1_000, 1_000):
            answer(tracker, tracker.send(size, 0), size)
        jitter = tracker.statistics.jitter
        self.assertEqual((jitter.ipdv.count, jitter.interarrival), (1, 0))


class SweepTests(SynchronousTestCase):
    """Statistics by size."""

    def test_by_size(self) -> None:
        """Each size has its own counts and times."""
        tracker = Tracker(TIMEOUT, sweep=True, window=3)
        for size in (10, 20, 10, 20):
            tracker.send(size, 0)
        answer(tracker, 2, MS)
        tracker.answer(3, MS, intact=False)
        small, large = (tracker.statistics.by_size[size] for size in (10, 20))
        self.assertEqual((small.sent, small.received, small.corrupt), (2, 1, 1))
        self.assertEqual((small.lost, small.in_flight, small.rtt.count), (1, 0, 0))
        self.assertEqual((large.sent, large.lost, large.in_flight), (2, 0, 1))
        self.assertEqual(large.rtt.mean, MS)

    def test_no_sweep(self) -> None:
        """With one size only there is nothing to keep apart."""
        self.assertEqual(tracker_of(3).statistics.by_size, {})


class ConsistencyTests(SynchronousTestCase):
    """The counters agree with each other whatever happens."""

    @given(
        st.lists(
            st.tuples(st.sampled_from("saaatcrx"), st.integers(1, 30)), max_size=120
        )
    )
    def test_counters(self, steps: list[tuple[str, int]]) -> None:
        """Sent is received, lost and in flight, at any moment, by size too."""
        tracker = Tracker(100, sweep=True, window=8)
        now = 0
        for step, number in steps:
            now += number
            if step == "s":
                tracker.send(number % 3, now)
            elif step in "ac" and number <= tracker.newest:
                tracker.answer(number, now, intact=step == "a")
            elif step == "t":
                list(tracker.expire(now))
            elif step == "r":
                tracker.fail(number, Status.REFUSED, "")
            elif step == "x":
                list(tracker.fail_waiting(""))
            statistics = tracker.statistics
            waiting = [p for p in tracker._packets.values() if p.status is None]
            self.assertEqual(statistics.in_flight, len(waiting))
            self.assertGreaterEqual(statistics.lost, 0)
            sizes = statistics.by_size.values()
            for name in ("sent", "received", "lost", "in_flight", "corrupt"):
                total = sum(getattr(size, name) for size in sizes)
                self.assertEqual(total, getattr(statistics, name), name)
        tracker.finish()
        self.assertEqual(tracker._packets, {})
