"""Tests of the parent of the workers, without processes."""

from __future__ import annotations

import sys
from typing import Any

from netsvc.daemon.refusing import StartError
from netsvc.daemon.report import ServiceReport
from netsvc.daemon.workers.messages import Message
from netsvc.daemon.workers.supervisor import (
    DRAIN_GRACE,
    HANG,
    LOOK,
    STOP_GRACE,
)
from tests.daemon.workers.fakes import SupervisorCase
from tests.daemon.workers.test_sums import snapshot


class StartTests(SupervisorCase):
    """Starting."""

    def test_orders(self) -> None:
        """Each worker is told what to run; what must be alone is worker 0's."""
        self.start()
        first, second = self.made
        self.assertEqual(first.sent, ["start", "run"])
        self.assertEqual(first.fields["start"]["runs"], [["echo", ""], ["chat", ""]])
        self.assertEqual(second.fields["start"]["runs"], [["echo", ""]])
        self.assertEqual(second.fields["start"]["worker"], 1)
        self.assertEqual(second.fields["start"]["file"], "x.toml")

    def _refused(self) -> StartError:
        """Start in vain, and look that nothing is left."""
        error: StartError = self.assertRaises(StartError, self.supervisor.startService)
        for process in self.made:
            self.assertTrue(process.killed and process.reaped)
        return error

    def _then(self, react: Any) -> None:
        """Do something as soon as a worker is told to run."""
        spawn = self.supervisor._spawn

        def make(*arguments: Any) -> Any:
            process: Any = spawn(*arguments)
            process.settled = lambda: react(process)
            return process

        self.supervisor._spawn = make

    def test_refused(self) -> None:
        """What a worker objects to at the start is what the daemon says."""
        self._then(lambda process: process.say("refused", problem="no\nkey \x1b"))
        error = self._refused()
        self.assertEqual(str(error), "no\nkey \\x1b")

    def test_died(self) -> None:
        """A worker that dies at the start makes the daemon end."""
        self._then(lambda process: process.number and process.end("exit status 3"))
        error = self.assertRaises(StartError, self.supervisor.startService)
        text = "worker 1 has ended while it started: exit status 3"
        self.assertEqual(str(error), text)

    def test_not_started(self) -> None:
        """A system that starts no process makes the daemon end."""
        self.start_error = OSError(11, "Try again", "python")
        text = "a worker cannot be started: Try again: python"
        self.assertEqual(str(self._refused()), text)

    def test_too_late(self) -> None:
        """A worker that does not come up within a minute makes the daemon end."""
        self.starts = False
        self.patch(sys.modules["netsvc.daemon.workers.supervisor"], "START_TIMEOUT", 0)
        self.assertIn("worker 0 has not started", str(self._refused()))


class DeathTests(SupervisorCase):
    """What happens when workers die."""

    def setUp(self) -> None:
        """Start."""
        super().setUp()
        self.start()

    def test_replaced(self) -> None:
        """A worker that dies is replaced at once, then after longer waits."""
        for wait in (0, 0.5, 1, 2, 4, 8, 16, 30, 30):
            count = len(self.made)
            process: Any = self.supervisor.slots[1].process
            process.end()
            self.assertEqual(len(self.living()), 1)
            if wait:
                self.clock.advance(wait - 0.01)
                self.assertEqual(len(self.made), count)
            self.clock.advance(0.02)
            self.assertEqual(len(self.made), count + 1)
            self.assertEqual(self.made[-1].number, 1)
            self.assertEqual(self.made[-1].sent, ["start", "run"])

    def test_stable(self) -> None:
        """One that has served for a minute is replaced at once again."""
        for _ in range(3):
            self.made[-1].end()
            self.clock.pump([LOOK] * 13)
            for process in self.living():
                process.slab.sequence += 2
            self.made[-1].started = self.clock.seconds() - 61
        count = len(self.made)
        self.made[-1].end()
        self.clock.advance(0)
        self.assertEqual(len(self.made), count + 1)

    def test_refused_later(self) -> None:
        """A replacement that cannot serve ends nothing but itself."""
        self.made[1].end()
        self.clock.advance(0)
        self.made[-1].say("refused", problem="no key")
        self.made[-1].end("exit status 1")
        self.clock.advance(0.5)
        self.made[-1].say("ready")
        self.assertEqual(len(self.living()), 2)

    def test_system_out_of_processes(self) -> None:
        """If the system starts no process, it is tried again."""
        self.start_error = OSError(11, "Try again")
        self.made[0].end()
        self.clock.advance(0)
        self.assertEqual(len(self.living()), 1)
        self.start_error = None
        self.clock.advance(0.5)
        self.assertEqual(len(self.living()), 2)

    def test_hung(self) -> None:
        """A worker whose slab does not change for a minute is killed."""
        for _ in range(int(HANG / LOOK) + 1):
            self.made[0].slab.sequence += 2
            self.clock.advance(LOOK)
        self.assertFalse(self.made[0].killed)
        self.assertTrue(self.made[1].killed)
        self.made[1].end()
        self.clock.advance(LOOK)


