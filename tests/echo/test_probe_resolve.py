"""Names to addresses, with a resolver that a test decides."""

from __future__ import annotations

import errno
import socket
import threading
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from netsvc.echo.probe.errors import ProbeError
from netsvc.echo.probe.resolve import MAX_ADDRESSES, RESOLVE_TIMEOUT, resolve
from tests.echo.probe_fakes import LOCALHOST, LOCALHOST6, ProbeClock

V4, V6 = socket.AF_INET, socket.AF_INET6


def entry(family: int, *sockaddr: Any) -> tuple[Any, ...]:
    """Make one entry of C{getaddrinfo}'s answer."""
    return family, socket.SOCK_DGRAM, 17, "", sockaddr


class StillThread:
    """A thread that a test runs, or never runs."""

    def __init__(self, target: Any, daemon: bool) -> None:
        self.target = target
        self.daemon = daemon
        StillThread.last = self

    def start(self) -> None:
        assert self.daemon, "the process would wait for the resolver at its end"

    last: StillThread


class ResolveTests(SynchronousTestCase):
    """The system's resolver, in a thread of its own."""

    def setUp(self) -> None:
        """Let threads run only when a test says so."""
        self.clock = ProbeClock()
        self.asked: list[tuple[Any, ...]] = []
        self.answer: list[Any] | Exception = []
        self.patch(threading, "Thread", StillThread)

    def getaddrinfo(self, *question: Any) -> list[Any]:
        self.asked.append(question)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def resolve(self, host: str = "echo.example", family: int | None = None) -> Any:
        return resolve(self.clock, host, 7007, family, self.getaddrinfo)

    def reason(self, answer: Any, family: int | None = None) -> str:
        self.answer = answer
        result = self.resolve(family=family)
        StillThread.last.target()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        return str(self.failureResultOf(result, ProbeError).value)

    def test_name(self) -> None:
        """A name's addresses come in the resolver's order, each once."""
        self.answer = [
            entry(V6, "::1", 7007, 0, 0),
            entry(V4, "127.0.0.1", 7007),
            entry(V4, "127.0.0.1", 7007),
            entry(socket.AF_UNIX, "/nonsense"),
        ]
        result = self.resolve()
        self.assertNoResult(result)
        StillThread.last.target()
        self.assertEqual(self.successResultOf(result), [LOCALHOST6, LOCALHOST])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_family(self) -> None:
        """The family asked for is the family looked up."""
        for family, expected in ((None, socket.AF_UNSPEC), (4, V4), (6, V6)):
            self.answer = [entry(V4, "127.0.0.1", 7007)]
            self.resolve(family=family)
            StillThread.last.target()
            self.assertEqual(self.asked.pop()[2], expected)

    def test_address(self) -> None:
        """An address needs no thread and asks no name server."""
        self.answer = [entry(V4, "127.0.0.1", 7007)]
        self.assertEqual(self.successResultOf(self.resolve("127.0.0.1")), [LOCALHOST])
        self.assertEqual(self.asked[0][5], socket.AI_NUMERICHOST)

    def test_scope(self) -> None:
        """A link-local address keeps its scope."""
        self.answer = [entry(V6, "fe80::1", 7007, 0, 1)]
        (address,) = self.successResultOf(self.resolve("fe80::1%1"))
        self.assertRegex(address.text, r"\Afe80::1%\w+\Z")

    def test_bounded(self) -> None:
        """A name with very many addresses has only so many tried."""
        self.answer = [entry(V4, f"192.0.2.{number}", 7) for number in range(20)]
        result = self.resolve()
        StillThread.last.target()
        self.assertEqual(len(self.successResultOf(result)), MAX_ADDRESSES)

    def test_unknown(self) -> None:
        """An unknown name is named, with the resolver's reason."""
        self.assertEqual(
            self.reason(socket.gaierror(socket.EAI_NONAME, "Name not known")),
            "cannot resolve host echo.example: Name not known",
        )

    def test_other_failures(self) -> None:
        """Other failures have a reason too, and name the family asked for."""
        for answer, reason in (
            (UnicodeError("label too long"), "no valid name"),
            (OSError(errno.EIO, None), "unknown error"),
            ([], "no address"),
        ):
            self.assertEqual(
                self.reason(answer, family=6),
                f"cannot resolve host echo.example (IPv6): {reason}",
            )

    def test_silent(self) -> None:
        """A resolver that gives no answer is not waited for without end."""
        result = self.resolve("a\x1bb")
        self.clock.advance(RESOLVE_TIMEOUT)
        reason = str(self.failureResultOf(result, ProbeError).value)
        self.assertIn(r"a\x1bb: the resolver gave no answer within 20 s", reason)
        StillThread.last.target()

    def test_cancelled(self) -> None:
        """Nothing is left of a question that is no longer asked."""
        result = self.resolve()
        result.cancel()
        self.failureResultOf(result, CancelledError)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        StillThread.last.target()
