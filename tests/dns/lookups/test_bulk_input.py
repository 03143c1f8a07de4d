"""Bulk input: lines, the pace, and how far a run has come."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns.lookups.checkpoint import MAX_AHEAD, Checkpoint, CheckpointError
from netsvc.dns.lookups.lines import (
    MAX_LINE,
    BrokenLineError,
    Job,
    Splitter,
    line_words,
    shown,
)
from netsvc.dns.lookups.pace import Pace
from tests.dns.lookups.kit import OTHER, SERVER


class LineTests(SynchronousTestCase):
    """Lines of the input."""

    def test_words(self) -> None:
        """A line is a name, perhaps with a type; comments and blanks mean nothing."""
        for line, expected in (
            (b"www.example", ("www.example", "")),
            (b"  www.example\tMX \r", ("www.example", "MX")),
            ("한국어.kr # why".encode(), ("한국어.kr", "")),
            (b"\xef\xbb\xbfwww.example", ("www.example", "")),
            (b"", None),
            (b"# all of it", None),
        ):
            self.assertEqual(line_words(line), expected)

    def test_broken(self) -> None:
        """Too many words, too many bytes, or no UTF-8 make a line broken."""
        for line in (b"a b c", b"\xff", b"a" * (MAX_LINE + 1)):
            with self.assertRaises(BrokenLineError):
                line_words(line)
        self.assertEqual(shown(b"a\xff"), "a\ufffd")

    def test_long_line(self) -> None:
        """Of a line without end only so much is kept that it is seen to be long."""
        splitter = Splitter()
        for _ in range(10):
            self.assertEqual(splitter.feed(b"x" * MAX_LINE), [])
        first, second = splitter.feed(b"\nshort\n")
        self.assertEqual(first, Job(1, b"x" * (MAX_LINE + 1)))
        self.assertEqual(second, Job(2, b"short"))

    @given(st.lists(st.binary(max_size=20)))
    def test_pieces(self, pieces: list[bytes]) -> None:
        """Lines do not depend on how the input is cut."""
        splitter = Splitter()
        jobs = [job for piece in pieces for job in splitter.feed(piece)]
        jobs += splitter.end()
        whole = b"".join(pieces)
        lines = whole.split(b"\n")
        expected = lines if lines[-1] else lines[:-1]
        self.assertEqual(jobs, [Job(n, line) for n, line in enumerate(expected, 1)])

    @given(st.binary(max_size=60))
    def test_any_line(self, line: bytes) -> None:
        """Any line is read or broken."""
        try:
            line_words(line)
        except BrokenLineError:
            shown(line)


class PaceTests(SynchronousTestCase):
    """How often each server is asked."""

    def test_rate(self) -> None:
        """Each server gets so many lookups a second, in turn."""
        pace = Pace([SERVER, OTHER], 2.0)
        both = [SERVER, OTHER]
        self.assertEqual({pace.take(0.0, both), pace.take(0.0, both)}, set(both))
        self.assertIsNone(pace.take(0.0, both))
        self.assertEqual(pace.wait(0.0, both), 0.5)
        self.assertIsNotNone(pace.take(0.5, both))

    def test_burst(self) -> None:
        """After a pause a tenth of a second's lookups may be made up for, no more."""
        pace = Pace([SERVER], 100.0)
        for now in (0.0, 60.0):
            taken = 0
            while pace.take(now, [SERVER]):
                taken += 1
            self.assertLessEqual(taken, 11)
            self.assertGreaterEqual(taken, 10)

    @given(st.lists(st.floats(0, 0.1), min_size=5, max_size=200))
    def test_never_too_often(self, pauses: list[float]) -> None:
        """Whenever it is asked, no more lookups begin than the rate and one burst."""
        pace = Pace([SERVER], 50.0)
        now = taken = 0.0
        for pause in pauses:
            now += pause
            while pace.take(now, [SERVER]):
                taken += 1
        self.assertLessEqual(taken, now * 50 + 6.001)

    def test_some_servers(self) -> None:
        """Only those that come into question are chosen and waited for."""
        pace = Pace([SERVER, OTHER], 1.0)
        self.assertEqual(pace.take(0.0, [OTHER]), OTHER)
        self.assertIsNone(pace.take(0.0, [OTHER]))
        self.assertEqual(pace.wait(0.25, [OTHER]), 0.75)
        self.assertEqual(pace.wait(0.0, [SERVER]), 0.0)


class CheckpointTests(SynchronousTestCase):
    """How far a run has come."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())

    def jobs(self, *names: str) -> list[Job]:
        return [Job(n, name.encode()) for n, name in enumerate(names, 1)]

    def test_goes_on(self) -> None:
        """What is done is not done again, in whatever order it was done."""
        jobs = self.jobs("a", "b", "c", "d")
        first = Checkpoint(self.path)
        self.assertTrue(all(first.begin(job) for job in jobs[:3]))
        for number in (1, 3):
            first.end(number)
        first.save(first.snapshot())
        second = Checkpoint(self.path)
        self.assertEqual(
            [second.begin(job) for job in jobs], [False, True, False, True]
        )
        second.end(2)
        second.save(second.snapshot())
        self.assertEqual(json.loads(self.path.read_bytes())["done"], 3)

    def test_not_saved_too_early(self) -> None:
        """While lines of the run before are passed over the file stays as it was."""
        jobs = self.jobs("a", "b")
        first = Checkpoint(self.path)
        for job in jobs:
            first.begin(job)
            first.end(job.number)
        first.save(first.snapshot())
        before = self.path.read_bytes()
        second = Checkpoint(self.path)
        second.begin(jobs[0])
        second.save(second.snapshot())
        self.assertEqual(self.path.read_bytes(), before)

    def test_other_input(self) -> None:
        """A file that belongs to other input, or to more of it, is refused."""
        first = Checkpoint(self.path)
        for job in self.jobs("a", "b"):
            first.begin(job)
            first.end(job.number)
        first.save(first.snapshot())
        second = Checkpoint(self.path)
        second.begin(Job(1, b"a"))
        with self.assertRaises(CheckpointError):
            second.check_input_ended(1)
        with self.assertRaises(CheckpointError):
            second.begin(Job(2, b"other"))

    def test_unusable(self) -> None:
        """A file that is none of ours, or cannot be read or written, is refused."""
        for text in ("", "[]", "{}", '{"format": 2}', "[" * 100_000):
            self.path.write_text(text)
            with self.assertRaises(CheckpointError):
                Checkpoint(self.path)
        folder = Path(self.mktemp())
        folder.mkdir()
        with self.assertRaises(CheckpointError):
            Checkpoint(folder)
        away = Checkpoint(folder / "none" / "file")
        with self.assertRaises(CheckpointError):
            away.save(away.snapshot())
        with self.assertRaises(CheckpointError):
            away.check_writable()
        Checkpoint(folder / "file").check_writable()
        Checkpoint().check_writable()

    def test_nowhere(self) -> None:
        """Without a file nothing is kept, and everything is to be done."""
        nowhere = Checkpoint()
        self.assertTrue(nowhere.begin(Job(1, b"a")))
        nowhere.end(1)
        nowhere.save(nowhere.snapshot())
        self.assertEqual(nowhere.done, 1)
        self.assertFalse(nowhere.is_full(1 + MAX_AHEAD))
        self.assertTrue(nowhere.is_full(2 + MAX_AHEAD))
