"""Tests of a reload in all workers, without processes."""

from __future__ import annotations

from typing import Any

from netsvc.daemon.changes import Changes
from netsvc.daemon.configuration import ConfigurationError, Problem
from netsvc.daemon.listen import parse_listen
from netsvc.daemon.workers.placement import Wish
from netsvc.daemon.workers.ports import PortProblem, PortsError
from netsvc.daemon.workers.reload import COMMIT_TIMEOUT, PREPARE_TIMEOUT
from tests.daemon.workers.fakes import SupervisorCase


class FakePrepared(Changes):
    """Sockets that were prepared."""

    def sockets(self, worker: int, wished: Any) -> tuple[list[Any], list[int]]:
        """Give one."""
        return [("tcp", "", 7)], [worker]


class FakePorts:
    """Notes what becomes of the sockets."""

    def __init__(self) -> None:
        """Begin."""
        self.done: list[str] = []
        self.error: PortsError | None = None

    def prepare(self, entries: Any) -> FakePrepared:
        """Prepare, or refuse."""
        if self.error is not None:
            raise self.error
        changes = FakePrepared()
        changes.on_commit(lambda: self.done.append("commit"))
        changes.on_abandon(lambda: self.done.append("abandon"))
        return changes

    def sockets(self, worker: int, wished: Any) -> tuple[list[Any], list[int]]:
        """Give none."""
        return [], []

    def close(self) -> None:
        """Nothing is open."""


