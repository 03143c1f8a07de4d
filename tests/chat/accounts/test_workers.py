"""Tests of L{netsvc.chat.accounts.workers}."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from netsvc.chat.accounts.errors import BusyError
from netsvc.chat.accounts.workers import Workers


class FakePool:
    """
    Threads that run what waits when they are told to.

    @ivar calls: What waits.
    @ivar running: Whether it was started and not stopped.
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self.calls: list[tuple[Callable[[bool, Any], None], Callable[[], Any]]] = []
        self.running = False

    def start(self) -> None:
        """Run."""
        self.running = True

    def stop(self) -> None:
        """Stop."""
        assert self.running
        self.running = False

    def callInThreadWithCallback(
        self, done: Callable[[bool, Any], None], work: Callable[[], Any]
    ) -> None:
        """Let it wait."""
        self.calls.append((done, work))

    def work(self) -> None:
        """Run the first that waits."""
        done, work = self.calls.pop(0)
        try:
            result = work()
        except Exception:
            done(False, Failure())
        else:
            done(True, result)


class FakeReactor:
    """A reactor that runs at once what comes from threads."""

    def callFromThread(self, call: Callable[..., None], *arguments: Any) -> None:
        """Run it."""
        call(*arguments)


class WorkersTests(SynchronousTestCase):
    """Tests of L{Workers}, without threads."""

    def setUp(self) -> None:
        """Make workers that may have two things to do."""
        self.pool = FakePool()
        self.workers = Workers(FakeReactor(), max_pending=2, pool=self.pool)
        self.workers.start()

    def test_result(self) -> None:
        """What the function gives is what its Deferred gives, or its exception."""
        done = self.workers.run(lambda: 7)
        failed = self.workers.run(lambda: 1 // 0)
        self.assertNoResult(done)
        self.pool.work()
        self.pool.work()
        self.assertEqual(self.successResultOf(done), 7)
        self.failureResultOf(failed, ZeroDivisionError)
        self.assertEqual(self.workers.pending, 0)

    def test_bounded(self) -> None:
        """More than so much is refused at once, and counted, until some is done."""
        for _ in range(2):
            self.workers.run(int)
        self.failureResultOf(self.workers.run(int), BusyError)
        self.assertEqual(self.workers.refused, 1)
        self.pool.work()
        self.workers.run(int)
        self.assertEqual(self.workers.pending, 2)

    def test_cancelled(self) -> None:
        """What nobody waits for any more still counts while it runs."""
        for _ in range(2):
            done = self.workers.run(int)
            done.cancel()
            self.failureResultOf(done)
        self.failureResultOf(self.workers.run(int), BusyError)
        self.pool.work()
        self.pool.work()
        self.assertEqual(self.workers.pending, 0)

    def test_stopped(self) -> None:
        """Before the start and after the stop all work is refused."""
        self.workers.stop()
        self.workers.stop()
        self.failureResultOf(self.workers.run(int), BusyError)
        self.assertFalse(self.pool.running)
        self.failureResultOf(Workers(FakeReactor(), pool=FakePool()).run(int))


class ThreadTests(TestCase):
    """Tests of L{Workers} with threads."""

    async def test_thread(self) -> None:
        """The function runs in a thread of its own; its result comes to ours."""
        workers = Workers(reactor, threads=1)
        workers.start()
        self.addCleanup(workers.stop)
        here = threading.get_ident()
        there = await workers.run(threading.get_ident)
        self.assertNotEqual(there, here)
        self.assertEqual(threading.get_ident(), here)
