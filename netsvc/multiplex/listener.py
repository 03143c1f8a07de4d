"""
The listening side of the multiplexer's streams.

Connections are accepted in bounded batches. When there is no descriptor left
for one, it is accepted on the reserved descriptor and closed, so that its
client sees an end and not silence (L{twisted.internet.tcp} does the same), and
the log says so at most once a second.
"""

from __future__ import annotations

import socket
from errno import EBADF, EINVAL, EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOTSOCK, errorcode
from typing import TYPE_CHECKING, Any

from twisted.internet import tcp
from twisted.logger import Logger

from netsvc.multiplex.stream import ServerConnection

if TYPE_CHECKING:
    from netsvc.multiplex.crowd import Crowd
    from netsvc.multiplex.reactor import Multiplexer

#: Connections accepted in one event.
ACCEPTS = 64

#: The same of a port that other processes accept from, too, and the seconds for which
#: one that has more than others lets them go first.
SHARED_ACCEPTS = 4
YIELD = 0.002

#: Seconds between two log lines about connections that could not be accepted.
LOG_INTERVAL = 1.0

#: Seconds for which a port rests when it can neither accept nor turn away.
REST = 0.1

#: How many connections the kernel may hold for a port (bounded by somaxconn).
BACKLOG = 4096

_STREAM = int(socket.SOCK_STREAM)

# There is something wrong with this machine's resources. All other errors of
# accept (ECONNABORTED, EPERM from a firewall, a network error that was waiting
# on the new socket, see accept(2)) are that one connection's.
_NO_RESOURCES = frozenset({EMFILE, ENFILE, ENOBUFS, ENOMEM})

# The port itself listens no more: someone who shares the socket has shut it down.
_BROKEN = frozenset({EBADF, EINVAL, ENOTSOCK})


class ListeningPort(tcp.Port):
    """
    A TCP port whose connections are the multiplexer's.

    @ivar refused: How many connections were closed because there was no
        descriptor for them.
    @ivar crowd: What the processes that share the port have
        (L{netsvc.multiplex.crowd.Crowd}); L{None} if it is not shared.
    """

    transport = ServerConnection
    reactor: Multiplexer
    factory: Any
    socket: Any
    refused = 0
    # Twisted's name. To shut it down would end it for all who have a copy.
    _shouldShutdown = False  # noqa: N815
    crowd: Crowd | None = None
    _expected = 1
    _yielded = False
    _log = Logger()
    _logged = float("-inf")
    _unlogged = 0

    def startListening(self) -> None:
        """Bind and listen."""
        super().startListening()
        # The connections inherit it.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)

    def doRead(self) -> None:
        """Accept what waits, up to L{ACCEPTS} connections."""
        if self.crowd is not None:
            ahead = self.crowd.ahead(self.reactor.held)
            if ahead and not self._yielded:
                self._yielded = True
                self.stopReading()
                self.reactor.callLater(YIELD, self._resume)
                return
            # Once: the others may be busy with something else.
            self._yielded = False
            self._expected = min(self._expected, SHARED_ACCEPTS)
        self._accept()

    def _accept(self) -> None:
        """Accept as many as are expected."""
        # What socket.accept is made of, without its conversion of three numbers
        # to enum members and back.
        accept = self.socket._accept
        family = int(self.addressFamily)
        # As many as waited the last time: where one comes after the other, to
        # find out each time that there is no second one would be dear.
        limit = self._expected
        for accepted in range(limit):
            try:
                fd, addr = accept()
            except BlockingIOError:
                self._expected = max(1, accepted)
                return
            except OSError as e:
                if e.errno in _NO_RESOURCES or e.errno in _BROKEN:
                    self._turn_away(e)
                    return
                continue
            self._accepted(socket.socket(family, _STREAM, 0, fd), addr)
            if self.disconnecting:
                return  # the protocol has stopped the port
        self._expected = min(2 * limit, ACCEPTS)

    def accept_waiting(self) -> None:
        """Accept all whom the kernel holds, before listening ends."""
        for _ in range(BACKLOG // ACCEPTS):
            self._expected = ACCEPTS
            self._accept()
            if self._expected < ACCEPTS or self.disconnecting:
                break

    def _accepted(self, skt: socket.socket, addr: Any) -> None:
        """Make a protocol and a transport for a new connection."""
        if len(addr) == 4 and addr[3]:
            # A link-local address means nothing without its scope.
            flags = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
            addr = (socket.getnameinfo(addr, flags)[0], *addr[1:])
        transport = None
        try:
            protocol = self.factory.buildProtocol(self._buildAddr(addr))
            if protocol is None:
                skt.close()
                return
            number = self.sessionno
            self.sessionno = number + 1
            transport = self.transport(skt, protocol, addr, self, number, self.reactor)
            protocol.makeConnection(transport)
        except Exception:
            self._log.failure("while accepting a connection", event="internal-error")
            if transport is None:
                skt.close()
            else:
                transport.abortConnection()

    def _turn_away(self, error: OSError) -> None:
        """Close the connections that cannot be served."""
        closed = 0
        reserve = tcp._reservedFD
        if error.errno == EMFILE and reserve.available():
            with reserve:
                for _ in range(ACCEPTS):
                    try:
                        self.socket.accept()[0].close()
                    except OSError:
                        break
                    closed += 1
            self.refused += closed
        if not closed:
            # Not even that: look again in a while, and do not spin till then.
            self.stopReading()
            self.reactor.callLater(REST, self._resume)
        self._unlogged += closed
        now = self.reactor.seconds()
        if now - self._logged >= LOG_INTERVAL:
            self._logged = now
            self._log.warn(
                "cannot accept connections on port {port} ({error}):"
                " {closed} closed since the last such line",
                port=self._realPortNumber,
                error=errorcode.get(error.errno or 0, "?"),
                closed=self._unlogged,
                event="descriptors-exhausted",
            )
            self._unlogged = 0

    def _resume(self) -> None:
        """Listen again after a rest."""
        if self.connected and not self.disconnecting:
            self.startReading()
