"""Tests of L{netsvc.daemon.logs}."""

from __future__ import annotations

import fcntl
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import (
    ILogObserver,
    InvalidLogLevelError,
    Logger,
    LogLevel,
    globalLogPublisher,
)
from twisted.python import log as legacy_log
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from netsvc.daemon import log_lines, log_output, logs

WHEN = 1795215224.123  # 2026-11-20T22:53:44.123Z

# No control character but the line's end, no bidi control or mark, no separator.
CLEAN_LINE = re.compile(
    "[^\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+\n"
)

hostile = st.text(
    st.one_of(st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp"]), st.characters())
)


class Unprintable:
    """An object that cannot be shown."""

    def __repr__(self) -> str:
        """Fail."""
        raise RuntimeError("no")


class BrokenMapping(Mapping[str, int]):
    """A mapping that cannot be read."""

    def __getitem__(self, key: str) -> int:
        """Fail."""
        raise RuntimeError("no")

    def __iter__(self) -> Iterator[str]:
        """Fail."""
        raise RuntimeError("no")

    def __len__(self) -> int:
        """Claim to hold something."""
        return 1


def failure() -> Failure:
    """Give a failure with a traceback and a hostile message."""
    try:
        raise ValueError("first\nsecond\x1b[2J")
    except ValueError:
        return Failure()


class LogsTestCase(SynchronousTestCase):
    """What the tests of observers share."""

    factory: Callable[..., ILogObserver] = staticmethod(logs.text)

    def setUp(self) -> None:
        """Start without write errors."""
        self.patch(logs, "write_errors", 0)

    def written(
        self,
        emit: Callable[[Logger], object],
        level: str = "info",
    ) -> str:
        """Give what an observer writes of the events that are emitted."""
        stream = io.StringIO()
        observer = type(self).factory(stream, level)
        emit(Logger("netsvc.test", observer=observer))
        return stream.getvalue()

    def emitted(self, **event: Any) -> str:
        """Give what an observer writes of one event, at a known time."""
        stream = io.StringIO()
        type(self).factory(stream)(
            {
                "log_time": WHEN,
                "log_level": LogLevel.info,
                "log_namespace": "netsvc.echo",
                **event,
            }
        )
        return stream.getvalue()


class ObserverTests(LogsTestCase):
    """What both observers do."""

    def test_interface(self) -> None:
        """A factory needs no argument and gives a log observer."""
        for factory in (logs.text, logs.json):
            verifyObject(ILogObserver, factory())

    def test_level(self) -> None:
        """Events below the level are left out."""
        for level, count in (("debug", 5), ("info", 4), ("error", 2)):

            def emit(log: Logger) -> None:
                for name in ("debug", "info", "warn", "error", "critical"):
                    log.emit(LogLevel.levelWithName(name), "happened")

            self.assertEqual(self.written(emit, level).count("\n"), count)

    def test_unknown_level(self) -> None:
        """A level that does not exist is an error."""
        self.assertRaises(InvalidLogLevelError, logs.text, level="loud")

    def test_odd_event(self) -> None:
        """An event that is not as it should be costs a line, and no exception."""
        self.assertEqual(self.emitted(log_level="loud", log_format="x"), "")
        self.assertEqual(logs.write_errors, 1)
        self.assertIn("#info] x\n", self.emitted(log_level=None, log_format="x"))


class TextTests(LogsTestCase):
    """Tests of L{logs.text}."""

    def test_line(self) -> None:
        """A line has the time in UTC, namespace and level, and the message."""
        self.assertEqual(
            self.emitted(log_format="listening on {where}", where="tcp:7007"),
            "2026-11-20T22:53:44.123Z [netsvc.echo#info] listening on tcp:7007\n",
        )

    def test_time_missing(self) -> None:
        """An event without a usable time has that of its writing."""
        for when in (None, "x", float("nan"), 1e300):
            line = self.emitted(log_time=when, log_format="x")
            self.assertRegex(line, r"^20\d\d-\d\d-\d\dT[\d:]{8}\.\d{3}Z \[")

    @given(hostile, hostile)
    def test_one_line(self, text: str, namespace: str) -> None:
        """Whatever text an event carries, it is one line that shows nothing else."""
        line = self.emitted(
            log_namespace=namespace,
            log_format="got {text} {text!r} {missing}",
            text=text,
            log_failure=Failure(ValueError(text)),
        )
        self.assertRegex(line, f"^{CLEAN_LINE.pattern}$")
        line = self.emitted(log_format=text.replace("{", "(").replace("}", ")") + ".")
        self.assertRegex(line, f"^{CLEAN_LINE.pattern}$")
        self.assertEqual(logs.write_errors, 0)

    def test_escaped(self) -> None:
        """What is escaped stays visible, and printable text stays as it is."""
        line = self.emitted(
            log_format="{text}", text="안녕\r\n2026 forged\x1b[2J\u202e"
        )
        self.assertIn(r"] 안녕\r\n2026 forged\x1b[2J\u202e", line)

    def test_traceback(self) -> None:
        """A traceback follows its message on the same line."""
        line = self.emitted(log_format="it failed", log_failure=failure())
        self.assertRegex(line, f"^{CLEAN_LINE.pattern}$")
        self.assertIn("] it failed | Traceback (most recent call last): | ", line)
        self.assertTrue(
            line.endswith(" | builtins.ValueError: first | second\\x1b[2J\n"), line
        )

    def test_no_failure(self) -> None:
        """What only claims to be a failure is logged as well as can be."""
        line = self.emitted(log_format="it failed", log_failure="x\ny")
        self.assertIn("] it failed | (UNABLE TO OBTAIN TRACEBACK", line)

    def test_nothing_to_say(self) -> None:
        """An event without a message gives no line, and is no error."""
        self.assertEqual(self.emitted(event="connected"), "")
        self.assertEqual(logs.write_errors, 0)

    def test_long(self) -> None:
        """A very long message is cut, and says by how much."""
        line = self.emitted(log_format="{text}", text="x" * 20000)
        self.assertTrue(line.endswith("xxx... (3616 characters cut)\n"))
        self.assertEqual(line.count("x"), log_lines.MAX_LENGTH)

    def test_unformattable(self) -> None:
        """A message that cannot be made is told as such."""
        line = self.emitted(log_format="{what}", what=Unprintable())
        self.assertRegex(line, f"^{CLEAN_LINE.pattern}$")
        self.assertIn("MESSAGE LOST", line)

    def test_legacy(self) -> None:
        """Events of the legacy log give lines, too."""
        stream = io.StringIO()
        observer = logs.text(stream)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        legacy_log.msg("hello\n{x}", 5)
        legacy_log.err(failure(), "why")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        first, second = stream.getvalue().splitlines()
        self.assertRegex(first, r"Z \[log_legacy#info\] hello\\n\{x\} 5$")
        self.assertRegex(second, r"Z \[log_legacy#critical\] why.*Traceback")


class JSONTests(LogsTestCase):
    """Tests of L{logs.json}."""

    factory = staticmethod(logs.json)

    def record(self, **event: Any) -> dict[str, Any]:
        """Give the object that is written of an event."""
        line = self.emitted(**event)
        self.assertRegex(line, f"^{CLEAN_LINE.pattern}$")
        self.assertEqual(logs.write_errors, 0)
        record: dict[str, Any] = json.loads(line, parse_constant=self.fail)
        return record

    def test_object(self) -> None:
        """An object has time, level, namespace, message, and the event's fields."""
        self.assertEqual(
            self.record(log_format="on {where}", event="listening", where="tcp:7007"),
            {
                "time": "2026-11-20T22:53:44.123Z",
                "level": "info",
                "namespace": "netsvc.echo",
                "message": "on tcp:7007",
                "event": "listening",
                "where": "tcp:7007",
            },
        )

    def test_from_a_logger(self) -> None:
        """What a logger adds for its own use is left out."""
        line = self.written(lambda log: log.warn("{n} lost", n=5))
        self.assertEqual(
            set(json.loads(line)), {"time", "level", "namespace", "message", "n"}
        )

    def test_no_message(self) -> None:
        """An event that is only fields has an empty message."""
        self.assertEqual(self.record(event="x")["message"], "")

    @given(hostile.filter(lambda text: not re.search("[\ud800-\udfff]", text)))
    def test_text_unchanged(self, text: str) -> None:
        """Text comes back as it was, however it is made of."""
        record = self.record(log_format="{text}", text=text)
        self.assertEqual((record["message"], record["text"]), (text, text))

    @given(hostile)
    def test_any_text(self, text: str) -> None:
        """Any text at all, lone surrogates too, gives one clean line."""
        self.record(
            log_format="{text}", text=text, key={text: [text]}, log_namespace=text
        )

    def test_field_of_a_taken_name(self) -> None:
        """A field does not replace the event's own time, level and so on."""
        record = self.record(log_format="x", level="high", time=5)
        self.assertEqual((record["level"], record["level_"]), ("info", "high"))
        self.assertEqual(record["time_"], 5)

    def test_failure(self) -> None:
        """A failure gives its error and its traceback."""
        record = self.record(log_format="it failed", log_failure=failure())
        self.assertEqual(record["message"], "it failed")
        self.assertEqual(record["error"], "builtins.ValueError: first\nsecond\x1b[2J")
        self.assertIn("\n", record["traceback"])
        self.assertNotIn("error", self.record(log_failure="no failure"))

    def test_values(self) -> None:
        """Values that JSON has stay; others are shown as text."""
        for value, plain in [
            (None, None),
            (True, True),
            (5, 5),
            (1.5, 1.5),
            (2**64, "18446744073709551616"),
            (float("inf"), "inf"),
            (float("nan"), "nan"),
            (b"a\xff", "a\\xff"),
            (("a", [1]), ["a", [1]]),
            ({5: {"x": None}}, {"5": {"x": None}}),
            (LogLevel.info, "<LogLevel=info>"),
            ([[[[["deep"]]]]], [[[["['deep']"]]]]),
            (list(range(100)), list(range(64))),
            ("x" * 16385, "x" * 16384 + "... (1 characters cut)"),
        ]:
            self.assertEqual(self.record(value=value)["value"], plain)

    def test_hostile_objects(self) -> None:
        """Objects that cannot be shown, or read, do not cost the line."""
        cycle: list[Any] = []
        cycle.append(cycle)
        for value in (Unprintable(), BrokenMapping(), cycle, 10**5000, object()):
            self.assertIn("value", self.record(value=value))

    def test_legacy(self) -> None:
        """Of the legacy log's events, what it adds for itself is left out."""
        stream = io.StringIO()
        observer = logs.json(stream)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        legacy_log.msg("hello", peer="192.0.2.1")
        record = json.loads(stream.getvalue())
        self.assertEqual(set(record), {"time", "level", "namespace", "message", "peer"})


class WriterTests(LogsTestCase):
    """What happens where the lines go."""

    def open_pipe(self) -> tuple[int, int]:
        """Open a pipe, its ends closed at the end of the test."""
        ends = os.pipe()
        for end in ends:
            self.addCleanup(self.close, end)
        return ends

    def close(self, descriptor: int) -> None:
        """Close a descriptor that may be closed already."""
        try:
            os.close(descriptor)
        except OSError:
            return

    def observer(self, descriptor: int) -> ILogObserver:
        """Make a text observer that writes to a descriptor."""
        return logs.LineObserver(
            lambda event: str(event["text"]), log_output.DescriptorWriter(descriptor)
        )

    def test_standard_output(self) -> None:
        """Lines go to the process's standard output, unbuffered, in UTF-8."""
        reading, writing = self.open_pipe()
        with open(writing, "w", encoding="ascii", closefd=False) as stream:
            stream.write("before\n")
            self.patch(sys, "__stdout__", stream)
            observer = logs.text()
            observer({"log_format": "안녕", "log_time": WHEN})
            self.assertEqual(
                os.read(reading, 1000).decode(),
                "before\n2026-11-20T22:53:44.123Z [-#info] 안녕\n",
            )

    def test_standard_output_closed(self) -> None:
        """Without standard output, lines are lost and counted."""
        self.patch(sys, "__stdout__", None)
        logs.text()({"log_format": "x"})
        self.assertEqual(logs.write_errors, 1)

    def test_stream_closed(self) -> None:
        """Of a stream that is closed, lines are lost and counted."""
        stream = io.StringIO()
        stream.close()
        logs.text(stream)({"log_format": "x"})
        self.assertEqual(logs.write_errors, 1)

    def test_disk_full(self) -> None:
        """A full disk costs lines, which are counted."""
        if not os.path.exists("/dev/full"):
            self.skipTest("this system has no /dev/full")
        with open("/dev/full", "w") as full:
            observer = logs.text(full)
            for _ in range(3):
                observer({"log_format": "x"})
        self.assertEqual(logs.write_errors, 3)

    def test_broken_pipe(self) -> None:
        """A pipe whose reader is gone costs lines, which are counted."""
        reading, writing = self.open_pipe()
        observer = self.observer(writing)
        os.close(reading)
        observer({"text": "x"})
        self.assertEqual(logs.write_errors, 1)

    def test_stalled_reader(self) -> None:
        """A reader that stalls costs lines and one short wait, until it is back.

        A line that was cut short is ended before the next one begins.
        """
        self.patch(log_output, "MAX_STALL", 0.001)
        reading, writing = self.open_pipe()
        capacity = fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ)
        observer = self.observer(writing)
        observer({"text": "a" * (2 * capacity)})
        observer({"text": "lost"})
        self.assertEqual(logs.write_errors, 2)
        self.assertEqual(os.read(reading, 2 * capacity), b"a" * capacity)
        observer({"text": "b"})
        observer({"text": "c"})
        self.assertEqual(os.read(reading, capacity), b"\nb\nc\n")
        self.assertEqual(logs.write_errors, 2)

    def test_long_line(self) -> None:
        """A line that is longer than a pipe takes at once is written whole."""
        reading, writing = self.open_pipe()
        self.observer(writing)({"text": "a" * 20000})
        self.assertEqual(os.read(reading, 30000), b"a" * 20000 + b"\n")


class OncePerTests(SynchronousTestCase):
    """Tests of L{logs.OncePer}."""

    def test_once(self) -> None:
        """It is ready at once, and again when the time is over."""
        clock = Clock()
        once = logs.OncePer(1.0, clock.seconds)
        self.assertEqual(once.ready(), (True, 0))
        self.assertEqual(once.ready(), (False, 1))
        clock.advance(0.5)
        self.assertEqual(once.ready(), (False, 2))
        clock.advance(0.5)
        self.assertEqual(once.ready(), (True, 2))
        self.assertEqual(once.ready(), (False, 1))
        clock.advance(5)
        self.assertEqual(once.ready(), (True, 1))

    def test_clock_set_back(self) -> None:
        """A clock that is set back does not silence it."""
        now = 1000.0
        once = logs.OncePer(1.0, lambda: now)
        once.ready()
        now = 10.0
        self.assertEqual(once.ready(), (True, 0))
