"""One end of the way between a parent and a worker, in a reactor."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from zope.interface import implementer

from netsvc.daemon.workers.messages import Message, MessageError, receive, send

#: Messages read in one event.
BATCH = 16


@implementer(IReadDescriptor)
class Channel:
    """Reads messages as they come, and sends without waiting."""

    _log = Logger()

    def __init__(
        self,
        skt: socket.socket,
        said: Callable[[Message], None],
        gone: Callable[[], None],
    ) -> None:
        """
        @param skt: One end of L{netsvc.daemon.workers.messages.pair}.
        @param said: Called with each message; its descriptors are then closed.
        @param gone: Called once, when the other end is gone or makes no sense.
        """
        skt.setblocking(False)
        self._socket = skt
        self._said = said
        self._gone = gone
        self._open = True

    def send(self, do: str, fds: Sequence[int] = (), **fields: Any) -> bool:
        """
        Say something; the descriptors stay open here.

        @return: Whether it was taken: not if the other end is gone, or reads nothing.
        """
        if not self._open:
            return False
        try:
            send(self._socket, do, fields, fds)
        except OSError:
            return False
        return True

    def fileno(self) -> int:
        """Give the descriptor."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """Give what marks log lines."""
        return "workers"

    def doRead(self) -> None:
        """Read what has come."""
        for _ in range(BATCH):
            if not self._open:
                return
            try:
                message = receive(self._socket)
            except BlockingIOError:
                return
            except (OSError, MessageError):
                message = None
            if message is None:
                self._end()
                return
            try:
                self._said(message)
            except Exception:
                self._log.failure("while doing as told", event="internal-error")
            finally:
                message.close()

    def connectionLost(self, reason: Any) -> None:
        """The reactor has ended."""
        self.close()

    def _end(self) -> None:
        """There will be nothing more."""
        if self._open:
            self._open = False
            self._gone()

    def close(self) -> None:
        """Close this end; nobody is called."""
        self._open = False
        self._socket.close()
