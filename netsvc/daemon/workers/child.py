"""
The inside of a worker: what its parent has told it, and how it does it.

A worker has no configuration file and no signals: it gets the text, the sockets and
every command from its parent, and when the parent is gone it ends.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from twisted.internet import defer, task
from twisted.logger import Logger

from netsvc.daemon import logs
from netsvc.daemon.changes import Changes
from netsvc.daemon.collecting import Collector
from netsvc.daemon.limits import Rate
from netsvc.daemon.report import Snapshot
from netsvc.daemon.snapshots import encode
from netsvc.daemon.workers.channel import Channel
from netsvc.daemon.workers.messages import (
    Message,
    MessageError,
    read_document,
    receive,
    send,
    shortened,
)
from netsvc.daemon.workers.process import LEFT_TO_PARENT
from netsvc.daemon.workers.slab import Slab, TooLargeError
from netsvc.multiplex.crowd import Crowd

#: Seconds between two snapshots.
INTERVAL: Final = 1.0

#: prctl(2): the signal that a process gets when its parent has died.
_PR_SET_PDEATHSIG: Final = 1

#: Who reads a text with the file's name.
Parse = Callable[[str, str], Any]


#: Characters of what a worker says when it cannot start.
MAX_REFUSAL: Final = 8000


@dataclass
class Orders:
    """
    What a worker is told before it begins.

    @ivar worker: Its number.
    @ivar reactor: The module of the reactor to use.
    @ivar log: How to log.
    @ivar configuration: What to run.
    @ivar drain_timeout: Seconds that a drain may take.
    @ivar slab: Where to tell about itself.
    @ivar crowd: Where to tell the other workers how much it has.
    @ivar sockets: Which sockets it gets: kind, interface, port or path, descriptor.
    """

    worker: int
    reactor: str
    log: dict[str, Any]
    configuration: Any
    drain_timeout: float
    slab: Slab
    crowd: Crowd
    sockets: list[tuple[str, str, int | str, int]]


def leave_signals() -> None:
    """Leave to the parent what a terminal or a service manager sends to everybody."""
    for number in LEFT_TO_PARENT:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, LEFT_TO_PARENT)


def end_with_parent(parent: int) -> None:
    """
    Have the kernel kill this process when its parent dies.

    @param parent: The parent's process id; if it is another one now, it has died.
    @raise SystemExit: It has.
    """
    # Without it the end of the channel does the same, unless this process hangs.
    with suppress(AttributeError, OSError, MemoryError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit(1)


def take_orders(skt: socket.socket, parse: Parse) -> Orders:
    """
    Wait until the parent has said everything.

    @param skt: The way to it.
    @param parse: Reads the configuration.
    @raise MessageError: It has not said what it should, or is gone.
    """
    orders: Orders | None = None
    while True:
        message = receive(skt)
        if message is None:
            raise MessageError("the parent is gone")
        if message.do == "start":
            orders = _started(message, parse)
        elif orders is None:
            raise MessageError(f"'{message.do}' comes too early")
        elif message.do == "sockets":
            orders.sockets += _sockets(message)
        else:
            return orders


def _started(message: Message, parse: Parse) -> Orders:
    fields = message.fields
    _, slab, crowd = message.descriptors
    try:
        return Orders(
            worker=fields["worker"],
            reactor=fields["reactor"],
            log=fields["log"],
            configuration=told(message, parse),
            drain_timeout=fields["drain_timeout"],
            slab=Slab(slab),
            crowd=Crowd(crowd, fields["worker"]),
            sockets=[],
        )
    finally:
        message.close()


def _sockets(message: Message) -> list[tuple[str, str, int | str, int]]:
    """Give what the sockets of a message are for."""
    keys = message.fields["keys"]
    return [(*key, fd) for key, fd in zip(keys, message.descriptors, strict=True)]


def told(message: Message, parse: Parse) -> Any:
    """
    Give the configuration of a message: only what this worker is to run.

    @raise ValueError: It cannot be used.
    """
    configuration = parse(read_document(message.descriptors[0]), message.fields["file"])
    runs = {tuple(each) for each in message.fields["runs"]}
    entries = tuple(each for each in configuration.entries if each.identity in runs)
    return replace(configuration, entries=entries)


def tell_refused(skt: socket.socket, problem: str) -> None:
    """Tell the parent why this worker cannot start."""
    with suppress(OSError):
        send(skt, "refused", {"problem": problem[:MAX_REFUSAL]})


class Worker:
    """Does what the parent says."""

    _log = Logger()

    def __init__(
        self,
        skt: socket.socket,
        orders: Orders,
        daemon: Any,
        reloader: Any,
        collector: Collector,
        *,
        parse: Parse,
        inherited: Any,
        held: Callable[[], int],
        reactor: Any,
    ) -> None:
        """
        @param skt: The way to the parent.
        @param orders: What it has said so far.
        @param daemon: The services.
        @param reloader: Prepares other configurations for them.
        @param collector: Tells about them.
        @param parse: Reads configurations.
        @param inherited: Takes sockets for who will listen.
        @param held: Gives how many descriptors it serves.
        @param reactor: The reactor.
        """
        self._slab = orders.slab
        self._crowd = orders.crowd
        self._daemon = daemon
        self._reloader = reloader
        self._collector = collector
        self._parse = parse
        self._inherited = inherited
        self._held = held
        self._reactor = reactor
        self._channel = Channel(skt, self._told, self._orphaned)
        self._prepared: Changes | None = None
        self._asking: defer.Deferred[list[str]] | None = None
        self._telling = task.LoopingCall(self.tell)
        self._telling.clock = reactor
        self._does: dict[str, Callable[[Message], object]] = {
            "sockets": self._get_sockets,
            "prepare": self._prepare,
            "commit": self._commit,
            "abandon": self._abandon,
            "reloaded": self._reloaded,
            "drain": self._drain,
            "stop": lambda _: self._stop(),
            "reopen": lambda _: daemon.reopen_logs(),
            "summary": lambda _: daemon.log_summary(),
        }

    def start(self) -> None:
        """The services have started: serve, and listen to the parent."""
        self._reactor.addReader(self._channel)
        self._telling.start(INTERVAL)
        # After everything has stopped, what was counted last.
        self._reactor.addSystemEventTrigger("after", "shutdown", self._tell_last)
        self._channel.send("ready")

    def _told(self, message: Message) -> None:
        """Do what the parent says."""
        self._does[message.do](message)

    def _drain(self, message: Message) -> None:
        """End when all connections have."""
        self._crowd.leave()
        self._daemon.shut_down("asked by the parent")

    def _orphaned(self) -> None:
        """The parent is gone: nobody would stop or reload this process any more."""
        self._reactor.removeReader(self._channel)
        self._log.error("the parent is gone: stopping", event="worker-orphaned")
        self._stop()

    def _stop(self) -> None:
        """End at once."""
        if self._reactor.running and self._daemon.running:
            self._reactor.stop()

    # What it tells.

    def tell(self) -> None:
        """Tell what is going on, where the parent can read it."""
        if self._daemon.state == "ready":
            self._crowd.ahead(self._held())
        snapshot = self._collector.snapshot()
        try:
            self._slab.write(encode(snapshot))
        except TooLargeError:
            self._slab.write(encode(outline(snapshot)))

    def _tell_last(self) -> None:
        if self._telling.running:
            self._telling.stop()
        self.tell()

    # Reload.

    def reload(self) -> defer.Deferred[list[str]]:
        """Ask the parent to reload everything, as an IRC operator may."""
        asking: defer.Deferred[list[str]] = defer.Deferred()
        if self._asking is not None or not self._channel.send("reload"):
            asking.callback(["the parent cannot be asked now"])
        else:
            self._asking = asking
        return asking

    def _reloaded(self, message: Message) -> None:
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.callback(list(message.fields["problems"]))

    def _get_sockets(self, message: Message) -> None:
        """Keep sockets for the reload that follows; these copies stay open."""
        for kind, interface, where, fd in _sockets(message):
            self._inherited.give(kind, interface, where, os.dup(fd))

    def _prepare(self, message: Message) -> None:
        """Prepare another configuration."""
        try:
            configuration = told(message, self._parse)
        except Exception as error:
            # The parent has read the same text: a file beside it has changed.
            self._answer(getattr(error, "problems", [error]))
            return
        preparing = self._reloader.prepare(configuration)
        preparing.addCallbacks(self._is_prepared, self._is_refused)
        drain_timeout = message.fields["drain_timeout"]
        preparing.addCallback(lambda _: self._remember(drain_timeout))

    def _remember(self, drain_timeout: float) -> None:
        if self._prepared is not None:
            self._prepared.on_commit(
                lambda: setattr(self._daemon, "drain_timeout", drain_timeout)
            )

    def _is_prepared(self, changes: Changes) -> None:
        self._prepared = changes
        self._answer([])

    def _is_refused(self, failure: Any) -> None:
        problems = getattr(failure.value, "problems", None)
        if problems is None:
            self._log.failure("while preparing", failure, event="internal-error")
            problems = [failure.getErrorMessage()]
        self._answer(problems)

    def _answer(self, problems: Sequence[object]) -> None:
        self._inherited.close()
        self._channel.send("prepared", problems=shortened(problems))

    def _commit(self, message: Message) -> None:
        """Use what was prepared."""
        prepared, self._prepared = self._prepared, None
        configured = dict(message.fields["log"])
        rate = configured.pop("rate")
        logs.configure(rate=rate and Rate(*rate), **configured)
        if prepared is not None:
            prepared.commit()
        self._channel.send("done")

    def _abandon(self, message: Message) -> None:
        """Give back what was prepared, if it was."""
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            prepared.abandon()
        self._channel.send("done")


def outline(snapshot: Snapshot) -> Snapshot:
    """Leave out what makes a snapshot long."""
    services = tuple(
        replace(each, connections=(), tables=()) for each in snapshot.services
    )
    return replace(snapshot, services=services)
