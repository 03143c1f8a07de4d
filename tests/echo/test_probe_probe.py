"""The probe against a link that is not there and a clock that obeys."""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.interfaces import IReactorTime
from twisted.trial.unittest import SynchronousTestCase

from netsvc.echo.probe.events import (
    Connected,
    Disconnected,
    Event,
    PacketEvent,
    Status,
    Unexpected,
)
from netsvc.echo.probe.probe import MAX_SENDS_PER_WAKEUP, Probe
from netsvc.echo.probe.rejection import Rejection
from netsvc.echo.probe.target import ProbeSettings
from netsvc.echo.probe.wire import Codec
from tests.echo.probe_fakes import MILLISECOND, SECOND, FakeLink, ProbeClock

SETTINGS = ProbeSettings("localhost", interval=100 * MILLISECOND, timeout=SECOND)


class Bench:
    """A probe with its clock, its link and what it reports."""

    def __init__(
        self,
        settings: ProbeSettings = SETTINGS,
        try_another: bool = False,
        **changes: Any,
    ) -> None:
        settings = replace(settings, **changes)
        self.clock = ProbeClock()
        self.link = FakeLink()
        self.events: list[Event] = []
        codec = Codec(1, settings.sizes)
        clock: IReactorTime = self.clock
        self.probe = Probe(
            settings, codec, clock, self.clock.now, self.events.append, try_another
        )
        self.ended = False
        self.probe.done.addCallback(self._end)

    def _end(self, _: None) -> None:
        self.ended = True

    def start(self) -> Bench:
        self.probe.start(self.link)
        return self

    def answer(self, sequence: int, change: bytes | None = None) -> None:
        payload = dict(self.link.sent)[sequence]
        if change is not None:
            payload = payload[: -len(change)] + change
        self.probe.datagram(payload)

    def statuses(self) -> list[tuple[int, Status]]:
        return [
            (event.sequence, event.status)
            for event in self.events
            if isinstance(event, PacketEvent)
        ]


class SendingTests(SynchronousTestCase):
    """Packets leave on schedule, whatever becomes of them."""

    def test_isochronous(self) -> None:
        """Losing every packet changes no time of sending."""
        bench = Bench(count=20).start()
        times = []
        while len(bench.link.sent) < 20:
            sent = len(bench.link.sent)
            bench.clock.elapse(MILLISECOND)
            if len(bench.link.sent) > sent:
                times.append(bench.clock.now())
        self.assertEqual(times, [100 * MILLISECOND * n for n in range(1, 20)])
        bench.clock.elapse(SECOND)
        self.assertTrue(bench.ended)
        self.assertEqual(bench.statuses(), [(n, Status.TIMEOUT) for n in range(1, 21)])

    def test_several_per_wakeup(self) -> None:
        """A reactor that wakes up late sends all that is due, in bounded turns."""
        bench = Bench(interval=MILLISECOND, count=1000).start()
        bench.clock.advance(0.2)
        self.assertEqual(len(bench.link.sent), 1 + MAX_SENDS_PER_WAKEUP)
        for _ in range(6):
            bench.clock.advance(0)
        self.assertEqual(len(bench.link.sent), 201)
        result = bench.probe.result
        self.assertEqual(result.schedule.timer_error.maximum, 199 * MILLISECOND)
        # A packet that was sent late does not seem to have taken longer.
        bench.answer(201)
        self.assertEqual(result.statistics.rtt.maximum, 0)

    def test_fast(self) -> None:
        """At 100 us no packet is missed, and each is answered for itself."""
        bench = Bench(interval=100_000, count=5_000).start()
        answered = 0
        while not bench.ended:
            bench.clock.advance(0.001)
            for sequence, payload in bench.link.sent[answered:]:
                answered = sequence
                bench.probe.datagram(payload)
        statistics = bench.probe.result.statistics
        self.assertEqual((statistics.sent, statistics.received), (5_000, 5_000))
        self.assertEqual(statistics.jitter.ipdv.count, 4_999)

    def test_duration(self) -> None:
        """Sending ends with the duration, and waiting with the last timeout."""
        bench = Bench(duration=250 * MILLISECOND).start()
        bench.clock.elapse(SECOND)
        self.assertEqual(len(bench.link.sent), 3)
        self.assertFalse(bench.ended)
        bench.clock.elapse(200 * MILLISECOND)
        self.assertTrue(bench.ended)
        self.assertEqual(bench.probe.result.elapsed, 1200 * MILLISECOND)

    def test_sweep(self) -> None:
        """The sizes of a sweep take turns."""
        bench = Bench(sizes=(0, 5, 64), count=6).start()
        bench.clock.elapse(SECOND)
        sizes = [len(payload) for _, payload in bench.link.sent]
        self.assertEqual(sizes, [0, 5, 64, 0, 5, 64])
        self.assertEqual(bench.probe.result.statistics.by_size[5].sent, 2)

    def test_failing(self) -> None:
        """A packet that cannot be sent is lost at once, with the reason."""
        for number, status in (
            (errno.ENETUNREACH, Status.UNREACHABLE),
            (errno.EPERM, Status.UNREACHABLE),
            (errno.ENOBUFS, Status.ERROR),
        ):
            bench = Bench(count=1)
            bench.link.error = OSError(number, "why")
            bench.start()
            self.assertTrue(bench.ended)
            (event,) = bench.events
            self.assertEqual(event, PacketEvent(status, 1, 64, 0, detail="why"))

    def test_failing_without_words(self) -> None:
        """An error without text is named by its number, or as an I/O error."""
        for error in (OSError(errno.EIO, None), OSError()):
            bench = Bench(count=1)
            bench.link.error = error
            bench.start()
            (event,) = bench.events
            assert isinstance(event, PacketEvent)
            self.assertEqual(event.detail, "input/output error")

    def test_skipped(self) -> None:
        """After a long pause missed sendings are counted, not made up for."""
        bench = Bench().start()
        bench.clock.advance(10)
        self.assertEqual(len(bench.link.sent), 2)
        self.assertEqual(bench.probe.result.schedule.skipped, 99)


