"""Runs C{netsvc lookup} from request to exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from twisted.internet.defer import CancelledError, Deferred

from netsvc.daemon.escape import escape
from netsvc.dns.errors import DNSError, NoServers
from netsvc.dns.lookups.checkpoint import CheckpointError
from netsvc.dns.lookups.engine import reachable
from netsvc.dns.lookups.outcome import FAILED, PARTIAL, USAGE, exit_status
from netsvc.dns.lookups.output import Output
from netsvc.dns.lookups.request import Mode, Request
from netsvc.dns.lookups.roots import root_servers
from netsvc.dns.servers import Server

#: How the command names itself in front of its errors.
PROGRAM = "netsvc lookup"


class Run:
    """
    One run.

    @ivar request: What is to be done.
    @ivar reactor: The reactor.
    @ivar out: Where answers go.
    @ivar stderr: Where errors and the progress go.
    @ivar servers: Whom to ask, once their addresses are known.
    @ivar problems: What is wrong with those that have none.
    @ivar answered: How many questions were answered.
    @ivar failed: How many were not.
    """

    def __init__(
        self,
        request: Request,
        reactor: Any,
        stdout: TextIO,
        stderr: TextIO,
        environment: Mapping[str, str],
    ) -> None:
        """Prepare to run."""
        self.request = request
        self.reactor = reactor
        self.out = Output(stdout, environment, self.stop)
        self.stderr = stderr
        self.servers: tuple[Server, ...] = ()
        self.problems: list[NoServers] = []
        self.answered = 0
        self.failed = 0
        self.was_stopped = False
        self._stops: list[Callable[[], object]] = []
        self._running: Deferred[int] | None = None

    def start(self) -> Deferred[int]:
        """
        Run.

        @return: Fires with the exit status.
        """
        self._running = Deferred.fromCoroutine(self._run())
        return self._running

    def stop(self) -> Deferred[int] | None:
        """
        End now, with what is done.

        @return: Fires when it has ended; L{None} if it has already.
        """
        running = self._running
        if running is None or running.called:
            return None
        self.was_stopped = True
        if not self._stops:
            running.cancel()
        for stop in self._stops:
            stop()
        ended: Deferred[int] = Deferred()
        running.addBoth(self._tell, ended)
        return ended

    @staticmethod
    def _tell(status: Any, ended: Deferred[int]) -> Any:
        ended.callback(0)
        return status

    def on_stop(self, stop: Callable[[], object]) -> None:
        """Have something called when the run is to end early."""
        self._stops.append(stop)
        if self.was_stopped:
            stop()

    def complain(self, text: str) -> None:
        """Write a line to standard error."""
        try:
            self.stderr.write(f"{PROGRAM}: {escape(text)}\n")
            self.stderr.flush()
        except OSError:
            return  # nobody listens

    async def _run(self) -> int:
        try:
            await self._prepare()
            await self._work()
        except CancelledError:
            return FAILED
        except (DNSError, CheckpointError, ValueError) as error:
            # What is wrong with the request as a whole: its files, its servers.
            self.complain(str(error))
            return self._status(USAGE)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            self.complain(f"{where}{error.strerror or error}")
            return self._status(USAGE)
        finally:
            self.out.flush()
        return self._status(exit_status(self.answered, self.failed))

    def _status(self, status: int) -> int:
        if self.out.failure is not None:
            if not isinstance(self.out.failure, BrokenPipeError):
                self.complain(f"cannot write: {self.out.failure.strerror}")
            return FAILED
        if self.was_stopped:
            return PARTIAL if self.answered else FAILED
        return status

    async def _prepare(self) -> None:
        request = self.request
        if request.mode is Mode.TRACE and not request.servers:
            self.servers = root_servers()
            return
        self.servers, self.problems = await reachable(self.reactor, request.servers)
        if request.mode is not Mode.COMPARE:
            for problem in self.problems:
                self.complain(str(problem))
        if not self.servers:
            raise NoServers("there is no server to ask")

    async def _work(self) -> None:
        # Each mode loads what it needs.
        mode = self.request.mode
        if mode is Mode.BULK:
            from netsvc.dns.lookups.bulk_mode import bulk

            await bulk(self)
        elif mode is Mode.COMPARE:
            from netsvc.dns.lookups.modes import compare

            await compare(self)
        elif mode is Mode.TRACE:
            from netsvc.dns.lookups.modes import trace

            await trace(self)
        elif mode is Mode.TRANSFER:
            from netsvc.dns.lookups.modes import transfer

            await transfer(self)
        else:
            from netsvc.dns.lookups.modes import look_up

            await look_up(self)


def run_lookup(request: Request) -> int:
    """
    Run in a reactor, which can be done once in a process.

    @return: The exit status.
    """
    from twisted.internet import reactor as _reactor

    reactor: Any = _reactor
    run = Run(request, reactor, sys.stdout, sys.stderr, os.environ)
    ends: list[Any] = []

    def end(outcome: Any) -> None:
        ends.append(outcome)
        if reactor.running:
            reactor.callLater(0, _stop, reactor)

    reactor.addSystemEventTrigger("before", "shutdown", run.stop)
    reactor.callWhenRunning(lambda: run.start().addBoth(end))
    reactor.run()
    (outcome,) = ends
    if isinstance(outcome, int):
        return outcome
    outcome.raiseException()
    return FAILED


def _stop(reactor: Any) -> None:
    if reactor.running:
        reactor.stop()
