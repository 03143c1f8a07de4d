"""The client without a terminal."""

from __future__ import annotations

from datetime import datetime
from unittest import mock

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.client import pipe
from netsvc.chat.client.entry import Wishes
from netsvc.chat.client.pipe import PACE, Pipe
from tests.chat.client.fakes import FakeSource, Stay


class PipeTests(SynchronousTestCase):
    """Lines through a pipe into a room."""

    def setUp(self) -> None:
        """Prepare to speak in a room."""
        self.out: list[str] = []
        self.err: list[str] = []
        self.ends = 0
        self.now: datetime | None = None
        self.prepare()

    def prepare(self, encoding: str = "utf-8", commands: bool = True) -> None:
        clock = Clock()
        self.pipe = Pipe(
            clock,
            self.out.append,
            self.err.append,
            self.finish,
            lambda: self.now,
            encoding,
            commands,
        )
        self.stay = Stay(self.pipe, Wishes(rooms=("#x",)), reconnect=False, clock=clock)
        self.source = FakeSource()
        self.pipe.begin(self.stay.session, self.source)

    def finish(self) -> None:
        self.ends += 1

    def enter(self) -> None:
        self.stay.enter()
        self.stay.hear("* guest1 has joined #x")
        self.assertEqual(self.stay.link.take(), ["/join #x"])

    def test_all_well(self) -> None:
        """Lines are sent once the room is entered, and the end is /quit."""
        self.stay.enter()
        self.assertFalse(self.source.is_reading)
        self.stay.hear("* guest1 has joined #x")
        self.assertTrue(self.source.is_reading)
        self.pipe.feed(b"one\r\ntw")
        self.pipe.feed(b"o\n\n  \nthree")
        self.pipe.end()
        self.assertFalse(self.source.is_reading)
        self.assertEqual(
            self.stay.link.take(), ["/join #x", "one", "two", "three", "/quit"]
        )
        self.stay.hear("* goodbye")
        self.stay.hear("* goodbye")
        self.stay.session.closed("closed", True)
        self.assertEqual((self.pipe.failed, self.pipe.trouble), (False, ""))
        self.assertEqual(self.ends, 1)
        self.assertEqual(self.out[-1], "* goodbye")
        self.assertEqual(self.err, [])

    def test_split_character(self) -> None:
        """A character may arrive in parts, in any encoding of the input."""
        for encoding in ("utf-8", "cp949"):
            self.prepare(encoding)
            self.enter()
            for byte in "똠방\n각".encode(encoding):
                self.pipe.feed(bytes((byte,)))
            self.pipe.feed(b"\xff")
            self.pipe.end()
            self.assertEqual(self.stay.link.take(), ["똠방", "각\ufffd", "/quit"])

    def test_not_entered(self) -> None:
        """What is meant for a room that is closed is not said elsewhere."""
        self.stay.enter()
        self.stay.hear("! #x: you are banned from the room")
        self.assertEqual(self.stay.link.take(), ["/join #x", "/quit"])
        self.assertFalse(self.source.is_reading)
        self.stay.hear("* goodbye")
        self.stay.session.closed("closed", True)
        self.assertTrue(self.pipe.failed)
        self.assertEqual(self.err, ["#x: you are banned from the room"])

    def test_no_answer(self) -> None:
        """A server that does not answer the first steps is told of."""
        self.stay.session.start()
        self.stay.session.opened()
        self.stay.clock.pump([2, 10])
        self.assertEqual(self.err, ["no answer to /join #x"])
        self.assertTrue(self.pipe.failed)

    def test_refused(self) -> None:
        """A line that the server refuses is a failure; the others are sent."""
        self.enter()
        self.pipe.feed(b"one\n")
        self.stay.hear("! you are muted there")
        self.pipe.feed(b"two\n")
        self.pipe.end()
        self.stay.hear("* goodbye")
        self.stay.session.closed("closed", True)
        self.assertEqual(self.stay.link.take(), ["one", "two", "/quit"])
        self.assertEqual((self.pipe.failed, self.pipe.trouble), (True, ""))
        self.assertEqual(self.err, ["you are muted there"])

    def test_lost(self) -> None:
        """A connection that ends before /quit is trouble, even in good order."""
        self.enter()
        self.stay.session.closed("the server has closed the connection", True)
        self.assertTrue(self.pipe.failed)
        self.assertEqual(self.pipe.trouble, "the server has closed the connection")
        self.assertFalse(self.source.is_reading)
        self.assertEqual(self.ends, 1)

    def test_held(self) -> None:
        """The input is read as fast as the server reads."""
        self.stay.session.held(True)
        self.assertFalse(self.source.is_reading)
        self.enter()
        self.assertFalse(self.source.is_reading)
        self.stay.session.held(False)
        self.assertTrue(self.source.is_reading)
        self.stay.session.held(True)
        self.assertFalse(self.source.is_reading)
        self.pipe.end()
        self.stay.session.held(False)
        self.assertFalse(self.source.is_reading)

    def test_quit_in_input(self) -> None:
        """A /quit in the input is the end of it."""
        self.enter()
        self.pipe.feed(b"/quit bye\nmore\n")
        self.pipe.end()
        self.assertEqual(self.stay.link.take(), ["/quit bye"])

    def test_no_commands(self) -> None:
        """Where nothing is to be a command, a text may begin with a slash."""
        self.prepare(commands=False)
        self.enter()
        self.pipe.feed(b"/quit\n  /etc/passwd\n//x\nhi\n")
        self.assertEqual(
            self.stay.link.take(), ["//quit", "//etc/passwd", "///x", "hi"]
        )

    def test_long_line(self) -> None:
        """An input without line ends is no chat: it ends the run."""
        self.enter()
        with mock.patch.object(pipe, "MAX_LINE", 8):
            self.pipe.feed(b"12345678")
            self.assertFalse(self.pipe.failed)
            self.pipe.feed(b"9")
        self.assertTrue(self.pipe.failed)
        self.assertEqual(self.err, ["a line of the input is longer than 8 characters"])
        self.assertEqual(self.stay.link.take(), ["/quit"])

    def test_pace(self) -> None:
        """Many lines are sent no faster than the server takes for long."""
        self.enter()
        lines = [str(number) for number in range(PACE.burst + 20)]
        self.pipe.feed("\n".join(lines).encode())
        self.pipe.end()
        self.assertEqual(self.stay.link.sent, lines[: PACE.burst])
        self.assertFalse(self.source.is_reading)
        self.stay.clock.advance(0.1)
        self.assertEqual(self.stay.link.sent, lines[: PACE.burst + 4])
        self.stay.session.held(True)
        self.stay.session.held(False)
        self.stay.clock.pump([0.1] * 5)
        self.assertEqual(self.stay.link.sent, [*lines, "/quit"])

    def test_locked(self) -> None:
        """A server with a password is told of: the input is not meant for that."""
        self.stay.session.start()
        self.stay.session.opened()
        self.stay.hear("* this server has a password: type it, and nothing else")
        self.assertTrue(self.pipe.failed)
        self.assertIn("--password-file", self.err[0])
        self.assertFalse(self.source.is_reading)

    def test_time(self) -> None:
        """Lines have the time in front when that is wanted."""
        self.now = datetime(2026, 1, 2, 3, 4, 5)
        self.enter()
        self.stay.hear("<a> hi")
        self.assertEqual(self.out[-1], "03:04:05 <a> hi")