class AnswerTests(SynchronousTestCase):
    """Answers are matched to packets and measured."""

    def test_all_answered(self) -> None:
        """With the last answer the run is over; nobody waits for a timeout."""
        bench = Bench(count=2).start()
        bench.clock.advance(0.005)
        bench.answer(1)
        self.assertFalse(bench.ended)
        bench.clock.advance(0.095)
        bench.answer(2)
        self.assertTrue(bench.ended)
        self.assertEqual(bench.clock.getDelayedCalls(), [])
        statistics = bench.probe.result.statistics
        self.assertEqual(statistics.rtt.maximum, 5 * MILLISECOND)
        self.assertEqual(bench.statuses(), [(1, Status.OK), (2, Status.OK)])

    def test_kinds(self) -> None:
        """Corrupt, duplicate, reordered and late answers are each known."""
        bench = Bench().start()
        bench.clock.elapse(300 * MILLISECOND)
        bench.answer(2)
        bench.answer(1)
        bench.answer(1)
        bench.answer(3, change=b"??")
        bench.clock.elapse(1100 * MILLISECOND)
        bench.answer(4)
        self.assertEqual(
            bench.statuses(),
            [
                (2, Status.OK),
                (1, Status.OK),
                (1, Status.DUPLICATE),
                (3, Status.CORRUPT),
                (4, Status.TIMEOUT),
                (5, Status.TIMEOUT),
                (4, Status.LATE),
            ],
        )
        statistics = bench.probe.result.statistics
        self.assertEqual((statistics.reordered, statistics.corrupt), (1, 1))

    def test_wrong_length(self) -> None:
        """An answer that is longer or shorter than the packet is corrupt."""
        bench = Bench(count=3).start()
        bench.clock.elapse(SECOND)
        for change in (slice(0, 40), slice(0, 63)):
            bench.probe.datagram(bench.link.sent[0][1][change])
        bench.probe.datagram(bench.link.sent[1][1] + b"x")
        kinds = [status for _, status in bench.statuses()]
        expected = [Status.CORRUPT, Status.DUPLICATE, Status.CORRUPT]
        self.assertEqual(kinds[-3:], expected)

    def test_strangers(self) -> None:
        """What is no answer is counted, and what was one before it was damaged too."""
        bench = Bench().start()
        bench.probe.datagram(b"hello")
        bench.probe.datagram(bench.link.sent[0][1][:20])
        self.assertEqual(bench.events, [Unexpected(5, False), Unexpected(20, True)])
        statistics = bench.probe.result.statistics
        self.assertEqual((statistics.unexpected, statistics.damaged), (1, 1))

    def test_stream(self) -> None:
        """Answers of a stream come with their number; other bytes are counted."""
        bench = Bench(count=2).start()
        sequence, payload = bench.link.sent[0]
        bench.probe.message(sequence, payload)
        bench.probe.unexpected(7)
        self.assertEqual(bench.statuses(), [(1, Status.OK)])
        self.assertEqual(bench.events[-1], Unexpected(7, False))
        self.assertEqual(bench.probe.result.statistics.unexpected, 7)

    def test_stale(self) -> None:
        """An answer to a packet that is no longer remembered is no error."""
        bench = Bench().start()
        bench.probe.message(99, b"")
        self.assertEqual(bench.statuses(), [(99, Status.STALE)])

    @given(st.lists(st.binary(max_size=80), max_size=30))
    def test_any_bytes(self, datagrams: list[bytes]) -> None:
        """Whatever comes, nothing is raised and no packet is invented."""
        bench = Bench(sizes=(0, 3, 64)).start()
        bench.clock.elapse(SECOND, 100 * MILLISECOND)
        for datagram in datagrams:
            bench.probe.datagram(datagram)
        statistics = bench.probe.result.statistics
        self.assertLessEqual(statistics.received, statistics.sent)


