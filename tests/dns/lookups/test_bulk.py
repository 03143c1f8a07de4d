"""Bulk runs: the window, servers that fail, the pace, the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns.lookups import checkpoint as checkpoints
from netsvc.dns.lookups.bulk import ANSWERED, BROKEN, FAILED, SKIPPED, BulkRun
from netsvc.dns.lookups.checkpoint import Checkpoint, CheckpointError
from netsvc.dns.lookups.progress import summary
from netsvc.dns.lookups.request import Bulk
from netsvc.dns.names import from_text
from netsvc.dns.options import PLAIN
from netsvc.dns.rrtypes import MX, PTR, A
from netsvc.dns.servers import Server
from tests.dns.lookups.kit import OTHER, SERVER, FakeAsks, timeout


class BulkTests(SynchronousTestCase):
    """Lines in, records out."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.asks = FakeAsks()
        self.written: list[dict[str, Any]] = []
        self.mores = 0
        self.unwell: set[Server] = set()
        self.is_full = False

    def begin(
        self,
        text: bytes = b"",
        servers: Sequence[Server] = (SERVER,),
        checkpoint: Checkpoint | None = None,
        **bulk: Any,
    ) -> BulkRun:
        """Begin a run, and feed it."""
        run = BulkRun(
            self.clock,
            Bulk("-", **bulk),
            self.asks,
            servers,
            PLAIN,
            self.written.append,
            checkpoint or Checkpoint(),
            lambda server: server not in self.unwell,
            lambda: self.is_full,
        )
        if text:
            self.feed(run, text)
        return run

    def feed(self, run: BulkRun, text: bytes) -> None:
        def more() -> None:
            self.mores += 1

        run.feed(text, more)

    def test_window(self) -> None:
        """So many lookups are under way, and more when one has ended."""
        run = self.begin(b"a\nb\nc\n", window=2)
        run.end()
        self.assertEqual(len(self.asks.asked), 2)
        self.asks.answer(1, "192.0.2.1")
        self.assertEqual(len(self.asks.asked), 3)
        self.asks.fail(0, timeout())
        self.asks.answer(2, "192.0.2.1")
        self.successResultOf(run.done)
        # As they have come, not as they were read.
        self.assertEqual([each["line"] for each in self.written], [2, 1, 3])
        self.assertEqual(run.counts, {ANSWERED: 2, FAILED: 1})
        self.assertEqual(run.size, 6)

    def test_more(self) -> None:
        """More input is asked for once what there was has been begun."""
        run = self.begin(b"a\nb\n", window=1)
        self.assertEqual(self.mores, 0)
        self.asks.answer(0)
        self.assertEqual(self.mores, 0)
        self.asks.answer(1)
        self.assertEqual(self.mores, 1)
        self.feed(run, b"c\n")
        self.feed(run, b"d\n")
        self.assertEqual(self.mores, 2)
        run.stop()

    def test_broken_lines(self) -> None:
        """A broken line is written as one, and the run goes on."""
        run = self.begin(b"a..b\nx y z\n\xff\n\x1b[2J..\n# no\n\n8.8.8.8\nm MX\nlast")
        run.end()
        self.assertEqual([each["line"] for each in self.written], [1, 2, 3, 4])
        kinds = {each["error"]["kind"] for each in self.written}
        self.assertEqual(kinds, {"BROKEN"})
        self.assertEqual(
            [(name, rtype) for name, rtype, _ in self.asks.asked],
            [
                (from_text("8.8.8.8.in-addr.arpa"), PTR),
                (from_text("m"), MX),
                (from_text("last"), A),
            ],
        )
        for index in range(3):
            self.asks.answer(index)
        self.successResultOf(run.done)
        self.assertEqual(run.counts[BROKEN], 4)

    def test_transfers(self) -> None:
        """A line that asks for a zone is broken: it has no single answer."""
        run = self.begin(b"a.test AXFR\na.test IXFR")
        run.end()
        kinds = [each["error"]["kind"] for each in self.written]
        self.assertEqual(kinds, ["BROKEN", "BROKEN"])
        self.assertEqual(self.asks.asked, [])
        self.successResultOf(run.done)

    def test_default_type(self) -> None:
        """A line without a type has that of the run."""
        run = self.begin(b"a\nb A\n", rtype=MX)
        self.assertEqual([rtype for _, rtype, _ in self.asks.asked], [MX, A])
        run.stop()
        run = self.begin(b"a\n", reverse=True)
        self.assertIn("no address", self.written[0]["error"]["text"])
        run.stop()

    def test_rate(self) -> None:
        """With a rate each server gets its lookups evenly, each alone."""
        run = self.begin(b"a\nb\nc\n", (SERVER, OTHER), rate=2.0)
        run.end()
        asked = [options.servers for _, _, options in self.asks.asked]
        self.assertEqual(asked, [(SERVER,), (OTHER,)])
        self.clock.advance(0.5)
        self.assertEqual(len(self.asks.asked), 3)
        for index in range(3):
            self.asks.answer(index)
        self.successResultOf(run.done)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_rate_and_failure(self) -> None:
        """What one server does not answer another one is asked, then it has failed."""
        run = self.begin(b"a\n", (SERVER, OTHER), rate=1.0)
        run.end()
        self.asks.fail(0, timeout())
        self.assertEqual(self.asks.asked[1][2].servers, (OTHER,))
        self.asks.fail(1, timeout(OTHER))
        self.successResultOf(run.done)
        self.assertEqual(run.counts, {FAILED: 1})

    def test_rate_and_unwell(self) -> None:
        """A server that is not well is asked only if no other is left."""
        self.unwell = {SERVER}
        run = self.begin(b"a\nb\n", (SERVER, OTHER), rate=1.0)
        self.assertEqual(
            [options.servers for _, _, options in self.asks.asked], [(OTHER,)]
        )
        self.asks.fail(0, timeout(OTHER))
        self.clock.advance(1.0)
        asked = [options.servers for _, _, options in self.asks.asked]
        self.assertEqual(asked, [(OTHER,), (OTHER,), (SERVER,)])
        run.stop()

    def test_stop(self) -> None:
        """What is under way when it is stopped is given up, and not done."""
        path = Path(self.mktemp())
        run = self.begin(b"a\nb\nc\n", checkpoint=Checkpoint(path), rate=1.0)
        self.asks.answer(0)
        self.clock.advance(1.0)
        run.stop()
        run.stop()
        self.successResultOf(run.done)
        self.asks.answer(1)
        self.assertEqual(len(self.written), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.feed(run, b"d\n")
        self.assertEqual(len(self.asks.asked), 2)

    def test_resume(self) -> None:
        """Lines that are done are passed over."""
        path = Path(self.mktemp())
        first = Checkpoint(path)
        run = self.begin(b"a\nb\n", checkpoint=first)
        self.asks.answer(1)
        run.stop()
        first.save(first.snapshot())
        again = self.begin(b"a\nb\nc\n", checkpoint=Checkpoint(path))
        names = [name for name, _, _ in self.asks.asked[2:]]
        self.assertEqual(names, [from_text("a"), from_text("c")])
        self.assertEqual(again.counts[SKIPPED], 1)
        again.stop()

    def test_resume_elsewhere(self) -> None:
        """What was done of other input ends the run with an error."""
        path = Path(self.mktemp())
        first = Checkpoint(path)
        run = self.begin(b"a\n", checkpoint=first)
        self.asks.answer(0)
        run.stop()
        first.save(first.snapshot())
        other = self.begin(b"b\n", checkpoint=Checkpoint(path))
        self.failureResultOf(other.done, CheckpointError)
        shorter = self.begin(checkpoint=Checkpoint(path))
        shorter.end()
        self.failureResultOf(shorter.done, CheckpointError)

    def test_nobody_reads(self) -> None:
        """While what is written is not read, nothing more is begun."""
        self.is_full = True
        run = self.begin(b"a\nb\n")
        self.assertEqual(self.asks.asked, [])
        self.is_full = False
        run.resume()
        self.assertEqual(len(self.asks.asked), 2)
        run.stop()

    def test_far_ahead(self) -> None:
        """Lookups do not go on for ever while the first one is not done."""
        self.patch(checkpoints, "MAX_AHEAD", 3)
        run = self.begin(b"a\nb\nc\nd\ne\n", window=10)
        self.assertEqual(len(self.asks.asked), 3)
        self.asks.answer(1)
        self.assertEqual(len(self.asks.asked), 3)
        self.asks.answer(0)
        self.assertEqual(len(self.asks.asked), 5)
        run.stop()

    def test_summary(self) -> None:
        """The summary says how many, how long and how fast."""
        run = self.begin(b"a\nb\n..\n")
        self.asks.answer(0)
        run.counts[SKIPPED] = 4
        text = summary(run.counts, 0.5)
        expected = "1 answered, 0 failed, 1 broken, 4 skipped in 0.5 s, 2/s"
        self.assertEqual(text, expected)
        self.assertEqual(
            summary(type(run.counts)(), 0.0), "0 answered, 0 failed in 0.0 s"
        )
        run.stop()
