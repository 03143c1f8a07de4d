"""The live updates of the status page: server-sent events (HTML, section 9.2)."""

from __future__ import annotations

import contextlib
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from twisted.internet import task

from netsvc.daemon.admin.http import Request
from netsvc.multiplex import pending

#: Streams at a time.
MAX_STREAMS: Final = 16

#: Seconds between two events.
INTERVAL: Final = 2.0

#: Events in a row that a reader has not taken, after which it is cut. Meanwhile none
#: is added: what waits is one event at the most.
PATIENCE: Final = 5

#: Bytes of an event, and so of what waits for a reader in this process.
MAX_EVENT: Final = 128 * 1024

#: Bytes of what waits in the kernel, about.
KERNEL_BUFFER: Final = 64 * 1024

#: What a browser is told: to come again after so many milliseconds.
_BEGIN: Final = b"retry: 3000\n\n"


class Streams:
    """
    The readers, and what they are sent.

    @ivar live: The requests that are answered without end, with their filters.
    @ivar counts: How many were cut because they do not read, or were too many.
    """

    def __init__(
        self,
        make: Callable[[str], bytes],
        reactor: Any,
        counts: Counter[str],
        interval: float = INTERVAL,
    ) -> None:
        """
        @param make: Gives what is so now, in JSON on one line, for a filter.
        @param reactor: Gives the time.
        @param counts: See there.
        @param interval: Seconds between two events.
        """
        self._make = make
        self._interval = interval
        self.live: dict[Request, str] = {}
        self.counts = counts
        self._late: Counter[Request] = Counter()
        self._ticking = task.LoopingCall(self.tick)
        self._ticking.clock = reactor

    @property
    def full(self) -> bool:
        """Whether there is no room for another reader."""
        return len(self.live) >= MAX_STREAMS

    def add(self, request: Request, filter: str) -> None:
        """Send a reader an event now, and one after the other from now on."""
        channel = request.channel
        channel.keep_open()
        _bound_buffer(channel.transport)
        self.live[request] = filter
        request.notifyFinish().addBoth(lambda _: self._gone(request))
        request.write(_BEGIN + event(self._make(filter)))
        if not self._ticking.running:
            self._ticking.start(self._interval, now=False)

    def _gone(self, request: Request) -> None:
        self.live.pop(request, None)
        del self._late[request]
        if not self.live and self._ticking.running:
            self._ticking.stop()

    def tick(self) -> None:
        """Send an event to each reader that has taken the last one."""
        made: dict[str, bytes] = {}
        for request, filter in list(self.live.items()):
            channel = request.channel
            if pending(channel.transport):
                self._late[request] += 1
                if self._late[request] >= PATIENCE:
                    self.counts["slow-reader"] += 1
                    channel.transport.abortConnection()
                continue
            self._late[request] = 0
            if filter not in made:
                made[filter] = event(self._make(filter))
            request.write(made[filter])

    def stop(self) -> None:
        """End all streams."""
        for request in list(self.live):
            request.channel.transport.abortConnection()


def event(data: bytes) -> bytes:
    """Write an event; an empty one for what is too long."""
    return b"data: %b\n\n" % (data if len(data) <= MAX_EVENT else b"{}")


def _bound_buffer(transport: Any) -> None:
    """Have the kernel keep no more for a reader than there is need for."""
    handle = getattr(transport, "socket", None)
    if isinstance(handle, socket.socket):
        with contextlib.suppress(OSError):
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER)
