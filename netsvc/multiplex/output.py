"""
The sending half of a stream: what is pending, and when it leaves.

What is written while events are dispatched leaves in one C{send} at the end of the
batch; what is written at other times leaves at once. C{EPOLLOUT} is armed only for what
did not fit, and a streaming producer is paused as soon as the kernel refuses data.
"""

from __future__ import annotations

from collections.abc import Iterable
from errno import EAGAIN, ENOBUFS
from typing import TYPE_CHECKING, Any

from twisted.internet import abstract, main

if TYPE_CHECKING:
    from netsvc.multiplex.flow import Flow
    from netsvc.multiplex.reactor import Multiplexer

#: Bytes pending over which a producer is paused, even if the kernel was not asked yet.
BUFFER_SIZE = 64 * 1024


class Output(abstract.FileDescriptor):
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
    bufferSize = BUFFER_SIZE
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
        Output.write(self, b"".join(pieces))

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
