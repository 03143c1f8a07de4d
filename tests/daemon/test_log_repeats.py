"""Tests of L{netsvc.daemon.log_repeats}: lines that repeat."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import LogLevel, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon import log_repeats
from netsvc.daemon.limits import Rate
from netsvc.daemon.log_repeats import REPORT_AFTER, Repeats


class RepeatsTests(SynchronousTestCase):
    """Tests of L{Repeats}: 1 line a second of each kind, 3 at once."""

    def setUp(self) -> None:
        """Begin with nothing seen."""
        self.now = 100.0
        self.rate: Rate | None = Rate(1, 3)
        self.repeats = Repeats(lambda: self.rate, lambda: self.now)

    def pass_on(self, **event: Any) -> list[str]:
        """Log an event, and give the messages of what is to be written."""
        event = {"log_namespace": "netsvc.test", "log_format": "it", **event}
        return [formatEvent(each) for each in self.repeats(event)]

    def test_burst(self) -> None:
        """A kind may come some times at once, and then at a pace."""
        wrote = [self.pass_on(event="x") for _ in range(5)]
        self.assertEqual(wrote, [["it"], ["it"], ["it"], [], []])
        self.assertEqual(self.repeats.suppressed, 2)
        self.now += 1
        self.assertEqual(self.pass_on(event="x"), ["it"])
        self.assertEqual(self.pass_on(event="x"), [])

    def test_report(self) -> None:
        """What was left out is reported with the next line of any kind."""
        for _ in range(5):
            self.pass_on(event="x")
        self.assertEqual(self.pass_on(event="y"), ["it"])
        self.now += REPORT_AFTER
        self.assertEqual(
            self.pass_on(event="y"), ["2 more such lines suppressed: x", "it"]
        )
        self.assertEqual(self.pass_on(event="y"), ["it"])

    def test_report_event(self) -> None:
        """The report is an event of its own, about the place that was too loud."""
        for _ in range(5):
            self.pass_on(event="x")
        self.assertEqual(self.repeats.report(), [])
        (event,) = self.repeats.report(all=True)
        self.assertEqual(
            (event["event"], event["of"], event["count"], event["log_level"]),
            ("suppressed", "x", 2, LogLevel.warn),
        )
        self.assertEqual(event["log_namespace"], "netsvc.test")
        self.assertEqual(self.repeats.report(all=True), [])

    def test_reports_in_order(self) -> None:
        """Reports come when each is due, and not before."""
        for _ in range(4):
            self.pass_on(event="x")
        self.now += REPORT_AFTER / 2
        for _ in range(5):
            self.pass_on(event="y")
        self.now += REPORT_AFTER / 2
        self.assertEqual([each["of"] for each in self.repeats.report()], ["x"])
        self.now += REPORT_AFTER / 2
        self.assertEqual([each["of"] for each in self.repeats.report()], ["y"])

    def test_told_apart(self) -> None:
        """The list of events says what tells kinds apart, such as the backend."""
        for backend in ("a", "b"):
            for _ in range(3):
                self.assertEqual(
                    self.pass_on(event="backend-up", backend=backend), ["it"]
                )
            self.assertEqual(self.pass_on(event="backend-up", backend=backend), [])

    def test_operators(self) -> None:
        """What operators did is never left out."""
        for _ in range(100):
            self.assertEqual(self.pass_on(event="operator"), ["it"])

    def test_off(self) -> None:
        """Without a rate all lines pass."""
        self.rate = None
        for _ in range(10):
            self.assertEqual(self.pass_on(event="x"), ["it"])

    def test_without_name(self) -> None:
        """An event without a name is told apart by its text, else its namespace."""
        for _ in range(3):
            self.pass_on()
        self.assertEqual(self.pass_on(), [])
        self.assertEqual(self.pass_on(log_format="other"), ["other"])
        for _ in range(3):
            self.pass_on(log_format=None)
        self.repeats({"event": 5})
        self.assertEqual([each["of"] for each in self.repeats.report(all=True)], ["it"])

    def test_bounded(self) -> None:
        """Only so many kinds are told apart; what is forgotten is reported first."""
        self.patch(log_repeats, "MAX_KINDS", 2)
        for _ in range(5):
            self.pass_on(event="x")
        self.pass_on(event="y")
        self.assertEqual(
            self.pass_on(event="z"), ["2 more such lines suppressed: x", "it"]
        )
        self.pass_on(event="w")
        self.assertEqual(len(self.repeats._kinds), 2)
        self.assertEqual(self.repeats.report(all=True), [])

    @given(st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0, 5))))
    def test_nothing_is_lost(self, lines: list[tuple[str, float]]) -> None:
        """Each line is written or counted in a report, whatever comes when."""
        self.repeats = Repeats(lambda: self.rate, lambda: self.now)
        wrote = reported = 0
        for name, wait in lines:
            self.now += wait
            for event in self.repeats({"event": name, "log_format": "it"}):
                wrote += event["event"] != "suppressed"
                reported += event.get("count", 0)
        reported += sum(each["count"] for each in self.repeats.report(all=True))
        self.assertEqual(wrote + reported, len(lines))
        self.assertEqual(reported, self.repeats.suppressed)
