"""The report in words and in JSON."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from netsvc.echo.probe.events import (
    Connected,
    Disconnected,
    PacketEvent,
    Status,
    Unexpected,
)
from netsvc.echo.probe.histogram import Histogram
from netsvc.echo.probe.records import event_record, start_record, summary_record
from netsvc.echo.probe.result import Result
from netsvc.echo.probe.schedule import Schedule
from netsvc.echo.probe.statistics import Statistics
from netsvc.echo.probe.target import ProbeSettings, Transport
from netsvc.echo.probe.text import (
    describe_event,
    describe_histogram,
    describe_live,
    describe_start,
    describe_summary,
)
from netsvc.echo.probe.thresholds import Level, Verdict
from netsvc.echo.probe.tracker import Tracker

MS = 1_000_000
SECOND = 1_000 * MS
SETTINGS = ProbeSettings("echo.example")


def tracker_of(*rtts: float, sweep: bool = False) -> Tracker:
    """Make a tracker of packets answered after these times in ms."""
    tracker = Tracker(2 * SECOND, sweep)
    for index, rtt in enumerate(rtts):
        sequence = tracker.send(64 * (1 + index % 2) if sweep else 64, 0)
        tracker.answer(sequence, round(rtt * MS), intact=True)
    return tracker


def result_of(statistics: Statistics, sent: int = 0) -> Result:
    """Make the result of a run of 9.5 s, each packet sent 1 ms late."""
    schedule = Schedule(0, SECOND)
    for number in range(sent):
        schedule.take(number * SECOND + MS)
    return Result(statistics, schedule, 9_500 * MS)


class LineTests(SynchronousTestCase):
    """A line for each event."""

    def line(self, event: PacketEvent | Connected | Disconnected | Unexpected) -> str:
        return describe_event(event, SETTINGS)

    def test_answers(self) -> None:
        """Answers have size, number and time, and a word if they are not as usual."""
        for status, reordered, remark in (
            (Status.OK, False, ""),
            (Status.OK, True, " (reordered)"),
            (Status.LATE, True, " (late) (reordered)"),
            (Status.DUPLICATE, False, " (duplicate)"),
            (Status.CORRUPT, False, " CORRUPT"),
        ):
            event = PacketEvent(status, 7, 64, 1, 1_234_000, reordered)
            self.assertEqual(self.line(event), f"64 bytes: seq=7 rtt=1.234 ms{remark}")

    def test_no_answer(self) -> None:
        """Packets without an answer have the reason."""
        for status, detail, line in (
            (Status.TIMEOUT, "", "seq=7 no answer within 2 s"),
            (Status.REFUSED, "connection refused", "seq=7 connection refused"),
            (Status.UNREACHABLE, "no route", "seq=7 no route"),
            (Status.ERROR, "not connected", "seq=7 not answered: not connected"),
            (Status.STALE, "", "seq=7 answered too late to be judged"),
        ):
            event = PacketEvent(status, 7, 64, 1, detail=detail)
            self.assertEqual(self.line(event), line)

    def test_connections(self) -> None:
        """Connections have their times, or the reason of their loss."""
        self.assertEqual(self.line(Connected(MS)), "connected in 1.000 ms")
        self.assertEqual(
            self.line(Connected(MS, 2 * MS, "TLSv1.3")),
            "connected in 1.000 ms, TLSv1.3 handshake 2.000 ms",
        )
        self.assertEqual(self.line(Disconnected("why")), "disconnected: why")

    def test_strangers(self) -> None:
        """What is no answer is said to be none, or a damaged one."""
        self.assertEqual(
            self.line(Unexpected(5, False)),
            "5 bytes received: no answer to a packet of this run",
        )
        self.assertIn("CORRUPT", self.line(Unexpected(5, True)))

    def test_start(self) -> None:
        """The first line says what is probed, and how."""
        self.assertEqual(
            describe_start(SETTINGS, "192.0.2.7"),
            "echo.example (192.0.2.7) port 7007/udp: 64 bytes every 1 s",
        )
        settings = ProbeSettings("::1", 7, Transport.TCP, (1, 2, 4), interval=MS)
        self.assertEqual(
            describe_start(settings, "::1"), "::1 port 7/tcp: 1 to 4 bytes every 1 ms"
        )

    def test_escaped(self) -> None:
        """A host name cannot steer the terminal."""
        start = describe_start(ProbeSettings("a\x1b[2J"), "192.0.2.7")
        self.assertTrue(start.startswith(r"a\x1b[2J (192.0.2.7)"))


class SummaryTests(SynchronousTestCase):
    """The last lines of a run."""

    def summary(self, result: Result, settings: ProbeSettings = SETTINGS) -> str:
        return "\n".join(describe_summary(result, settings, "192.0.2.7"))

    def test_good(self) -> None:
        """A good run has its times, jitter and timer error."""
        statistics = tracker_of(1, 2, 3, 4).statistics
        self.assertEqual(
            self.summary(result_of(statistics, 4)),
            "--- echo.example (192.0.2.7) port 7007/udp ---\n"
            "4 sent, 4 received, 0 lost (0 %), 9.500 s\n"
            "late 0, duplicates 0, reordered 0, corrupt 0\n"
            "rtt ms      min 1.000  mean 2.500  median 2.500  p95 4.000  p99 4.000"
            "  max 4.000\n"
            "            stddev 1.118  of 4 answers\n"
            "jitter      0.176 ms (RFC 3550), 1.000 ms (mean |IPDV|, 3 pairs)\n"
            "timer error mean 1.000 ms, max 1.000 ms",
        )

    def test_bad(self) -> None:
        """What went wrong is counted, once."""
        tracker = tracker_of(1)
        for status in (Status.REFUSED, Status.UNREACHABLE, Status.ERROR):
            tracker.fail(tracker.send(64, 0), status, "why")
        tracker.answer(1, 5 * MS, intact=True)
        tracker.answer(tracker.send(64, 0), 5 * MS, intact=False)
        tracker.send(64, 0)
        tracker.finish()
        tracker.statistics.unexpected = 3
        tracker.statistics.disconnects = 2
        summary = self.summary(result_of(tracker.statistics))
        self.assertIn(
            "6 sent, 2 received, 3 lost (60 %), 1 still under way, 9.500 s\n"
            "late 0, duplicates 1, reordered 0, corrupt 1\n"
            "refused 1, unreachable 1, errors 1, disconnects 2, unexpected 3\n"
            "loss        1 burst, longest 3\n",
            summary,
        )
        self.assertNotIn("jitter", summary)

    def test_bursts(self) -> None:
        """Several bursts are counted, with the longest."""
        tracker = Tracker(SECOND)
        for index in range(5):
            sequence = tracker.send(64, 0)
            if index % 2:
                tracker.answer(sequence, MS, intact=True)
        list(tracker.expire(SECOND))
        tracker.finish()
        summary = self.summary(result_of(tracker.statistics))
        self.assertIn("loss        3 bursts, longest 1", summary)

    def test_nothing(self) -> None:
        """A run without answers has no times."""
        self.assertEqual(
            self.summary(result_of(Statistics())).splitlines()[1:],
            [
                "0 sent, 0 received, 0 lost (0 %), 9.500 s",
                "late 0, duplicates 0, reordered 0, corrupt 0",
            ],
        )

    def test_connections(self) -> None:
        """Connect and handshake times are means where there were several."""
        statistics = Statistics()
        statistics.connect_time.add(MS)
        self.assertIn("connect     1.000 ms", self.summary(result_of(statistics)))
        statistics.connect_time.add(3 * MS)
        statistics.handshake_time.add(5 * MS)
        self.assertIn(
            "connect     2.000 ms, TLS handshake 5.000 ms (mean of 2)",
            self.summary(result_of(statistics)),
        )

    def test_sweep(self) -> None:
        """A sweep has a row for each size."""
        tracker = tracker_of(1, 20, 3, sweep=True)
        tracker.send(999, 0)
        tracker.send(64, 0)
        list(tracker.expire(2 * SECOND))
        self.assertIn(
            """
   bytes    sent   lost  loss %  corrupt    min ms   mean ms    max ms
      64       3      1    33.3        0     1.000     2.000     3.000
     128       1      0       0        0     20.00     20.00     20.00
     999       1      1     100        0""",
            self.summary(result_of(tracker.statistics)),
        )

    def test_sweep_in_flight(self) -> None:
        """Packets under way are no loss of their size."""
        tracker = Tracker(SECOND, sweep=True)
        tracker.send(64, 0)
        self.assertIn("  0 ", self.summary(result_of(tracker.statistics)))

    def test_width(self) -> None:
        """Times of any length leave the lines within 80 columns."""
        for rtts in ((0.001, 9.9994), (9.9999, 99.999), (99_999, 99_999)):
            summary = self.summary(result_of(tracker_of(*rtts).statistics))
            for line in summary.splitlines():
                self.assertLessEqual(len(line), 80, line)


class LiveTests(SynchronousTestCase):
    """The lines that change while the run goes on."""

    def test_lines(self) -> None:
        """Counts, times and jitter, each as soon as it is known."""
        lines = describe_live(result_of(Statistics()))
        self.assertEqual(lines, ["0 sent, 0 received, 0 lost (0 %)  9.5 s"])
        lines = describe_live(result_of(tracker_of(1, 2).statistics))
        self.assertEqual([line[:6] for line in lines], ["2 sent", "rtt ms", "jitter"])

    def test_odd(self) -> None:
        """What should not happen gets a line of its own."""
        tracker = tracker_of(1)
        tracker.answer(1, 2, intact=True)
        self.assertEqual(
            describe_live(result_of(tracker.statistics))[-1], "duplicates 1"
        )


class HistogramTests(SynchronousTestCase):
    """The histogram as it is drawn."""

    def draw(
        self, *milliseconds: float, width: int = 40, plain: bool = True
    ) -> list[str]:
        histogram = Histogram()
        for value in milliseconds:
            histogram.add(round(value * MS))
        return describe_histogram(histogram, width, plain)

    def test_rows(self) -> None:
        """Each row has its lower end, count, share and bar."""
        lines = self.draw(*[1.0] * 5, *[1.1] * 10, 1.25)
        self.assertEqual(lines[0], "rtt in ms, 16 answers")
        self.assertEqual(lines[1], "  1.000  5  31.2 % ##########")
        self.assertEqual(lines[-1], "  1.240  1   6.2 % ##")

    def test_width(self) -> None:
        """The longest bar ends at the width."""
        for width in (20, 40, 100):
            for plain in (True, False):
                lines = self.draw(*[1.0] * 5, 1.1, 1.2, width=width, plain=plain)
                longest = max(map(len, lines[1:]))
                self.assertLessEqual(longest, max(width, 20))

    def test_blocks(self) -> None:
        """Where the encoding allows, bars are precise to an eighth of a column."""
        lines = self.draw(*[1.0] * 8, 1.1, plain=False)
        self.assertIn("█", lines[1])
        self.assertRegex(lines[-1], r"[▏▎▍▌▋▊▉█]$")

    def test_tail(self) -> None:
        """The last row of a long tail says that it has no end."""
        lines = self.draw(*[1 + n / 1000 for n in range(100)], 1000, plain=True)
        self.assertTrue(lines[-1].startswith(">="))

    def test_empty(self) -> None:
        """Nothing is not drawn."""
        self.assertEqual(self.draw(), [])


class RecordTests(SynchronousTestCase):
    """The report as JSON values."""

    def test_start(self) -> None:
        """The first record holds the run's parameters."""
        record = start_record(SETTINGS, "192.0.2.7", 5.5)
        self.assertEqual(record["type"], "start")
        self.assertEqual((record["time"], record["interval_s"]), (5.5, 1.0))
        self.assertIsNone(record["duration_s"])
        settings = ProbeSettings("h", duration=1500 * MS)
        self.assertEqual(start_record(settings, "", 0)["duration_s"], 1.5)

    def test_events(self) -> None:
        """Each event has a type and only what is known of it."""

        def time_of_day(nanoseconds: int) -> float:
            return 100 + nanoseconds / SECOND

        for event, expected in (
            (
                PacketEvent(Status.OK, 1, 64, SECOND, 1_500_000),
                {
                    "type": "packet",
                    "seq": 1,
                    "status": "ok",
                    "bytes": 64,
                    "sent": 101.0,
                    "rtt_ms": 1.5,
                },
            ),
            (
                PacketEvent(Status.REFUSED, 2, 0, SECOND, None, True, "why"),
                {
                    "type": "packet",
                    "seq": 2,
                    "status": "refused",
                    "bytes": 0,
                    "sent": 101.0,
                    "reordered": True,
                    "detail": "why",
                },
            ),
            (
                PacketEvent(Status.STALE, 3, 0, 0),
                {"type": "packet", "seq": 3, "status": "stale"},
            ),
            (Connected(MS), {"type": "connected", "connect_ms": 1.0}),
            (
                Connected(MS, 2 * MS, "TLSv1.3"),
                {
                    "type": "connected",
                    "connect_ms": 1.0,
                    "handshake_ms": 2.0,
                    "tls_version": "TLSv1.3",
                },
            ),
            (Disconnected("why"), {"type": "disconnected", "reason": "why"}),
            (
                Unexpected(5, True),
                {"type": "unexpected", "bytes": 5, "damaged": True},
            ),
        ):
            self.assertEqual(event_record(event, time_of_day), expected)

    def test_summary(self) -> None:
        """The last record holds all figures."""
        result = result_of(tracker_of(1, 2, 3, 4, sweep=True).statistics, 4)
        verdict = Verdict(Level.WARNING, ("why",))
        record = json.loads(json.dumps(summary_record(result, verdict, True)))
        self.assertEqual((record["status"], record["reasons"]), ("warning", ["why"]))
        self.assertEqual((record["sent"], record["received"]), (4, 4))
        self.assertAlmostEqual(record["rtt_ms"]["median"], 2.5, places=2)
        self.assertEqual(record["rtt_ms"]["samples"], 4)
        self.assertEqual(record["timer_error_ms"]["mean"], 1.0)
        self.assertEqual([row["bytes"] for row in record["by_size"]], [64, 128])
        self.assertEqual(sum(row["count"] for row in record["histogram"]), 4)
        self.assertEqual(record["elapsed_s"], 9.5)

    def test_empty_summary(self) -> None:
        """Figures that nothing is known of are null, never NaN or infinite."""
        verdict = Verdict(Level.CRITICAL)
        record = summary_record(result_of(Statistics()), verdict, False)
        text = json.dumps(record, allow_nan=False)
        self.assertIsNone(json.loads(text)["rtt_ms"])
        self.assertIsNone(record["jitter_ms"]["rfc3550"])
        self.assertNotIn("histogram", record)

    def test_open_row(self) -> None:
        """The end of the last row of a long tail is null."""
        tracker = tracker_of(*[1 + n / 1000 for n in range(100)], 1000)
        record = summary_record(result_of(tracker.statistics), Verdict(Level.OK), True)
        json.dumps(record, allow_nan=False)
        self.assertIsNone(record["histogram"][-1]["to_ms"])
