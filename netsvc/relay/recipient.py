"""Whom datagrams are sent to: an address, the way there, and the form of lines."""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from netsvc.multiplex.batch import Batch

if TYPE_CHECKING:
    from netsvc.relay.relay import Relay

#: How often in a row sending to somebody may fail before they are put out.
MAX_ERRORS: Final = 8

#: Errors that say nothing about the destination: our own buffer is full, or what was
#: sent is too long for any datagram, or for one of IPv4.
_OURS: Final = frozenset({errno.EAGAIN, errno.EMSGSIZE, errno.ENOBUFS, errno.ENOMEM})

#: How somebody ends lines, as an index into L{Forms}.
BARE: Final = 0
LF: Final = 1
CRLF: Final = 2
_ENDS: Final = (b"", b"\n", b"\r\n")

#: A line without an end, with LF, with CRLF.
Forms = tuple[bytes, bytes, bytes]

Address = tuple[str, int]


class Recipient(ABC):
    """
    Somebody at an address.

    @ivar key: Their address and the port that they came to.
    @ivar host: Their host.
    @ivar port: Their port.
    @ivar sendto: Sends a datagram to an address, and raises C{OSError}.
    @ivar to: The address as C{sendto} wants it.
    @ivar batch: Sends to many of their kind at once, or C{None}.
    @ivar packed: What that wants to be given for them.
    @ivar form: How they end their lines.
    @ivar heard: When they were heard of last.
    """

    __slots__ = (
        "_destination",
        "_errors",
        "_failed",
        "_packed",
        "_relay",
        "batch",
        "form",
        "heard",
        "host",
        "key",
        "packed",
        "port",
        "sendto",
        "to",
    )

    def __init__(
        self,
        relay: Relay,
        key: tuple[int, Address],
        sendto: Callable[[bytes, Any], object],
        to: Any,
        batch: Batch | None,
        now: float,
    ) -> None:
        """See the class."""
        self._relay = relay
        self.form = BARE
        self.heard = now
        self._failed = 0.0
        self.move(key, sendto, to, batch)

    def move(
        self,
        key: tuple[int, Address],
        sendto: Callable[[bytes, Any], object],
        to: Any,
        batch: Batch | None,
    ) -> None:
        """They are at that address from now on; the table is told by the caller."""
        self.key = key
        self.host, self.port = key[1]
        self.sendto, self.to, self.batch = sendto, to, batch
        self._errors = 0
        self._packed: tuple[bytes, ...] = (b"", b"", b"")
        self._destination = None
        if batch is not None:
            self._destination = batch.destination(to)
            self._packed = self._destination.headers
        self.packed = self._packed[self.form]

    @property
    def address(self) -> Address:
        """Their host and port."""
        return self.host, self.port

    @property
    def line_end(self) -> bytes:
        """How they end their lines."""
        return _ENDS[self.form]

    def learn_form(self, data: bytes) -> int:
        """Learn from what they send how they end their lines; give that."""
        form = BARE
        if data.endswith(b"\n"):
            form = CRLF if data.endswith(b"\r\n") else LF
        if form != self.form:
            self.form = form
            self.packed = self._packed[form]
        return form

    def send(self, data: bytes) -> None:
        """Send a datagram now, whatever the credit is."""
        self._relay.echoes.sent(data)
        try:
            self.sendto(data, self.to)
        except OSError as error:
            self.failed_to_send(error)

    def failed_to_send(self, error: OSError) -> None:
        """
        Sending has failed; who cannot be reached for long is put out.

        @param error: Why.
        """
        number = error.errno or 0
        name = errno.errorcode.get(number, "other")
        self._relay.counters[f"send-{name}"] += 1
        if number in _OURS:
            return
        if self.heard > self._failed:
            self._errors = 0
        self._failed = self._relay.seconds()
        self._errors += 1
        if self._errors == MAX_ERRORS:
            # Not now: whoever sends goes through a list that they are in.
            self._relay.reactor.callLater(0, self.gone, f"Unreachable ({name})")

    @abstractmethod
    def gone(self, reason: str) -> None:
        """
        They are there no more.

        @param reason: What the others are told.
        """
