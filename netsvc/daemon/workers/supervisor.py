"""
The parent of the workers: binds what they listen on, starts, replaces and stops them.

It serves nobody itself, so nothing that a peer sends can make it end. A worker that
ends unasked is replaced: at once the first time, and then after longer and longer
waits (L{netsvc.daemon.workers.backoff}), for as long as the parent lives.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet import defer, task
from twisted.logger import Logger

from netsvc.daemon import logs
from netsvc.daemon.refusing import refuse_all
from netsvc.daemon.workers import sums
from netsvc.daemon.workers.messages import Message, document, shortened
from netsvc.daemon.workers.placement import SOLE, added
from netsvc.daemon.workers.ports import Ports, PortsError
from netsvc.daemon.workers.process import WorkerProcess, wait_until
from netsvc.daemon.workers.reload import Reload, orders
from netsvc.daemon.workers.slots import Slot, told
from netsvc.daemon.workers.source import WorkersSource
from netsvc.multiplex import crowd

#: Seconds that workers may take until they serve, when the daemon starts.
START_TIMEOUT: Final = 60.0

#: Seconds for which a worker may show no sign of life; it shows one every second.
HANG: Final = 60.0

#: Seconds between two looks for such a sign.
LOOK: Final = 5.0

#: Seconds after which to look whether a reload has ended.
RETRY: Final = 0.1

#: Seconds that workers may take to end, after their drain and after they are told to
#: end at once.
DRAIN_GRACE: Final = 5.0
STOP_GRACE: Final = 10.0


class Supervisor(Service):
    """
    Runs a configuration in several processes.

    @ivar service: What it is called in the log.
    @ivar slots: The places of the workers.
    @ivar configuration: What they run.
    @ivar source: What they tell.
    """

    service = "workers"
    _log = Logger()

    def __init__(
        self,
        configuration: Any,
        *,
        load: Callable[[], Any],
        alone: Callable[[Any], str],
        check: Callable[[Any, Any], Iterable[Any]] = lambda old, new: (),
        changed: Callable[[Any], object] = lambda configuration: None,
        reactor: Any,
        spawn: Callable[..., WorkerProcess] = WorkerProcess,
    ) -> None:
        """
        @param configuration: What to run, on as many workers as it says.
        @param load: Reads it again; raises an exception with C{problems}.
        @param alone: Says of an entry why it runs in one worker alone; or nothing.
        @param check: Says what of a new configuration needs a restart.
        @param changed: Called with each configuration that is committed.
        @param reactor: The reactor.
        @param spawn: Starts a process, given its number, its owner and the reactor.
        """
        self.configuration = configuration
        self.load = load
        self.check = check
        self.changed = changed
        self._alone = alone
        self._reactor = reactor
        self._spawn = spawn
        number = configuration.daemon.workers
        self.slots = [Slot(each) for each in range(number)]
        self.ports = Ports(self.members)
        self.draining = False
        self._bound = False
        self._crowd: crowd.Crowd | None = None
        self._crowd_fd = -1
        self._serving = False
        self._endings: list[tuple[defer.Deferred[None], Any]] = []
        self._refused: str | None = None
        self._reload: Reload | None = None
        self.source = WorkersSource(self)
        self._looking = task.LoopingCall(self._look)
        self._looking.clock = reactor

    # Who runs what.

    def members(self, entry: Any) -> Sequence[int]:
        """Give the workers that run an entry."""
        return (SOLE,) if self._alone(entry) else range(len(self.slots))

    def entries_of(self, configuration: Any, worker: int) -> tuple[Any, ...]:
        """Give what a worker runs of a configuration."""
        every = configuration.entries
        return tuple(each for each in every if worker in self.members(each))

    @property
    def living(self) -> list[WorkerProcess]:
        """The processes that there are."""
        return [slot.process for slot in self.slots if slot.process is not None]

    # IService

    def privilegedStartService(self) -> None:
        """
        Bind everything.

        @raise SystemExit: If something cannot be bound.
        """
        super().privilegedStartService()
        if self._bound:
            return
        try:
            self.ports.prepare(self.configuration.entries).commit()
        except PortsError as refused:
            refuse_all(
                each.wish.listen.blame(f"netsvc-{each.wish.entry.table}", each.problem)
                for each in refused.problems
            )
        self._bound = True

    def startService(self) -> None:
        """
        Start the workers, and wait until all of them serve.

        @raise SystemExit: If one cannot, with what it says.
        """
        self.privilegedStartService()
        super().startService()
        self._say_placement()
        self._crowd_fd = crowd.create(len(self.slots))
        self._crowd = crowd.Crowd(self._crowd_fd, 0)
        try:
            for slot in self.slots:
                self._start(slot)
            self._wait_for_all()
        except OSError as error:
            why = error.strerror or str(error)
            what = f": {error.filename}" if error.filename else ""
            self._refused = f"a worker cannot be started: {why}{what}"
        if self._refused is not None:
            self._cut_short()
            refuse_all(self._refused.splitlines())
        self._serving = True
        self._looking.start(LOOK, now=False)

    def _say_placement(self) -> None:
        for entry in self.configuration.entries:
            why = self._alone(entry)
            if why:
                self._log.info(
                    "{entry} runs in worker 0 alone: {why}",
                    entry=entry.label,
                    why=why,
                    event="worker-alone",
                )

    def _wait_for_all(self) -> None:
        """Read what the workers say, until all are ready or one has refused."""

        def done() -> bool:
            ready = all(each.ready for each in self.living)
            return ready or self._refused is not None

        if not wait_until(done, lambda: self.living, START_TIMEOUT):
            late = [each.number for each in self.living if not each.ready]
            self._refused = (
                f"worker {late[0]} has not started within {START_TIMEOUT:g} s"
            )

    def _cut_short(self) -> None:
        """End everything, before it has started."""
        self.draining = True
        for process in self.living:
            process.kill()
        for process in self.living:
            process.reap()
        self.ports.close()
        self._disband(None)

    def stopService(self) -> defer.Deferred[None]:
        """Stop what is left at once."""
        super().stopService()
        if self._looking.running:
            self._looking.stop()
        for process in self.living:
            process.send("stop")
        ended = self._end_within(STOP_GRACE)
        self.ports.close()
        return ended.addCallback(self._disband)

    def _disband(self, result: None) -> None:
        """Give back what the workers shared."""
        shared, self._crowd = self._crowd, None
        if shared is not None:
            shared.close()
            os.close(self._crowd_fd)

    def drain(self, timeout: float) -> defer.Deferred[None]:
        """
        Stop listening, and let the workers finish.

        @param timeout: Seconds after which they cut what is left.
        @return: A Deferred that fires when they have ended.
        """
        self.draining = True
        self.ports.close()
        for process in self.living:
            process.send("drain")
        return self._end_within(timeout + DRAIN_GRACE)

    def _end_within(self, seconds: float) -> defer.Deferred[None]:
        """Start no worker any more, and kill those that are left after a while."""
        self.draining = True
        for slot in self.slots:
            if slot.waiting is not None:
                slot.waiting.cancel()
                slot.waiting = None
        if not self.living:
            return defer.succeed(None)
        ended: defer.Deferred[None] = defer.Deferred()
        call = self._reactor.callLater(seconds, self._kill_all)
        self._endings.append((ended, call))
        return ended

    def _kill_all(self) -> None:
        """They had their time."""
        for process in self.living:
            process.kill()

    # Logs.

    def reopen_logs(self) -> None:
        """Have the workers open their log files again."""
        for process in self.living:
            process.send("reopen")

    def log_summary(self) -> None:
        """Log which workers there are, and have them log how they are."""
        for slot in self.slots:
            process = slot.process
            self._log.info(
                "worker {worker}: {state}, {deaths} deaths lately",
                worker=slot.number,
                pid=0 if process is None else process.pid,
                state="gone" if process is None else f"pid {process.pid}",
                deaths=slot.backoff.deaths,
                event="worker-summary",
            )
            if process is not None:
                process.send("summary")

    # Reload.

    def reload(self) -> defer.Deferred[list[str]]:
        """
        Read the configuration again, and use it in all workers or in none.

        @return: Fires with what is wrong, a line each; with nothing if it is used.
        """
        self._reload = Reload(self, self._reactor)
        return self._reload.run().addBoth(self._reloaded)

    def _reloaded(self, result: Any) -> Any:
        self._reload = None
        return result

    # One worker's life.

    def _start(self, slot: Slot) -> None:
        """
        Start a worker, with what it runs and listens on.

        @raise OSError: It cannot be started.
        """
        process = self._spawn(slot.number, self, self._reactor)
        slot.process = process
        slot.seen = (0, self._reactor.seconds())
        process.entries = self.entries_of(self.configuration, slot.number)
        with document(self.configuration.text) as text:
            process.send(
                "start",
                [text, process.slab_fd, self._crowd_fd],
                worker=slot.number,
                reactor=type(self._reactor).__module__,
                log=logs.current(),
                **orders(self.configuration, process.entries),
            )
        wished = added((), process.entries)
        process.send_sockets(*self.ports.sockets(slot.number, wished))
        process.send("run")
        process.settled()

    def _replace(self, slot: Slot) -> None:
        """Start a worker in the place of one that has died."""
        if self._reload is not None:
            # It is to start with what comes out of it.
            slot.waiting = self._reactor.callLater(RETRY, self._replace, slot)
            return
        slot.waiting = None
        try:
            self._start(slot)
        except OSError as error:
            wait = slot.backoff.next(0)
            self._log.error(
                "worker {worker} cannot be started: {reason}; next try in {wait:g} s",
                worker=slot.number,
                reason=error.strerror or str(error),
                wait=wait,
                event="worker-not-started",
            )
            slot.waiting = self._reactor.callLater(wait, self._replace, slot)

    def worker_said(self, process: WorkerProcess, message: Message) -> None:
        """Hear a worker."""
        if message.do == "ready":
            process.ready = True
            self._log.info(
                "worker {worker} serves (pid {pid})",
                worker=process.number,
                pid=process.pid,
                event="worker-ready",
            )
        elif message.do == "refused":
            problem = str(message.fields.get("problem", ""))
            if not self._serving:
                self._refused = self._refused or problem
                return
            self._log.error(
                "worker {worker} cannot serve: {problem}",
                worker=process.number,
                problem=problem,
                event="worker-refused",
            )
        elif message.do == "reload":
            self._reload_for(process)
        elif self._reload is not None:
            self._reload.answered(process, message)

    def _reload_for(self, process: WorkerProcess) -> None:
        """Somebody who is connected to a worker asks for a reload, and may."""
        daemon: Any = self.parent
        daemon.reload().addCallback(
            lambda problems: process.send("reloaded", problems=shortened(problems))
        )

    def worker_ended(self, process: WorkerProcess, how: str) -> None:
        """A worker has ended: replace it, unless it was to."""
        slot = self.slots[process.number]
        slot.process = None
        if self._crowd is not None:
            self._crowd.leave(process.number)
        last = told(process)
        if last is not None:
            whole = last if slot.past is None else sums.add(slot.past, last)
            slot.past = sums.ended(whole, "starting")
        if self._reload is not None:
            self._reload.ended(process)
        if not self._serving:
            problem = f"worker {process.number} has ended while it started: {how}"
            self._refused = self._refused or problem
        elif self.draining:
            self._one_less(process, how)
        else:
            wait = slot.backoff.next(self._reactor.seconds() - process.started)
            self._log.error(
                "worker {worker} (pid {pid}) has died: {how}; it is replaced in"
                " {wait:g} s",
                worker=process.number,
                pid=process.pid,
                how=how,
                wait=wait,
                event="worker-died",
            )
            slot.waiting = self._reactor.callLater(wait, self._replace, slot)

    def _one_less(self, process: WorkerProcess, how: str) -> None:
        """A worker has ended as it was to."""
        self._log.info(
            "worker {worker} has ended: {how}",
            worker=process.number,
            pid=process.pid,
            how=how,
            event="worker-ended",
        )
        if not self.living:
            endings, self._endings = self._endings, []
            for ended, call in endings:
                if call.active():
                    call.cancel()
                ended.callback(None)

    def _look(self) -> None:
        """Kill the workers that show no sign of life; they are then replaced."""
        now = self._reactor.seconds()
        for slot in self.slots:
            process = slot.process
            if process is None:
                continue
            sequence = process.slab.sequence
            if sequence != slot.seen[0]:
                slot.seen = (sequence, now)
            elif now - slot.seen[1] >= HANG and not self.draining:
                self._log.error(
                    "worker {worker} (pid {pid}) shows no sign of life for"
                    " {seconds:g} s: killed",
                    worker=slot.number,
                    pid=process.pid,
                    seconds=now - slot.seen[1],
                    event="worker-hung",
                )
                process.kill()
