"""
Stream transports of the multiplexer: Twisted's own, with the hot paths shortened.

L{ListeningPort}, L{ServerConnection} and L{ClientConnection} are
L{twisted.internet.tcp}'s classes, whose C{reactor} is a
L{Multiplexer<netsvc.multiplex.reactor.Multiplexer>}. TLS, half-close,
producers, aborting and addresses are therefore Twisted's; what is different:

  - What is written while events are dispatched leaves in one C{send} at the
    end of the batch; what is written at other times leaves at once.
    C{EPOLLOUT} is armed only for what did not fit.
  - A streaming producer is paused as soon as the kernel refuses data, and not
    only when 64 KiB are pending.
  - The input can go to another connection without passing through the
    protocol (L{netsvc.multiplex.flow}).
  - C{TCP_NODELAY} is on.
  - Log lines do not carry the connection's prefix as C{system}: to set it for
    each event costs more than the event.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import suppress
from errno import EAGAIN, ENOBUFS
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet import abstract, main, tcp
from twisted.internet._newtls import ConnectionMixin as TLSMixin
from twisted.internet._newtls import startTLS
from twisted.internet.address import IPv6Address
from twisted.internet.error import ConnectionAborted
from twisted.python.failure import Failure

if TYPE_CHECKING:
    from netsvc.multiplex.flow import Flow
    from netsvc.multiplex.reactor import Multiplexer

#: Bytes asked for in one read. A megabyte would cost 10 us more a read: the
#: allocator gives it back to the system each time.
READ_SIZE = 64 * 1024


class _Raw(abstract.FileDescriptor):
    """
    A stream below TLS: sends what it is given.

    Twisted's two buffers are kept: C{dataBuffer} from C{offset} on is what the
    kernel has refused, C{_tempDataBuffer} is what was written since.

    @ivar feed: The flow that ends here, if one does.
    @ivar _armed: Whether C{EPOLLOUT} is waited for.
    @ivar _broken: Whether a write outside C{doWrite} has failed.
    """

    reactor: Multiplexer
    socket: Any
    bufferSize = READ_SIZE
    feed: Flow | None = None
    _armed = False
    _broken = False

    def write(self, data: bytes) -> None:
        """
        Send C{data}.

        @raise TypeError: If it is not bytes.
        """
        if not isinstance(data, bytes):
            raise TypeError("Data must be bytes")
        if not data or not self.connected or self._writeDisconnected:
            return
        self._tempDataBuffer.append(data)
        self._tempDataLen = size = self._tempDataLen + len(data)
        if size > self.bufferSize:
            # The producer may be writing in a loop until it is paused.
            self._pause()
        elif self.reactor.dispatching and self.feed is None:
            if not self._armed:
                self.reactor.late[self] = None
            return
        if self._armed:
            return  # the kernel does not take any now
        try:
            if not self._push():
                self.arm()  # at once: doWrite relies on it
                return
            if self.producer is None or (
                self.streamingProducer and not self.producerPaused
            ):
                return  # nobody waits to be resumed
        except OSError:
            self._broken = True  # doWrite will meet it again, and report it
        self.startWriting()

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """
        Send several pieces.

        @raise TypeError: If one of them is not bytes.
        """
        pieces = list(iovec)
        if not all(isinstance(piece, bytes) for piece in pieces):
            raise TypeError("Data must be bytes")
        # Not self.write: that may be the one that goes through TLS.
        _Raw.write(self, b"".join(pieces))

    def startWriting(self) -> None:
        """Have C{doWrite} called: at the end of the batch if one is running."""
        mux = self.reactor
        if mux.dispatching and self.connected:
            mux.late[self] = None
        else:
            self.arm()

    def arm(self) -> None:
        """Have C{doWrite} called when the kernel takes data again."""
        if not self._armed:
            self._armed = True
            self.reactor.addWriter(self)

    def stopWriting(self) -> None:
        """Do not call C{doWrite} any more."""
        if self._armed:
            self._armed = False
            self.reactor.removeWriter(self)

    def _push(self) -> bool:
        """
        Offer what is pending to the kernel; pause the producer if it refuses.

        @return: Whether nothing is left.
        @raise OSError: The connection is broken. What was pending still is.
        """
        if self.dataBuffer:
            self.offset += self._send(memoryview(self.dataBuffer)[self.offset :])
            if self.offset < len(self.dataBuffer):
                self._pause()
                return False
            self.dataBuffer = b""
            self.offset = 0
        pieces = self._tempDataBuffer
        if pieces:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.clear()
            self._tempDataLen = 0
            try:
                sent = self.socket.send(data)
            except OSError as e:
                self.dataBuffer = data
                if e.errno not in (EAGAIN, ENOBUFS):
                    raise
                sent = 0
            if sent != len(data):
                self.dataBuffer = data
                self.offset = sent
                self._pause()
                return False
        return True

    def _send(self, data: memoryview) -> int:
        """Send; a full buffer takes nothing."""
        try:
            return int(self.socket.send(data))
        except OSError as e:
            if e.errno in (EAGAIN, ENOBUFS):
                return 0
            raise

    def _pause(self) -> None:
        """Pause the producer, if it is a streaming one, once."""
        producer = self.producer
        if producer is not None and self.streamingProducer and not self.producerPaused:
            self.producerPaused = True
            producer.pauseProducing()  # type: ignore[attr-defined]

    def stall(self, data: bytes, sent: int) -> None:
        """
        Keep the rest of what a flow could not send, and pause the flow.

        Only for a connection with nothing pending.

        @param data: What was to be sent.
        @param sent: How many bytes of it the kernel took.
        """
        self.dataBuffer = data
        self.offset = sent
        self._pause()
        self.arm()

    def doWrite(self) -> Any:
        """
        Send what is pending; then go on with what waited for that: the
        producer, the end of the connection or of its writing half.

        @return: Why the connection has ended, or L{None}.
        """
        pieces = self._tempDataBuffer
        if (
            len(pieces) == 1
            and not self._armed
            and not self.disconnecting
            and not self._writeDisconnecting
            and (
                self.producer is None
                or (self.streamingProducer and not self.producerPaused)
            )
        ):
            # One piece and nothing that waits for it, as in a fan-out: the
            # rest of this method says the same at twice the cost.
            try:
                sent = self.socket.send(pieces[0])
            except OSError:
                sent = -1
            if sent == self._tempDataLen:
                pieces.clear()
                self._tempDataLen = 0
                return None
            if sent > 0:
                self.dataBuffer = pieces.pop()
                self._tempDataLen = 0
                self.offset = sent
        try:
            if not self._push() or (self.feed is not None and not self.feed.drain()):
                self.arm()
                return None
        except OSError:
            return main.CONNECTION_LOST
        self.stopWriting()
        producer = self.producer
        if producer is not None and (not self.streamingProducer or self.producerPaused):
            self.producerPaused = False
            producer.resumeProducing()  # type: ignore[attr-defined]
        elif self.disconnecting:
            return self._postLoseConnection()
        elif self._writeDisconnecting and not self._writeDisconnected:
            # Before the handler is called: it may call loseConnection, which
            # looks at this.
            self._writeDisconnected = True
            return self._closeWriteConnection()
        return None


class _Stream(_Raw, tcp.Connection):
    """
    What both ends of a connection share.

    @ivar flow: What takes the input in the protocol's place, if anything does.
    """

    flow: Flow | None = None

    def redirect(self, flow: Flow) -> None:
        """
        Give the input to a flow from now on.

        @param flow: Its C{pump} stands in for C{doRead}.
        """
        self.flow = flow
        self.doRead = flow.pump  # type: ignore[method-assign]
        self.reactor.update_reader(self)

    def doRead(self) -> Any:
        """
        Read once and hand what came to the protocol.

        @return: Why the connection, or its reading half, has ended, or L{None}.
        """
        try:
            data = self.socket.recv(READ_SIZE)
        except BlockingIOError:
            return None
        except OSError:
            return main.CONNECTION_LOST
        if not data:
            # After a write has met the peer's reset, reads see a mere end.
            return main.CONNECTION_LOST if self._broken else main.CONNECTION_DONE
        self.protocol.dataReceived(data)
        return None

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """
        Take a producer; L{twisted.internet.interfaces.IConsumer}.

        @param producer: It.
        @param streaming: Whether it is a push producer.
        """
        super().registerProducer(producer, streaming)
        if not streaming and self.connected and not self.TLS:
            # What was written before may be gone already: have doWrite ask
            # the producer for more all the same.
            self.startWriting()

    def startTLS(self, ctx: Any, normal: bool = True) -> None:
        """
        Start TLS; L{twisted.internet.interfaces.ITLSTransport.startTLS}.

        @param ctx: The context factory.
        @param normal: Whether the server of the connection is TLS's server.
        """
        startTLS(self, ctx, normal, _Raw)
        # From now on the application's writes go through TLS. Instance
        # attributes, so that plain connections need no test at each write.
        self.write = partial(TLSMixin.write, self)  # type: ignore[method-assign]
        self.writeSequence = partial(  # type: ignore[method-assign]
            TLSMixin.writeSequence, self
        )

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket and tell the protocol, and the flow, why."""
        try:
            super().connectionLost(reason)
        finally:
            self._let_go()

    def abortConnection(self) -> None:
        """Close the connection in the next turn, and drop what is pending."""
        super().abortConnection()
        # As if the kernel took no more: nothing is sent from now on.
        self._armed = True

    def _let_go(self) -> None:
        """Drop what would keep the connection from being freed; end its flow."""
        flow, self.flow = self.flow, None
        if flow is not None:
            flow.source_lost()
        for name in ("doRead", "write", "writeSequence"):
            self.__dict__.pop(name, None)

    def _closeSocket(self, orderly: bool) -> None:
        if orderly:
            # Without Twisted's shutdown first: no other process has it open.
            with suppress(OSError):
                self.socket.close()
        else:
            super()._closeSocket(orderly)


