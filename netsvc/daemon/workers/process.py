"""One life of a worker as its parent sees it: a process, its channel, its slab."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from twisted.internet.interfaces import IReadDescriptor
from zope.interface import implementer

from netsvc.daemon.workers import slab
from netsvc.daemon.workers.channel import Channel
from netsvc.daemon.workers.messages import Message, pair, portions
from netsvc.daemon.workers.slab import Slab

#: What a worker runs; its descriptor and the parent's process id follow. Without the
#: directory that the parent happens to be in (C{-P}).
COMMAND: Final = (sys.executable, "-P", "-m", "netsvc.worker")

#: What is the parent's alone: to talk to systemd, and what that has passed on.
_PRIVATE: Final = (
    *("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"),
    *("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"),
)

#: Signals that a terminal or a service manager sends to all processes at once, and
#: that workers leave to their parent.
LEFT_TO_PARENT: Final = (
    *(signal.SIGTERM, signal.SIGINT, signal.SIGHUP),
    *(signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT),
)


class Owner(Protocol):
    """What hears of a worker."""

    def worker_said(self, process: WorkerProcess, message: Message) -> None:
        """Hear what it says."""

    def worker_ended(self, process: WorkerProcess, how: str) -> None:
        """Hear that it has ended, and how, in a few words. It is reaped."""


class WorkerProcess:
    """
    A worker process.

    @ivar number: The worker's number.
    @ivar pid: Its process id.
    @ivar started: When it was started, by the reactor's clock.
    @ivar slab: What it tells about itself.
    @ivar entries: The services that it runs.
    @ivar ready: Whether it serves.
    """

    def __init__(
        self,
        number: int,
        owner: Owner,
        reactor: Any,
        command: Sequence[str] = COMMAND,
    ) -> None:
        """
        Start the process; it waits for its orders.

        @param number: The worker's number.
        @param owner: Hears of it.
        @param reactor: The reactor.
        @param command: What to run.
        @raise OSError: It cannot be started.
        """
        self.number = number
        self.started = reactor.seconds()
        self.entries: tuple[Any, ...] = ()
        self.ready = False
        self._deadline: Any = None
        self._owner = owner
        self._reactor = reactor
        self.slab_fd = slab.create()
        self.slab = Slab(self.slab_fd)
        ours, theirs = pair()
        try:
            self._process, fd = _spawn(command, theirs)
        except OSError:
            ours.close()
            self.slab.close()
            os.close(self.slab_fd)
            raise
        finally:
            theirs.close()
        self.pid = self._process.pid
        self._channel = Channel(ours, self._said, self._silent)
        self._watch = Watch(fd, self._ended)
        reactor.addReader(self._channel)
        reactor.addReader(self._watch)

    def send(self, do: str, fds: Sequence[int] = (), **fields: Any) -> None:
        """
        Tell it something; the descriptors stay open here.

        A worker that takes nothing any more is killed.
        """
        if not self._channel.send(do, fds, **fields):
            self.kill()

    def send_sockets(self, keys: Sequence[Any], fds: Sequence[int]) -> None:
        """
        Pass sockets to it; they stay open here.

        @param keys: How it will ask for each.
        @param fds: They.
        """
        for fields, some in portions([list(key) for key in keys], fds):
            self.send("sockets", some, **fields)

    def settled(self) -> None:
        """It has been told everything: the memory is mapped on both sides."""
        if self.slab_fd >= 0:
            os.close(self.slab_fd)
            self.slab_fd = -1

    def kill(self) -> None:
        """End it at once."""
        if self._process.returncode is None:
            self._process.kill()

    def sources(self) -> list[Any]:
        """Give what is to be read while the reactor does not run yet."""
        return [self._channel, self._watch]

    def _said(self, message: Message) -> None:
        self._owner.worker_said(self, message)

    def _silent(self) -> None:
        """It has closed its end or sent nonsense: it is about to end, or has to."""
        self._reactor.removeReader(self._channel)
        if self._deadline is None:
            self._deadline = self._reactor.callLater(GRACE, self.kill)

    def _ended(self) -> None:
        """The process has ended: hear what it said last."""
        self._channel.doRead()
        how = self.reap()
        self._owner.worker_ended(self, how)
        self.slab.close()

    def reap(self) -> str:
        """
        Wait for the end of a process that has ended, or was killed.

        @return: How it has ended.
        """
        status = self._process.wait()
        self._reactor.removeReader(self._watch)
        self._reactor.removeReader(self._channel)
        self._watch.close()
        self._channel.close()
        self.settled()
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        return how_ended(status)


#: Seconds after which a worker is killed that has hung up and does not end.
GRACE: Final = 2.0


def how_ended(status: int) -> str:
    """Say how a process has ended, by its return code as C{subprocess} gives it."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def _spawn(
    command: Sequence[str], theirs: socket.socket
) -> tuple[subprocess.Popen[bytes], int]:
    """
    Start a process that inherits one socket, and stdout and stderr for its log.

    The signals that it will ignore are blocked until it does.

    @return: The process, and a descriptor that is readable when it has ended.
    """
    environment = {k: v for k, v in os.environ.items() if k not in _PRIVATE}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, LEFT_TO_PARENT)
    try:
        process = subprocess.Popen(
            [*command, str(theirs.fileno()), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            env=environment,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        return process, os.pidfd_open(process.pid)
    except OSError:
        process.kill()
        process.wait()
        raise


def wait_until(
    done: Callable[[], bool],
    processes: Callable[[], Sequence[WorkerProcess]],
    seconds: float,
) -> bool:
    """
    Hear what workers say, before there is a reactor that does.

    @param done: Whether enough was heard.
    @param processes: Gives the workers.
    @param seconds: How long to wait at the most.
    @return: Whether enough was heard by then.
    """
    deadline = time.monotonic() + seconds
    while not done():
        poll = select.poll()
        sources = {}
        for process in processes():
            for source in process.sources():
                sources[source.fileno()] = source
                poll.register(source.fileno(), select.POLLIN)
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        for fd, _ in poll.poll(left * 1000):
            # One may have closed the other: the end of a process that of its channel.
            if not done() and sources[fd].fileno() == fd:
                sources[fd].doRead()
    return True


@implementer(IReadDescriptor)
class Watch:
    """Notices that a process has ended: its descriptor (pidfd_open(2)) is readable."""

    def __init__(self, fd: int, ended: Callable[[], None]) -> None:
        """
        @param fd: The process's descriptor.
        @param ended: Called when it has ended.
        """
        self._fd = fd
        self._call = ended

    def fileno(self) -> int:
        """Give the descriptor."""
        return self._fd

    def logPrefix(self) -> str:
        """Give what marks log lines."""
        return "workers"

    def doRead(self) -> None:
        """It has ended."""
        if self._fd >= 0:
            self._call()

    def connectionLost(self, reason: Any) -> None:
        """The reactor has ended."""
        self.close()

    def close(self) -> None:
        """Close the descriptor."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
