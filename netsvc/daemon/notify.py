"""
Tells the service manager how the daemon is: ready, reloading, stopping, alive.

The protocol is that of sd_notify(3): lines C{NAME=value} in one datagram to the UNIX
socket that C{$NOTIFY_SOCKET} names, where a leading C{@} stands for an abstract
name. Outside a service manager nothing is sent. Nothing here raises: a manager that
cannot be reached is no reason not to serve.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.task import LoopingCall

from netsvc.daemon.escape import escape

#: The manager is told so many times within the time after which it gives up.
PINGS = 3

#: Characters of a status that are sent; the rest is cut.
MAX_STATUS = 200


class Notifier:
    """
    The way to the service manager of this process.

    @ivar active: Whether there is a manager that wants to hear.
    @ivar watchdog: Seconds without a sign of life after which the manager restarts
        the process; 0 if it does not watch it.
    @ivar errors: How many messages the manager did not take.
    """

    def __init__(
        self,
        environ: Mapping[str, str] = os.environ,
        pid: int | None = None,
        send: Callable[[str, bytes], None] | None = None,
    ) -> None:
        """
        Read what the manager asks for.

        @param environ: The environment: C{NOTIFY_SOCKET}, C{WATCHDOG_USEC} and
            C{WATCHDOG_PID}.
        @param pid: The id of this process.
        @param send: Sends a datagram to an address, or raises OSError.
        """
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address[:1] == "@" else address
        self._send = send or _send
        self.active = address[:1] in ("@", "/") and len(address) > 1
        self.watchdog = 0.0
        if self.active and environ.get("WATCHDOG_PID", "") in (
            "",
            str(pid or os.getpid()),
        ):
            self.watchdog = _seconds(environ.get("WATCHDOG_USEC", ""))
        self.errors = 0
        self._pings: LoopingCall | None = None

    def ready(self, status: str = "") -> None:
        """
        All ports are bound and all stores are open; or a reload has ended.

        @param status: What C{systemctl status} shows, one line.
        """
        self._tell("READY=1", *_status(status))

    def status(self, status: str) -> None:
        """
        Change what C{systemctl status} shows.

        @param status: One line.
        """
        self._tell(*_status(status))

    def reloading(self, status: str = "reloading") -> None:
        """
        A reload begins, which L{ready} ends.

        @param status: What C{systemctl status} shows, one line.
        """
        now = int(time.clock_gettime(time.CLOCK_MONOTONIC) * 1_000_000)
        self._tell("RELOADING=1", f"MONOTONIC_USEC={now}", *_status(status))

    def stopping(self, status: str = "stopping") -> None:
        """
        The daemon accepts nothing new any more.

        @param status: What C{systemctl status} shows, one line.
        """
        self._tell("STOPPING=1", *_status(status))

    def start_watchdog(self, clock: Any) -> None:
        """
        Show from now on that the reactor turns, if the manager watches it.

        @param clock: The reactor, L{twisted.internet.interfaces.IReactorTime}.
        """
        if self.watchdog and self._pings is None:
            self._pings = LoopingCall(self._tell, "WATCHDOG=1")
            self._pings.clock = clock
            self._pings.start(self.watchdog / PINGS)

    def stop_watchdog(self) -> None:
        """Show it no longer."""
        if self._pings is not None:
            self._pings.stop()
            self._pings = None

    def _tell(self, *lines: str) -> None:
        """Send the lines in one message."""
        if not self.active:
            return
        try:
            self._send(self._address, "\n".join(lines).encode("utf-8", "replace"))
        except OSError:
            self.errors += 1


def _status(status: str) -> list[str]:
    """Give the line of a status, which must be one line."""
    return [f"STATUS={escape(status[:MAX_STATUS])}"] if status else []


def _seconds(microseconds: str) -> float:
    """Read a time of the manager's; 0 if it is none."""
    # Not int() alone, which takes signs, spaces and underscores.
    plain = microseconds.isascii() and microseconds.isdecimal()
    return int(microseconds) / 1_000_000 if plain and len(microseconds) < 20 else 0.0


def _send(address: str, message: bytes) -> None:
    """Send a datagram, unless the other side does not read."""
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    with socket.socket(socket.AF_UNIX, kind) as skt:
        skt.sendto(message, address)