class ServerConnection(_Stream, tcp.Server):
    """The server's end of a TCP connection."""

    _repstr = ""

    def __init__(
        self,
        sock: socket.socket,
        protocol: Any,
        client: tuple[Any, ...],
        server: Any,
        sessionno: int,
        reactor: Any,
    ) -> None:
        """
        Take an accepted socket.

        This does what L{tcp.Server}'s does, but for the texts that only logs
        need: they are made when they are asked for. A protocol with a true
        C{begins_paused} is not read for before it resumes.

        @param sock: The socket.
        @param protocol: What it is for.
        @param client: The peer's address.
        @param server: The port that accepted it; L{None} if it was inherited.
        @param sessionno: The number of the connection.
        @param reactor: The multiplexer.
        """
        sock.setblocking(False)
        self.reactor = reactor
        self.socket = sock
        self.fileno = sock.fileno
        self.protocol = protocol
        self.server = server
        self.client = client
        self.sessionno = sessionno
        self.hostname = client[0]
        self._tempDataBuffer = []
        self._tempDataLen = 0
        # As in the class; in the instance they are found at half the cost, and
        # fan_out looks at them for every delivery.
        self._armed = self._writeDisconnected = self.TLS = False
        self.feed = None
        if len(client) != 2:
            self._addressType = IPv6Address
        if not getattr(protocol, "begins_paused", False):
            self.startReading()
        self.connected = 1

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket and tell the protocol, and the flow, why."""
        state = self.__dict__
        if "socket" not in state:
            return  # for the second time
        self.disconnected = 1
        self.connected = 0
        if self.producer is not None:
            self.producer.stopProducing()
            self.producer = None
        self.reactor.forget(self)
        self._armed = False
        self._closeSocket(not issubclass(reason.type or object, ConnectionAborted))
        protocol = self.protocol
        del self.protocol
        del self.socket
        del self.fileno
        self._let_go()
        protocol.connectionLost(reason)

    # Texts, made when they are asked for. (Nobody sets logstr.)

    @property
    def logstr(self) -> str:  # type: ignore[override]
        """What marks log lines about this connection."""
        protocol = getattr(self, "protocol", None)
        return f"{self._getLogPrefix(protocol)},{self.sessionno},{self.hostname}"

    @property
    def repstr(self) -> str:
        """The connection as Twisted shows it."""
        if self._repstr:
            return self._repstr  # an inherited connection's
        protocol = type(getattr(self, "protocol", None)).__name__
        port = getattr(self.server, "_realPortNumber", None)
        return f"<{protocol} #{self.sessionno} on {port}>"

    @repstr.setter
    def repstr(self, text: str) -> None:
        self._repstr = text


class ClientConnection(_Stream, tcp.Client):
    """The client's end of a TCP connection."""

    def _connectDone(self) -> None:
        self.setTcpNoDelay(True)
        super()._connectDone()