class RejectionTests(SynchronousTestCase):
    """Reports of packets that were not delivered."""

    def test_quoted(self) -> None:
        """A report that quotes the packet is about that packet."""
        bench = Bench(count=3).start()
        bench.clock.elapse(200 * MILLISECOND)
        quoted = bench.link.sent[1][1]
        bench.probe.rejected(Rejection(errno.ECONNREFUSED, quoted, "192.0.2.1"))
        self.assertEqual(bench.statuses(), [(2, Status.REFUSED)])

    def test_unquoted(self) -> None:
        """A report without the packet is taken to be about the newest."""
        bench = Bench(count=1).start()
        bench.probe.rejected(Rejection(errno.EHOSTUNREACH, b""))
        self.assertEqual(bench.statuses(), [(1, Status.UNREACHABLE)])
        self.assertTrue(bench.ended)

    def test_repeated(self) -> None:
        """A second report about a packet changes nothing."""
        bench = Bench().start()
        for _ in range(2):
            bench.probe.rejected(Rejection(errno.ECONNREFUSED, b""))
        self.assertEqual(bench.probe.result.statistics.refused, 1)
        self.assertEqual(len(bench.events), 1)

    def test_try_another(self) -> None:
        """A refusal before any answer ends the run, if there is another address."""
        bench = Bench(try_another=True).start()
        bench.probe.rejected(Rejection(errno.ECONNREFUSED, b""))
        self.assertTrue(bench.ended)
        self.assertTrue(bench.probe.refused_at_once)

    def test_not_after_an_answer(self) -> None:
        """A refusal after an answer, or of another kind, does not."""
        bench = Bench(try_another=True).start()
        bench.probe.rejected(Rejection(errno.EHOSTUNREACH, b""))
        bench.clock.elapse(100 * MILLISECOND)
        bench.answer(2)
        bench.probe.rejected(Rejection(errno.ECONNREFUSED, b""))
        self.assertFalse(bench.ended)


class ConnectionTests(SynchronousTestCase):
    """Connections that come and go."""

    def test_connected(self) -> None:
        """Connect and handshake times are kept apart."""
        bench = Bench()
        bench.probe.connected(Connected(5))
        bench.probe.connected(Connected(7, 100, "TLSv1.3"))
        statistics = bench.probe.result.statistics
        self.assertEqual(statistics.connect_time.mean, 6)
        self.assertEqual(statistics.handshake_time.count, 1)
        self.assertEqual(len(bench.events), 2)

    def test_disconnected(self) -> None:
        """What was under way is lost with its connection; the schedule goes on."""
        bench = Bench(count=3).start()
        bench.clock.elapse(100 * MILLISECOND)
        bench.probe.disconnected("closed")
        self.assertEqual(bench.events[0], Disconnected("closed"))
        self.assertEqual(bench.statuses(), [(1, Status.ERROR), (2, Status.ERROR)])
        self.assertFalse(bench.ended)
        bench.clock.elapse(100 * MILLISECOND)
        bench.probe.disconnected("closed")
        self.assertTrue(bench.ended)


class StopTests(SynchronousTestCase):
    """The run ends when it is told to."""

    def test_stop(self) -> None:
        """Stopping leaves packets in flight, and no timer; twice is once."""
        bench = Bench().start()
        bench.clock.elapse(150 * MILLISECOND)
        bench.probe.stop()
        bench.probe.stop()
        self.assertTrue(bench.ended)
        self.assertEqual(bench.clock.getDelayedCalls(), [])
        statistics = bench.probe.result.statistics
        self.assertEqual((statistics.in_flight, statistics.lost), (2, 0))
        bench.clock.advance(1)
        self.assertEqual(bench.probe.result.elapsed, 150 * MILLISECOND)

    def test_stop_before_start(self) -> None:
        """A run that never began has taken no time."""
        bench = Bench()
        self.assertEqual(bench.probe.result.elapsed, 0)
        bench.probe.stop()
        self.assertEqual(bench.probe.result.elapsed, 0)

    def test_stopped_by_an_observer(self) -> None:
        """Who watches may end the run at any event, also while packets are sent."""
        bench = Bench(interval=MILLISECOND)
        bench.link.error = OSError(errno.EPERM, "no")
        bench.probe._observe = lambda event: bench.probe.stop()
        bench.start()
        self.assertTrue(bench.ended)
        self.assertEqual(bench.probe.result.statistics.sent, 1)
        self.assertEqual(bench.clock.getDelayedCalls(), [])

    def test_deaf_afterwards(self) -> None:
        """What comes after the end is no longer counted."""
        bench = Bench().start()
        bench.probe.stop()
        bench.answer(1)
        bench.probe.message(1, bench.link.sent[0][1])
        bench.probe.rejected(Rejection(errno.ECONNREFUSED, b""))
        bench.probe.disconnected("closed")
        self.assertEqual(bench.events, [])