class ReloadTests(SupervisorCase):
    """L{Reload}, through its supervisor."""

    def setUp(self) -> None:
        """Start two workers."""
        super().setUp()
        self.ports = FakePorts()
        self.start()
        self.supervisor.ports = self.ports  # type: ignore[assignment]
        self.one, self.two = self.made

    def test_commit(self) -> None:
        """When all are prepared all commit, and only then sockets are closed."""
        done = self.supervisor.reload()
        for process in self.made:
            self.assertEqual(process.sent[-1], "prepare")
            self.assertEqual(process.sockets, [(("tcp", "", 7), process.number)])
            self.assertEqual(process.fields["prepare"]["runs"], [["echo", ""]])
        self.one.say("prepared", problems=[])
        self.assertNotIn("commit", self.one.sent)
        self.two.say("prepared", problems=[])
        self.assertEqual(self.one.sent[-1], "commit")
        self.assertIn("format", self.one.fields["commit"]["log"])
        self.assertEqual(self.committed, ["next"])
        self.one.say("done")
        self.assertEqual(self.ports.done, [])
        self.two.say("done")
        self.assertEqual(self.successResultOf(done), [])
        self.assertEqual(self.ports.done, ["commit"])
        self.assertEqual(self.supervisor.configuration.text, "next")

    def test_abandon(self) -> None:
        """When one objects all abandon, and the old configuration stays."""
        done = self.supervisor.reload()
        self.one.say("prepared", problems=[])
        self.two.say("prepared", problems=["bad key", "bad"])
        for process in self.made:
            self.assertEqual(process.sent[-1], "abandon")
            process.say("done")
        self.assertEqual(self.successResultOf(done), ["bad key", "bad"])
        self.assertEqual(self.ports.done, ["abandon"])
        self.assertEqual(self.supervisor.configuration.text, "first")

    def test_same_objection(self) -> None:
        """What all object to is told once."""
        done = self.supervisor.reload()
        for process in self.made:
            process.say("prepared", problems=["bad key"])
        for process in self.made:
            process.say("done")
        self.assertEqual(self.successResultOf(done), ["bad key"])

    def test_death_while_preparing(self) -> None:
        """
        A worker that dies meanwhile is no reason to refuse; the one in its place waits
        for the end of the reload, and starts with what has come out.
        """
        done = self.supervisor.reload()
        self.two.end()
        self.clock.advance(1)
        self.assertEqual(len(self.made), 2)
        self.one.say("prepared", problems=[])
        self.one.say("done")
        self.assertEqual(self.successResultOf(done), [])
        self.clock.advance(0.1)
        self.assertEqual(len(self.made), 3)
        self.assertEqual(self.made[2].fields["start"]["runs"], [["echo", ""]])

    def test_death_before_commit(self) -> None:
        """One that dies when all are prepared is not asked to commit."""
        done = self.supervisor.reload()
        self.one.say("prepared", problems=[])
        self.two.say("prepared", problems=[])
        self.two.end()
        self.one.say("done")
        self.assertEqual(self.successResultOf(done), [])

    def test_no_answer(self) -> None:
        """A worker that does not answer is killed, and the others abandon."""
        done = self.supervisor.reload()
        self.one.say("prepared", problems=[])
        self.clock.advance(PREPARE_TIMEOUT)
        self.assertTrue(self.two.killed)
        self.two.end()
        self.one.say("done")
        (problem,) = self.successResultOf(done)
        self.assertIn("worker 1 does not answer", problem)

    def test_no_commit(self) -> None:
        """A worker that does not commit is killed, and the others go on."""
        done = self.supervisor.reload()
        for process in self.made:
            process.say("prepared", problems=[])
        self.one.say("done")
        self.clock.advance(COMMIT_TIMEOUT)
        self.assertTrue(self.two.killed)
        self.assertEqual(self.successResultOf(done), [])

    def test_no_worker(self) -> None:
        """Without a living worker the next ones start with the new configuration."""
        self.one.end()
        self.two.end()
        self.assertEqual(self.successResultOf(self.supervisor.reload()), [])
        self.assertEqual(self.supervisor.configuration.text, "next")

    def test_file(self) -> None:
        """A file that cannot be used is told with its lines; nobody is asked."""
        problems = (Problem("x.toml", 3, "echo.listn", "unknown key"),)
        self.load_error = ConfigurationError(problems)
        done = self.supervisor.reload()
        told = ["x.toml:3: echo.listn: unknown key"]
        self.assertEqual(self.successResultOf(done), told)
        self.assertEqual(self.one.sent, ["start", "run"])
        self.load_error = OSError("gone")
        self.assertEqual(self.successResultOf(self.supervisor.reload()), ["gone"])

    def test_our_mistake(self) -> None:
        """A mistake of ours in reading it is logged, and refuses."""
        self.load_error = ZeroDivisionError()
        done = self.supervisor.reload()
        self.assertEqual(self.successResultOf(done), ["ZeroDivisionError"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_needs_restart(self) -> None:
        """What needs a restart is refused before anything is bound."""
        self.objections = ["workers: restart"]
        done = self.supervisor.reload()
        self.assertEqual(self.successResultOf(done), ["workers: restart"])

    def test_port_in_use(self) -> None:
        """A port that cannot be bound is told with its line; nobody is asked."""
        wish = Wish(self.next.entries[0], "listen", parse_listen("tcp:7"))
        self.ports.error = PortsError([PortProblem(wish, "cannot listen: in use")])
        done = self.supervisor.reload()
        told = ["x.toml: echo.listen: cannot listen: in use"]
        self.assertEqual(self.successResultOf(done), told)
        self.assertEqual(self.one.sent, ["start", "run"])

    def test_drain_meanwhile(self) -> None:
        """A reload that a drain overtakes is abandoned."""
        done = self.supervisor.reload()
        drained = self.supervisor.drain(1)
        for process in self.made:
            process.say("prepared", problems=[])
        for process in self.made:
            process.end()
        self.assertEqual(self.successResultOf(done), ["the daemon is stopping"])
        self.assertEqual(self.ports.done, ["abandon"])
        self.successResultOf(drained)

    def test_asked_by_a_worker(self) -> None:
        """A worker that asks for a reload is told how it has ended."""
        self.objections = ["workers: restart"]
        self.two.say("reload")
        self.assertEqual(self.two.sent[-1], "reloaded")
        self.assertEqual(
            self.two.fields["reloaded"], {"problems": ["workers: restart"]}
        )
