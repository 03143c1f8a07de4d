"""The probe's UDP socket: connected, so that refusals come back to it."""

from __future__ import annotations

import errno
import socket
from typing import Any, Protocol

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from netsvc.echo.probe.errors import ProbeError
from netsvc.echo.probe.rejection import (
    Rejection,
    describe_errno,
    error_queue_option,
    parse_rejection,
)
from netsvc.echo.probe.target import Address

__all__ = ["MAX_READS_PER_WAKEUP", "DatagramLink", "IDatagramReceiver", "connect_udp"]

#: Datagrams read in one go before the timers get a turn.
MAX_READS_PER_WAKEUP = 64
#: The kernel's buffer for answers, bytes: a stall of the probe loses none.
RECEIVE_BUFFER = 1 << 20
_LARGEST = 65_536
_ANCILLARY = 512


class IDatagramReceiver(Protocol):
    """Who takes what the socket gives."""

    def datagram(self, data: bytes) -> None:
        """Take a datagram from the target."""

    def rejected(self, rejection: Rejection) -> None:
        """Take the report that a packet was not delivered."""


def connect_udp(address: Address, source: str | None) -> socket.socket:
    """Open a socket for datagrams to and from C{address} only.

    @raise ProbeError: if the source address or the target cannot be used.
    """
    new = socket.socket(address.family, socket.SOCK_DGRAM)
    try:
        new.setblocking(False)
        new.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        option = error_queue_option(address.family)
        if option is not None:
            new.setsockopt(*option, 1)
        if source is not None:
            _bind(new, source)
        new.connect(address.sockaddr)
    except OSError as error:
        new.close()
        reason = describe_errno(error.errno or errno.EIO)
        raise ProbeError(f"{address.where('udp')}: {reason}") from None
    except ProbeError:
        new.close()
        raise
    return new


def _bind(new: socket.socket, source: str) -> None:
    try:
        new.bind((source, 0))
    except OSError as error:
        reason = describe_errno(error.errno or errno.EADDRNOTAVAIL)
        raise ProbeError(f"cannot use the source address {source}: {reason}") from None


@implementer(IReadDescriptor)
class DatagramLink:
    """Sends the probe's packets and hands it what comes back."""

    def __init__(
        self, reactor: Any, connected: socket.socket, receiver: IDatagramReceiver
    ) -> None:
        """Use C{connected}, a connected, non-blocking UDP socket, from now on."""
        self._reactor = reactor
        self._socket: socket.socket | None = connected
        self._receiver = receiver
        self._number = connected.fileno()
        self._has_error_queue = error_queue_option(connected.family) is not None
        reactor.addReader(self)

    def send(self, sequence: int, payload: bytes) -> None:
        """Send one packet.

        @raise OSError: if it cannot be sent.
        """
        assert self._socket is not None
        try:
            self._socket.send(payload)
        except OSError as error:
            # The report about an earlier packet takes the place of this sending.
            if not self._read_errors() and error.errno != errno.ECONNREFUSED:
                raise
            if self._socket is not None:
                self._socket.send(payload)

    def close(self) -> None:
        """Read and send no more."""
        if self._socket is not None:
            self._reactor.removeReader(self)
            self._socket.close()
            self._socket = None

    def fileno(self) -> int:
        """Give the socket's descriptor to the reactor."""
        return self._number

    def logPrefix(self) -> str:
        """Name this reader in logs."""
        return "probe"

    def connectionLost(self, reason: Failure) -> None:
        """Close, as the reactor shuts down."""
        self.close()

    def doRead(self) -> None:
        """Read a bounded number of datagrams and errors."""
        for _ in range(MAX_READS_PER_WAKEUP):
            if self._socket is None:
                return
            try:
                data = self._socket.recv(_LARGEST)
            except BlockingIOError:
                # Readable without a datagram: there may be errors in the queue.
                self._read_errors()
                return
            except OSError as error:
                if not self._read_errors():
                    number = error.errno or errno.EIO
                    self._receiver.rejected(Rejection(number, b""))
            else:
                self._receiver.datagram(data)

    def _read_errors(self) -> bool:
        """Hand on what is in the error queue; say whether anything was."""
        found = False
        for _ in range(MAX_READS_PER_WAKEUP):
            if self._socket is None or not self._has_error_queue:
                break
            try:
                quoted, ancillary, _, _ = self._socket.recvmsg(
                    _LARGEST, _ANCILLARY, socket.MSG_ERRQUEUE
                )
            except OSError:
                break
            rejection = parse_rejection(quoted, ancillary)
            if rejection is not None:
                found = True
                self._receiver.rejected(rejection)
        return found
