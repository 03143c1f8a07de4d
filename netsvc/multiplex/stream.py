"""
Stream transports of the multiplexer: Twisted's own, with the hot paths shortened.

L{ListeningPort}, L{ServerConnection} and L{ClientConnection} are
L{twisted.internet.tcp}'s classes, whose C{reactor} is a
L{Multiplexer<netsvc.multiplex.reactor.Multiplexer>}. TLS, half-close,
producers, aborting and addresses are therefore Twisted's; what is different:

  - What is written while events are dispatched leaves in one C{send} at the
    end of the batch; what is written at other times leaves at once.
    C{EPOLLOUT} is armed only for what did not fit (L{netsvc.multiplex.output}).
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
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet import main, tcp
from twisted.internet._newtls import ConnectionMixin as TLSMixin
from twisted.internet._newtls import startTLS
from twisted.internet.address import IPv6Address
from twisted.internet.error import ConnectionAborted
from twisted.python.failure import Failure

from netsvc.multiplex.epollset import DONE
from netsvc.multiplex.output import Output

if TYPE_CHECKING:
    from netsvc.multiplex.flow import Flow

#: Bytes asked for in one read. A megabyte would cost 10 us more a read: the
#: allocator gives it back to the system each time.
READ_SIZE = 64 * 1024


class _Stream(Output, tcp.Connection):
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
        startTLS(self, ctx, normal, Output)
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

    def loseConnection(self) -> None:
        """Close the connection when what was written is sent."""
        if self.TLS:
            super().loseConnection()
        elif self.connected and not self.disconnecting:
            self.reactor.removeReader(self)
            if self._writeDisconnected:
                # doWrite is not to be called any more.
                self.stopWriting()
                self.connectionLost(DONE)
            else:
                self.startWriting()
                self.disconnecting = True

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
        state = self.__dict__
        state.pop("doRead", None)
        if self.TLS:
            state.pop("write", None)
            state.pop("writeSequence", None)

    def _closeSocket(self, orderly: bool) -> None:
        if orderly:
            # Without Twisted's shutdown first: no other process has it open.
            try:  # cheaper than suppress
                self.socket.close()
            except OSError:
                return  # what was wrong with the connection; it is closed
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
        if sock.gettimeout() != 0:
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


class Connector(tcp.Connector):
    """Makes L{ClientConnection}s."""

    def _makeTransport(self) -> ClientConnection:
        return ClientConnection(
            self.host, self.port, self.bindAddress, self, self.reactor
        )