def fan_out(data: bytes, transports: Iterable[Any]) -> None:
    """
    Write the same bytes to many connections.

    This does what C{write} of each of them does, in one loop: the calls alone
    are a tenth of what a small message to a large room costs.

    @param data: The bytes; not empty.
    @param transports: Any transports.
    """
    size = len(data)
    for transport in transports:
        if (
            transport.__class__ is not ServerConnection
            or not transport.connected
            or transport._armed
            or transport._writeDisconnected
            or transport.TLS
            or transport.feed is not None
            or transport._tempDataLen + size > READ_SIZE
        ):
            transport.write(data)
        elif transport.reactor.dispatching:
            transport._tempDataBuffer.append(data)
            transport._tempDataLen += size
            transport.reactor.late[transport] = None
        elif transport._tempDataLen or (
            transport.producer is not None
            and (transport.producerPaused or not transport.streamingProducer)
        ):
            transport.write(data)  # which sees to what waits
        else:
            try:
                sent = transport.socket.send(data)
            except OSError:
                sent = 0  # write meets it again, and deals with it
            if sent != size:
                transport.write(data[sent:])


class Connector(tcp.Connector):
    """Makes L{ClientConnection}s."""

    def _makeTransport(self) -> ClientConnection:
        return ClientConnection(
            self.host, self.port, self.bindAddress, self, self.reactor
        )