class EndTests(SupervisorCase):
    """Drain and stop."""

    def setUp(self) -> None:
        """Start."""
        super().setUp()
        self.start()

    def test_drain(self) -> None:
        """A drain tells all, and is done when all have ended; none is replaced."""
        drained = self.supervisor.drain(5)
        for process in self.made:
            self.assertEqual(process.sent[-1], "drain")
        self.made[0].end("exit status 0")
        self.assertNoResult(drained)
        self.made[1].end("exit status 0")
        self.successResultOf(drained)
        self.assertEqual(len(self.made), 2)

    def test_drain_in_vain(self) -> None:
        """Workers that do not end in time are killed."""
        drained = self.supervisor.drain(5)
        self.clock.advance(5 + DRAIN_GRACE - 0.1)
        self.assertFalse(self.made[0].killed)
        self.clock.advance(0.1)
        self.assertTrue(self.made[0].killed)
        for process in self.made:
            process.end()
        self.successResultOf(drained)

    def test_cut(self) -> None:
        """A stop in the middle of a drain cuts, and kills who does not stop."""
        drained = self.supervisor.drain(5)
        stopped = self.supervisor.stopService()
        self.assertEqual(self.made[0].sent[-2:], ["drain", "stop"])
        self.clock.advance(STOP_GRACE)
        self.assertTrue(self.made[0].killed)
        for process in self.made:
            process.end()
        self.successResultOf(drained)
        self.successResultOf(stopped)
        self.supervisor.startService = lambda: None  # type: ignore[method-assign]

    def test_drain_while_one_waits(self) -> None:
        """A worker that waits to be replaced is not, once there is a drain."""
        self.made[0].end()
        drained = self.supervisor.drain(5)
        self.made[1].end()
        self.successResultOf(drained)
        self.clock.advance(60)
        self.assertEqual(len(self.made), 2)

    def test_nothing_left(self) -> None:
        """With no worker alive a drain is done at once."""
        self.made[0].end()
        self.made[1].end()
        self.successResultOf(self.supervisor.drain(5))


class CommandTests(SupervisorCase):
    """What is passed on."""

    def test_logs(self) -> None:
        """Logs are opened again and summaries are logged in all workers."""
        self.start()
        self.made[0].end()
        self.supervisor.reopen_logs()
        self.supervisor.log_summary()
        self.assertEqual(self.made[1].sent[-2:], ["reopen", "summary"])

    def test_late_answer(self) -> None:
        """An answer that nobody waits for is nothing."""
        self.start()
        self.supervisor.worker_said(self.supervisor.living[0], Message("done"))


class SourceTests(SupervisorCase):
    """L{WorkersSource}."""

    def setUp(self) -> None:
        """Start."""
        super().setUp()
        self.start()
        self.source = self.supervisor.source

    def test_sums_never_fall(self) -> None:
        """What a worker had counted when it died is in its place's sum for ever."""
        for _ in range(3):
            process = self.made[-1]
            report = ServiceReport("echo", live=2, counters={"connections": 10})
            process.slab.tell(snapshot(report))
            process.end()
            self.clock.advance(2)
        past = self.source.snapshots()[1]
        self.assertEqual(past.services[0].counters, {"connections": 30})
        self.assertEqual((past.services[0].live, past.state), (0, "starting"))
        report = ServiceReport("echo", live=1, counters={"connections": 1})
        self.made[-1].slab.tell(snapshot(report))
        now = self.source.snapshots()[1]
        self.assertEqual(now.services[0].counters, {"connections": 31})
        self.assertEqual((now.services[0].live, now.state), (1, "ready"))

    def test_nothing_told(self) -> None:
        """A worker that has told nothing yet is starting; nonsense is nothing."""
        self.made[1].slab.data = b"{}"
        first, second = self.source.snapshots()
        self.assertEqual((first.worker, second.worker), (0, 1))
        self.assertEqual((first.state, second.state), ("starting", "starting"))
        self.assertEqual(first.reloads, {"ok": 7})

    def test_living_one(self) -> None:
        """Without a predecessor a snapshot is the worker's own."""
        self.made[1].slab.tell(snapshot())
        self.assertEqual(self.source.snapshots()[1], snapshot())

    def test_ready(self) -> None:
        """The daemon is ready while each service has a worker, and not in a drain."""
        self.assertTrue(self.source.ready)
        self.made[1].end()
        self.assertTrue(self.source.ready)
        self.clock.advance(0)
        self.made[0].end()
        self.assertFalse(self.source.ready)  # chat
        self.clock.advance(0)
        self.assertTrue(self.source.ready)
        self.supervisor.draining = True
        self.assertFalse(self.source.ready)
