"""
One reload in all workers: everyone prepares, and then all commit or all abandon.

A worker that dies meanwhile is no reason to refuse: it is replaced afterwards, by one
that starts with whichever configuration has come out. So does one that does not
answer, and is killed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from twisted.internet import defer
from twisted.logger import Logger

from netsvc.daemon import logs
from netsvc.daemon.escape import escape
from netsvc.daemon.workers.messages import Message, document
from netsvc.daemon.workers.placement import added
from netsvc.daemon.workers.ports import PortsError, Prepared
from netsvc.daemon.workers.process import WorkerProcess

if TYPE_CHECKING:
    from netsvc.daemon.workers.supervisor import Supervisor

#: Seconds that a worker may take to prepare, and to commit.
PREPARE_TIMEOUT: Final = 30.0
COMMIT_TIMEOUT: Final = 10.0


class Reload:
    """One reload."""

    _log = Logger()

    def __init__(self, supervisor: Supervisor, reactor: Any) -> None:
        """
        @param supervisor: Whose.
        @param reactor: The reactor.
        """
        self._supervisor = supervisor
        self._reactor = reactor
        self._waiting: dict[WorkerProcess, defer.Deferred[Message | None]] = {}

    def run(self) -> defer.Deferred[list[str]]:
        """Do it; fires with what is wrong, a line each."""
        return defer.ensureDeferred(self._run())

    async def _run(self) -> list[str]:
        supervisor = self._supervisor
        try:
            new = supervisor.load()
        except Exception as error:
            return self._told(error)
        problems = [
            str(each) for each in supervisor.check(supervisor.configuration, new)
        ]
        if problems:
            return problems
        try:
            ports = supervisor.ports.prepare(new.entries)
        except PortsError as refused:
            return [
                str(new.problem(each.wish.entry, each.wish.key, each.problem))
                for each in refused.problems
            ]
        asked = supervisor.living
        problems = await self._prepare(asked, new, ports)
        if problems or supervisor.draining:
            ports.abandon()
            await self._tell("abandon", asked)
            return problems or ["the daemon is stopping"]
        supervisor.configuration = new
        supervisor.changed(new)
        for process in asked:
            process.entries = supervisor.entries_of(new, process.number)
        await self._tell("commit", asked, log=logs.current()["configured"])
        ports.commit()
        return []

    async def _prepare(
        self, asked: Sequence[WorkerProcess], new: Any, ports: Prepared
    ) -> list[str]:
        """Have the workers prepare; give what they object."""
        for process in asked:
            entries = self._supervisor.entries_of(new, process.number)
            wished = added(process.entries, entries)
            process.send_sockets(*ports.sockets(process.number, wished))
            with document(new.text) as text:
                process.send("prepare", [text], **orders(new, entries))
        problems: dict[str, None] = {}
        for process, answer in await self._answers(asked, PREPARE_TIMEOUT):
            if answer is None:
                if process in self._supervisor.living:
                    process.kill()
                    why = f"worker {process.number} does not answer: killed"
                    problems[why] = None
            else:
                told = answer.fields.get("problems", [])
                problems.update(dict.fromkeys(map(str, told)))
        return list(problems)

    async def _tell(self, do: str, asked: Sequence[WorkerProcess], **more: Any) -> None:
        """Have the workers commit or abandon."""
        living = [each for each in asked if each in self._supervisor.living]
        for process in living:
            process.send(do, **more)
        for process, answer in await self._answers(living, COMMIT_TIMEOUT):
            if answer is None:
                # What it runs is not known.
                process.kill()

    async def _answers(
        self, asked: Sequence[WorkerProcess], seconds: float
    ) -> list[tuple[WorkerProcess, Message | None]]:
        """Wait for an answer from each; L{None} is of one that has none."""
        self._waiting = {each: defer.Deferred() for each in asked}
        waiting = list(self._waiting.values())
        late = self._reactor.callLater(seconds, self._late)
        for process in asked:
            if process not in self._supervisor.living:
                self.ended(process)
        results = await defer.gatherResults(waiting)
        if late.active():
            late.cancel()
        return list(zip(asked, results, strict=True))

    def _late(self) -> None:
        """Wait no longer."""
        for process in list(self._waiting):
            self.ended(process)

    def answered(self, process: WorkerProcess, message: Message) -> None:
        """A worker has answered."""
        waiting = self._waiting.pop(process, None)
        if waiting is not None:
            waiting.callback(message)

    def ended(self, process: WorkerProcess) -> None:
        """A worker will not answer any more."""
        waiting = self._waiting.pop(process, None)
        if waiting is not None:
            waiting.callback(None)

    def _told(self, error: Exception) -> list[str]:
        """Say why the configuration cannot be read."""
        problems = getattr(error, "problems", None)
        if problems is not None:
            return [str(each) for each in problems]
        if not isinstance(error, (OSError, ValueError)):
            self._log.failure("while loading", event="internal-error")
        return [escape(str(error)) or type(error).__name__]


def orders(configuration: Any, entries: Sequence[Any]) -> dict[str, Any]:
    """
    Give what a worker has to know of a configuration, beside its text.

    @param configuration: It.
    @param entries: What the worker runs of it.
    """
    return {
        "file": configuration.file,
        "runs": [list(each.identity) for each in entries],
        "drain_timeout": configuration.daemon.drain_timeout,
    }
